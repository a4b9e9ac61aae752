#!/usr/bin/env python3
"""One joint gradient of CMAD on the GPU, ours beside PyTorch's, in seconds.

    python bench/gpu_cmad.py CONSORT [--only-ours]      # needs torch with CUDA and diffusers

Two agents that share a score network (U-Net A), controls of the sizes of the presets `small` and `paper`, 25 points,
everything kept for the way back. PyTorch evaluates the same networks as often; its cost is a small perceptron's where ours
is a convolutional classifier's and a seam's, so it does a little less. Ours is the time between two updates of
`consort train cmad`, with its optimiser.
"""
import json, math, pathlib, statistics, subprocess, sys, tempfile, time

SIZES = {"small": (8, (16, 32, 32)), "paper": (16, (32, 64, 64))}
POINTS, AGENTS = 25, 2


def ours(preset, flags):
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        subprocess.run(
            [sys.argv[1], "train", "cmad", "--preset", preset, "--target", "3", "--agents", str(AGENTS), "--models", "models",
             "--device", "cuda:0", "--quiet", "--out", run, "--set", "updates=8", "--set", "teaching.works=0", "--set", f"points={POINTS}",
             "--set", "sampling_points=25", "--set", "memory=store-all", *flags], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
    times = [line["seconds"] for line in lines if "objective" in line and "step" in line]
    return statistics.median(b - a for a, b in zip(times[1:], times[2:]))


def theirs(preset, tf32):
    import torch
    from diffusers import UNet2DModel

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    batch, channels = SIZES[preset]

    def unet(inputs, channels):
        return UNet2DModel(
            sample_size=28, in_channels=inputs, out_channels=1, layers_per_block=1, block_out_channels=channels,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8).cuda()

    score, controls = unet(1, (32, 64, 64)).requires_grad_(False), [unet(4, channels) for _ in range(AGENTS)]
    guide = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    guide = guide.cuda().requires_grad_(False)
    masks = torch.zeros(AGENTS, 1, 1, 28, 28, device="cuda")
    masks[0, ..., :14, :] = masks[1, ..., 14:, :] = 1
    target = torch.full((batch,), 3, device="cuda")
    cost = lambda image: torch.nn.functional.cross_entropy(guide(image), target)
    whole = lambda parts: sum(mask * part for mask, part in zip(masks, parts))
    times = torch.linspace(1, 1e-3, POINTS).tolist()
    parameters = [p for control in controls for p in control.parameters()]

    def gradient():
        x, energy = [torch.randn(batch, 1, 28, 28, device="cuda") for _ in range(AGENTS)], 0
        for t, after in zip(times, times[1:]):
            dt, beta = t - after, 0.1 + 19.9 * t
            alpha = math.exp(-0.25 * t * t * 19.9 - 0.05 * t)
            sigma, spread = math.sqrt(1 - alpha * alpha), math.sqrt(beta)
            at = torch.full((batch,), t * 999, device="cuda")
            scores = [-score(part, at).sample / sigma for part in x]
            clean = [(part + sigma * sigma * s) / max(alpha, 0.05) for part, s in zip(x, scores)]
            leaves = [part.detach().requires_grad_() for part in clean]
            pulls = torch.autograd.grad(cost(whole(leaves)), leaves)
            object_, next_ = whole(x), []
            for i in range(AGENTS):
                u = controls[i](torch.cat([x[i], object_, pulls[i], clean[i]], 1), at).sample
                energy = energy + u.square().mean() * dt
                noise = torch.randn_like(x[i])
                next_.append(x[i] + (0.5 * beta * x[i] + beta * scores[i] + spread * u) * dt + spread * math.sqrt(dt) * noise)
            x = next_
        return torch.autograd.grad(cost(whole(x)) + energy, parameters, allow_unused=True)

    gradient()
    took = []
    for _ in range(3):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        gradient()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


print("name,seconds,peer_seconds,peer/ours")
for preset in SIZES:
    for numbers, flags in (("f32", []), ("tf32", ["--tf32"])):
        mine = ours(preset, flags)
        peer = theirs(preset, bool(flags)) if "--only-ours" not in sys.argv else float("nan")
        print(f"CMAD gradient {preset} {numbers},{mine:.4f},{peer:.4f},{peer / mine:.2f}", flush=True)
