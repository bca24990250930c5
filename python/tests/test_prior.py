"""The prior of the codes, against torch's gradient of the loss."""

import numpy as np
import pytest

import unrelu

PRIOR = 0.05


def loss(network, x, codes, prior=PRIOR):
    made = network.forward(codes)
    return 0.5 * np.nansum((made - x) ** 2, axis=1) + 0.5 * prior * np.sum(codes**2, axis=1)


@pytest.fixture
def noisy():
    network = unrelu.Network.random([4, 12, 30], seed=1)
    x = network.forward(network.random_codes(5, seed=1))
    return network, x + 0.2 * np.random.default_rng(1).standard_normal(x.shape)


@pytest.mark.filterwarnings("ignore::unrelu.UnreluWarning")
def test_every_way_lowers_the_loss_with_the_prior(noisy):
    network, x = noisy
    without = unrelu.invert(network, x, device="cpu").codes
    best = unrelu.invert(network, x, prior=PRIOR, device="cpu")
    lowest = loss(network, x, best.codes)
    assert (lowest < loss(network, x, without) - 1e-6).all()
    np.testing.assert_allclose(best.loss_data + best.loss_prior, lowest, rtol=1e-9)
    np.testing.assert_allclose(best.loss_prior, 0.5 * PRIOR * np.sum(best.codes**2, axis=1))
    others = [
        unrelu.invert(network, x, "linf", refine=True, prior=PRIOR),
        unrelu.invert(network, x, "descent", iterations=20000, prior=PRIOR, device="cpu"),
        unrelu.recover(network, x, np.eye(30), prior=PRIOR, device="cpu"),
        unrelu.Projector(network, prior=PRIOR, device="cpu").project(x, warm_start=without),
    ]
    for other in others:
        codes = np.asarray(other.codes)
        # At a minimum of one basin or another, lower than the codes without the prior.
        assert (loss(network, x, codes) >= lowest * (1 - 1e-9)).all()
        assert (loss(network, x, codes) < loss(network, x, without)).sum() >= 4


@pytest.mark.filterwarnings("ignore::unrelu.UnreluWarning")
@pytest.mark.integrations
def test_a_convolutional_code_has_the_gradient_zero():
    torch = pytest.importorskip("torch")
    torch.manual_seed(2)
    module = torch.nn.Sequential(
        torch.nn.Unflatten(1, (6, 1, 1)),
        torch.nn.ConvTranspose2d(6, 4, 3),
        torch.nn.Softplus(),
        torch.nn.ConvTranspose2d(4, 1, 4, 2, 1),
        torch.nn.Tanh(),
    ).double().eval()
    network = unrelu.Network.from_torch(module, (6,))
    x = module(torch.randn(3, 6, dtype=torch.float64)).detach()
    x = x + 0.05 * torch.randn_like(x)
    x[:, :, 2:] = torch.nan
    found = unrelu.invert(network, x, prior=PRIOR, device="cpu")
    z = torch.as_tensor(np.asarray(found.codes)).requires_grad_()
    apart = torch.nan_to_num(module(z) - x)
    (0.5 * (apart**2).sum() + 0.5 * PRIOR * (z**2).sum()).backward()
    assert found.ok.all()
    assert float(z.grad.abs().max()) < 1e-7


@pytest.mark.parametrize(
    "options",
    [
        {"method": "linf"},
        {"method": "best", "objective": "l1"},
        {"method": "best", "objective": "linf"},
    ],
)
def test_methods_without_a_sum_of_squares_refuse_it(noisy, options):
    network, x = noisy
    with pytest.raises(unrelu.InputError, match="prior"):
        unrelu.invert(network, x, prior=PRIOR, **options)
    with pytest.raises(unrelu.InputError, match="prior"):
        unrelu.invert(network, x, prior=-1.0)
    with pytest.raises(unrelu.InputError, match="prior"):
        unrelu.recover(network, x, inner="descent", prior=PRIOR)
