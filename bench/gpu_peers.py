#!/usr/bin/env python3
"""PyTorch (cuBLAS, cuDNN, its own kernels) on the GPU, under the names of `consort bench cuda`: name,ms to standard output.

    python bench/gpu_peers.py [--only TEXT] [--compile]    # needs torch with CUDA; the U-Nets also diffusers

Timed as ours: events around a run, the cache flushed before it, the median of up to 30 runs.
"""
import argparse, statistics, sys, time
import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--only", default="")
parser.add_argument("--compile", action="store_true", help="also the U-Nets through torch.compile, which takes a minute each")
arguments = parser.parse_args()
device = torch.device("cuda:0")
flush = torch.zeros(2, 16 << 20, device=device)
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
COUNT = 32 << 20


def measure(name, run):
    if arguments.only not in name:
        return
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    begun, marks = time.perf_counter(), []
    while len(marks) < 30 and (len(marks) < 5 or time.perf_counter() - begun < 0.3):
        flush[0].copy_(flush[1])
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        marks.append((start, end))
        if len(marks) % 5 == 0:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    print(f"{name},{statistics.median(a.elapsed_time(b) for a, b in marks):.5f}", flush=True)


def tf32(allow):
    torch.backends.cuda.matmul.allow_tf32 = allow
    torch.backends.cudnn.allow_tf32 = allow


def draw(dtype, *shape):
    return torch.randn(*shape, device=device, dtype=torch.float32).to(DTYPES[dtype])


