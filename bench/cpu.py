#!/usr/bin/env python3
"""`consort bench cpu` beside PyTorch on the processor, in turns, on a quiet machine.

    cargo build --release
    python bench/cpu.py [--rounds 5] [--only TEXT]     # needs torch and diffusers
    python bench/cpu.py --peer > peer.csv              # PyTorch's times alone: lines of name,ms for --against

Prints each figure's median over the rounds and PyTorch's time over ours, geometric means of them, and writes both to
bench/records/.
"""
import argparse, csv, datetime, math, os, pathlib, platform, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CONVOLUTIONS = [(64, 32, 32, 28), (64, 64, 64, 14), (64, 128, 128, 7), (64, 1, 32, 28), (16, 64, 64, 64), (4, 128, 128, 32),
                (8, 64, 64, 14), (1, 64, 64, 14)]
# Those of the first table of figures; the two small batches are told apart.
COUNTED = CONVOLUTIONS[:6]
UNETS = [("A", 1, (32, 64, 64)), ("B", 2, (32, 64, 128)), ("C", 2, (64, 128, 128))]


def peer(only):
    """Yields a name and milliseconds, the median of at least 5 runs and 0.3 seconds, as ours."""
    import torch
    import torch.nn.functional as F
    from diffusers import UNet2DModel

    torch.set_num_threads(os.cpu_count())

    def timed(name, run):
        if only not in name:
            return
        for _ in range(2):
            run()
        begun, times = time.perf_counter(), []
        while len(times) < 30 and (len(times) < 5 or time.perf_counter() - begun < 0.3):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        yield name, statistics.median(times)

    def both(name, forward, leaves):
        with torch.no_grad():
            yield from timed(f"{name} forward", forward)
        cotangent = torch.randn_like(forward())
        yield from timed(f"{name} forward and backward", lambda: torch.autograd.grad(forward(), leaves, cotangent))

    for n, c, o, side in CONVOLUTIONS:
        x = torch.randn(n, c, side, side, requires_grad=True)
        w, bias = torch.randn(o, c, 3, 3, requires_grad=True), torch.randn(o)
        yield from both(f"conv {n}x{c}x{side} to {o}", lambda: F.conv2d(x, w, bias, padding=1), [x, w])
    for size in (256, 1024, 2048):
        a, b = torch.randn(size, size), torch.randn(size, size)
        yield from timed(f"matmul {size}", lambda: a @ b)
    for shape in ((64, 4, 196, 32), (64, 8, 49, 8)):
        q, k, v = (torch.randn(shape, requires_grad=True) for _ in range(3))
        yield from both(f"attention {'x'.join(map(str, shape))}", lambda: F.scaled_dot_product_attention(q, k, v), [q, k, v])
    for letter, layers, channels in UNETS:
        name = f"U-Net {letter} f32"
        if only not in name and name not in only:
            continue
        model = UNet2DModel(
            sample_size=28, in_channels=1, out_channels=1, layers_per_block=layers, block_out_channels=channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8)
        x, t = torch.randn(64, 1, 28, 28), torch.arange(64) * 15
        optimizer = torch.optim.Adam(model.parameters(), 1e-4)

        def backward():
            optimizer.zero_grad()
            (model(x, t).sample - x).square().mean().backward()

        def step():
            backward()
            optimizer.step()

        yield from timed(f"{name} forward and backward b64", backward)
        yield from timed(f"{name} train step b64", step)
        with torch.no_grad():
            yield from timed(f"{name} forward b64", lambda: model(x, t))
            yield from timed(f"{name} forward b1", lambda: model(x[:1], t[:1]))


def write_peer(only):
    import torch

    print(f"# torch {torch.__version__}", file=sys.stderr)
    print("name,ms")
    for name, milliseconds in peer(only):
        print(f"{name},{milliseconds:.5f}", flush=True)


def one_round(folder, number, only):
    file = folder / f"peer{number}.csv"
    with open(file, "w") as out:
        run = subprocess.run([sys.executable, __file__, "--peer", "--only", only], check=True, stdout=out,
                             stderr=subprocess.PIPE, text=True)
    version = next((line[2:] for line in run.stderr.splitlines() if line.startswith("# torch")), "torch")
    ours = folder / f"ours{number}"
    subprocess.run([TARGET / "release/consort", "bench", "cpu", "--out", ours, "--quiet", *(["--only", only] if only else [])],
                   check=True, stdout=subprocess.DEVNULL)
    rows = list(csv.DictReader(open(ours / "bench.csv")))
    peers = {row["name"]: float(row["ms"]) for row in csv.DictReader(open(file))}
    return rows, peers, version


def geometric(ratios):
    return math.exp(statistics.mean(map(math.log, ratios))) if ratios else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--peer", action="store_true")
    arguments = parser.parse_args()
    if arguments.peer:
        return write_peer(arguments.only)
    with tempfile.TemporaryDirectory() as folder:
        rounds = [one_round(pathlib.Path(folder), number, arguments.only) for number in range(arguments.rounds)]
    version = rounds[0][2]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.processor())
    path = ROOT / f"bench/records/{cpu.replace(' ', '-').lower()}-{os.cpu_count()}/{datetime.date.today()}-cpu.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    command = f"python bench/cpu.py --rounds {arguments.rounds}" + (f" --only '{arguments.only}'" if arguments.only else "")
    ratios = {}
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([f"# {cpu}, {os.cpu_count()} cores; {datetime.date.today()}; commit {commit}; peer {version}; {command}"])
        out.writerow(["name", "ms", "gflops", "part_of_roof", "peer_ms", "peer/ours"])
        for i, row in enumerate(rounds[0][0]):
            name, median = row["name"], lambda key: statistics.median(float(rows[i][key]) for rows, _, _ in rounds)
            theirs = statistics.median(peers[name] for _, peers, _ in rounds if name in peers)
            ratios[name] = theirs / median("ms")
            print(f"{name:44} {median('ms'):9.3f} ms   PyTorch {theirs:9.3f} ms   {ratios[name]:.2f} x")
            out.writerow([name, f"{median('ms'):.4f}", f"{median('gflops'):.1f}", f"{median('part_of_roof'):.3f}",
                          f"{theirs:.4f}", f"{ratios[name]:.3f}"])
        names = [f"conv {n}x{c}x{side} to {o}" for n, c, o, side in COUNTED]
        for what in ("forward", "forward and backward"):
            mean = geometric([ratios[f"{name} {what}"] for name in names if f"{name} {what}" in ratios])
            print(f"geometric mean of {len(names)} convolutions, {what}: {mean:.2f} x")
            out.writerow([f"# geometric mean of {len(names)} convolutions, {what}", "", "", "", "", f"{mean:.3f}"])
    print(f"recorded in {path.relative_to(ROOT)}")


main()
