"""The trained chains under examples/: how the files are read, and whether codes are recovered."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import unrelu
from unrelu import _unrelu

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("softplus", "dcgan")


@pytest.fixture(scope="module")
def chains():
    """The module of scripts/ that defines the two decoders in torch."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import chain_examples
    finally:
        sys.path.pop(0)
    return chain_examples


@pytest.fixture(params=NAMES)
def example(chains, request):
    """A network as unrelu reads the file, the module in f64, and three codes."""
    network = unrelu.Network.from_file(chains.path_of(request.param))
    module = chains.load(request.param, dtype=torch.float64)
    shape = chains.FILES[request.param][2]
    generator = torch.Generator().manual_seed(8)
    codes = torch.randn(3, chains.CODE, dtype=torch.float64, generator=generator)
    images = module(codes.reshape(-1, *shape)).flatten(1)
    return network, codes, images


def test_the_file_computes_what_the_module_computes(example):
    network, codes, images = example
    found = network.forward(codes.numpy()).reshape(len(codes), -1)
    np.testing.assert_allclose(found, images.numpy(), rtol=0, atol=1e-6)


def test_three_codes_are_recovered(example):
    network, codes, images = example
    result = unrelu.invert(network, images.numpy(), "best", threads=1)
    apart = np.linalg.norm(result.codes.reshape(codes.shape) - codes.numpy(), axis=1)
    assert (apart <= 1e-3 * np.linalg.norm(codes.numpy(), axis=1)).all()
    assert result.ok.all() and result.determined.all()


def test_noisy_answers_of_the_smooth_network_are_minima(chains):
    """Gauss-Newton steps went around these minima and proved nothing."""
    network = unrelu.Network.from_file(chains.path_of("softplus"))
    module = chains.load("softplus", dtype=torch.float64)
    generator = torch.Generator().manual_seed(9)
    codes = torch.randn(2, chains.CODE, dtype=torch.float64, generator=generator)
    noise = torch.randn(2, 784, dtype=torch.float64, generator=generator)
    x = module(codes) + 0.1 * noise

    def losses(z):
        return 0.5 * (module(z) - x).square().sum(1)

    result = unrelu.invert(network, x.numpy(), "best", noise=0.1, threads=1)
    assert result.ok.all() and result.stationary.all()
    found = torch.from_numpy(result.codes).requires_grad_()
    loss = losses(found)
    (gradient,) = torch.autograd.grad(loss.sum(), found)
    assert (gradient.norm(dim=1) <= 1e-6 * loss.sqrt()).all()
    assert (loss <= losses(codes)).all()


@pytest.mark.parametrize("name", NAMES)
def test_inspect_says_which_methods_take_them(chains, name, capfd):
    assert _unrelu.run_command(["unrelu", "inspect", str(chains.path_of(name))]) == 0
    said = capfd.readouterr().out
    assert "Methods: best, descent, and recover; not exact, linf, l1, relaxed" in said
