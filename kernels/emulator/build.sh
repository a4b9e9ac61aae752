#!/usr/bin/env bash
# Builds OUT/libcuda.so: the emulator, its driver, and every kernel under kernels/src, for the CPU.
#
#   build.sh OUT [sanitized]
#
# EMULATOR_SOURCES names more .cu files, EMULATOR_KERNELS another folder to search instead of kernels/src, EMULATOR_WITHOUT
# (a regular expression) what is left out: files by their paths, and kernels by the line that makes them of a template, such
# as `KERNELS(f64)`. Objects stay in OUT/objects and are made anew when their source, a header that they read, or the flags
# have changed. `sanitized` puts AddressSanitizer and UBSan into the kernels, not into the run time, which knows stacks and
# gaps that they do not; its objects are in target/emulator-runtime, for every build.
set -euo pipefail

out=${1:?usage: build.sh OUT [sanitized]}
kind=${2:-plain}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernels=$(dirname "$here")
compiler=${CXX:-g++}
at_a_time=2

# Without contraction a * b + c is two roundings, as written, whatever the CPU: kernels that want one say mul_add.
common=(-std=c++17 -fPIC -fvisibility=hidden -ffp-contract=off -march=native -pthread)
runtime_flags=("${common[@]}" -O3 -Wall -Wextra)
# Each .cu file is wrapped in an unnamed namespace: on a GPU they are separate programs, so names may meet.
kernel_flags=("${common[@]}" -x c++ -fno-strict-aliasing -fstack-clash-protection
    -Wno-unknown-pragmas -Wno-psabi -Wno-attributes
    -include "$here/device/cuda_on_cpu.h" -I "$here/device" -I "$kernels/cuda" -I "$kernels/src")
link_flags=(-shared -pthread -Wl,-soname,libcuda.so.1 -Wl,-z,defs)
case $kind in
plain)
    kernel_flags+=(-O2)
    ;;
sanitized)
    sanitizers=(-fsanitize=address,undefined -fno-sanitize-recover=all)
    kernel_flags+=(-O1 -g1 -fno-omit-frame-pointer "${sanitizers[@]}")
    link_flags+=("${sanitizers[@]}" -Wl,-z,undefs)
    ;;
*)
    echo "build.sh: '$kind' is not a kind of build: say sanitized, or nothing" >&2
    exit 2
    ;;
esac

runtime=$(dirname "$kernels")/target/emulator-runtime
mkdir -p "$out/objects" "$runtime/objects"
out=$(cd "$out" && pwd)
exec 8>"$runtime/lock" 9>"$out/lock"
flock 8 2>/dev/null || true
flock 9 2>/dev/null || true

# Objects of other flags, another compiler or another CPU are of no use.
expect_flags() {   # FOLDER FLAG...: empties the folder's objects if they are not of these
    local folder=$1 fingerprint
    shift
    fingerprint=$("$compiler" --version | head -1
        grep -m 1 flags /proc/cpuinfo || true
        echo "$@")
    if [ "$fingerprint" != "$(cat "$folder/fingerprint" 2>/dev/null)" ]; then
        rm -rf "$folder/objects" "$folder/libcuda.so"
        mkdir "$folder/objects"
        echo "$fingerprint" >"$folder/fingerprint"
    fi
}
expect_flags "$runtime" "${runtime_flags[@]}"
expect_flags "$out" "${kernel_flags[@]}" "${link_flags[@]}" "${EMULATOR_WITHOUT:-}"

is_fresh() {   # OBJECT: whether it is newer than all that its dependency file names
    [ -f "$1" ] && [ -f "$1.d" ] || return 1
    local file
    for file in $(sed 's/^[^:]*: //; s/\\$//' "$1.d"); do
        [ -e "$file" ] && [ ! "$file" -nt "$1" ] || return 1
    done
}

wrapped() {   # SOURCE
    if [ -z "${EMULATOR_WITHOUT:-}" ]; then
        printf 'namespace {\n#include "%s"\n}\n' "$1"
    else
        echo "namespace {"
        echo "#line 1 \"$1\""
        grep -Ev "^[A-Z_]+\(.*($EMULATOR_WITHOUT)" "$1"
        echo "}"
    fi
}

compile() {   # SOURCE OBJECT
    local dependencies=(-MMD -MF "$2.d" -MT "$2")
    case $1 in
    *.cu) wrapped "$1" |
        "$compiler" "${kernel_flags[@]}" "${dependencies[@]}" -c - -o "$2.new" && echo "$2: $1" >>"$2.d" ;;
    *) "$compiler" "${runtime_flags[@]}" "${dependencies[@]}" -c "$1" -o "$2.new" ;;
    esac && mv "$2.new" "$2"
}

sources=("$here"/runtime/*.cpp "$here"/driver/*.cpp)
while IFS= read -r source; do
    sources+=("$source")
done < <(find "${EMULATOR_KERNELS:-$kernels/src}" -name '*.cu' | grep -Ev "${EMULATOR_WITHOUT:-^$}" | sort)
for source in ${EMULATOR_SOURCES:-}; do
    sources+=("$(realpath "$source")")
done

objects=()
running=0
failed=0
for source in "${sources[@]}"; do
    name=${source#"$kernels"/}
    case $source in
    *.cu) object=$out/objects/${name//\//_}.o ;;
    *) object=$runtime/objects/${name//\//_}.o ;;
    esac
    objects+=("$object")
    is_fresh "$object" && continue
    if [ $running -eq $at_a_time ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    compile "$source" "$object" &
    running=$((running + 1))
done
while [ $running -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
[ $failed -eq 0 ] || exit 1

# Linked anew when an object is newer, or the list of objects is another.
list=$(printf '%s\n' "${objects[@]}")
newer=$(find "${objects[@]}" -newer "$out/libcuda.so" 2>/dev/null || echo all)
if [ -n "$newer" ] || [ "$list" != "$(cat "$out/list" 2>/dev/null)" ]; then
    "$compiler" "${link_flags[@]}" "${objects[@]}" -o "$out/libcuda.so.new" -ldl
    mv "$out/libcuda.so.new" "$out/libcuda.so"
    ln -sf libcuda.so "$out/libcuda.so.1"
    echo "$list" >"$out/list"
fi
