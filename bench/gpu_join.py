#!/usr/bin/env python3
"""Joins `consort bench cuda` and `bench/gpu_peers.py` by name: OURS.log PEERS.csv OUT.csv. Prints a short table."""
import csv, datetime, pathlib, re, subprocess, sys

ours_log, peers_csv, out = sys.argv[1:]
line = re.compile(r"^(\S.*?) +([\d.]+) ms +([\d.]+) TFLOP/s +([\d.]+) GB/s$")
ours = [match.groups() for match in map(line.match, open(ours_log)) if match]
peers = dict(row for row in csv.reader(open(peers_csv)) if len(row) == 2)
commit = pathlib.Path("target/gpu/commit")
commit = commit.read_text().strip() if commit.exists() else ""
try:
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    gpu = subprocess.run(query, capture_output=True, text=True).stdout.strip().replace(", ", " driver ")
except FileNotFoundError:
    gpu = "no GPU of NVIDIA's"
told = [told for told in open(peers_csv.replace(".csv", ".log")) if told.startswith("#")]
version = told[0].lstrip("# ").strip() if told else "none"
with open(out, "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow([f"# {gpu}; {datetime.date.today()}; commit {commit}; peer {version}; scripts/gpu-bench"])
    writer.writerow(["name", "ms", "TFLOP/s", "GB/s", "peer ms", "peer/ours"])
    for name, ms, tflops, bandwidth in ours:
        peer = peers.get(name) or peers.get(name.removesuffix(" graph"))
        ratio = f"{float(peer) / float(ms):.2f}" if peer and float(ms) else ""
        writer.writerow([name, ms, tflops, bandwidth, peer or "", ratio])
        print(f"{name:52} {float(ms):9.4f} ms {float(tflops):7.1f} TF {float(bandwidth):6.0f} GB/s  x{ratio}")
