"""Reading chains of convolutions and others: torch's own outputs, or a refusal by name."""

import copy
import functools
import json
import pickle

import numpy as np
import operations
import pytest
import torch
from chain_modules import IMAGE, READ, Call, ConvVae, activated, dcgan, prepared
from chain_refusals import REFUSED
from torch import nn

import unrelu
from unrelu._from_torch import ModuleError, OperationsReading, read_module
from unrelu._from_torch._chain._forward import Chain
from unrelu._from_torch._chain._proof import prove
from unrelu._from_torch._subject import Subject

pytestmark = pytest.mark.integrations

# Modules whose rounding in float32 differs: norms, interpolation, exponentials, large sums.
SINGLE = (
    "dcgan", "vae.decode", "resize decoder", "bilinear, factor", "nearest, factors",
    "average pool, counted", "batch norms", "elu", "softplus", "silu and gelu", "standardized",
    "image in 0 to 255", "csgm", "weight norm", "norms by hooks", "autocast off",
)


def codes_of(shape, scale, count=7, seed=11):
    """Codes that float32 holds, in float64."""
    codes = scale * torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    return codes.float().double()


def relative(found, wanted):
    """The largest difference, relative to the largest entry of all."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())


def names(reading):
    return [operation["op"] for operation in reading.document["operations"]]


@functools.cache
def read(name):
    """A module in float64, and its reading."""
    factory, code_shape, _ = READ[name]
    module = prepared(factory)
    return module, read_module(module, code_shape)


@pytest.mark.parametrize("name", READ)
def test_operations_give_the_outputs_of_torch(name):
    _, code_shape, expected = READ[name]
    module, reading = read(name)
    assert isinstance(reading, OperationsReading)
    assert expected is None or names(reading) == expected
    document = json.loads(json.dumps(reading.document, allow_nan=False))
    for scale in (0.01, 1.0, 20.0):
        codes = codes_of(code_shape, scale)
        with torch.no_grad():
            wanted = module(codes)
        assert wanted.shape[1:] == reading.image_shape
        found = operations.forward(document, reading.tensors, codes)
        assert relative(found, wanted) <= 1e-10
        # What the reading is proved with says the same.
        own = Chain(reading.document, reading.tensors).forward(codes.numpy())
        assert relative(torch.from_numpy(own), wanted) <= 1e-10
    for tensor in reading.tensors.values():
        assert tensor.dtype in (np.float32, np.float64) and tensor.flags.c_contiguous


@pytest.mark.parametrize("name", SINGLE)
def test_modules_in_single_precision_are_read(name):
    factory, code_shape, _ = READ[name]
    module = prepared(factory, torch.float32)
    reading = read_module(module, code_shape)
    codes = codes_of(code_shape, 1.0)
    with torch.no_grad():
        wanted = module(codes.float()).double()
    found = operations.forward(reading.document, reading.tensors, codes)
    assert relative(found, wanted) <= 1e-5


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_is_refused_by_name(name):
    factory, code_shape, source, found = REFUSED[name]
    with pytest.raises(ModuleError) as refusal:
        read_module(prepared(factory, torch.float32), code_shape)
    assert refusal.value.source == source
    assert found in refusal.value.found
    assert refusal.value.fix and refusal.value.expected


def test_parameters_keep_their_names_and_their_bits():
    module = prepared(ConvVae, torch.float32)
    reading = read_module(module)
    assert reading.code_shape == (5,) and reading.image_shape == (1, 13, 13)
    state = module.__self__.state_dict()
    used = [name for name in state if name.startswith(("fc", "decoder")) and "tracked" not in name]
    assert sorted(reading.tensors) == sorted(used)
    for name, tensor in reading.tensors.items():
        assert tensor.dtype == np.float32 and np.array_equal(tensor, state[name].numpy())


def test_the_code_shape_of_a_dcgan_is_found():
    assert read_module(prepared(dcgan)).code_shape == (10, 1, 1)
    viewed = Call(lambda z, net: net(z.view(len(z), -1, 1, 1)), dcgan())
    assert read_module(prepared(lambda: viewed)).code_shape == (10,)
    # A convolution takes images of any size.
    with pytest.raises(ModuleError, match="code_shape"):
        read_module(prepared(lambda: activated(nn.ReLU())))


def test_the_module_stays_as_it_was():
    module = prepared(dcgan, torch.float32)
    state = copy.deepcopy(module.state_dict())
    random = torch.random.get_rng_state()
    read_module(module)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(state[key], value) for key, value in module.state_dict().items())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_the_comparison_fails_for_other_operations():
    def factory():
        return nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), nn.BatchNorm2d(4), nn.ELU(0.7),
            nn.Conv2d(4, 2, 3, padding=1), nn.LeakyReLU(0.2), nn.Upsample((9, 11), mode="bilinear"),
        )

    module = prepared(factory)
    reading = read_module(module, IMAGE)
    subject = Subject(module)
    prove(subject, reading.document, reading.tensors)

    def other(number, tensors=None, **fields):
        document = copy.deepcopy(reading.document)
        document["operations"][number].update(fields)
        return document, {**reading.tensors, **(tensors or {})}

    changed = {}
    for name, number in (("0.weight", 0), ("0.bias", 0), ("1.running_var", 1), ("3.weight", 3)):
        tensor = reading.tensors[name].astype(np.float64)
        tensor.flat[5 % tensor.size] += 1e-6
        changed[name] = other(number, {name: tensor})
    for wrong in (
        *changed.values(),
        other(1, eps=2e-5),
        other(2, alpha=0.70001),
        other(2, op="selu"),
        other(4, negative_slope=0.20001),
        other(5, align_corners=True),
        other(5, scale_factor=[1.1, 1.1]),
    ):
        with pytest.raises(ModuleError, match="outputs that differ from those of the operations"):
            prove(subject, *wrong)


def test_a_unit_that_never_changes_sides_is_told():
    module = prepared(lambda: nn.Sequential(nn.ConvTranspose2d(5, 3, 2), nn.ReLU()))
    with torch.no_grad():
        module[0].weight[:, 1] = 0.0
    found = {unit for operation, unit in read_module(module).one_sided if operation == 1}
    assert {4, 5, 6, 7} <= found and len(found) < 12


def test_parameters_that_are_not_finite_are_refused():
    module = prepared(dcgan, torch.float32)
    module[3].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModuleError, match="NaN or an infinite entry in 3.weight"):
        read_module(module, (10, 1, 1))


def test_train_mode_is_refused_with_the_fix():
    with pytest.raises(ModuleError) as refusal:
        read_module(dcgan().train())
    assert refusal.value.source == "1 (BatchNorm2d)"
    assert refusal.value.fix == "call module.eval() first"


# These need the network itself, not only the reader.


def network_of(reading):
    from unrelu._network import _of_operations

    document = json.dumps(reading.document)
    return _of_operations(document, reading.tensors, reading.code_shape, reading.image_shape)


@pytest.mark.parametrize("name", READ)
def test_networks_give_the_outputs_of_torch(name):
    module, reading = read(name)
    code_shape = reading.code_shape
    network = network_of(reading)
    codes = codes_of(code_shape, 1.0)
    with torch.no_grad():
        wanted = module(codes)
    assert network.code_shape == code_shape
    found = network.forward(codes)
    assert found.dtype == torch.float64 and relative(found, wanted) <= 1e-10


def test_a_network_of_operations_is_pickled():
    network = unrelu.Network.from_torch(prepared(dcgan, torch.float32))
    again = pickle.loads(pickle.dumps(network))
    codes = network.random_codes(3, seed=1)
    assert np.array_equal(again.forward(codes), network.forward(codes))
    assert (again.code_shape, again.image_shape) == ((10, 1, 1), (3, 64, 64))
    assert repr(again) == repr(network)


@pytest.mark.parametrize(
    "activation",
    [nn.Softplus(), nn.Softplus(2.0, 1.0), nn.Tanh(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(0.3), nn.SELU()],
    ids=str,
)
def test_a_whole_model_in_a_file_is_read(activation, tmp_path):
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(3, 6), activation, nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh())
    module = module.double()
    torch.save(module, tmp_path / "net.pth")
    network = unrelu.Network.from_file(tmp_path / "net.pth")
    codes = 3 * torch.randn(50, 3, dtype=torch.float64)
    with torch.no_grad():
        assert relative(network.forward(codes), module(codes)) <= 1e-12


def test_a_saved_network_of_images_keeps_its_shapes(tmp_path):
    network = unrelu.Network.from_torch(prepared(dcgan, torch.float32))
    network.save(tmp_path / "net.safetensors")
    again = unrelu.Network.from_file(tmp_path / "net.safetensors")
    assert (again.code_shape, again.image_shape) == ((10, 1, 1), (3, 64, 64))
    images = again.forward(again.random_codes(2, seed=1))
    assert images.shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match="axes into this order"):
        unrelu.invert(again, images.transpose(0, 2, 3, 1))
    flat = unrelu.Network.from_file(tmp_path / "net.safetensors", image_shape=(3 * 64 * 64,))
    assert np.array_equal(flat.forward(network.random_codes(2, seed=1)), images.reshape(2, -1))


def test_digests_of_networks_tell_them_apart():
    from unrelu._per_process import digest_of

    module = prepared(ConvVae)
    network = unrelu.Network.from_torch(module)
    digest = digest_of(network)
    assert digest_of(pickle.loads(pickle.dumps(network))) == digest
    module.__self__.fc.bias.data[0] += 1e-12
    assert digest_of(unrelu.Network.from_torch(module)) != digest


def test_codes_of_a_network_of_operations_have_no_derivatives():
    from unrelu.torch import invert

    module = prepared(ConvVae)
    with torch.no_grad():
        images = module(codes_of((5,), 1.0))
    with pytest.raises(unrelu.InputError, match="derivatives of codes are computed"):
        invert(module, images)


def test_a_network_of_operations_inverts_its_images():
    module = prepared(ConvVae)
    network = unrelu.Network.from_torch(module)
    codes = codes_of(network.code_shape, 1.0, count=4)
    with torch.no_grad():
        images = module(codes)
    result = unrelu.invert(network, images)
    assert result.codes.shape == codes.shape and result.images.shape == images.shape
    np.testing.assert_allclose(result.images.numpy(), images.numpy(), atol=1e-6)
