"""Two hundred random chains against torch, by every way into the package."""

import functools
import json
import pickle

import numpy as np
import pytest
import random_chain_modules
import random_chains
import torch

import unrelu
from unrelu import _unrelu

pytestmark = [
    pytest.mark.integrations,
    # Noise takes some entries out of the range of the last activation.
    pytest.mark.filterwarnings("ignore::unrelu.UnreluWarning"),
]

CHAINS = range(200)
DECODERS = range(20)


@functools.lru_cache(maxsize=4)
def described(seed):
    """A description, its module, codes in float64 and torch's images of them."""
    description = random_chains.Draw(seed).chain()
    module = random_chain_modules.module_of(description)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(4, *description.input, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return description, module, codes, module(codes)


def network_of(description):
    """The network of a list of operations that the test wrote itself."""
    document, tensors = random_chains.operations_of(description)
    core = _unrelu.NetworkCore.from_operations(json.dumps(document), tensors)
    return unrelu.Network(core, description.input, description.output)


def agree(found, wanted):
    """Whether outputs are equal to 1e-10 of the largest."""
    assert found.shape == wanted.shape and found.dtype == torch.float64
    return bool((found - wanted).abs().max() <= 1e-10 * wanted.abs().max())


@pytest.mark.parametrize("seed", CHAINS)
def test_a_list_of_operations_computes_what_torch_computes(seed):
    description, _, codes, wanted = described(seed)
    assert agree(network_of(description).forward(codes), wanted)


@pytest.mark.parametrize("seed", CHAINS)
def test_a_module_is_read_as_torch_computes_it(seed):
    description, module, codes, wanted = described(seed)
    network = unrelu.Network.from_torch(module, description.input)
    assert (network.code_shape, network.image_shape) == (description.input, description.output)
    assert agree(network.forward(codes), wanted)


@pytest.mark.parametrize("seed", CHAINS[::4])
def test_a_state_dict_with_a_file_of_operations_is_read(seed, tmp_path):
    description, _, codes, wanted = described(seed)
    document, tensors = random_chains.operations_of(description)
    path, architecture = tmp_path / "net.pth", tmp_path / "net.json"
    torch.save({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, path)
    architecture.write_text(json.dumps(document))
    network = unrelu.Network.from_file(path, architecture=architecture)
    assert (network.code_shape, network.image_shape) == (description.input, description.output)
    assert agree(network.forward(codes), wanted)


@pytest.mark.parametrize("seed", CHAINS[1::4])
def test_a_saved_chain_is_read_again(seed, tmp_path):
    description, _, codes, wanted = described(seed)
    network_of(description).save(tmp_path / "net.safetensors")
    network = unrelu.Network.from_file(
        tmp_path / "net.safetensors", code_shape=description.input, image_shape=description.output
    )
    assert agree(network.forward(codes), wanted)
    again = pickle.loads(pickle.dumps(network))
    assert torch.equal(again.forward(codes), network.forward(codes))
    assert repr(again) == repr(network)


def test_layers_of_a_convolution_are_not_written_out():
    document = {
        "format": "unrelu operations", "version": 1, "input": [64, 128, 128],
        "operations": [{"op": "conv2d", "weight": "w", "padding": 1}],
    }
    weight = np.random.default_rng(0).standard_normal((64, 64, 3, 3))
    core = _unrelu.NetworkCore.from_operations(json.dumps(document), {"w": weight})
    network = unrelu.Network(core)
    assert repr(network).endswith("1: 1048576 x 1048576, identity")
    with pytest.raises(unrelu.InputError, match="layer 1.*save the network"):
        _ = network.layers
    # A matrix would have 8 TB.
    assert len(pickle.dumps(network)) < 2 * weight.nbytes


def test_every_map_and_activation_occurs():
    draw = random_chains.Draw
    found = {step.kind for seed in CHAINS for step in described(seed)[0].steps}
    assert found >= {*draw.MAPS, *draw.SMOOTH, *draw.KINKED}


def test_the_comparison_fails_for_a_changed_number():
    """A weight, a slope or a padding that is wrong is seen."""
    seen = 0
    for seed in CHAINS[:40]:
        description, _, codes, wanted = described(seed)
        document, tensors = random_chains.operations_of(description)
        last = [name for name in tensors if name.endswith(("weight", "slopes"))]
        if not last:
            continue
        changed = {**tensors, last[-1]: tensors[last[-1]] * (1 + 1e-6)}
        core = _unrelu.NetworkCore.from_operations(json.dumps(document), changed)
        found = unrelu.Network(core, description.input, description.output).forward(codes)
        seen += not agree(found, wanted)
    # A change may be without effect, such as that of a scale before a ReLU that is off.
    assert seen >= 25


# Inversion: the codes that are found are judged by torch alone.


def decoder(seed, smooth=False):
    """A chain that widens: the module, the network, codes and their images."""
    description = random_chains.Draw(seed, smooth).decoder()
    module = random_chain_modules.module_of(description)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(5, *description.input, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return module, network_of(description), codes, module(codes)


def test_codes_are_found_that_reproduce_the_images():
    reproduced = []
    for seed in DECODERS:
        module, network, codes, images = decoder(seed)
        assert network.code_length <= 6 and network.image_length >= 3 * network.code_length
        found = unrelu.invert(network, images, method="best", starts=50, threads=1).codes
        with torch.no_grad():
            errors = (module(found) - images).flatten(1).abs().amax(1)
        reproduced += (errors <= 1e-6 * images.flatten(1).abs().amax(1)).tolist()
    assert np.mean(reproduced) >= 0.9, np.mean(reproduced)


@pytest.mark.parametrize("seed", DECODERS)
def test_the_gradient_of_torch_vanishes_at_codes_of_noisy_images(seed):
    module, network, _, images = decoder(seed, smooth=True)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    observed = images + 0.05 * images.std() * noise
    found = unrelu.invert(network, observed, method="best", starts=20, threads=1)
    codes = found.codes.clone().requires_grad_()
    losses = 0.5 * (module(codes) - observed).square().flatten(1).sum(1)
    (gradient,) = torch.autograd.grad(losses.sum(), codes)
    sizes = gradient.flatten(1).norm(dim=1)
    assert bool((sizes <= 1e-5 * (1 + losses)).all()), (sizes, losses, found.status)


@pytest.mark.parametrize("kind", ["matrix", "pixels"])
def test_codes_are_found_from_measurements(kind):
    """Also of chains that layer-wise methods refuse."""
    reproduced = []
    for seed in DECODERS[:10]:
        module, network, codes, images = decoder(seed, smooth=seed % 2 == 0)
        draw = torch.Generator().manual_seed(seed)
        count = 3 * network.code_length
        matrix = torch.randn(count, network.image_length, generator=draw, dtype=torch.float64)
        if kind == "matrix":
            found = unrelu.recover(
                network, images.flatten(1) @ matrix.T, matrix, starts=50, threads=1
            ).codes
        else:
            hidden = torch.rand(images.shape, generator=draw) < 0.2
            observed = images.masked_fill(hidden, float("nan"))
            found = unrelu.recover(network, observed, starts=50, threads=1).codes
        with torch.no_grad():
            errors = module(found.reshape(codes.shape)) - images
        # The misfit of the measurements themselves: what is not measured may differ.
        misfit = errors.flatten(1) @ matrix.T if kind == "matrix" else errors.masked_fill(hidden, 0)
        size = (images.flatten(1) @ matrix.T if kind == "matrix" else images).flatten(1)
        reproduced += (misfit.flatten(1).abs().amax(1) <= 1e-6 * size.abs().amax(1)).tolist()
    assert np.mean(reproduced) >= 0.9, np.mean(reproduced)
