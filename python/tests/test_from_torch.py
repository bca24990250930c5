"""Reading live PyTorch modules: the same outputs as the module, or a refusal that names it."""

import copy
import pickle

import numpy as np
import operations
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_modules import OPERATIONS, READ, REFUSED, Looped, Vae, prepared, sequential

import unrelu
from unrelu._from_torch import ModuleError, OperationsReading, read_module

pytestmark = pytest.mark.integrations


def forward(reading, codes):
    """The layers in NumPy, written anew: codes (count, *code_shape) to (count, *image_shape)."""
    values = codes.reshape(len(codes), -1)
    for weight, bias, activation in reading.layers:
        values = values @ weight.T + bias
        name, _, slope = activation.partition(":")
        if name == "relu":
            values = values * (values > 0)
        elif name == "leaky_relu":
            values = values * np.where(values > 0, 1.0, float(slope))
        elif name == "sigmoid":
            values = 0.5 + 0.5 * np.tanh(0.5 * values)
        elif name == "tanh":
            values = np.tanh(values)
        else:
            assert name == "identity"
    return values.reshape(len(codes), *reading.image_shape)


def largest_error(reading, module, dtype, scale, count=40):
    """Largest difference of the outputs, relative to the largest output of all codes."""
    random = np.random.default_rng(11)
    codes = random.standard_normal((count, *reading.code_shape)).astype(np.float32) * scale
    with torch.no_grad():
        wanted = module(torch.from_numpy(codes).to(dtype)).double().numpy()
    found = forward(reading, codes.astype(np.float64))
    assert found.shape == wanted.shape
    return np.abs(found - wanted).max() / np.abs(wanted).max()


def made(name, dtype):
    """One of the modules that are read."""
    module = prepared(READ[name], dtype)
    if name == "standardized":  # A tensor that is no buffer is not converted with the module.
        module.std = module.std.to(dtype)
    return module


def in_double(module, name):
    """The same module with its parameters in float64."""
    getattr(module, "__self__", module).double()
    if name == "standardized":
        module.std = module.std.double()
    return module


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_outputs_are_those_of_torch(name, dtype):
    module = made(name, dtype)
    reading = read_module(module)
    exact = in_double(made(name, dtype), name)
    for scale in (0.01, 1.0, 30.0):
        assert largest_error(reading, exact, torch.float64, np.float32(scale)) <= 1e-12
    if dtype == torch.float32:
        # At larger scales, torch's own rounding may exceed this. How much depends on the processor.
        for scale in (0.01, 1.0):
            assert largest_error(reading, module, dtype, np.float32(scale)) <= 1e-6
    for weight, bias, activation in reading.layers:
        assert weight.dtype == bias.dtype == np.float64
        assert weight.flags.c_contiguous and bias.shape == (len(weight),)
    for *_, activation in reading.layers[:-1]:
        assert activation.startswith(("relu", "leaky_relu:"))


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_by_name(name):
    factory, source, found = REFUSED[name]
    code_shape = 4
    with pytest.raises(ModuleError) as refusal:
        read_module(prepared(factory), code_shape)
    assert refusal.value.source == source
    assert found in refusal.value.found
    assert refusal.value.fix and refusal.value.expected


@pytest.mark.parametrize("name", OPERATIONS)
def test_others_are_read_as_operations(name):
    module = prepared(OPERATIONS[name], torch.float64)
    reading = read_module(module, 4)
    assert isinstance(reading, OperationsReading)
    codes = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = module(codes)
    found = operations.forward(reading.document, reading.tensors, codes)
    assert (found - wanted).abs().max() <= 1e-12 * wanted.abs().max()


def test_weights_are_taken_bit_for_bit():
    module = prepared(lambda: sequential(nn.ReLU(), last=nn.Sigmoid()))
    reading = read_module(module)
    assert [layer[2] for layer in reading.layers] == ["relu", "sigmoid"]
    for (weight, bias, _), part in zip(reading.layers, (module[0], module[2])):
        assert np.array_equal(weight, part.weight.detach().double().numpy())
        assert np.array_equal(bias, part.bias.detach().double().numpy())


def test_layers_are_no_more_than_needed():
    shapes = {
        name: [(weight.shape, activation) for weight, _, activation in read.layers]
        for name, read in ((name, read_module(prepared(READ[name]))) for name in (
            "affine hidden layers", "rescaled tanh", "rescaled sigmoid", "batch norm around",
            "inverted and clamped",
        ))
    }
    assert shapes["affine hidden layers"] == [((12, 4), "identity")]
    assert shapes["rescaled tanh"] == [((9, 4), "relu"), ((12, 9), "sigmoid")]
    assert shapes["rescaled sigmoid"] == [((9, 4), "relu"), ((12, 9), "tanh")]
    assert shapes["inverted and clamped"] == [((9, 4), "relu"), ((12, 9), "sigmoid")]
    assert shapes["batch norm around"] == [((9, 4), "relu"), ((12, 9), "identity")]


