#!/usr/bin/env python3
"""Recovers codes of the two trained chains under examples/ with unrelu, with Adam in PyTorch, with
the recipe of CSGM and with deepinv's CSGMGenerator, and writes a table in Markdown.

    pip install ./python torch deepinv
    python scripts/bench_recovery.py [--mnist DIR] [--json OUT.json]     # --quick takes a minute

The true codes are drawn from N(0, I), and an image is x = G(z). Observed are all pixels, half of
them (one mask for all images), or 50 Gaussian measurements `y = A x` with entries of A from
N(0, 1/50); each without noise and with Gaussian noise of 0.1 per entry. The contenders:

* unrelu: `invert(network, y, "best")` for all pixels, `recover` otherwise; the noise
  is named, else defaults, f64, the CPU.
* Adam, 10 restarts from N(0, I), 1,000 steps, f32. All restarts of a chunk of images are one batch.
  The step size, constant, was the best of those that `--tune` tries for each network.
* CSGM's recipe (Bora, Jalal, Price, Dimakis, ICML 2017; quick_scripts/ and src/mnist_estimators.py
  of the authors' repository): 10 restarts, 1,000 steps of Adam, the mean of squares. Without noise,
  step size 0.1 and no prior, as their projections; with noise, step size 0.01 and 0.1 ||z||^2, as
  their reconstructions.
* deepinv.models.CSGMGenerator with its defaults: one start, one image at a time; and the best of 10
  starts. It starts at codes from U(-1, 1), and stops when the error changes by less than 1e-4.

Of several restarts, each contender keeps that of its least objective. A chunk of images goes to
every contender, one after the other, then comes the next chunk. The time is processor time, and
every contender has one thread. The slow ones, CSGM and deepinv, get the first images only.

Columns: the share of codes with ||z' - z|| <= 1e-3 ||z||; the median of ||z' - z|| / ||z||; the
median of the images' error, root mean square per pixel against the image without noise; the share
of images for which the misfit ||A G(z') - y|| is the least of all contenders, to 0.1 % (or 1e-6
||y||); seconds per image.

With --mnist, 50 real images that the networks were not trained on are fitted, too. Where unrelu has
a latent prior, 10, 25 and 50 measurements are recovered with it and without.
"""

import argparse
import inspect
import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PARSER = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
PARSER.add_argument("--images", type=int, default=50, help="images per problem")
PARSER.add_argument("--chunk", type=int, default=10, help="images per turn")
PARSER.add_argument("--csgm", type=int, default=10, metavar="COUNT", help="images for the recipe of CSGM")
PARSER.add_argument("--deepinv", type=int, default=3, metavar="COUNT", help="images for deepinv")
PARSER.add_argument("--networks", type=lambda text: text.split(","), default=["softplus", "dcgan"])
PARSER.add_argument("--threads", type=int, default=1, help="threads of every contender")
PARSER.add_argument("--mnist", metavar="DIR", help="folder with t10k-images-idx3-ubyte.gz")
PARSER.add_argument("--json", metavar="FILE", type=Path, help="write all figures of each image")
PARSER.add_argument("--tune", action="store_true", help="compare step sizes of Adam on other codes, and end")
PARSER.add_argument("--quick", action="store_true", help="4 images, 100 steps of Adam")
ARGUMENTS = PARSER.parse_args()
# Thread pools read these when they are made: before the imports.
os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)

import deepinv  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

import chain_examples as chains  # noqa: E402
import unrelu  # noqa: E402
from adam import lowest_of_restarts  # noqa: E402

RESTARTS = 10
# Adam's step size: on other codes, the least misfit and the most codes of those that --tune tries.
RATES = {"softplus": 0.3, "dcgan": 0.1}
STEPS = 1000
MEASUREMENTS = 50
NOISE = 0.1
PIXELS = 784
# The law of the codes is N(0, 1): the prior that makes the minimum the most probable code.
PRIOR = NOISE**2


@dataclass
class Generator:
    """An example, as unrelu and torch hold it."""

    name: str
    network: unrelu.Network
    single: torch.nn.Module
    double: torch.nn.Module

    @classmethod
    def read(cls, name):
        double = chains.load(name, dtype=torch.float64)
        flat = {"code_shape": (chains.CODE,), "image_shape": (PIXELS,)}
        network = unrelu.Network.from_file(chains.path_of(name), **flat)
        return cls(name, network, chains.load(name), double)

    def images(self, codes):
        """Images of codes of any torch type, (count, 784)."""
        module = self.double if codes.dtype == torch.float64 else self.single
        return module(codes.reshape(-1, *chains.FILES[self.name][2])).flatten(1)


