#!/usr/bin/env python3
"""Trains the two generators under examples/ on MNIST images. Plain NumPy (1.24 or newer).

    pip install numpy scipy
    python scripts/train_examples.py --mnist DIR [--only relu|leaky] [--out examples]

DIR holds an IDX image file (`train-images-idx3-ubyte.gz`, `t10k-images-idx3-ubyte.gz`, or the same
unpacked); the committed files come from the 10,000 images of `t10k`. Each network takes a few
minutes on two cores. The seed makes the run deterministic on one machine with one NumPy. Another
BLAS rounds differently and gives slightly different weights of the same quality.

Afterwards the quality figures are computed as `scripts/check_examples.py` does (that needs SciPy;
`--no-check` leaves them out).

Both generators are decoders of a variational autoencoder without biases, so that codes drawn from
N(0, I) give digits. A critic learns to tell random samples from images, which makes the samples of
the small ReLU generator sharper. The LeakyReLU generator has no critic, because it only added
speckles there. The other measures make the networks suitable for inversion layer by layer:

* The ReLU generator is trained on the values *before* its output ReLU. An inked pixel must be
  matched, a blank one only has to be below a margin. So units cannot die, and blank pixels are
  exactly zero.
* Its images are digits with strokes of nearly even width, so that the number of active pixels stays
  above the 60 hidden units, which have to be recovered from them, and below 150.
* The directions of its first layer's units have the sum zero. Then about half of the 60 units are
  active for every code, never fewer than the required 20. Without this, one code in six has too
  few.
* The first layer's columns are kept close to orthogonal. Otherwise a variational autoencoder makes
  some code entries nearly irrelevant, and an entry that the image hardly depends on cannot be
  recovered under noise.
"""

import argparse
import ast
import gzip
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import example_networks as nets


@dataclass
class Recipe:
    """The parameters of a training run."""

    file: str
    sizes: list  # from the code outwards
    slope: float  # 0 is ReLU
    epochs: int
    # Trains on the values before the output activation, blank pixels only bounded above.
    one_sided: bool = False
    margin: float = 0.2  # one_sided: how far below zero a blank pixel should lie
    blank_weight: float = 2.0  # one_sided: a blank pixel's weight against an inked one's
    faint: float = 0.0  # one_sided: push on faint pixels of random samples, towards blank
    # Strokes are made even, with about this many pixels per image; 0: the images as they are.
    pixels: int = 0
    output_scale: float = 0.5  # the last layer starts at this share of He's scale
    seed: int = 1
    batch: int = 100
    rate: float = 1.5e-3
    encoder: int = 400  # units of the encoder's first layer
    # Variance of a pixel given the code: the weight of KL against reconstruction.
    sigma2: float = 0.5
    spread: float = 50.0  # weight of the pull of the codes' covariance over a batch towards I
    balance: float = 0.0  # weight of the pull of the first layer's directions towards mean zero
    frame: float = 1.5  # weight of the pull of the first layer's columns towards orthogonality
    critic: int = 256  # units of the critic's first layer
    adversarial: float = 200.0  # weight of the critic's loss on random samples
    penalty: float = 8.0  # weight of the critic's squared slope at the images
    start: int = 10  # the first epoch with the critic


RELU = Recipe(
    "mnist_relu_20_60_784.safetensors",
    [20, 60, 784],
    0.0,
    epochs=100,
    one_sided=True,
    faint=1.0,
    pixels=80,
    sigma2=0.6,
    balance=300.0,
    adversarial=600.0,
)
LEAKY = Recipe(
    "mnist_leaky_20_200_500_784.safetensors",
    [20, 200, 500, 784],
    0.1,
    epochs=60,
    output_scale=0.25,
    rate=1e-3,
    sigma2=0.3,
    frame=1.0,
    adversarial=0.0,
)


def read_images(folder):
    """The images of the first IDX file found in `folder`, one per row, in 0..1."""
    for name in ("t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte", "train-images-idx3-ubyte", "train-images.idx3-ubyte"):
        for suffix, opener in ((".gz", gzip.open), ("", open)):
            path = Path(folder) / (name + suffix)
            if path.exists():
                with opener(path, "rb") as stream:
                    data = stream.read()
                magic, count, height, width = np.frombuffer(data, ">u4", 4)
                if magic != 0x803 or len(data) != 16 + count * height * width:
                    raise SystemExit(f"{path}: not a complete IDX file of images")
                pixels = np.frombuffer(data, np.uint8, offset=16)
                return pixels.reshape(count, height * width).astype(np.float32) / 255
    raise SystemExit(f"{folder}: no MNIST images found; expected a file such as t10k-images-idx3-ubyte.gz")