@pytest.mark.parametrize("name", ["norms by hooks", "parametrized norms", "vae with batch norm"])
def test_the_module_stays_as_it_was(name):
    module = prepared(READ[name])
    root = getattr(module, "__self__", module)
    calls = []
    handle = root.register_forward_hook(lambda *_: calls.append(1))
    state = copy.deepcopy(root.state_dict())
    attributes = {path: dict(part.__dict__) for path, part in root.named_modules()}
    random = torch.random.get_rng_state()
    read_module(module)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(state[key], value) for key, value in root.state_dict().items())
    for path, part in root.named_modules():
        assert part.__dict__.keys() == attributes[path].keys()
        assert all(part.__dict__[key] is value for key, value in attributes[path].items())
    assert all(not part.training for part in root.modules())
    handle.remove()
    assert not root._forward_hooks
    assert all(parameter.requires_grad for parameter in root.parameters())


def test_the_comparison_fails_for_other_layers():
    from unrelu._from_torch._proof import prove
    from unrelu._from_torch._subject import Subject

    module = prepared(lambda: sequential(nn.LeakyReLU(0.2), last=nn.Sigmoid()))
    layers = read_module(module).layers
    subject = Subject(module)
    prove(subject, layers, (4,))

    def other(number, weight=0.0, bias=0.0, activation=None):
        changed = [(w.copy(), b.copy(), a) for w, b, a in layers]
        w, b, a = changed[number]
        w[3, 2] += weight
        b[5] += bias
        changed[number] = (w, b, activation or a)
        return changed

    for wrong in (
        other(0, weight=1e-6),
        other(0, bias=1e-6),
        other(1, weight=1e-6),
        other(1, bias=1e-6),
        other(0, activation="leaky_relu:0.20001"),
        other(0, activation="relu"),
        other(1, activation="tanh"),
        other(1, activation="identity"),
    ):
        with pytest.raises(ModuleError, match="outputs that differ from those of the layers"):
            prove(subject, wrong, (4,))


def test_a_unit_that_never_changes_sides_is_told():
    module = prepared(lambda: sequential(nn.ReLU(), nn.Linear(9, 9), nn.ReLU()))
    with torch.no_grad():
        module[0].weight[4] = 0.0
        module[2].weight[7] = -module[2].weight[7].abs()
        module[2].bias[7] = -1.0
    one_sided = read_module(module).one_sided
    assert (0, 4) in one_sided and (1, 7) in one_sided
    assert read_module(prepared(lambda: sequential(nn.ReLU()))).one_sided == ()


def test_train_mode_is_refused_with_the_fix():
    module = prepared(READ["vae with batch norm"]).__self__.train()
    with pytest.raises(ModuleError) as refusal:
        read_module(module.decode)
    assert refusal.value.source == "encoder.1 (BatchNorm1d)"
    assert refusal.value.found == "train mode"
    assert refusal.value.fix == "call module.eval() first"
    with pytest.raises(ModuleError, match="two calls"):  # F.dropout(z, training=self.training)
        read_module(prepared(Looped).train())


def test_train_mode_without_effect_is_read():
    module = sequential(nn.ReLU(), nn.Dropout(0.0)).train()
    assert len(read_module(module).layers) == 2
    assert module.training and module[0].training


def test_train_mode_with_another_function_is_refused():
    class Trained(nn.Linear):
        def forward(self, z):
            return super().forward(z) * (2.0 if self.training else 1.0)

    with pytest.raises(ModuleError, match="train mode, with other outputs"):
        read_module(Trained(3, 5))
    assert read_module(Trained(3, 5).eval()).image_shape == (5,)


def test_functions_of_more_than_the_code_are_refused():
    class Centred(nn.Linear):
        def forward(self, z):
            z = super().forward(z)
            return z - z.mean(0)

    class Branches(nn.Linear):
        def forward(self, z):
            return super().forward(z) if z.sum() > 1e9 else -super().forward(z)

    class Counts(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, z):
            self.calls += 1
            return super().forward(z)

    unstored = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, track_running_stats=False))
    for module, found in (
        (Vae(), "outputs that differ between two calls"),
        (Centred(4, 8), "other codes of the batch"),
        (unstored, "other codes of the batch"),
        (Branches(4, 8), "torch.export cannot trace"),
        (Counts(4, 8), "a buffer that each call changes"),
    ):
        if isinstance(module, Vae):
            module.forward = lambda z, vae=module: vae.decode(vae.reparameterize(z, z))
        with pytest.raises(ModuleError) as refusal:
            read_module(module.eval(), 4)
        assert found in refusal.value.found, module
    assert float(Counts(4, 8).calls) == 0