@dataclass
class Problem:
    """What is observed of an image: a mask of pixels, a matrix, or everything."""

    name: str
    noise: float
    mask: torch.Tensor | None = None
    matrix: torch.Tensor | None = None

    def measure(self, images):
        if self.mask is not None:
            return images[:, self.mask]
        return images if self.matrix is None else images @ self.matrix.to(images.dtype).T

    def adjoint(self, y):
        if self.mask is not None:
            images = torch.zeros(len(y), PIXELS, dtype=y.dtype)
            images[:, self.mask] = y
            return images
        return y if self.matrix is None else y @ self.matrix.to(y.dtype)


def problem(kind, noise, measurements=MEASUREMENTS):
    torch.manual_seed(11)
    if kind == "half hidden":
        return Problem(kind, noise, mask=torch.rand(PIXELS) < 0.5)
    if kind == "Gaussian":
        matrix = torch.randn(measurements, PIXELS, dtype=torch.float64) / math.sqrt(measurements)
        return Problem(f"{measurements} Gaussian", noise, matrix=matrix)
    return Problem("all pixels", noise)


def observe(generator, given, count, seed):
    """True codes, their images and the observations, in f64."""
    torch.manual_seed(seed)
    codes = torch.randn(count, chains.CODE, dtype=torch.float64)
    images = generator.images(codes)
    y = given.measure(images)
    return codes, images, y + given.noise * torch.randn_like(y)


def with_unrelu(generator, given, y, first, prior=None):
    """Codes, and what the search says about itself."""
    options = {"threads": ARGUMENTS.threads, "device": "cpu", "first_index": first}
    if given.noise:
        options["noise"] = given.noise
    if prior is not None:
        options["prior"] = prior
    if given.matrix is not None:
        result = unrelu.recover(generator.network, y.numpy(), given.matrix.numpy(), **options)
    elif given.mask is not None:
        hidden = np.full((len(y), PIXELS), np.nan)
        hidden[:, given.mask.numpy()] = y.numpy()
        result = unrelu.recover(generator.network, hidden, **options)
    else:
        result = unrelu.invert(generator.network, y.numpy(), "best", **options)
    said = {
        "runs": result.runs.tolist(),
        "found": result.found.tolist(),
        "status": result.status.tolist(),
        "determined": result.determined.tolist(),
    }
    return torch.from_numpy(np.asarray(result.codes)).reshape(len(y), -1), said


def with_adam(generator, given, y, seed, rate, cosine, prior=0.0, steps=STEPS):
    """The codes of the least objective of all restarts. The objective of an image is the mean of
    squares of the measurements plus `prior` ||z||^2."""
    torch.manual_seed(seed)
    repeated = y.float().repeat_interleave(RESTARTS, 0)

    def objectives(z):
        misfits = (given.measure(generator.images(z)) - repeated).square().mean(1)
        return misfits + prior * z.square().sum(1)

    return lowest_of_restarts(objectives, torch.randn(len(y), RESTARTS, chains.CODE), rate, steps, cosine)


def with_csgm(generator, given, y, seed, steps=STEPS):
    if given.noise:
        return with_adam(generator, given, y, seed, 0.01, False, prior=0.1, steps=steps)
    return with_adam(generator, given, y, seed, 0.1, False, steps=steps)


class Backbone(torch.nn.Module):
    """The generator as deepinv's CSGMGenerator takes it; it keeps the code of its last call."""

    def __init__(self, generator):
        super().__init__()
        self.generator, self.nz, self.code = generator, chains.CODE, None

    def forward(self, z):
        self.code = z.detach().reshape(-1, chains.CODE)
        return self.generator.images(z.reshape(-1, chains.CODE))


def with_deepinv(generator, given, y, seed):
    """The codes of the first start and of the best of all, and the seconds of both."""
    physics = deepinv.physics.LinearPhysics(A=given.measure, A_adjoint=given.adjoint)
    backbone = Backbone(generator)
    model = deepinv.models.CSGMGenerator(backbone).eval()
    y = y.float()
    one, ten, seconds = [], [], [0.0, 0.0]
    for number in range(len(y)):
        least = math.inf
        for start in range(RESTARTS):
            torch.manual_seed(1000 * (seed + number) + start)
            begin = time.process_time()
            image = model(y[number : number + 1], physics).detach()
            took = time.process_time() - begin
            error = float((given.measure(image) - y[number : number + 1]).norm())
            seconds[1] += took
            if start == 0:
                one.append(backbone.code)
                seconds[0] += took
            if error < least:
                kept, least = backbone.code, error
        ten.append(kept)
    return (torch.cat(one).double(), seconds[0]), (torch.cat(ten).double(), seconds[1])