def even_strokes(images, pixels, side=28):
    """The same digits with strokes of nearly even width, so that each has about `pixels` inked
    pixels.

    After blurring, the middle of a stroke has the largest values. A threshold per image then keeps
    the wanted number of pixels: more of the thick digits than of the thin ones, but the difference
    is smaller than before. The kept values rise from a light grey at the edge to full ink.
    """
    blurred = images.reshape(-1, side, side)
    for axis in (1, 2, 1, 2):
        blurred = (np.roll(blurred, 1, axis) + 2 * blurred + np.roll(blurred, -1, axis)) / 4
    smooth = (0.5 * images + 0.5 * blurred.reshape(images.shape)).astype(np.float32)
    inked = (images > 0.3).sum(axis=1)
    wanted = np.clip(pixels * (inked / np.median(inked)) ** 0.5, 0.75 * pixels, 1.25 * pixels).astype(int)
    ordered = -np.sort(-smooth, axis=1)
    rows = np.arange(len(images))
    threshold, top = ordered[rows, wanted, None], ordered[rows, wanted // 3, None]
    ink = np.clip((smooth - threshold) / (top - threshold), 0, 1)
    return np.where(smooth > threshold, 0.2 + 0.8 * ink, 0).astype(np.float32)


class Adam:
    def __init__(self, parameters, momentum=0.9):
        self.parameters = parameters
        self.momentum = momentum
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, gradients, rate):
        self.steps += 1
        scale = rate * np.sqrt(1 - 0.999**self.steps) / (1 - self.momentum**self.steps)
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second):
            m += (1 - self.momentum) * (g - m)
            v += 0.001 * (g * g - v)
            p -= (scale * m / (np.sqrt(v) + 1e-8)).astype(p.dtype)


