#!/usr/bin/env bash
# Resident memory of 2000 training steps of U-Net A at batch 16, every five seconds, to the file that is named.
#
#     bench/resident_memory.sh bench/records/DEVICE/DATE-resident.csv     # needs the data: consort data mnist
set -euo pipefail
cd "$(dirname "$0")/.."
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
"${CONSORT:-target/release/consort}" train mnist-score --set steps=2000 --set batch=16 --out "$run/run" --quiet &
pid=$!
start=$SECONDS
echo "seconds,resident_kib" > "$1"
while resident=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status" 2>/dev/null) && [ -n "$resident" ]; do
    echo "$((SECONDS - start)),$resident" >> "$1"
    sleep 5
done
wait "$pid"
