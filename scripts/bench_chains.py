#!/usr/bin/env python3
"""Runs passes of a DCGAN in PyTorch and in unrelu, in turn, and prints tables in Markdown with
PyTorch's time divided by unrelu's.

    pip install ./python torch
    python scripts/bench_chains.py       # --quick takes little time, --help lists the options

    cargo bench --bench search_step --no-run     # prints the path of PROGRAM
    python scripts/bench_chains.py --step PROGRAM

The network is the generator of PyTorch's DCGAN example, 100 → 3×64×64 with 64 features and random
weights and statistics, in eval mode. Both sides are called from Python and get the same number of
threads. Each round runs every contender once, one after the other. A figure is the median of the
rounds with their quartiles, a ratio the median of the rounds' ratios. Before the first round each
contender is warmed up, and its results are compared with those of PyTorch in f64. If they differ,
the script ends.

Compared are forward passes, and losses with their gradients by the codes. Codes and images go from
and to NumPy's arrays; PyTorch's calls begin and end with tensors. With `--step`, one step of
Levenberg–Marquardt on one observation is compared, on one thread: Jacobian, normal matrix,
factorisation, and the forward pass of the trial. unrelu's is f64, as in its search. PyTorch forms
the Jacobian by `torch.func.jvp` under `vmap`.
"""

import argparse
import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="number of threads of each side")
PARSER.add_argument("--batches", type=lambda text: [int(b) for b in text.split(",")], default=[1, 16, 64])
PARSER.add_argument("--features", type=int, default=64, help="ngf of the example")
PARSER.add_argument("--rounds", type=int, default=9)
PARSER.add_argument("--seconds", type=float, default=0.5, help="approximate time per contender and round")
PARSER.add_argument("--step", metavar="PROGRAM", help="the benchmark search_step: compare a step, too")
PARSER.add_argument("--quick", action="store_true", help="3 short rounds, batches 1 and 4, 16 features")
ARGUMENTS = PARSER.parse_args()
# Thread pools read these when they are made: before the imports.
os.environ["RAYON_NUM_THREADS"] = str(ARGUMENTS.threads)
# On a busy machine, threads of OpenMP that spin would delay PyTorch many times over.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import unrelu  # noqa: E402

CODE = 100


def generator(features):
    """The generator of PyTorch's DCGAN example, in eval mode, with statistics as after training."""
    torch.manual_seed(1)
    sizes = [CODE, features * 8, features * 4, features * 2, features]
    layers = []
    for number, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        stride, padding = (1, 0) if number == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    model = nn.Sequential(*layers, nn.ConvTranspose2d(features, 3, 4, 2, 1, bias=False), nn.Tanh())
    with torch.no_grad():
        # In train mode the statistics become those of the images, so that no layer is all zero.
        for _ in range(20):
            model(torch.randn(16, CODE, 1, 1))
    return model.eval()


def forward_passes(model, network, codes):
    """Name -> a call that returns the images."""
    doubles, singles = codes.numpy(), codes.float().numpy()

    def in_torch(dtype):
        own, z = copy.deepcopy(model).to(dtype), codes.to(dtype)

        def call():
            with torch.inference_mode():
                return own(z)

        return call

    return {
        "unrelu f64": lambda: network.forward(doubles),
        "unrelu f32": lambda: network.forward(singles, precision="float32"),
        "eager f64": in_torch(torch.float64),
        "eager f32": in_torch(torch.float32),
    }


def gradients(model, network, codes):
    """Name -> a call that returns the gradients of half the squared distance to other images."""
    images = model(codes.flip(0, 1)).detach()
    doubles, targets = codes.numpy(), images.numpy()

    def in_torch(dtype):
        own, z, x = copy.deepcopy(model).to(dtype), codes.to(dtype), images.to(dtype)
        own.requires_grad_(False)

        def call():
            free = z.detach().requires_grad_()
            loss = 0.5 * (own(free) - x).square().sum()
            (gradient,) = torch.autograd.grad(loss, free)
            return gradient

        return call

    return {
        "unrelu f64": lambda: network.loss_and_gradient(doubles, targets)[1],
        "unrelu f32": lambda: network.loss_and_gradient(doubles, targets, precision="float32")[1],
        "eager f64": in_torch(torch.float64),
        "eager f32": in_torch(torch.float32),
    }


