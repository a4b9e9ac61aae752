#!/usr/bin/env bash
# Everything behind docs/cooperative-digits.md, from the shipped models: controls at every tilt (those at 100 are shipped,
# the others begin from them), the baseline at every scale, 256 samples of each from the same noise, and the comparisons.
# Hours on two cores.
#
#     bench/cooperative_digits.sh 2        # two agents; 3 for three: side by side with `THREADS=1` each
#     bench/cooperative_digits.sh 2 baseline    # a part of that: controls, baseline, or turns (of two agents)
#     bench/cooperative_digits.sh page     # the comparisons
#
# Runs go to runs/cooperative-digits. What a comparison needs of them is kept in bench/records/cooperative-digits: what is
# there is not run again, so that all of it can be stopped at any time and started again, here or on another machine.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=runs/cooperative-digits records=bench/records/cooperative-digits
consort=${CONSORT:-target/release/consort} machine="--threads ${THREADS:-0} --device ${DEVICE:-auto}"
tilts="100 30 10 3"
scales="0.5 1 1.5625 3 10"
mkdir -p "$runs" "$records"

# train NAME ARGUMENTS...: controls, resumed where they were stopped.
train() {
    local run=$runs/$1; shift
    [ -e "$run/report.html" ] && return
    if [ -e "$run/checkpoint.safetensors" ]; then "$consort" train cmad --resume "$run" $machine --quiet
    else rm -rf "$run"; "$consort" train cmad --target 3 --out "$run" $machine --quiet "$@"; fi
}

# compose SAMPLES SEED NAME METHOD ARGUMENTS...: digits at 100 points of time, and their scores into the records.
compose() {
    local samples=$1 seed=$2 name=$3; shift 3
    [ -e "$records/$name/scores.jsonl" ] && return
    rm -rf "${runs:?}/$name"
    "$consort" compose "$@" --target 3 --out "$runs/$name" --samples "$samples" --seed "$seed" --steps 99 --batch 64 \
        --models models $machine --quiet
    mkdir -p "$records/$name"
    cp "$runs/$name"/{run.toml,metrics.jsonl,scores.jsonl} "$records/$name/"
}

controls() {
    local agents=$1 tilt shipped=mnist-cmad-3-$1
    compose 256 7 "cmad-$agents-tilt-100" cmad --agents "$agents" --model "$shipped"
    for tilt in $tilts; do
        [ "$tilt" = 100 ] || [ -e "$records/cmad-$agents-tilt-$tilt/scores.jsonl" ] && continue
        train "joint-$agents-tilt-$tilt" --agents "$agents" --set "lambda=$tilt" --from "$shipped" --set updates=80
        compose 256 7 "cmad-$agents-tilt-$tilt" cmad --agents "$agents" --model "$runs/joint-$agents-tilt-$tilt/model"
    done
}

baseline() {
    local agents=$1 scale
    for scale in $scales; do
        # The baseline's best scale is chosen on other noise than is reported.
        compose 64 11 "cdps-$agents-sweep-$scale" cdps --agents "$agents" --set "scale=$scale"
        compose 256 7 "cdps-$agents-scale-$scale" cdps --agents "$agents" --set "scale=$scale"
    done
}

turns() {
    if [ "$1" = 2 ] && [ ! -e "$records/cmad-2-turns/scores.jsonl" ]; then
        # As many updates of each agent as the shipped controls have.
        train turns-2 --agents 2 --scheme control-wise --set lambda=100 --set outer=40
        compose 256 7 cmad-2-turns cmad --agents 2 --model "$runs/turns-2/model"
    fi
}

page() {
    local agents tilt other scale
    for agents in 2 3; do
        for tilt in $tilts; do
            local compared=("$records/cmad-$agents-tilt-$tilt")
            [ "$agents" = 2 ] && [ -e "$records/cmad-2-turns" ] && compared+=("$records/cmad-2-turns")
            for other in $tilts; do [ "$other" = "$tilt" ] || compared+=("$records/cmad-$agents-tilt-$other"); done
            for scale in $scales; do compared+=("$records/cdps-$agents-scale-$scale"); done
            rm -rf "$runs/compare-$agents-tilt-$tilt"
            "$consort" compare "${compared[@]}" --tilt "$tilt" --out "$runs/compare-$agents-tilt-$tilt"
        done
        rm -rf "$runs/compare-$agents-sweep"
        "$consort" compare $(for scale in $scales; do echo "$records/cdps-$agents-sweep-$scale"; done) --tilt 100 \
            --out "$runs/compare-$agents-sweep"
    done
}

case ${1:-} in
2 | 3) for part in ${2:-controls baseline turns}; do "$part" "$1"; done ;;
page) page ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