class Autoencoder:
    """Encoder 784 -> E -> E/2 -> (mean, log variance), ReLU with biases; decoder without biases."""

    def __init__(self, recipe, rng):
        def normal(rows, columns):
            return (rng.standard_normal((rows, columns)) * np.sqrt(2 / columns)).astype(np.float32)

        k, e = recipe.sizes[0], recipe.encoder
        self.recipe = recipe
        widths = [recipe.sizes[-1], e, e // 2, 2 * k]
        self.encoder = [normal(b, a) for a, b in zip(widths, widths[1:])]
        self.encoder[-1] *= 0.3
        self.biases = [np.zeros(b, np.float32) for b in widths[1:]]
        self.decoder = [normal(b, a) for a, b in zip(recipe.sizes, recipe.sizes[1:])]
        self.decoder[-1] *= np.float32(recipe.output_scale)
        self.parameters = self.encoder + self.biases + self.decoder

    def encode(self, x):
        """The values that enter each encoder layer, and the last layer's output."""
        inputs, value = [], x
        for i, (w, b) in enumerate(zip(self.encoder, self.biases)):
            inputs.append(value)
            value = value @ w.T + b
            if i + 1 < len(self.encoder):
                value = np.maximum(value, 0)
        return inputs, value

    def decode(self, code):
        """The layers' inputs, the activations' derivatives, and the last layer before its
        activation."""
        inputs, slopes, value = [], [], code
        for w in self.decoder:
            inputs.append(value)
            before = value @ w.T
            slopes.append(np.where(before > 0, np.float32(1), np.float32(self.recipe.slope)))
            value = before * slopes[-1]
        return inputs, slopes, before

    def decoder_back(self, back, inputs, slopes):
        """From the loss's derivative by the last layer before its activation: by weights, and by
        code."""
        gradients = []
        for i in reversed(range(len(self.decoder))):
            gradients.insert(0, back.T @ inputs[i])
            back = back @ self.decoder[i]
            if i > 0:
                back *= slopes[i - 1]
        return gradients, back

    def gradients(self, x, noise):
        """The gradients of the loss on one batch, and its reconstruction and KL parts."""
        r = self.recipe
        count, k = len(x), r.sizes[0]
        inputs, out = self.encode(x)
        mean, log_variance = out[:, :k], np.clip(out[:, k:], -10, 4)
        deviation = np.exp(0.5 * log_variance)
        code = mean + deviation * noise
        # Without biases G(cz) = cG(z), so the length of a code changes only the brightness of its
        # image. Therefore the decoder is trained on directions only, at the typical length of
        # N(0, I).
        length = np.linalg.norm(code, axis=1, keepdims=True) / np.sqrt(np.float32(k))
        direction = code / length

        hidden, slopes, before = self.decode(direction)
        if r.one_sided:
            blank = x <= 0
            error = np.where(blank, r.blank_weight * np.maximum(before + r.margin, 0), before - x)
            back = error / r.sigma2
        else:
            error = before * slopes[-1] - x
            back = error * slopes[-1] / r.sigma2
        back /= count

        decoder_gradients, back = self.decoder_back(back, hidden, slopes)
        back = (back - direction * (back * direction).sum(axis=1, keepdims=True) / k) / length

        # The first layer: if the directions of its units have the sum zero, about half of them are
        # active for every code. Otherwise some codes have fewer active units than entries.
        norms = np.linalg.norm(self.decoder[0], axis=1, keepdims=True)
        directions = self.decoder[0] / norms
        average = directions.mean(axis=0)
        pull = average - directions * (directions @ average)[:, None]
        decoder_gradients[0] += 2 * r.balance * pull / (norms * len(norms))

        # Every direction of the code must matter: k log tr M - log det M, with M the Gram matrix,
        # is least where the columns of the first layer are orthogonal and equally long.
        first = self.decoder[0]
        gram = (first.T @ first).astype(np.float64)
        pull = np.eye(k) * (k / np.trace(gram)) - np.linalg.inv(gram)
        decoder_gradients[0] += (2 * r.frame * first @ pull).astype(np.float32)

        # The codes: KL to N(0, I), and the covariance of the batch.
        variance = deviation**2
        covariance = code.T @ code / count - np.eye(k, dtype=np.float32)
        back += r.spread * (4 / count) * (code @ covariance) / k
        back_mean = back + mean / count
        back_log = back * noise * deviation * 0.5 + 0.5 * (variance - 1) / count
        back = np.concatenate([back_mean, back_log], axis=1)

        # Encoder, backwards.
        encoder_gradients, bias_gradients = [], []
        for i in reversed(range(len(self.encoder))):
            encoder_gradients.insert(0, back.T @ inputs[i])
            bias_gradients.insert(0, back.sum(axis=0))
            if i > 0:
                back = (back @ self.encoder[i]) * (inputs[i] > 0)
        kl = 0.5 * (mean**2 + variance - 1 - log_variance).sum() / count
        return encoder_gradients + bias_gradients + decoder_gradients, (error**2).sum() / count, kl


class Critic:
    """Tells images from samples: 784 -> C -> C/4 -> 1, LeakyReLU, logistic loss, penalty on its
    slope."""

    def __init__(self, pixels, width, penalty, rng):
        widths = [pixels, width, width // 4, 1]
        self.weights = [(rng.standard_normal((b, a)) * np.sqrt(2 / a)).astype(np.float32) for a, b in zip(widths, widths[1:])]
        self.biases = [np.zeros(b, np.float32) for b in widths[1:]]
        self.penalty = penalty
        self.parameters = self.weights + self.biases

    def run(self, x):
        inputs, slopes, value = [], [], x
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            inputs.append(value)
            value = value @ w.T + b
            slopes.append(np.where((value > 0) | (i + 1 == len(self.weights)), np.float32(1), np.float32(0.2)))
            value = value * slopes[-1]
        return inputs, slopes, value[:, 0]

    def back(self, out, inputs, slopes):
        """The derivatives by each layer before its activation, and by the image."""
        deltas, back = [], out[:, None]
        for w, slope in zip(reversed(self.weights), reversed(slopes)):
            deltas.insert(0, back * slope)
            back = deltas[0] @ w
        return deltas, back

    def gradients(self, images, samples):
        count = len(images)
        total = [np.zeros_like(p) for p in self.parameters]
        layers = len(self.weights)
        for x, sign in ((images, -1), (samples, 1)):
            inputs, slopes, score = self.run(x)
            deltas, _ = self.back(sign / (1 + np.exp(-sign * score)) / count, inputs, slopes)
            for i in range(layers):
                total[i] += deltas[i].T @ inputs[i]
                total[layers + i] += deltas[i].sum(axis=0)
            if sign < 0:
                # Half the squared slope at the images. The network is piecewise linear, so the
                # derivative is that of the change of the score along the slope, with it held fixed.
                deltas, along = self.back(np.full(count, 1, np.float32), inputs, slopes)
                for i in range(layers):
                    total[i] += (self.penalty / count) * (deltas[i].T @ along)
                    along = (along @ self.weights[i].T) * slopes[i]
        return total

    def pull(self, samples):
        """The derivative, by the samples, of the loss that is low where the critic takes them for
        images."""
        inputs, slopes, score = self.run(samples)
        return self.back(-1 / (1 + np.exp(score)) / len(samples), inputs, slopes)[1]


def train(recipe, images):
    rng = np.random.default_rng(recipe.seed)
    if recipe.pixels:
        images = even_strokes(images, recipe.pixels)
    model = Autoencoder(recipe, rng)
    adam = Adam(model.parameters)
    critic = Critic(images.shape[1], recipe.critic, recipe.penalty, rng)
    critic_adam = Adam(critic.parameters, 0.5)
    started = time.time()
    for epoch in range(recipe.epochs):
        # A constant rate, then over the last half a cosine down to almost zero.
        progress = max(0.0, 2 * epoch / recipe.epochs - 1)
        rate = recipe.rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * progress)))
        order = rng.permutation(len(images))
        squares = divergence = 0.0
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            x = images[order[start : start + recipe.batch]]
            noise = rng.standard_normal((len(x), recipe.sizes[0])).astype(np.float32)
            gradients, a, b = model.gradients(x, noise)
            if recipe.adversarial and epoch >= recipe.start:
                k = recipe.sizes[0]
                code = rng.standard_normal((len(x), k)).astype(np.float32)
                code *= np.sqrt(np.float32(k)) / np.linalg.norm(code, axis=1, keepdims=True)
                inputs, slopes, before = model.decode(code)
                samples = before * slopes[-1]
                critic_adam.step(critic.gradients(x, samples), rate)
                back = recipe.adversarial * critic.pull(samples) * slopes[-1]
                back += (recipe.faint / len(x)) * ((before > -recipe.margin) & (before < 0.15))
                extra, _ = model.decoder_back(back.astype(np.float32), inputs, slopes)
                for total, part in zip(gradients[-len(extra) :], extra):
                    total += part
            adam.step(gradients, rate)
            squares, divergence = squares + a, divergence + b
        if (epoch + 1) % 10 == 0:
            steps = len(order) // recipe.batch
            print(f"  epoch {epoch + 1}: squared error {squares / steps:.2f}, KL {divergence / steps:.1f}, {time.time() - started:.0f} s", flush=True)
    return model


