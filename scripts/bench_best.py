#!/usr/bin/env python3
"""`best` against Adam with restarts in PyTorch, and the share of observations whose lowest minimum
`best` misses; a table in Markdown.

    pip install ./python torch
    python scripts/bench_best.py [--networks wide,sigmoid] [--mnist DIR]     # --quick: a minute

Networks: `wide` 100-500-1000-3072 (LeakyReLU 0.2, tanh), `sigmoid` 20-500-500-784 (ReLU, sigmoid),
`random` 20-400-784 (ReLU), with weights from N(0, 2 / inputs); `trained` and `leaky`, the bundled
generators 20-60-784 and 20-200-500-784. Observations: outputs of codes from N(0, I) with Gaussian
noise of `--noise`; with `--mnist`, real images without a named noise, on the bundled generators.

Contenders, one chunk of observations after the other, each with the same number of threads:

* `best` with its defaults and the noise named, one inverter for all chunks. What it measures of the
  network before the first observation has a column of its own.
* Adam in f32, 1,000 steps, restarts from N(0, I) in one batch, the step size `--rate` falling to 0
  by a half cosine.

The squared residuals of all are computed in f64 by PyTorch. Two are the same up to 0.1 %. The
lowest known is that of both contenders and of `best` by its usual search (`miss_rate="none"`) with
`--seeds` other seeds, 48 runs or more each. Times are processor times.
"""

import argparse
import functools
import json
import os
import sys
import time
from pathlib import Path

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--networks", type=lambda text: text.split(","), default=["sigmoid", "random", "trained"])
PARSER.add_argument("--noise", type=lambda text: [float(x) for x in text.split(",")], default=[0.01, 0.05, 0.1])
PARSER.add_argument("--count", type=int, default=100, help="observations of each case")
PARSER.add_argument("--chunk", type=int, default=20, help="observations per turn")
PARSER.add_argument("--restarts", type=lambda text: [int(x) for x in text.split(",")], default=[10])
PARSER.add_argument("--rate", type=float, default=0.1, help="Adam's first step size")
PARSER.add_argument("--steps", type=int, default=1000, help="Adam's steps")
PARSER.add_argument("--adam-count", type=int, help="observations for Adam; default: all")
PARSER.add_argument("--seeds", type=int, default=0, help="usual searches for the lowest known")
PARSER.add_argument("--threads", type=int, default=1)
PARSER.add_argument("--mnist", metavar="DIR", type=Path, help="folder with t10k-images-idx3-ubyte.gz")
PARSER.add_argument("--json", metavar="FILE", type=Path, help="write all squared residuals and times")
PARSER.add_argument("--quick", action="store_true", help="4 observations, 100 steps, the smallest network")
ARGUMENTS = PARSER.parse_args()
if ARGUMENTS.quick:
    ARGUMENTS.networks, ARGUMENTS.noise, ARGUMENTS.count, ARGUMENTS.steps = ["trained"], [0.05], 4, 100
# Thread pools read these when they are made: before the imports.
os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import example_networks as nets  # noqa: E402
import unrelu  # noqa: E402
from adam import lowest_of_restarts  # noqa: E402

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
BUNDLED = {"trained": "mnist_relu_20_60_784", "leaky": "mnist_leaky_20_200_500_784"}
RANDOM = {
    "wide": ([100, 500, 1000, 3072], lambda: nn.LeakyReLU(0.2), nn.Tanh),
    "sigmoid": ([20, 500, 500, 784], nn.ReLU, nn.Sigmoid),
    "random": ([20, 400, 784], nn.ReLU, nn.ReLU),
}
# Squared residuals that differ by less than this share count as the same.
SAME = 1e-3


def module_of(name):
    """The network as a module of PyTorch, in f64."""
    if name in BUNDLED:
        bundled = nets.load(EXAMPLES / f"{BUNDLED[name]}.safetensors")
        layers = []
        for weight in bundled.weights:
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            linear.weight.data = torch.from_numpy(np.array(weight))
            layers += [linear, nn.LeakyReLU(bundled.slope) if bundled.slope else nn.ReLU()]
    else:
        widths, hidden, last = RANDOM[name]
        torch.manual_seed(1)
        layers = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            linear = nn.Linear(inputs, outputs)
            nn.init.normal_(linear.weight, std=(2 / inputs) ** 0.5)
            nn.init.zeros_(linear.bias)
            layers += [linear, hidden() if outputs != widths[-1] else last()]
    return nn.Sequential(*layers).double()


def squared_residuals(module, codes, x):
    with torch.no_grad():
        return (module(codes) - x).square().sum(1).numpy()


def timed(call):
    begin = time.process_time()
    result = call()
    return result, time.process_time() - begin


def codes_of(result):
    return torch.from_numpy(np.asarray(result.codes))


