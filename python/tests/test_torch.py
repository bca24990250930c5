"""The derivatives of inversion, against finite differences."""

import numpy as np
import pytest

import unrelu

pytestmark = [
    pytest.mark.integrations,
    # Noise takes some entries below 0, the least that a ReLU can reach.
    pytest.mark.filterwarnings("ignore::unrelu.UnreluWarning"),
]
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.autograd import gradcheck  # noqa: E402

import unrelu.torch  # noqa: E402
from unrelu._implicit import adjoint, as_layers  # noqa: E402

# With more threads, matrices of this size take longer.
torch.set_num_threads(1)

DECODERS = {
    "identity": (nn.ReLU, nn.Identity),
    "relu": (nn.ReLU, nn.ReLU),
    "leaky_relu": (lambda: nn.LeakyReLU(0.1), lambda: nn.LeakyReLU(0.2)),
    "sigmoid": (nn.ReLU, nn.Sigmoid),
    "tanh": (lambda: nn.LeakyReLU(0.3), nn.Tanh),
}


def decoder(name="identity", sizes=(3, 8, 20), seed=0, dtype=torch.float64):
    """A random decoder with biases."""
    torch.manual_seed(seed)
    hidden, last = DECODERS[name]
    layers = []
    for inputs, units in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, units, dtype=dtype), hidden()]
    return nn.Sequential(*layers[:-1], last()).eval()


def observations(module, count=3, noise=0.3, hidden=4):
    """Noisy images, the first with unobserved entries."""
    like = next(module.parameters())
    with torch.no_grad():
        x = module(torch.randn(count, 3, dtype=like.dtype))
    x = x + noise * x.std() * torch.randn_like(x)
    x = x.flatten(1)
    x[0, 3 : 3 + hidden] = torch.nan
    return x


def pins(network, result, x):
    """The pinned units at the minima, as (observation, layer, unit)."""
    codes = torch.from_numpy(result._codes)
    found = adjoint(as_layers(network.layers), codes, x.double(), torch.zeros_like(codes))
    return {(pin.observation, pin.layer, pin.unit) for pin in found.pins}


def check_gradients(module, x, **options):
    """gradcheck by the observed entries and by all weights."""
    observed = ~torch.isnan(x)
    network = unrelu.Network.from_torch(module)  # read once, which takes most of the time

    def by_x(values):
        x = torch.where(observed, values, torch.nan)
        return unrelu.torch.invert(network, x, **options).codes

    values = torch.where(observed, x, 0.0).requires_grad_()
    assert gradcheck(by_x, (values,), fast_mode=True)
    weights = tuple(module.parameters())
    assert gradcheck(lambda *_: unrelu.torch.invert(module, x, **options).codes, weights, fast_mode=True)


@pytest.mark.parametrize("name", DECODERS)
def test_gradients_are_those_of_finite_differences(name):
    module = decoder(name)
    x = observations(module, noise=0.1)
    assert unrelu.torch.invert(module, x).differentiable.all()
    check_gradients(module, x)


@pytest.mark.parametrize("name", ["identity", "sigmoid"])
def test_gradients_with_a_prior_are_those_of_finite_differences(name):
    module = decoder(name)
    x = observations(module, noise=0.1)
    # Two entries observed, of codes with three: without a prior there is no derivative.
    x[1, 2:] = torch.nan
    assert not unrelu.torch.invert(module, x).differentiable[1]
    result = unrelu.torch.invert(module, x, prior=0.05)
    assert result.differentiable.all() and not result.determined[1]
    check_gradients(module, x, prior=0.05)


def with_pins(module, layer):
    """Two observations whose minima have derivatives, and pinned units in this layer."""
    network = unrelu.Network.from_torch(module)
    kept = []
    for x in (observations(module, count=1, noise=1.0) for _ in range(200)):
        # An observation's starts depend on its place, so it is tried in that place.
        both = torch.cat([*kept, x])
        result = unrelu.torch.invert(network, both)
        held = {(row, number) for row, number, _ in pins(network, result, both)}
        if result.differentiable.all() and (len(kept), layer) in held:
            kept.append(x)
        if len(kept) == 2:
            return torch.cat(kept)
    raise AssertionError("no observation has a pinned unit there")


@pytest.mark.parametrize("name, layer", [("identity", 1), ("relu", 2), ("leaky_relu", 0), ("sigmoid", 1)])
def test_gradients_at_pinned_units(name, layer):
    module = decoder(name, (3, 8, 12, 20), seed=3)
    x = with_pins(module, layer)
    network = unrelu.Network.from_torch(module)
    before = pins(network, unrelu.invert(network, x), x)
    after = pins(network, unrelu.invert(network, x + 1e-6), x)
    assert before == after, "the pins persist"
    check_gradients(module, x)