def steps(model, program, path):
    """Name -> a call that returns the seconds of one step."""

    def ours():
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        run = subprocess.run([program, path, "1"], check=True, capture_output=True, text=True, env=environment)
        return float(run.stdout)

    def in_torch(dtype):
        own = copy.deepcopy(model).to(dtype).requires_grad_(False)
        z, other = (torch.randn(CODE, dtype=dtype) for _ in range(2))
        identity = torch.eye(CODE, dtype=dtype)

        def outputs(z):
            return own(z.reshape(1, CODE, 1, 1)).flatten()

        x = outputs(other)

        def call():
            before = time.perf_counter()
            tangents = torch.func.vmap(lambda t: torch.func.jvp(outputs, (z,), (t,)), out_dims=(None, 0))
            images, jacobian = tangents(identity)
            residual = images - x
            normal = jacobian @ jacobian.T
            damping = 1e-3 * normal.diagonal().mean() * identity
            step = -torch.cholesky_solve((jacobian @ residual)[:, None], torch.linalg.cholesky(normal + damping))
            outputs(z + step[:, 0])
            return time.perf_counter() - before

        return call

    return {"unrelu f64": ours, "jvp f64": in_torch(torch.float64), "jvp f32": in_torch(torch.float32)}


def check(name, found, expected, single):
    """Ends the script if the results differ by more than the rounding, `single` for f32."""
    tolerance = single if name.endswith("f32") else 1e-10
    apart = np.abs(np.asarray(found, dtype=np.float64) - expected).max() / np.abs(expected).max()
    if not apart <= tolerance:
        raise SystemExit(f"{name}: {apart:.1e} of the largest entry apart, allowed {tolerance:.0e}")


def mean_seconds(call, repeats):
    before = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - before) / repeats


def spread(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle * 1e3:.3g} ({low * 1e3:.3g}–{high * 1e3:.3g})"


def table(title, seconds_by_row):
    """A table with one row per batch, and the ratios of PyTorch's contenders to ours."""
    names = list(next(iter(seconds_by_row.values())))
    ours = [name for name in names if name.startswith("unrelu")]
    theirs = [name for name in names if name not in ours]
    pairs = [(their, our) for our in ours for their in theirs if their[-3:] == our[-3:] or len(ours) == 1]
    head = ["batch", *(f"{name}, ms" for name in names), *(f"{their} / {our}" for their, our in pairs)]
    print(f"\n{title}\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for batch, seconds in seconds_by_row.items():
        ratios = [statistics.median(t / o for t, o in zip(seconds[their], seconds[our])) for their, our in pairs]
        row = [str(batch), *(spread(seconds[name]) for name in names), *(f"{ratio:.2f}" for ratio in ratios)]
        print("| " + " | ".join(row) + " |", flush=True)


def compared(calls, single, arguments):
    """The seconds of each contender's rounds, after its results have been checked."""
    expected = np.asarray(calls["eager f64"]())
    repeats = {}
    for name, call in calls.items():
        check(name, call(), expected, single)
        call()
        repeats[name] = max(1, min(10_000, round(arguments.seconds / max(mean_seconds(call, 1), 1e-7))))
    seconds = {name: [] for name in calls}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            time.sleep(0.01)  # the other side's threads stop spinning
            call()
            seconds[name].append(mean_seconds(call, repeats[name]))
    return seconds


def main():
    arguments = ARGUMENTS
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.batches, arguments.features = 3, 0.05, [1, 4], 16
    torch.set_num_threads(arguments.threads)
    model = generator(arguments.features)
    network = unrelu.Network.from_torch(model.double())
    print(f"DCGAN {CODE} → 3×64×64, ngf {arguments.features}; PyTorch {torch.__version__}, eager.")
    print(f"{arguments.threads} threads each, {arguments.rounds} rounds; medians of the rounds (quartiles).")
    # In f32 a unit near its kink may be on the other side, which changes a gradient.
    for title, kind, single in [("Forward pass", forward_passes, 1e-4), ("Loss and gradient", gradients, 1e-2)]:
        rows = {}
        for batch in arguments.batches:
            draw = torch.Generator().manual_seed(2)
            codes = torch.randn(batch, CODE, 1, 1, dtype=torch.float64, generator=draw)
            rows[batch] = compared(kind(model, network, codes), single, arguments)
        table(title, rows)
    if arguments.step:
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "dcgan.safetensors")
            network.save(path)
            calls = steps(model, arguments.step, path)
            seconds = {name: [] for name in calls}
            for _ in range(arguments.rounds + 1):
                for name, call in calls.items():
                    seconds[name].append(call())
            # The first round warms up.
            table("One step of Levenberg–Marquardt, one thread", {1: {n: s[1:] for n, s in seconds.items()}})


if __name__ == "__main__":
    sys.exit(main())
