#!/usr/bin/env python3
"""Checks the dense generators under examples/ for inversion layer by layer. Needs NumPy and SciPy.

    python scripts/check_examples.py [FILE.safetensors…] [--samples 200] [--picture GRID.png]

For codes drawn from N(0, I) and no noise it prints
* the number of pixels that are not zero (ReLU) and of active units in each hidden layer,
* the condition number of each layer, for ReLU of the active rows of each sample,
* for ReLU the share of samples that are determined layer by layer: the target t of a layer allows
  only one v with `W[on] v = t[on]`, `W[off] v <= 0` (and `v >= 0` except for the code). This holds
  where the active rows have full column rank. Elsewhere two linear programs per entry (HiGHS)
  measure its range, and the sample is determined if no range exceeds 1e-6 of the largest entry.
  `--all-by-lp N` runs the linear programs on the first N samples whatever their rank, to check the
  rank test.
* the error of the codes when each layer is solved by least squares on its active rows, in f64.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import linprog

import example_networks as nets

SEED = 20


def ranges(weight, target, nonnegative):
    """The width of the range of each entry of the layer's input over all that fit the target."""
    on = target > 0
    bound = (0, None) if nonnegative else (None, None)
    widths = []
    for i in range(weight.shape[1]):
        ends = []
        for sign in (1, -1):
            objective = np.zeros(weight.shape[1])
            objective[i] = sign
            answer = linprog(objective, weight[~on], np.zeros((~on).sum()), weight[on], target[on], bound, method="highs")
            if answer.status == 3:
                return np.array([np.inf])
            if answer.status != 0:
                raise RuntimeError(f"HiGHS: {answer.message}")
            ends.append(sign * answer.fun)
        widths.append(ends[1] - ends[0])
    return np.array(widths)


def determined(weight, target, truth, nonnegative, by_lp):
    active = weight[target > 0]
    full = len(active) >= weight.shape[1] and np.linalg.matrix_rank(active) == weight.shape[1]
    if full and not by_lp:
        return True
    unique = ranges(weight, target, nonnegative).max() <= 1e-6 * np.abs(truth).max()
    if full and not unique:
        print("    the linear programs disagree with the rank")
    return unique


def quantiles(values):
    low, q5, mid, q95, high = np.percentile(values, [0, 5, 50, 95, 100])
    return f"min {low:.4g}, 5 % {q5:.4g}, median {mid:.4g}, 95 % {q95:.4g}, max {high:.4g}"


def report_relu(generator, codes, all_by_lp):
    outputs = generator.layers(codes)
    weights = [w.astype(np.float64) for w in generator.weights]
    pixels = (outputs[-1] > 0).sum(axis=1)
    print(f"  non-zero pixels: {quantiles(pixels)}; within 60 to 150: {np.mean((pixels >= 60) & (pixels <= 150)):.1%}")
    fixed = np.ones((len(weights), len(codes)), bool)
    errors = np.zeros(len(codes))
    for i, weight in enumerate(weights):
        inputs = codes if i == 0 else outputs[i - 1]
        conditions = np.full(len(codes), np.inf)
        for s in range(len(codes)):
            target = outputs[i][s]
            active = weight[target > 0]
            if len(active) >= weight.shape[1]:
                conditions[s] = np.linalg.cond(active)
                error = np.linalg.norm(np.linalg.lstsq(active, target[target > 0], rcond=None)[0] - inputs[s])
                errors[s] = max(errors[s], error / np.linalg.norm(inputs[s]))
            fixed[i, s] = determined(weight, target, inputs[s], i > 0, s < all_by_lp)
        full = conditions[np.isfinite(conditions)]
        print(f"  layer {i + 1}: active units {quantiles((outputs[i] > 0).sum(axis=1))}")
        print(f"    enough active rows: {len(full) / len(codes):.1%}; their condition number: {quantiles(full)}; determined: {fixed[i].mean():.1%}")
    print(f"  determined layer by layer: {fixed.all(axis=0).sum()} of {len(codes)} samples")
    print(f"  worst relative error of a layer by least squares: {errors.max():.2g}")


def report_leaky(generator, codes):
    weights = [w.astype(np.float64) for w in generator.weights]
    outputs = generator.layers(codes)
    value = outputs[-1]
    for i in reversed(range(len(weights))):
        values = np.linalg.svd(weights[i], compute_uv=False)
        print(f"  layer {i + 1}: condition number {values[0] / values[-1]:.4g}, singular values {values[0]:.3g} to {values[-1]:.3g}")
        before = np.where(value > 0, value, value / generator.slope)
        value = np.linalg.lstsq(weights[i], before.T, rcond=None)[0].T
    errors = np.linalg.norm(value - codes, axis=1) / np.linalg.norm(codes, axis=1)
    print(f"  pixels above 0.1: {quantiles((outputs[-1] > 0.1).sum(axis=1))}; most negative pixel {outputs[-1].min():.3f}")
    print(f"  relative error of the codes by least squares: {quantiles(errors)}")


def report(path, samples=200, all_by_lp=0):
    generator = nets.load(path)
    sizes = [generator.weights[0].shape[1]] + [w.shape[0] for w in generator.weights]
    codes = np.random.default_rng(SEED).standard_normal((samples, sizes[0]))
    brightest = generator.run(codes).max(axis=1)
    print(f"{path}: {sizes}, {generator.activation}, {samples} samples, brightest pixel {quantiles(brightest)}")
    if generator.slope == 0:
        report_relu(generator, codes, all_by_lp)
    else:
        report_leaky(generator, codes)


def main():
    arguments = argparse.ArgumentParser(description="Check the generators under examples/ for inversion layer by layer.")
    arguments.add_argument("files", nargs="*", type=Path, metavar="FILE.safetensors")
    arguments.add_argument("--samples", type=int, default=200)
    arguments.add_argument("--all-by-lp", type=int, default=0, metavar="N", help="run the linear programs on the first N samples, whatever their rank")
    arguments.add_argument("--picture", metavar="GRID.png", help="write 40 random samples of each network")
    options = arguments.parse_args()
    files = options.files or nets.dense_examples(Path(__file__).resolve().parent.parent / "examples")
    pictures = []
    for path in files:
        report(path, options.samples, options.all_by_lp)
        generator = nets.load(path)
        codes = np.random.default_rng(SEED + 1).standard_normal((40, generator.weights[0].shape[1]))
        pictures.append(generator.run(codes))
    if options.picture:
        nets.write_grid(options.picture, np.concatenate(pictures), 20)


if __name__ == "__main__":
    main()