class InPlace(nn.Module):
    """A decoder that overwrites its pre-activations and computes them in other shapes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 12, dtype=torch.float64)
        self.last = nn.Linear(12, 20, dtype=torch.float64)

    def forward(self, z):
        h = self.first(z).reshape(-1, 3, 4)
        return self.last(torch.relu_(h).flatten(1)).reshape(-1, 4, 5)


def test_pinned_units_of_a_module_in_place():
    torch.manual_seed(1)
    module = InPlace().eval()
    check_gradients(module, with_pins(module, 0).reshape(-1, 4, 5))


def test_unobserved_entries_have_the_gradient_zero():
    module = decoder()
    x = observations(module).requires_grad_()
    unrelu.torch.invert(module, x).codes.sum().backward()
    assert (x.grad[0, 3:7] == 0).all()
    assert (x.grad[1] != 0).any()


def test_gradients_of_single_precision_agree_with_double():
    single, double = decoder(dtype=torch.float32), decoder()
    double.load_state_dict(single.state_dict())
    x = observations(single).requires_grad_()
    y = x.detach().double().requires_grad_()
    codes = unrelu.torch.invert(single, x).codes
    assert codes.dtype == torch.float32
    codes.sum().backward()
    unrelu.torch.invert(double, y).codes.sum().backward()
    torch.testing.assert_close(x.grad.double(), y.grad, rtol=1e-4, atol=1e-5)
    for one, other in zip(single.parameters(), double.parameters()):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-3, atol=1e-3)


def test_images_have_gradients():
    module = decoder()
    x = observations(module, hidden=0).requires_grad_()
    images = unrelu.torch.invert(module, x).images
    (gradient,) = torch.autograd.grad(images[0, 0], x, retain_graph=True)
    # G(z(x)) is a projection: its derivative is symmetric and maps itself to itself.
    rows = [torch.autograd.grad(images[0, i], x, retain_graph=True)[0][0] for i in range(1, 20)]
    derivative = torch.stack([gradient[0], *rows])
    torch.testing.assert_close(derivative, derivative.T)
    torch.testing.assert_close(derivative @ derivative, derivative)


def undetermined():
    """A decoder and three observations, the second with two observed entries for three numbers."""
    module = decoder(seed=2)
    x = observations(module, noise=0.05, hidden=0)
    x[1, 2:] = torch.nan
    return module, x.requires_grad_()


def test_an_undetermined_code_has_no_gradient():
    module, x = undetermined()
    result = unrelu.torch.invert(module, x)
    assert result.differentiable.tolist() == [True, False, True]
    with pytest.raises(unrelu.InputError, match="gradient of code 1.*do not determine"):
        result.codes.sum().backward()


def test_an_undetermined_code_has_nan_by_option():
    module, x = undetermined()
    unrelu.torch.invert(module, x, undetermined="nan").codes.sum().backward()
    assert torch.isnan(x.grad).any(dim=1).tolist() == [False, True, False]
    assert (x.grad[1, 2:] == 0).all()
    assert all(torch.isnan(one.grad).all() for one in module.parameters())


@pytest.mark.parametrize("option", ["raise", "nan"])
def test_an_undetermined_code_can_be_left_out(option):
    module, x = undetermined()
    result = unrelu.torch.invert(module, x, undetermined=option)
    result.codes[result.differentiable].sum().backward()
    assert torch.isfinite(x.grad).all()
    assert (x.grad[1] == 0).all()
    assert all(torch.isfinite(one.grad).all() for one in module.parameters())


def test_weights_that_change_before_the_backward_pass_are_refused():
    module = decoder()
    codes = unrelu.torch.invert(module, observations(module)).codes
    with torch.no_grad():
        module[0].weight += 0.1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        codes.sum().backward()


def test_a_network_has_constant_weights():
    network = unrelu.Network.random([5, 20, 60], seed=1)
    x = torch.from_numpy(network.forward(network.random_codes(2, seed=1))).requires_grad_()
    result = unrelu.torch.invert(network, x)
    (gradient,) = torch.autograd.grad(result.codes[0, 0], x)
    assert gradient[0].ne(0).any() and gradient[1].eq(0).all()
    torch.testing.assert_close(result.images, x)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"method": "linf"}, "method.*least squares"),
        ({"objective": "l1"}, "objective.*least squares"),
        ({"undetermined": "skip"}, "undetermined"),
        ({"code_shape": (3,)}, "code_shape"),
    ],
)
def test_options_without_derivatives_are_refused(options, match):
    network = unrelu.Network.random([3, 10, 40], seed=1)
    with pytest.raises(unrelu.InputError, match=match):
        unrelu.torch.invert(network, torch.zeros(1, 40), **options)


def test_an_array_is_refused():
    network = unrelu.Network.random([3, 10, 40], seed=1)
    with pytest.raises(unrelu.InputTypeError, match="use unrelu.invert"):
        unrelu.torch.invert(network, np.zeros((1, 40)))


def test_images_in_another_order_of_axes_are_refused():
    layers = unrelu.Network.random([3, 12, 24], seed=1).layers
    network = unrelu.Network.from_arrays(layers, image_shape=(2, 3, 4))
    images = torch.from_numpy(network.forward(network.random_codes(3, seed=1)))
    assert unrelu.torch.invert(network, images).codes.shape == (3, 3)
    with pytest.raises(ValueError, match=r"images of shape \(2, 3, 4\)"):
        unrelu.torch.invert(network, images.permute(0, 2, 3, 1))
