#!/usr/bin/env python3
"""How often the intervals of `--uncertainty` hold the truth, and how wide they are, as a table in
Markdown.

    pip install ./python
    python scripts/bench_uncertainty.py            # --quick takes a minute

Codes are drawn from N(0, I) and inverted with `best` under the law of the noise, once with its size
named and once without. An entry is covered if its 90 % interval holds the true entry; counted are
the entries of *determined* cases, in which every entry has an interval. The oracle knows the law,
the size and the linear region of the true code: for Gaussian noise its width is that of the
covariance there (for Laplace noise, of its limit for many outputs), for uniform noise that of a
walk on the codes of that region within the noise (NumPy, started at the truth, as long as
unrelu's). *Width* is the median over cases and entries of the width of the intervals, over that of
the oracle's.

*Alternatives* are the mean number of other minima within reach of the noise.
"""

import argparse
import os
import time

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--cases", type=int, default=1000, help="observations per row")
PARSER.add_argument("--large", type=int, default=200, help="observations per row at noise 0.1")
PARSER.add_argument("--oracle", type=int, default=100, help="observations of the oracle's walk")
PARSER.add_argument("--sizes", type=lambda text: [float(size) for size in text.split(",")], default=[0.001, 0.01, 0.1])
PARSER.add_argument("--laws", type=lambda text: text.split(","), default=["gaussian", "uniform", "laplace"])
PARSER.add_argument("--networks", type=lambda text: text.split(","), default=["trained", "random"])
PARSER.add_argument("--threads", type=int, default=1)
PARSER.add_argument("--quick", action="store_true", help="20 observations per row")
ARGUMENTS = PARSER.parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)

import numpy as np  # noqa: E402

import unrelu  # noqa: E402

STEPS = 12_000


def network_of(name):
    if name == "trained":
        return "trained 20 → 60 → 784", unrelu.Network.from_file("examples/mnist_relu_20_60_784.safetensors")
    return "random 20 → 100 → 500", unrelu.Network.random([20, 100, 500], seed=1)


def region(network, code):
    """Received values and Jacobian of each layer at a code of a ReLU network."""
    jacobian, values, received = np.eye(len(code)), code, []
    for weight, bias, _ in network.layers:
        values, jacobian = weight @ values + bias, weight @ jacobian
        received.append((values, jacobian))
        on = values > 0
        values, jacobian = values * on, jacobian * on[:, None]
    return received, jacobian


def gaussian_widths(network, codes, size, factor):
    """Widths of the oracle's intervals under Gaussian noise (or Laplace, with another factor)."""
    widths = []
    for code in codes:
        jacobian = region(network, code)[1]
        widths.append(2 * 1.6449 * factor * size * np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian))))
    return np.array(widths)


def uniform_widths(network, codes, x, size, rng):
    """Widths of the central 90 % of the codes of the true region within the noise: hit-and-run, all
    cases at the same time."""
    count, k = codes.shape
    matrices, values, lower, upper, axes = [], [], [], [], []
    for code, observed in zip(codes, x, strict=True):
        (hidden, (received, outputs)), jacobian = region(network, code)
        assert np.all(observed >= -size)
        both = observed > size
        low = np.concatenate([np.where(both, observed - size, -np.inf), np.where(hidden[0] > 0, 0, -np.inf)])
        high = np.concatenate([observed + size, np.where(hidden[0] > 0, np.inf, 0)])
        _, values_of, axes_of = np.linalg.svd(outputs[both])
        whitened = size * axes_of.T / values_of
        matrices.append(np.concatenate([outputs, hidden[1]]) @ whitened)
        values.append(np.concatenate([received, hidden[0]]))
        lower.append(low), upper.append(high), axes.append(whitened)
    matrices, values, lower, upper, axes = map(np.array, (matrices, values, lower, upper, axes))
    points, steps = np.zeros((count, k)), []
    for step in range(STEPS):
        direction = rng.standard_normal((count, k))
        change = np.einsum("cmk,ck->cm", matrices, direction)
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (lower - values) / change, (upper - values) / change
        start = np.fmax.reduce(np.fmin(a, b), axis=1)
        end = np.fmin.reduce(np.fmax(a, b), axis=1)
        length = np.minimum(start, 0) + (np.maximum(end, 0) - np.minimum(start, 0)) * rng.random(count)
        points = points + length[:, None] * direction
        values = values + length[:, None] * change
        if step >= STEPS // 10 and step % 3 == 0:
            steps.append(np.einsum("cij,cj->ci", axes, points))
    low, high = np.quantile(np.array(steps), [0.05, 0.95], axis=0)
    return high - low