def memory():
    x = draw("f32", COUNT)
    to = torch.empty_like(x)
    measure("copy of the driver", lambda: to.copy_(x))
    for dtype in ("f32", "bf16"):
        x, y, row = draw(dtype, COUNT), draw(dtype, COUNT), draw(dtype, 256)
        measure(f"copy {dtype}", lambda: x.clone())
        measure(f"add {dtype}", lambda: x + y)
        measure(f"multiply {dtype}", lambda: x * y)
        table = x.view(-1, 256)
        measure(f"multiply by a row {dtype}", lambda: table * row)
        measure(f"silu {dtype}", lambda: F.silu(x))
        measure(f"silu backward {dtype}", lambda: torch.ops.aten.silu_backward(y, x))
        measure(f"gelu {dtype}", lambda: F.gelu(x))
        matrix, image = x.view(-1, 4096), x.view(32, 256, 64, 64)
        measure(f"transpose {dtype}", lambda: matrix.t().contiguous())
        measure(f"to channels last {dtype}", lambda: image.contiguous(memory_format=torch.channels_last))
        other = "bf16" if dtype == "f32" else "f32"
        measure(f"cast {dtype} to {other}", lambda: x.to(DTYPES[other]))
        left, right = (z.view(32, 256, 64, 64).contiguous(memory_format=torch.channels_last) for z in (x, y))
        measure(f"concat channels {dtype}", lambda: torch.cat([left, right], 1))
        for width in (256, 4096):
            rows = x.view(-1, width)
            measure(f"softmax {width} {dtype}", lambda: rows.softmax(-1))
            measure(f"sum of rows {width} {dtype}", lambda: rows.sum(1))
            measure(f"sum of columns {width} {dtype}", lambda: rows.sum(0))
        measure(f"sum of all {dtype}", lambda: x.sum())
        for n, c, side, groups in [(64, 128, 64, 32), (64, 512, 16, 32), (256, 32, 28, 8)]:
            image = draw(dtype, n, c, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
            weight, bias = draw(dtype, c).requires_grad_(), draw(dtype, c).requires_grad_()
            both(f"group_norm silu {n}x{c}x{side} {dtype}", lambda: F.silu(F.group_norm(image, groups, weight, bias, 1e-5)),
                 [image, weight, bias])
        for width in (512, 4096):
            rows = draw(dtype, COUNT // width, width).requires_grad_()
            weight, bias = draw(dtype, width).requires_grad_(), draw(dtype, width).requires_grad_()
            both(f"layer_norm {width} {dtype}", lambda: F.layer_norm(rows, (width,), weight, bias), [rows, weight, bias])
    param = torch.nn.Parameter(draw("f32", COUNT))
    param.grad = draw("f32", COUNT)
    adam = torch.optim.Adam([param], 1e-4, fused=True)
    measure("adam f32", adam.step)


def both(name, forward, inputs):
    with torch.no_grad():
        measure(name, forward)
    y = forward()
    g = torch.randn_like(y)
    measure(f"{name} backward", lambda: torch.autograd.grad(y, inputs, g, retain_graph=True))


def products():
    for dtype, sizes in (("bf16", (1024, 2048, 4096, 8192)), ("f16", (4096,)), ("f32", (1024, 4096))):
        for size in sizes:
            a, b = draw(dtype, size, size), draw(dtype, size, size).t()
            for numbers, version in (("f32", "v2"), ("tf32", "v2")) if dtype == "f32" else ((dtype, "v2"), (dtype, "v3")):
                tf32(numbers == "tf32")
                measure(f"matmul {numbers} {size} {version}", lambda: a @ b)
    torch.backends.cudnn.benchmark = True
    levels = [(64, 128, 128, 64), (64, 256, 256, 32), (64, 512, 512, 16), (64, 1024, 512, 16), (64, 64, 64, 14)]
    for dtype, level in [("bf16", level) for level in levels] + [("f32", (64, 128, 128, 64))]:
        n, c, o, side = level
        last = dict(memory_format=torch.channels_last)
        x, g = draw(dtype, n, c, side, side).contiguous(**last), draw(dtype, n, o, side, side).contiguous(**last)
        w = draw(dtype, o, c, 3, 3).contiguous(**last)
        back = lambda which: torch.ops.aten.convolution_backward(
            g, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [which == 0, which == 1, False])
        for numbers, version in (("f32", "v2"), ("tf32", "v2")) if dtype == "f32" else ((dtype, "v2"), (dtype, "v3")):
            tf32(numbers == "tf32")
            name = f"conv {n}x{c}x{side} to {o} {numbers}"
            measure(f"{name} {version}", lambda: F.conv2d(x, w, padding=1))
            measure(f"{name} input gradient {version}", lambda: back(0))
            measure(f"{name} weight gradient {version}", lambda: back(1))
    from torch.nn.attention import SDPBackend, sdpa_kernel
    for shape in [(16, 16, 1024, 64), (4, 16, 4096, 64), (16, 8, 1024, 128), (64, 8, 256, 32)]:
        q, k, v, g = (draw("bf16", *shape).requires_grad_() for _ in range(4))
        name = f"attention {'x'.join(map(str, shape))} bf16"
        for backend, suffix in ((SDPBackend.CUDNN_ATTENTION, ""), (SDPBackend.FLASH_ATTENTION, " (flash)")):
            with sdpa_kernel(backend):
                with torch.no_grad():
                    measure(name + suffix, lambda: F.scaled_dot_product_attention(q, k, v))
                out = F.scaled_dot_product_attention(q, k, v)
                measure(f"{name} backward{suffix}", lambda: torch.autograd.grad(out, [q, k, v], g, retain_graph=True))


def networks():
    from diffusers import UNet2DModel

    torch.backends.cudnn.benchmark = True
    for letter, layers, channels in (("A", 1, (32, 64, 64)), ("B", 2, (32, 64, 128)), ("C", 2, (64, 128, 128))):
        for numbers, dtype in (("f32", "f32"), ("tf32", "f32"), ("bf16 v2", "bf16"), ("bf16 v3", "bf16")):
            if not any(arguments.only in f"U-Net {letter} {numbers} {what}" for what in
                       ("forward and backward b64", "train step b64", "forward b64", "forward b1", "forward b1 graph")):
                continue
            tf32(numbers == "tf32")
            model = UNet2DModel(
                sample_size=28, in_channels=1, out_channels=1, layers_per_block=layers, block_out_channels=channels,
                down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
                up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"), norm_num_groups=8).to(device, DTYPES[dtype])
            network(f"U-Net {letter} {numbers}", model, dtype)
            if arguments.compile and numbers in ("tf32", "bf16 v3"):
                network(f"U-Net {letter} {numbers} (compiled)", torch.compile(model, mode="max-autotune"), dtype)


def network(name, model, dtype):
    x, t = draw(dtype, 64, 1, 28, 28), torch.arange(64, device=device) * 15
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def backward():
        optimizer.zero_grad()
        (model(x, t).sample - x).square().mean().backward()

    def step():
        backward()
        optimizer.step()

    measure(f"{name} forward and backward b64", backward)
    if dtype == "f32":
        measure(f"{name} train step b64", step)
    with torch.no_grad():
        measure(f"{name} forward b64", lambda: model(x, t))
        measure(f"{name} forward b1", lambda: model(x[:1], t[:1]))


print("name,ms")
print(f"# torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}", file=sys.stderr)
for part in (memory, products, networks):
    part()
