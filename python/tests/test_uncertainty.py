"""Standard deviations, intervals and alternatives, against NumPy and SciPy; what is refused."""

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
    # With intervals the search is the usual one.
    plain = unrelu.invert(NETWORK, x, noise="gaussian:0.001", miss_rate="none", device="cpu")
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


def linear_bounds(code, x, size):
    """The least and the largest entries over the codes of the hidden region within the noise."""
    optimize = pytest.importorskip("scipy.optimize")
    (weight, bias, _), (last, last_bias, _) = NETWORK.layers
    on = weight @ code + bias > 0
    outputs = last[:, on] @ weight[on]
    offset = last[:, on] @ bias[on] + last_bias
    seen = x > size
    sides = np.where(on, -1.0, 1.0)[:, None] * weight
    rows = np.vstack([outputs, -outputs[seen], sides])
    limits = np.concatenate([x + size - offset, offset[seen] - x[seen] + size, -np.where(on, -1, 1) * bias])
    ends = []
    for entry in range(6):
        for sign in (1, -1):
            aim = sign * np.eye(6)[entry]
            ends.append(sign * optimize.linprog(aim, rows, limits, bounds=(None, None)).fun)
    return np.array(ends).reshape(6, 2).T


def test_uniform_bounds_are_those_of_linear_programs():
    codes, x = observed("uniform", size=0.005)
    found = unrelu.invert(NETWORK, x, noise="uniform:0.005", uncertainty=True, device="cpu")
    assert set(found.intervals) == {"complete"}
    assert np.mean((found.lower <= codes) & (codes <= found.upper)) > 0.8
    assert np.mean((found.bound_lower <= codes) & (codes <= found.bound_upper)) > 0.98
    assert np.all((found.bound_lower < found.lower) & (found.upper < found.bound_upper))
    agrees = 0
    for case in range(len(x)):
        lower, upper = linear_bounds(found.codes[case], x[case], 0.005)
        width = upper - lower
        agrees += np.all(abs(lower - found.bound_lower[case]) < 1e-6 * width) and np.all(
            abs(upper - found.bound_upper[case]) < 1e-6 * width
        )
    # A code on a kink belongs to two regions.
    assert agrees >= 20
    again = unrelu.invert(
        NETWORK, x[7:9], noise="uniform:0.005", uncertainty=True, device="cpu", first_index=7
    )
    assert np.array_equal(again.lower, found.lower[7:9])
    unknown = unrelu.invert(NETWORK, x, noise="uniform", uncertainty=True, device="cpu")
    assert not hasattr(unknown, "bound_lower")
    assert np.median(unknown.noise_size) == pytest.approx(0.005, rel=0.1)


def test_alternatives():
    network = unrelu.Network.random([3, 6, 12], seed=3)
    rng = np.random.default_rng(5)
    x = network.forward(rng.standard_normal((12, 3))) + rng.normal(0, 0.1, (12, 12))
    found = unrelu.invert(network, x, noise="gaussian:0.1", alternatives=3, device="cpu")
    assert found.alternative_codes.shape == (12, 3, 3) and found.alternative_losses.shape == (12, 3)
    assert np.array_equal(found.alternative_codes[:, 0], found.codes)
    assert found.alternatives.sum() >= 5
    for case in range(12):
        listed = min(3, found.alternatives[case] + 1)
        assert np.isfinite(found.alternative_codes[case, :listed]).all()
        assert np.isnan(found.alternative_codes[case, listed:]).all()
        images = network.forward(found.alternative_codes[case, :listed])
        losses = 0.5 * ((images - x[case]) ** 2).sum(axis=1)
        assert np.allclose(losses, found.alternative_losses[case, :listed])
        assert np.all(np.diff(losses) >= 0)
    with pytest.raises(unrelu.InputError, match="at most 64"):
        unrelu.Inverter(network, alternatives=65, device="cpu")


def test_columns_are_there_where_nothing_is_uncertain():
    options = {"uncertainty": True, "alternatives": 2, "device": "cpu"}
    failed = unrelu.invert(NETWORK, np.full((2, 90), np.inf), **options)
    assert np.isnan(failed.sd).all() and failed.sd.shape == (2, 6)
    assert np.isnan(failed.alternative_codes).all() and failed.alternative_codes.shape == (2, 2, 6)
    empty = unrelu.invert(NETWORK, np.zeros((0, 90)), **options)
    assert empty.sd.shape == (0, 6) and empty.alternative_codes.shape == (0, 2, 6)