def test_other_outputs_are_refused():
    class Several(nn.Linear):
        def forward(self, z):
            return super().forward(z), z

    class Bytes(nn.Linear):
        def forward(self, z):
            return super().forward(z).to(torch.uint8)

    class Constant(nn.Linear):
        def forward(self, z):
            return self.bias.expand(len(z), -1)

    for module, found in (
        (Several(3, 5), "type tuple"),
        (Bytes(3, 5), "type torch.uint8"),
        (Constant(3, 5), "does not depend on the code"),
        (nn.Flatten(0), "shape (18,) for 6 codes"),
    ):
        with pytest.raises(ModuleError) as refusal:
            read_module(module.eval(), 3)
        assert found in refusal.value.found


def test_other_arguments_are_refused():
    module = sequential(nn.ReLU()).eval()
    broken = copy.deepcopy(module)
    broken[0].weight.data[0, 0] = float("nan")
    for argument, code_shape, found in (
        (lambda z: z, None, "an object of type function"),
        (module.state_dict(), None, "an object of type OrderedDict"),
        (module, (), "()"),
        (module, 2.5, "2.5"),
        (module, (0,), "(0,)"),
        (module, 7, "RuntimeError for codes of shape (6, 7)"),
        (nn.Sequential(nn.LazyLinear(4)), None, "whose shape is not known yet"),
        (copy.deepcopy(module).half(), None, "torch.float16"),
        (copy.deepcopy(module).to("meta"), None, "device meta"),
        (broken, None, "NaN or an infinite entry in the weight of layer 0"),
    ):
        with pytest.raises(ModuleError) as refusal:
            read_module(argument, code_shape)
        assert found in refusal.value.found
    again = pickle.loads(pickle.dumps(refusal.value))
    assert str(again) == str(refusal.value) and again.fix == refusal.value.fix


def test_the_code_shape_is_found_or_asked_for():
    assert read_module(prepared(Vae)).code_shape == (4,)
    flexible = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (-1, 4)), nn.Linear(4, 8)).eval()
    with pytest.raises(ModuleError, match=r"several possible shapes: \(4,\), \(8,\)"):
        read_module(flexible)
    reading = read_module(flexible, (2, 1, 4))
    assert (reading.code_shape, reading.image_shape) == ((2, 1, 4), (2, 8))
    assert largest_error(reading, flexible, torch.float32, np.float32(1)) <= 1e-6
    with pytest.raises(ModuleError, match="no shape that the module accepts"):
        read_module(nn.Sequential(nn.Flatten(2), nn.Linear(4, 8)).eval())


def test_a_large_image_needs_no_square_matrix():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3 * 128 * 128)

        def forward(self, z):
            return (torch.tanh(self.fc(z)).view(-1, 3, 128, 128) + 1) / 2

    reading = read_module(Large().eval())
    assert reading.layers[0][0].shape == (49152, 4) and reading.layers[0][2] == "sigmoid"

    class TooLarge(Large):
        def forward(self, z):
            return F.relu(self.fc(z)).cumsum(1) - 0.5

    with pytest.raises(ModuleError, match="more than 1 GiB"):
        read_module(TooLarge().eval())


def test_modules_without_gradients_and_compiled_ones_are_read():
    module = prepared(lambda: sequential(nn.ReLU())).requires_grad_(False)
    wanted = read_module(module)
    with torch.no_grad():
        found = read_module(torch.compile(module))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(found.layers, wanted.layers))
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_modules_on_a_cuda_device_are_read():
    module = prepared(READ["gan generator"]).cuda()
    reading = read_module(module)
    assert largest_error(reading, module.cpu(), torch.float32, np.float32(1)) <= 1e-6


def test_a_network_of_a_module_inverts_its_images():
    module = prepared(READ["gan generator"], torch.float32)
    network = unrelu.Network.from_torch(module)
    codes = torch.randn(6, *network.code_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = module(codes)
    result = unrelu.invert(network, images)
    assert result.codes.shape == codes.shape and result.codes.dtype == torch.float32
    assert result.images.shape == images.shape
    np.testing.assert_allclose(result.images.numpy(), images.numpy(), atol=1e-4)
    assert isinstance(ModuleError("a", "b", "c", "d"), unrelu.InputError)
