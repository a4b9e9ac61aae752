#!/usr/bin/env bash
# Everything behind docs/cooperative-digits.md, from shipped score, guide and judge: controls at every tilt, the baseline
# at every scale, 256 samples of each from the same noise, and the comparisons. Hours on two cores; what is there is kept,
# so that it can be stopped at any time and started again.
#
#     bench/cooperative_digits.sh [folder]        # default runs/cooperative-digits
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../runs/cooperative-digits}")
cd "$(dirname "$0")/.."
consort=${CONSORT:-target/release/consort}
tilts="3 10 30 100"
scales="0.5 1 2 3 5 10 20"
samples="--samples 256 --steps 99 --batch 64 --quiet" # 100 points of time
mkdir -p "$out"

# train NAME ARGUMENTS...: a training, resumed where it was stopped.
train() {
    local run=$out/$1; shift
    [ -e "$run/report.html" ] && return
    if [ -e "$run/checkpoint.safetensors" ]; then "$consort" train cmad --resume "$run" --quiet
    else rm -rf "$run"; "$consort" train cmad --target 3 --out "$run" --quiet "$@"; fi
}

# compose NAME METHOD ARGUMENTS...: 256 samples. The baseline's best scale is chosen on other noise than is reported.
compose() {
    local run=$out/$1 seed=7; shift
    case $run in *-sweep-*) seed=11 ;; esac
    [ -e "$run/report.html" ] && return
    rm -rf "$run"; "$consort" compose "$@" --target 3 --out "$run" --seed "$seed" $samples
}

for agents in 2 3; do
    for scale in $scales; do
        compose "cdps-$agents-sweep-$scale" cdps --agents "$agents" --set "scale=$scale"
        compose "cdps-$agents-scale-$scale" cdps --agents "$agents" --set "scale=$scale"
    done
    for tilt in $tilts; do
        train "joint-$agents-tilt-$tilt" --agents "$agents" --set "lambda=$tilt"
        compose "cmad-$agents-tilt-$tilt" cmad --agents "$agents" --model "$out/joint-$agents-tilt-$tilt/model"
    done
done
train "turns-2-tilt-10" --agents 2 --scheme control-wise
compose "cmad-2-turns" cmad --agents 2 --model "$out/turns-2-tilt-10/model"

for agents in 2 3; do
    for tilt in $tilts; do
        rm -rf "$out/compare-$agents-tilt-$tilt"
        runs=("$out/cmad-$agents-tilt-$tilt")
        [ "$agents-$tilt" = 2-10 ] && runs+=("$out/cmad-2-turns")
        for other in $tilts; do [ "$other" = "$tilt" ] || runs+=("$out/cmad-$agents-tilt-$other"); done
        for scale in $scales; do runs+=("$out/cdps-$agents-scale-$scale"); done
        "$consort" compare "${runs[@]}" --tilt "$tilt" --out "$out/compare-$agents-tilt-$tilt"
    done
done