def contend(generator, given, truth, arguments):
    """Name of a contender -> its codes, seconds per image, and the notes of unrelu."""
    codes, _, y = truth
    found = {}

    def add(name, codes, seconds, said=None):
        entry = found.setdefault(name, {"codes": [], "seconds": 0.0, "said": {}})
        entry["codes"].append(codes)
        entry["seconds"] += seconds
        for key, values in (said or {}).items():
            entry["said"].setdefault(key, []).extend(values)

    def timed(call):
        begin = time.process_time()
        result = call()
        return result, time.process_time() - begin

    for first in range(0, len(y), arguments.chunk):
        part = y[first : first + arguments.chunk]
        (own, said), seconds = timed(lambda: with_unrelu(generator, given, part, first))
        add("unrelu", own, seconds, said)
        if has_prior() and given.noise:
            (own, said), seconds = timed(lambda: with_unrelu(generator, given, part, first, PRIOR))
            add("unrelu, prior", own, seconds, said)
        theirs, seconds = timed(
            lambda: with_adam(
                generator, given, part, first, RATES[generator.name], False, steps=arguments.steps
            )
        )
        add(f"Adam, {RESTARTS} restarts", theirs, seconds)
        if first < arguments.csgm:
            few = part[: arguments.csgm - first]
            theirs, seconds = timed(lambda: with_csgm(generator, given, few, first, arguments.steps))
            add("CSGM's recipe", theirs, seconds)
        if first < arguments.deepinv:
            few = part[: arguments.deepinv - first]
            one, ten = with_deepinv(generator, given, few, first)
            add("deepinv, one start", *one)
            add(f"deepinv, {RESTARTS} starts", *ten)
    for entry in found.values():
        entry["codes"] = torch.cat(entry["codes"])
        entry["seconds"] /= len(entry["codes"])
    return found


def judge(generator, given, truth, found):
    """Adds the errors of each image to what `contend` returned."""
    codes, images, y = truth
    for entry in found.values():
        own = entry.pop("codes")
        count = len(own)
        made = generator.images(own)
        if codes is not None:
            apart = (own - codes[:count]).norm(dim=1) / codes[:count].norm(dim=1)
            entry["code_errors"] = apart.tolist()
        entry["image_errors"] = (made - images[:count]).square().mean(1).sqrt().tolist()
        entry["misfits"] = (given.measure(made) - y[:count]).norm(dim=1).tolist()
    sizes = y.norm(dim=1).tolist()
    for entry in found.values():
        entry["lowest"] = [
            misfit <= 1.001 * min(other["misfits"][i] for other in found.values() if i < len(other["misfits"]))
            + 1e-6 * sizes[i]
            for i, misfit in enumerate(entry["misfits"])
        ]
    return found


def has_prior():
    return "prior" in inspect.signature(unrelu.Recoverer).parameters


def share(values):
    return f"{sum(values)} of {len(values)}"


def rows(generator, given, found):
    """Lines of the table, one per contender."""
    ours = found["unrelu"]["seconds"]
    for name, entry in found.items():
        near, apart = "", ""
        if "code_errors" in entry:
            near = share([error <= 1e-3 for error in entry["code_errors"]]) if not given.noise else ""
            apart = f"{np.median(entry['code_errors']):.2g}"
        cells = [
            generator.name,
            given.name,
            f"{given.noise:g}" if given.noise else "none",
            name,
            near,
            apart,
            f"{np.median(entry['image_errors']):.2g}",
            share(entry["lowest"]),
            f"{entry['seconds']:.3g}",
            f"{entry['seconds'] / ours:.3g}",
        ]
        yield "| " + " | ".join(cells) + " |"


HEADER = (
    "| network | observed | noise | method | codes to 1e-3 | code error | image error | least misfit "
    "| s per image | times unrelu's |\n|---|---|---|---|---|---|---|---|---|---|"
)


def compare(generators, arguments):
    """The table of all problems; returns the figures."""
    figures = []
    print(HEADER, flush=True)
    for generator in generators:
        for noise in (0.0, NOISE):
            for kind in ("all pixels", "half hidden", "Gaussian"):
                given = problem(kind, noise)
                truth = observe(generator, given, arguments.images, 3)
                found = judge(generator, given, truth, contend(generator, given, truth, arguments))
                for line in rows(generator, given, found):
                    print(line, flush=True)
                figures.append({"network": generator.name, "observed": given.name, "noise": noise, "found": found})
                keep(arguments, figures)
    return figures


