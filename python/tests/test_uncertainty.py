"""Standard deviations and intervals of codes: shapes, an independent covariance, what is refused."""

import numpy as np
import pytest

import unrelu

NETWORK = unrelu.Network.random([6, 24, 90], seed=5)


def observed(noise, count=30, size=0.001):
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((count, 6))
    x = NETWORK.forward(codes)
    law = {"gaussian": rng.normal, "laplace": rng.laplace}
    if noise == "uniform":
        return codes, x + rng.uniform(-size, size, x.shape)
    return codes, x + law[noise](0, size, x.shape)


def jacobian(code, step=1e-7):
    moved = code + step * np.vstack([np.eye(6), -np.eye(6)])
    images = NETWORK.forward(moved)
    return (images[:6] - images[6:]).T / (2 * step)


def test_gaussian_deviations_are_those_of_the_jacobian():
    codes, x = observed("gaussian")
    found = unrelu.invert(NETWORK, x, noise="gaussian:0.001", uncertainty=True, device="cpu")
    plain = unrelu.invert(NETWORK, x, noise="gaussian:0.001", device="cpu")
    assert np.array_equal(found.codes, plain.codes) and not hasattr(plain, "sd")
    assert found.sd.shape == found.lower.shape == found.upper.shape == codes.shape
    assert set(found.intervals) == {"complete"} and np.all(found.noise_size == 0.001)
    assert not hasattr(found, "bound_lower")
    agrees = 0
    for code, sd in zip(found.codes, found.sd, strict=True):
        J = jacobian(code)
        expected = 0.001 * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))
        agrees += np.allclose(sd, expected, rtol=1e-4)
    # Central differences see both sides of a kink.
    assert agrees >= 25
    assert np.allclose(found.upper - found.codes, 1.6449 * found.sd, rtol=1e-4)
    covered = (found.lower <= codes) & (codes <= found.upper)
    assert 0.8 < covered.mean() < 0.97
    frame = pytest.importorskip("pandas") and found.to_pandas()
    assert np.array_equal(frame["sd_5"], found.sd[:, 5]) and "sd" not in frame


def test_the_size_is_estimated_and_a_failed_observation_has_none():
    _, x = observed("gaussian")
    x[3] = np.inf
    found = unrelu.invert(NETWORK, x, uncertainty=True, device="cpu")
    assert found.intervals[3] == "" and np.isnan(found.sd[3]).all() and np.isnan(found.noise_size[3])
    others = np.delete(found.noise_size, 3)
    assert np.all((others > 0.0006) & (others < 0.0014))


def test_laplace_and_recovery():
    _, x = observed("laplace")
    found = unrelu.invert(NETWORK, x, "l1", refine=True, noise="laplace", uncertainty=True)
    assert np.median(found.noise_size) == pytest.approx(0.001, rel=0.2)
    rng = np.random.default_rng(4)
    operator = rng.standard_normal((40, 90)) / 9
    codes, exact = rng.standard_normal((20, 6)), 0.001
    y = NETWORK.forward(codes) @ operator.T + rng.normal(0, exact, (20, 40))
    measured = unrelu.recover(NETWORK, y, operator, noise="gaussian:0.001", uncertainty=True, device="cpu")
    J = operator @ jacobian(measured.codes[0])
    expected = exact * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))
    assert np.allclose(measured.sd[0], expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("linf", {}, "no minima"),
        ("best", {"noise": "gross"}, "the law gross"),
        ("best", {"noise": "gaussian", "objective": "linf"}, "the law gaussian"),
    ],
)
def test_what_has_no_intervals_is_refused(method, options, words):
    with pytest.raises(unrelu.InputError, match=words):
        unrelu.Inverter(NETWORK, method, uncertainty=True, device="cpu", **options)