def noise_of(law, size, shape, rng):
    draw = {"gaussian": rng.normal, "laplace": rng.laplace}
    return rng.uniform(-size, size, shape) if law == "uniform" else draw[law](0, size, shape)


def inside(lower, upper, codes, kept):
    return np.mean((lower[kept] <= codes[kept]) & (codes[kept] <= upper[kept]))


def measure(title, network, law, size):
    count = ARGUMENTS.cases if size < 0.05 else ARGUMENTS.large
    rng = np.random.default_rng(7)
    codes = rng.standard_normal((count, network.code_shape[0]))
    images = network.forward(codes)
    x = images + noise_of(law, size, images.shape, rng)
    first = slice(0, ARGUMENTS.oracle)
    if law == "uniform":
        widths = uniform_widths(network, codes[first], x[first], size, rng)
    else:
        widths = gaussian_widths(network, codes, size, 1.0)
    begin = time.perf_counter()
    unrelu.invert(network, x, noise=f"{law}:{size}", device="cpu", threads=ARGUMENTS.threads)
    plain = time.perf_counter() - begin
    cells = [title, f"{law} {size}", f"{np.median(widths):.2g}"]
    for noise in (f"{law}:{size}", law):
        begin = time.perf_counter()
        found = unrelu.invert(
            network, x, noise=noise, uncertainty=True, device="cpu", threads=ARGUMENTS.threads
        )
        seconds = time.perf_counter() - begin
        kept = found.intervals == "complete"
        errors = np.linalg.norm(found.codes - codes, axis=1) / np.linalg.norm(codes, axis=1)
        coverage = inside(found.lower, found.upper, codes, kept)
        ratio = np.median((found.upper - found.lower)[kept]) / np.median(widths)
        cells.append(f"{kept.sum()} of {count}: {coverage:.3f}, {ratio:.2f}")
        if noise != law:
            cells.append(f"{np.median(errors):.2g}")
            bounds = "–"
            if hasattr(found, "bound_lower"):
                at = kept & np.isfinite(found.bound_upper - found.bound_lower).all(axis=1)
                wide = np.median((found.bound_upper - found.bound_lower)[at]) / np.median(widths)
                bounds = f"{inside(found.bound_lower, found.bound_upper, codes, at):.4f}, {wide:.1f}"
            cells.append(bounds)
            others = f"{np.mean(found.alternatives):.2f}" if hasattr(found, "alternatives") else "–"
            times = f"{1e3 * plain / count:.0f} → {1e3 * seconds / count:.0f} ms"
    cells += [others, times]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    if ARGUMENTS.quick:
        ARGUMENTS.cases = ARGUMENTS.large = ARGUMENTS.oracle = 20
    names = [
        "network",
        "noise",
        "oracle's width",
        "size named: coverage, width",
        "median code error",
        "bounds: coverage, width",
        "size estimated: coverage, width",
        "alternatives",
        "time without → with",
    ]
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for name in ARGUMENTS.networks:
        title, network = network_of(name)
        for law in ARGUMENTS.laws:
            for size in ARGUMENTS.sizes:
                measure(title, network, law, size)


main()
