#!/usr/bin/env bash
# Checks the emulator and its driver: numbers in four orders of threads, the driver's answers, and that every planted
# fault is caught. One line a check; ends with 1 if one fails. Builds into OUT, target/emulator-check of the checkout
# unless given.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$(dirname "$(dirname "$here")")/target/emulator-check}
compiler=${CXX:-g++}

export EMULATOR_KERNELS=$here/tests
"$here/build.sh" "$out/plain"
"$here/build.sh" "$out/sanitized" sanitized
newer=$(find "$here/tests" \( -name '*.cpp' -o -name '*.h' \) -newer "$out/checks" 2>/dev/null || echo all)
if [ -n "$newer" ]; then
    "$compiler" -std=c++17 -O1 -Wall -Wno-psabi -pthread "$here"/tests/*.cpp -o "$out/checks" -L"$out/plain" -lcuda
fi

export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:color=never
preload="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libubsan.so)"

in_build() {   # BUILD COMMAND...
    local build=$1
    shift
    if [ "$build" = sanitized ]; then
        LD_LIBRARY_PATH=$out/sanitized LD_PRELOAD=$preload "$@"
    else
        LD_LIBRARY_PATH=$out/plain "$@"
    fi
}

failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_checks() {   # BUILD ORDER WORKERS [CHECK...]
    local build=$1 order=$2 workers=$3 ended=0
    shift 3
    in_build "$build" env EMULATOR_ORDER="$order" EMULATOR_THREADS="$workers" "$out/checks" run "$@" \
        >"$log" 2>/dev/null || ended=$?
    sed "s/\$/   ($build, order $order, $workers workers)/" "$log"
    if [ $ended -ne 0 ]; then
        echo "FAILED checks end with $ended   ($build, order $order, $workers workers)"
        failed=1
    fi
}

for order in forward reverse 1 20; do
    run_checks plain $order 2
    run_checks plain $order 1 order_of_threads_and_blocks
done
run_checks sanitized forward 2

# A library that is loaded late finds little room for the variables of threads.
for build in plain sanitized; do
    bytes=$((16#$(objdump -p "$out/$build/libcuda.so" | sed -n '/TLS off/{n;s/.*memsz 0x\([0-9a-f]*\).*/\1/p}')))
    if [ $bytes -le 256 ]; then
        echo "ok     $bytes bytes of variables of threads   ($build)"
    else
        echo "FAILED $bytes bytes of variables of threads   ($build)"
        failed=1
    fi
done

while IFS=$'\t' read -r name builds message; do
    for build in $builds; do
        ended=0
        said=$(in_build "$build" env EMULATOR_THREADS=1 "$out/checks" fault "$name" 2>&1) || ended=$?
        [ $ended -le 128 ] || said+=$'\n'"died of signal $((ended - 128))"
        if grep -q "not caught" <<<"$said" || ! grep -qE "$message" <<<"$said"; then
            echo "FAILED fault $name   ($build): expected '$message', got: $(head -3 <<<"$said" | tr '\n' ' ')"
            failed=1
        else
            echo "ok     fault $name   ($build)"
        fi
    done
done < <(in_build plain "$out/checks" list-faults)
exit $failed
