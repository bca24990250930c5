#!/usr/bin/env python3
"""Runs the forward pass of a DCGAN in PyTorch and in unrelu, in turn, and prints a table in
Markdown with PyTorch's time divided by unrelu's.

    pip install ./python torch
    python scripts/bench_chains.py       # --quick takes little time, --help lists the options

The network is the generator of PyTorch's DCGAN example, 100 → 3×64×64 with 64 features and random
weights and statistics, in eval mode. Both sides are called from Python and get the same number of
threads. Each round runs every contender once, one after the other. A figure is the median of the
rounds with their quartiles, a ratio the median of the rounds' ratios. Before the first round each
contender is warmed up, and its images are compared with those of PyTorch in f64. If they differ,
the script ends.

unrelu's forward pass from Python is f64. Codes and images go from and to NumPy's arrays; PyTorch's
calls begin and end with tensors. The rows of PyTorch in f32 compute with half as many bytes, so
they say how long a user of f32 waits, not which implementation is better. Gradients and steps of a
search cannot be called alone from Python, so they are not compared here.
"""

import argparse
import copy
import os
import statistics
import sys
import time

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="number of threads of each side")
PARSER.add_argument("--batches", type=lambda text: [int(b) for b in text.split(",")], default=[1, 16, 64])
PARSER.add_argument("--features", type=int, default=64, help="ngf of the example")
PARSER.add_argument("--rounds", type=int, default=9)
PARSER.add_argument("--seconds", type=float, default=0.5, help="approximate time per contender and round")
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


def contenders(model, network, codes):
    """Name -> a call that returns the images as an array."""
    doubles = codes.numpy()

    def in_torch(dtype):
        own, z = copy.deepcopy(model).to(dtype), codes.to(dtype)

        def call():
            with torch.inference_mode():
                return own(z)

        return call

    return {
        "unrelu f64": lambda: network.forward(doubles),
        "f64": in_torch(torch.float64),
        "f32": in_torch(torch.float32),
    }


def check(name, found, expected):
    """Ends the script if the images differ by more than the rounding."""
    tolerance = 1e-4 if name == "f32" else 1e-10
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


def main():
    arguments = ARGUMENTS
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.batches, arguments.features = 3, 0.05, [1, 4], 16
    torch.set_num_threads(arguments.threads)
    model = generator(arguments.features)
    network = unrelu.Network.from_torch(model.double())
    print(f"DCGAN {CODE} → 3×64×64, ngf {arguments.features}: forward pass; PyTorch {torch.__version__}, eager")
    print(f"{arguments.threads} threads each, {arguments.rounds} rounds; milliseconds per call, median (quartiles)\n")
    print("| batch | unrelu f64 | PyTorch | | times as fast |\n|---|---|---|---|---|")
    for batch in arguments.batches:
        codes = torch.randn(batch, CODE, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        calls = contenders(model, network, codes)
        expected = calls["f64"]().numpy()
        repeats = {}
        for name, call in calls.items():
            check(name, call(), expected)
            call()
            repeats[name] = max(1, min(10_000, round(arguments.seconds / max(mean_seconds(call, 1), 1e-7))))
        seconds = {name: [] for name in calls}
        for _ in range(arguments.rounds):
            for name, call in calls.items():
                time.sleep(0.01)  # the other side's threads stop spinning
                call()
                seconds[name].append(mean_seconds(call, repeats[name]))
        ours = seconds.pop("unrelu f64")
        for name, theirs in seconds.items():
            ratio = statistics.median(their / our for our, their in zip(ours, theirs))
            row = [batch, spread(ours), f"eager {name}", spread(theirs), f"{ratio:.2f}"]
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
