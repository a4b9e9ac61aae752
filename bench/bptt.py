#!/usr/bin/env python3
"""`consort bench bptt` beside PyTorch on the processor: one gradient of controls through 99 steps, in turns.

    cargo build --release
    python bench/bptt.py [--points 100] [--rounds 3]      # needs torch and diffusers

Two agents that share U-Net A, controls of half its channels, a perceptron's cost, 8 trajectories. PyTorch keeps all values
(`store-all`), or checkpoints every step (`checkpoint`). Seconds are medians over the rounds; bytes are the process's resident
peak. Writes bench/records/.
"""
import argparse, csv, datetime, json, math, os, pathlib, platform, resource, statistics, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
AGENTS, BATCH = 2, 8
OURS = ["store-all", "states", "revolve-20", "revolve-3", "256MiB"]
PEERS = ["store-all", "checkpoint"]


def peer(mode, points):
    """Prints the seconds of the second of two gradients and the resident peak, as JSON."""
    import torch
    from diffusers import UNet2DModel
    from torch.utils.checkpoint import checkpoint

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)

    def unet(inputs, channels):
        return UNet2DModel(
            sample_size=28, in_channels=inputs, out_channels=1, layers_per_block=1, block_out_channels=channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8)

    score = unet(1, (32, 64, 64)).requires_grad_(False)
    controls = [unet(3, (16, 32, 32)) for _ in range(AGENTS)]
    layers = [torch.nn.Flatten(), torch.nn.Linear(784, 256), torch.nn.SiLU(), torch.nn.Linear(256, 256), torch.nn.SiLU(),
              torch.nn.Linear(256, 10)]
    judge = torch.nn.Sequential(*layers).requires_grad_(False)
    masks = torch.zeros(AGENTS, 1, 1, 28, 28)
    for i in range(AGENTS):
        masks[i, ..., 28 * i // AGENTS:28 * (i + 1) // AGENTS, :] = 1
    target, times = torch.full((BATCH,), 3), torch.linspace(1, 1e-3, points).tolist()
    aggregate = lambda all: sum(mask * x for mask, x in zip(masks, all))
    cost = lambda y: torch.nn.functional.cross_entropy(judge(y), target)

    def step(k, *x):
        t, dt = times[k], times[k] - times[k + 1]
        beta, alpha = 0.1 + 19.9 * t, math.exp(-0.25 * t * t * 19.9 - 0.05 * t)
        g, sigma, at = math.sqrt(beta), math.sqrt(1 - alpha * alpha), torch.full((BATCH,), 1000 * t)
        y, both = aggregate(x), score(torch.cat(x), at.repeat(AGENTS)).sample.chunk(AGENTS)
        scores = [-s / sigma for s in both]
        clean = [(x + sigma * sigma * s) / max(alpha, 0.05) for x, s in zip(x, scores)]
        running = cost(aggregate(clean)) * dt
        shown = [x.detach().requires_grad_() for x in clean]
        with torch.enable_grad():
            pulls = torch.autograd.grad(cost(aggregate(shown)), shown)
        energy, out = 0, []
        for i in range(AGENTS):
            u = controls[i](torch.cat([x[i], y, pulls[i].detach()], 1), at).sample
            energy = energy + u.square().mean() * dt / AGENTS
            torch.manual_seed(1000 * k + i)
            noise = torch.randn_like(x[i])
            out.append(x[i] + (0.5 * beta * x[i] + beta * scores[i] + g * u) * dt + g * math.sqrt(dt) * noise)
        return (running, energy, *out)

    def gradient():
        x, running, energy = [torch.randn(BATCH, 1, 28, 28) for _ in range(AGENTS)], 0, 0
        for k in range(points - 1):
            again = mode == "checkpoint"
            made = checkpoint(step, k, *x, use_reentrant=False, preserve_rng_state=False) if again else step(k, *x)
            running, energy, x = running + made[0], energy + made[1], made[2:]
        (10 * energy + cost(aggregate(x)) + running).backward()

    gradient()
    start = time.perf_counter()
    gradient()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "resident": peak, "version": torch.__version__}))


def ours(memory, points):
    run = subprocess.run(
        [TARGET / "release/consort", "bench", "bptt", "--agents", str(AGENTS), "--points", str(points), "--batch", str(BATCH),
         "--memory", memory, "--device", "cpu", "--json"], check=True, capture_output=True, text=True)
    metrics = json.loads(run.stdout)["metrics"]
    return {"seconds": metrics["seconds_per_gradient"], "resident": metrics["resident_peak_bytes"],
            "predicted": metrics["predicted_peak_bytes"], "peak": metrics["peak_bytes"]}


def theirs(mode, points):
    run = subprocess.run([sys.executable, __file__, "--peer", mode, "--points", str(points)], check=True, capture_output=True,
                         text=True)
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--only-ours", action="store_true")
    arguments = parser.parse_args()
    points = arguments.points
    if arguments.peer:
        return peer(arguments.peer, points)
    kinds = [("ours", memory) for memory in OURS] + [("torch", mode) for mode in PEERS if not arguments.only_ours]
    rounds = [{kind: (ours if kind[0] == "ours" else theirs)(kind[1], points) for kind in kinds} for _ in range(arguments.rounds)]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    path = ROOT / f"bench/records/{cpu.replace(' ', '-').lower()}-{os.cpu_count()}/{datetime.date.today()}-bptt-{points}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    command = f"python bench/bptt.py --points {points} --rounds {arguments.rounds}"
    median = lambda kind, key: statistics.median(made[kind][key] for made in rounds)
    version = next((made["version"] for kind, made in rounds[0].items() if kind[0] == "torch"), "none")
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([f"# {cpu}, {os.cpu_count()} cores; {datetime.date.today()}; commit {commit}; peer torch {version}; {command}"])
        out.writerow(["who", "memory", "seconds", "seconds/torch store-all", "resident bytes", "requested peak", "predicted"])
        for kind in kinds:
            seconds, resident = median(kind, "seconds"), median(kind, "resident")
            base = ("torch", "store-all")
            ratio = f"{seconds / median(base, 'seconds'):.3f}" if base in kinds else ""
            more = [int(median(kind, key)) for key in ("peak", "predicted")] if kind[0] == "ours" else ["", ""]
            print(f"{kind[0]:6} {kind[1]:12} {seconds:8.2f} s   {resident / 1e6:8.0f} MB resident   {ratio}")
            out.writerow([*kind, f"{seconds:.3f}", ratio, int(resident), *more])
    print(f"recorded in {path.relative_to(ROOT)}")


main()
