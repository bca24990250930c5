#!/usr/bin/env python3
"""Recovers images with deepinv's CSGMGenerator and with unrelu's GeneratorReconstructor, and writes
a table in Markdown and a picture.

    pip install ./python deepinv matplotlib
    python scripts/bench_deepinv.py        # about five minutes; --images 2 for a first look

The generator is examples/mnist_relu_20_60_784.safetensors, a decoder trained on MNIST. The images
are those of random codes from N(0, I), so the truth is known and in the generator's range. Both
models get the same module, images and physics of deepinv:

* inpainting: each pixel hidden with probability 1/2, without noise;
* compressed sensing: 200 Gaussian measurements of the 784 pixels, without noise;
* denoising: Gaussian noise of standard deviation 0.1 in each pixel.

CSGMGenerator draws one latent code for a whole batch, without a seed. So it gets one image at a
time, torch.manual_seed before each start, and its default options otherwise. With ten starts, the
image with the least measurement error is kept; the first of them is the default's. unrelu gets all
images in one batch, with its default options. The error is ||G(z) - x|| / ||x|| with the true image
x. Reading the generator is not timed; it happens once.
"""

import argparse
import statistics
import time
from pathlib import Path

import deepinv
import torch
import unrelu
from unrelu.deepinv import GeneratorReconstructor

ROOT = Path(__file__).resolve().parent.parent
STARTS = 10
SHAPE = (1, 28, 28)


class Decoder(torch.nn.Module):
    """The generator as CSGMGenerator takes it: codes of shape (count, nz, 1, 1)."""

    def __init__(self, path):
        super().__init__()
        layers = []
        for weight, bias, activation in unrelu.Network.from_file(path).layers:
            if activation != "relu":
                raise SystemExit(f"{path}: found the activation {activation}; expected relu")
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
            linear.weight.data = torch.from_numpy(weight).float()
            linear.bias.data = torch.from_numpy(bias).float()
            layers += [linear, torch.nn.ReLU()]
        self.nz = layers[0].in_features
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), *layers, torch.nn.Unflatten(1, SHAPE))

    def forward(self, z):
        return self.layers(z)


def problems():
    """Name and physics of each problem."""
    torch.manual_seed(1)
    return {
        "inpainting": deepinv.physics.Inpainting(SHAPE, mask=(torch.rand(SHAPE) < 0.5).float()),
        "compressed sensing": deepinv.physics.CompressedSensing(200, SHAPE),
        "denoising": deepinv.physics.Denoising(deepinv.physics.GaussianNoise(0.1)),
    }


def csgm(generator, y, physics):
    """Images and seconds of one start and of ten, for each measurement of the batch."""
    model = deepinv.models.CSGMGenerator(generator).eval()
    one, ten, seconds = [], [], [0.0, 0.0]
    for number in range(len(y)):
        kept, least = None, float("inf")
        for start in range(STARTS):
            torch.manual_seed(1000 * number + start)
            begin = time.process_time()
            image = model(y[number : number + 1], physics).detach()
            took = time.process_time() - begin
            seconds[1] += took
            error = float((physics.A(image) - y[number : number + 1]).norm())
            if start == 0:
                seconds[0] += took
                one.append(image)
            if error < least:
                kept, least = image, error
        ten.append(kept)
    return {
        "CSGMGenerator": (torch.cat(one), seconds[0]),
        f"CSGMGenerator, {STARTS} starts": (torch.cat(ten), seconds[1]),
    }


def ours(model, y, physics):
    """Images and seconds of unrelu."""
    begin = time.process_time()
    images = model(y, physics)
    return {"GeneratorReconstructor": (images, time.process_time() - begin)}


def errors(images, x):
    """The relative error of each image."""
    return ((images - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)).tolist()


def picture(path, shown):
    """One row for each problem: the truth, what was measured, and what each model made of it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = list(next(iter(shown.values())))
    figure, axes = plt.subplots(
        len(shown), len(columns), figsize=(1.9 * len(columns), 2.2 * len(shown)), squeeze=False
    )
    for number, (row, (problem, images)) in enumerate(zip(axes, shown.items())):
        for axis, (name, (image, below)) in zip(row, images.items()):
            axis.imshow(image, cmap="gray", vmin=0, vmax=float(images["truth"][0].max()))
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_xlabel(below, fontsize=9)
            if number == 0:
                axis.set_title(name.replace(", ", ",\n"), fontsize=10)
        row[0].set_ylabel(problem, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=12, help="number of images (default 12)")
    parser.add_argument("--threads", type=int, default=1, help="threads of both (default 1)")
    parser.add_argument("--network", default=ROOT / "examples/mnist_relu_20_60_784.safetensors")
    parser.add_argument("--picture", default=ROOT / "docs/images/deepinv.png")
    given = parser.parse_args()

    torch.set_num_threads(given.threads)
    generator = Decoder(given.network).eval().requires_grad_(False)
    model = GeneratorReconstructor(generator, SHAPE, threads=given.threads).eval()
    torch.manual_seed(0)
    x = generator(torch.randn(given.images, generator.nz, 1, 1))

    print("| problem | model | median error | within 1e-3 | CPU seconds per image |")
    print("|---|---|---|---|---|")
    shown = {}
    for problem, physics in problems().items():
        torch.manual_seed(2)
        y = physics(x)
        found = {**csgm(generator, y, physics), **ours(model, y, physics)}
        back = y if y.shape == x.shape else physics.A_adjoint(y)
        shown[problem] = {"truth": (x[0, 0], ""), "measured": (back[0, 0], "")}
        if y.shape != x.shape:
            shown[problem]["measured"] = (back[0, 0] / back[0].max() * x[0].max(), "adjoint")
        for name, (images, seconds) in found.items():
            error = errors(images, x)
            near = sum(one <= 1e-3 for one in error)
            print(
                f"| {problem} | {name} | {statistics.median(error):.1e} | {near} of {len(x)} "
                f"| {seconds / len(x):.2g} |",
                flush=True,
            )
            shown[problem][name] = (images[0, 0], f"error {error[0]:.1e}")
    picture(given.picture, shown)


if __name__ == "__main__":
    main()