def codes_of(model, images):
    k = model.recipe.sizes[0]
    return np.concatenate([model.encode(part)[1][:, :k] for part in np.array_split(images, 20)])


def main():
    arguments = argparse.ArgumentParser(description="Train the generators under examples/ on MNIST.")
    arguments.add_argument("--mnist", required=True, metavar="DIR", help="folder with the MNIST image file (IDX, gzip or not)")
    arguments.add_argument("--out", default=Path(__file__).resolve().parent.parent / "examples", type=Path, metavar="DIR")
    arguments.add_argument("--only", choices=["relu", "leaky"], help="train one of the two")
    arguments.add_argument("--no-check", action="store_true", help="do not compute the quality figures (no SciPy needed)")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a value of the recipe")
    options = arguments.parse_args()

    images = read_images(options.mnist)
    options.out.mkdir(parents=True, exist_ok=True)
    for recipe in [RELU] * (options.only != "leaky") + [LEAKY] * (options.only != "relu"):
        for change in options.set:
            name, value = change.split("=")
            setattr(recipe, name, ast.literal_eval(value))
        print(recipe)
        model = train(recipe, images)
        path = options.out / recipe.file
        nets.save(path, nets.Generator(model.decoder, recipe.slope))
        generator = nets.load(path)
        shown = even_strokes(images, recipe.pixels) if recipe.pixels else images
        codes = codes_of(model, shown).astype(np.float64)
        codes *= np.sqrt(codes.shape[1]) / np.linalg.norm(codes, axis=1, keepdims=True)
        relative = np.linalg.norm(generator.run(codes) - shown) / np.linalg.norm(shown)
        print(f"{path}: {path.stat().st_size} bytes; relative error of the encoder's reconstructions {relative:.3f}")
        if not options.no_check:
            import check_examples

            check_examples.report(path)


if __name__ == "__main__":
    main()