def with_adam(module, x, restarts, seed):
    repeated = x.float().repeat_interleave(restarts, 0)
    torch.manual_seed(seed)
    starts = torch.randn(len(x), restarts, module[0].in_features)

    def objectives(z):
        return (module(z) - repeated).square().sum(1)

    return lowest_of_restarts(objectives, starts, ARGUMENTS.rate, ARGUMENTS.steps, cosine=True)


def compare(name, x, noise):
    """All squared residuals, seconds and notes of one case."""
    module = module_of(name)
    single = module_of(name).float()
    network = unrelu.Network.from_torch(module)
    options = {"device": "cpu", "threads": ARGUMENTS.threads} | ({"noise": noise} if noise else {})
    inverter = unrelu.Inverter(network, "best", **options)
    # The first call measures the network's rule.
    _, measuring = timed(lambda: inverter.invert(x[:1].numpy()))
    _, again = timed(lambda: inverter.invert(x[:1].numpy()))
    losses = {"best": []} | {f"Adam, {restarts}": [] for restarts in ARGUMENTS.restarts}
    seconds = dict.fromkeys(losses, 0.0)
    runs = []
    for first in range(0, len(x), ARGUMENTS.chunk):
        part = x[first : first + ARGUMENTS.chunk]
        result, took = timed(functools.partial(inverter.invert, part.numpy(), first_index=first))
        runs += result.runs.tolist()
        losses["best"] += squared_residuals(module, codes_of(result), part).tolist()
        seconds["best"] += took
        if ARGUMENTS.adam_count is not None:
            part = part[: max(0, ARGUMENTS.adam_count - first)]
        for restarts in ARGUMENTS.restarts if len(part) else []:
            codes, took = timed(functools.partial(with_adam, single, part, restarts, first))
            losses[f"Adam, {restarts}"] += squared_residuals(module, codes, part).tolist()
            seconds[f"Adam, {restarts}"] += took
    lowest = np.array(losses["best"])
    for theirs in losses.values():
        lowest[: len(theirs)] = np.minimum(lowest[: len(theirs)], theirs)
    for seed in range(1, ARGUMENTS.seeds + 1):
        usual = unrelu.Inverter(network, "best", seed=seed, miss_rate="none", **options)
        lowest = np.minimum(lowest, squared_residuals(module, codes_of(usual.invert(x.numpy())), x))
    return {
        "network": name,
        "noise": noise,
        "losses": losses,
        "lowest": lowest.tolist(),
        "seconds": seconds,
        "measuring": max(0.0, measuring - again),
        "runs": float(np.mean(runs)),
    }


def observations(name, noise):
    module = module_of(name)
    generator = torch.Generator().manual_seed(7)
    codes = torch.randn(ARGUMENTS.count, module[0].in_features, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        images = module(codes)
    return images + noise * torch.randn(images.shape, generator=generator, dtype=torch.float64)


def mnist_images():
    from train_examples import read_images

    # Multiples of 1/255 in f64, not in f32.
    pixels = np.rint(255.0 * read_images(ARGUMENTS.mnist)[: ARGUMENTS.count].astype(float))
    return torch.from_numpy(pixels / 255)


def lines(case):
    best, lowest = np.array(case["losses"]["best"]), np.array(case["lowest"])
    missed = int((best > lowest * (1 + SAME)).sum())
    label = f"| {case['network']} | {case['noise'] or 'MNIST'} "
    own = 1e3 * case["seconds"]["best"] / len(best)
    yield label + f"| `best` | {own:.3g} | {case['measuring']:.2g} | {case['runs']:.3g} | {missed} of {len(best)} | | |"
    for name, theirs in case["losses"].items():
        if name == "best" or not theirs:
            continue
        theirs = np.array(theirs)
        ours, known = best[: len(theirs)], lowest[: len(theirs)]
        lower = int((theirs < ours * (1 - SAME)).sum())
        higher = int((theirs > ours * (1 + SAME)).sum())
        missed = int((theirs > known * (1 + SAME)).sum())
        each = 1e3 * case["seconds"][name] / len(theirs)
        yield label + f"| {name} | {each:.3g} | | | {missed} of {len(theirs)} | {lower} | {higher} |"


def main():
    cases = []
    print(f"# unrelu {unrelu.__version__}, PyTorch {torch.__version__}, {ARGUMENTS.threads} thread(s)\n")
    print(
        "| network | noise | contender | ms per observation | measuring, s | runs "
        "| higher than the lowest known | lower than `best` | higher than `best` |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ARGUMENTS.networks:
        if ARGUMENTS.mnist and name in BUNDLED:
            cases.append(compare(name, mnist_images(), None))
        for noise in ARGUMENTS.noise if not ARGUMENTS.mnist else []:
            cases.append(compare(name, observations(name, noise), noise))
        for case in cases[-1:] if ARGUMENTS.mnist else cases[-len(ARGUMENTS.noise) :]:
            print("\n".join(lines(case)), flush=True)
    if ARGUMENTS.json:
        ARGUMENTS.json.write_text(json.dumps(cases))


if __name__ == "__main__":
    sys.exit(main())
