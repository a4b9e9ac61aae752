#!/usr/bin/env python3
"""U-Net A beside PyTorch, in turns, on a quiet machine: forward and training step at batch 64, forward at batch 1.

    cargo build --release -p consort-nn --example unet_a
    python bench/unet_a.py [rounds]        # needs torch and diffusers

Prints each figure's median over the rounds and our time over PyTorch's, and appends them to bench/records/.
"""
import csv, datetime, json, os, pathlib, platform, statistics, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
FIGURES = ["forward_b64_ms", "train_step_b64_ms", "forward_b1_ms"]


def median_ms(f, repeats=7, warm=2):
    times = []
    for i in range(repeats + warm):
        start = time.perf_counter()
        f()
        if i >= warm:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def peer():
    import torch
    from diffusers import UNet2DModel

    torch.set_num_threads(os.cpu_count())
    model = UNet2DModel(
        sample_size=28, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8)
    x, t = torch.randn(64, 1, 28, 28), torch.arange(64) * 15
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step():
        optimizer.zero_grad()
        (model(x, t).sample - x).square().mean().backward()
        optimizer.step()

    out = {"train_step_b64_ms": median_ms(step)}
    with torch.no_grad():
        out["forward_b64_ms"] = median_ms(lambda: model(x, t))
        out["forward_b1_ms"] = median_ms(lambda: model(x[:1], t[:1]), 70)
    return out, torch.__version__


def ours():
    run = subprocess.run([TARGET / "release/examples/unet_a"], check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: the load is {load:.1f}; figures of a busy machine mean little", file=sys.stderr)
    mine, theirs, version = [], [], ""
    for _ in range(rounds):
        mine.append(ours())
        figures, version = peer()
        theirs.append(figures)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    name = f"{cpu.replace(' ', '-').lower()}-{os.cpu_count()}"
    path = ROOT / "bench/records" / name / f"{datetime.date.today()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with open(path, "a", newline="") as file:
        out = csv.writer(file)
        if fresh:
            out.writerow(["figure", "ours", "peer", "ours/peer", "peer version", "rounds", "load before", "commit", "command"])
        for figure in FIGURES:
            a = statistics.median(m[figure] for m in mine)
            b = statistics.median(t[figure] for t in theirs)
            print(f"{figure:20} {a:8.2f}   PyTorch {b:8.2f}   ratio {a / b:.2f}")
            out.writerow([figure, f"{a:.2f}", f"{b:.2f}", f"{a / b:.3f}", f"torch {version}", rounds, f"{load:.2f}", commit,
                          "python bench/unet_a.py"])
    print(f"recorded in {path.relative_to(ROOT)}")


main()
