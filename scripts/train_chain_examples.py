#!/usr/bin/env python3
"""Trains the two generators with convolutions or smooth layers under examples/ on MNIST images.

    pip install numpy torch
    python scripts/train_chain_examples.py --mnist DIR [--only softplus|dcgan] [--out examples]

DIR holds an IDX image file, as for `train_examples.py`; the committed files come from the 10,000
images of `t10k`. The last tenth of the images is left out of the training and measures the result.
Each network takes some minutes on one thread. The seed makes the run deterministic on one machine
with one build of PyTorch; elsewhere rounding differs.

Both are the decoder of a variational autoencoder with Bernoulli pixels (Kingma and Welling, 2014):
the loss is the cross-entropy of the pixels plus `beta` times the divergence of the codes from
N(0, I). At `beta` = 1, the autoencoder leaves some entries of the code unused; images then say
nothing about them, and no method can recover them. A smaller `beta` keeps all 20 in use.

* `softplus` is the decoder of CSGM's size: dense, softplus in the hidden layers, sigmoid at the
  output. Its encoder mirrors it. The weights are rounded to f16 at the end, so that the file has
  half the size; all figures are those of the rounded weights.
* `dcgan` has transposed convolutions with BatchNorm and ReLU, and tanh at the output. Its pixels
  are -1 for blank and 1 for ink.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import chain_examples as chains
import example_networks as nets
from train_examples import read_images


@dataclass
class Recipe:
    """The parameters of a training run."""

    name: str
    epochs: int
    beta: float
    rate: float = 1e-3
    batch: int = 100
    seed: int = 1


RECIPES = [Recipe("softplus", epochs=60, beta=0.5), Recipe("dcgan", epochs=60, beta=0.5)]


def encoder_of(name):
    """Images of shape (count, 784) to mean and log variance of the code, (count, 40)."""
    if name == "softplus":
        return nn.Sequential(
            nn.Linear(784, 500), nn.Softplus(), nn.Linear(500, 500), nn.Softplus(), nn.Linear(500, 2 * chains.CODE)
        )
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 2 * chains.CODE),
    )


def logits(name, decoder, codes):
    """The pixels' logits: the values before the sigmoid, or twice those before tanh, because
    (1 + tanh a) / 2 is the sigmoid of 2a."""
    values = decoder[:-1](codes.reshape(-1, *chains.FILES[name][2])).flatten(1)
    return 2 * values if name == "dcgan" else values


def losses(name, encoder, decoder, images, noise):
    """Cross-entropy and divergence per image; `noise` None: the codes are the means."""
    mean, log_variance = encoder(images).chunk(2, dim=1)
    log_variance = log_variance.clamp(-10, 4)
    codes = mean if noise is None else mean + noise * (0.5 * log_variance).exp()
    entropy = functional.binary_cross_entropy_with_logits(logits(name, decoder, codes), images, reduction="sum")
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    return entropy / len(images), divergence / len(images)


def train(recipe, images, held_out):
    """The encoder and the decoder, in eval mode."""
    torch.manual_seed(recipe.seed)
    encoder, decoder = encoder_of(recipe.name), chains.FILES[recipe.name][1]()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    adam = torch.optim.Adam(parameters, recipe.rate)
    started = time.time()
    for epoch in range(recipe.epochs):
        # A constant rate, then over the last half a cosine down to almost zero.
        progress = max(0.0, 2 * epoch / recipe.epochs - 1)
        adam.param_groups[0]["lr"] = recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        encoder.train(), decoder.train()
        for picked in torch.randperm(len(images)).split(recipe.batch):
            noise = torch.randn(len(picked), chains.CODE)
            entropy, divergence = losses(recipe.name, encoder, decoder, images[picked], noise)
            adam.zero_grad(set_to_none=True)
            (entropy + recipe.beta * divergence).backward()
            adam.step()
        encoder.eval(), decoder.eval()
        if (epoch + 1) % 5 == 0:
            with torch.no_grad():
                noise = torch.randn(len(held_out), chains.CODE)
                entropy, divergence = losses(recipe.name, encoder, decoder, held_out, noise)
            print(
                f"  epoch {epoch + 1}: held out: cross-entropy {entropy:.1f}, divergence {divergence:.1f}, "
                f"{time.time() - started:.0f} s",
                flush=True,
            )
    return encoder, decoder


def report(name, module, codes, shown):
    """Prints the error of the encoder's reconstructions, and how much each code entry matters."""
    with torch.no_grad():
        images = chains.ink(name, module(codes.reshape(-1, *chains.FILES[name][2])))
    root = float((images - shown).square().mean().sqrt())
    relative = float((images - shown).norm() / shown.norm())
    print(f"  held-out images, the encoder's reconstructions: error {root:.3f} per pixel (RMS), {relative:.3f} relative")
    torch.manual_seed(1)
    conditions = []
    for code in torch.randn(20, chains.CODE):
        jacobian = torch.autograd.functional.jacobian(
            lambda z: module(z.reshape(1, *chains.FILES[name][2])).flatten(), code
        )
        values = torch.linalg.svdvals(jacobian.double())
        conditions.append(float(values[0] / values[-1]))
    print(f"  condition number of dG/dz at 20 random codes: median {np.median(conditions):.0f}, max {max(conditions):.0f}")


def main():
    arguments = argparse.ArgumentParser(description="Train the generators of operations under examples/ on MNIST.")
    arguments.add_argument("--mnist", metavar="DIR", help="folder with the MNIST image file (IDX, gzip or not)")
    arguments.add_argument("--out", default=chains.EXAMPLES, type=Path, metavar="DIR")
    arguments.add_argument("--only", choices=list(chains.FILES), help="train one of the two")
    arguments.add_argument("--epochs", type=int, help="instead of the recipe's")
    arguments.add_argument("--beta", type=float, help="instead of the recipe's")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--picture", metavar="GRID.png", help="write 40 random samples of each network in --out")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)

    if options.mnist:
        images = torch.from_numpy(read_images(options.mnist))
        images, held_out = images[: -len(images) // 10], images[-len(images) // 10 :]
        options.out.mkdir(parents=True, exist_ok=True)
        for recipe in RECIPES:
            if options.only not in (None, recipe.name):
                continue
            recipe.epochs, recipe.beta = options.epochs or recipe.epochs, options.beta or recipe.beta
            print(recipe, flush=True)
            encoder, decoder = train(recipe, images, held_out)
            path = chains.save(recipe.name, decoder, options.out)
            print(f"{path}: {path.stat().st_size} bytes")
            with torch.no_grad():
                codes = encoder(held_out)[:, : chains.CODE]
            report(recipe.name, chains.load(recipe.name, options.out), codes, held_out)
    if options.picture:
        grids = []
        for name, (_, _, code_shape, _) in chains.FILES.items():
            torch.manual_seed(2)
            samples = chains.load(name, options.out)(torch.randn(40, *code_shape))
            grids.append(chains.ink(name, samples).numpy())
        nets.write_grid(options.picture, np.concatenate(grids), 20)


if __name__ == "__main__":
    main()