def real_images(generators, arguments, figures):
    """Fits to real images that were not trained on: the last of the file."""
    from train_examples import read_images

    images = torch.from_numpy(read_images(arguments.mnist))[-1000:][: arguments.images].double()
    print(f"\nReal MNIST images, all pixels:\n\n{HEADER}", flush=True)
    given = problem("all pixels", 0.0)
    for generator in generators:
        targets = 2 * images - 1 if generator.name == "dcgan" else images
        truth = (None, targets, targets)
        found = judge(generator, given, truth, contend(generator, given, truth, arguments))
        for line in rows(generator, given, found):
            print(line, flush=True)
        figures.append({"network": generator.name, "observed": "real images", "noise": 0.0, "found": found})
        keep(arguments, figures)


def priors(generators, arguments, figures):
    """The gain of the latent prior with few measurements."""
    if not has_prior():
        print("\nskipped: the latent prior. This unrelu has no argument `prior`; install one that does.")
        return
    print(f"\nThe prior {PRIOR:g}, Gaussian noise {NOISE}, median errors over {arguments.images} images:\n")
    print("| network | measurements | code error without | with | image error without | with |\n|---|---|---|---|---|---|")
    for generator in generators:
        for measurements in (10, 25, 50):
            given = problem("Gaussian", NOISE, measurements)
            codes, images, y = observe(generator, given, arguments.images, 4)
            found = {}
            for name, prior in (("without", None), ("with", PRIOR)):
                begin = time.process_time()
                own, said = with_unrelu(generator, given, y, 0, prior)
                seconds = (time.process_time() - begin) / len(y)
                found[name] = {"codes": own, "seconds": seconds, "said": said}
            judge(generator, given, (codes, images, y), found)
            cells = [generator.name, str(measurements)]
            for errors in ("code_errors", "image_errors"):
                cells += [f"{np.median(found[name][errors]):.2g}" for name in found]
            print("| " + " | ".join(cells) + " |", flush=True)
            figures.append({"network": generator.name, "prior": PRIOR, "observed": given.name, "noise": NOISE, "found": found})
            keep(arguments, figures)


def tune(generators, arguments):
    """Compares step sizes on codes that the comparison does not use."""
    print("| network | observed | noise | step size | cosine | codes to 1e-3 | mean misfit |\n|---|---|---|---|---|---|---|")
    for generator in generators:
        for kind, noise in (("all pixels", 0.0), ("Gaussian", NOISE)):
            given = problem(kind, noise)
            codes, _, y = observe(generator, given, 2, 5)
            for rate in (0.1, 0.3):
                for cosine in (False, True):
                    own = with_adam(generator, given, y, 0, rate, cosine, steps=arguments.steps)
                    near = ((own - codes).norm(dim=1) <= 1e-3 * codes.norm(dim=1)).tolist()
                    misfit = float((given.measure(generator.images(own)) - y).norm(dim=1).mean())
                    cells = [generator.name, given.name, noise, rate, cosine, share(near), f"{misfit:.4g}"]
                    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def keep(arguments, figures):
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


def main():
    arguments = ARGUMENTS
    arguments.steps = STEPS
    if arguments.quick:
        arguments.images, arguments.chunk, arguments.steps = 4, 2, 100
        arguments.csgm, arguments.deepinv = 2, 1
    torch.set_num_threads(arguments.threads)
    generators = [Generator.read(name) for name in arguments.networks]
    for generator in generators:
        # The first call looks for devices; and nothing is worth timing if the two sides differ.
        codes = torch.randn(2, chains.CODE, dtype=torch.float64)
        apart = np.abs(generator.network.forward(codes.numpy()) - generator.images(codes).numpy()).max()
        if not apart <= 1e-6:
            raise SystemExit(f"{chains.path_of(generator.name)}: unrelu and torch differ by {apart:.1e}, allowed 1e-6")
        with_unrelu(generator, problem("all pixels", 0.0), generator.images(codes), 0)
    if arguments.tune:
        return tune(generators, arguments)
    versions = f"torch {torch.__version__}, deepinv {deepinv.__version__}, unrelu {unrelu.__version__}"
    print(f"{versions}; {arguments.threads} thread(s) each\n")
    figures = compare(generators, arguments)
    if arguments.mnist:
        real_images(generators, arguments, figures)
    else:
        print("\nskipped: real images. Name the folder of MNIST with --mnist.")
    priors(generators, arguments, figures)


if __name__ == "__main__":
    sys.exit(main())
