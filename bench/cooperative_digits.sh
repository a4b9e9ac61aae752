#!/usr/bin/env bash
# Everything behind docs/cooperative-digits.md, from shipped score, guide and judge: controls at every tilt, the baseline
# at every scale, 256 samples of each from the same noise, and the comparisons. Hours on two cores; what is there is kept,
# so that it can be stopped at any time and started again.
#
#     bench/cooperative_digits.sh [folder]        # default runs/cooperative-digits
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/cooperative-digits}
consort=${CONSORT:-target/release/consort}
tilts="3 10 30 100"
scales="0.5 1 2 3 5 10 20"
samples="--samples 256 --steps 100 --batch 64 --seed 7 --quiet"
mkdir -p "$out"

# train NAME ARGUMENTS...: a training, resumed where it was stopped.
train() {
    local run=$out/$1; shift
    [ -e "$run/report.html" ] && return
    if [ -e "$run/checkpoint.safetensors" ]; then "$consort" train cmad --resume "$run" --quiet
    else rm -rf "$run"; "$consort" train cmad --target 3 --out "$run" --quiet "$@"; fi
}

# compose NAME METHOD ARGUMENTS...: 256 samples.
compose() {
    local run=$out/$1; shift
    [ -e "$run/report.html" ] && return
    rm -rf "$run"; "$consort" compose "$@" --target 3 --out "$run" $samples
}

for agents in 2 3; do
    for scale in $scales; do
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
