"""The law of the noise: what it chooses, refinement in its norm, and what is refused."""

import numpy as np
import pytest

import unrelu

NETWORK = unrelu.Network.random([6, 24, 90], seed=5)


def observed(noise, count=12):
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((count, 6))
    x = NETWORK.forward(codes)
    if noise == "gross":
        wrong = rng.random(x.shape) < 0.05
        x = np.where(wrong, rng.uniform(0, x.max(), x.shape), x)
    elif noise == "laplace":
        x = x + rng.laplace(0, 0.02, x.shape)
    else:
        x = x + rng.uniform(-0.02, 0.02, x.shape)
    return codes, x


def median_error(found, codes):
    apart = np.linalg.norm(found.codes - codes, axis=1) / np.linalg.norm(codes, axis=1)
    return np.median(apart)


@pytest.mark.parametrize(
    ("noise", "named", "objective"),
    [("uniform", "uniform:0.02", "linf"), ("laplace", "laplace:0.02", "l1"), ("gross", "gross", "l1")],
)
def test_the_law_chooses_the_objective(noise, named, objective):
    codes, x = observed(noise)
    options = {"device": "cpu"} | ({"epsilon": 0.02} if ":" in named else {})
    by_law = unrelu.invert(NETWORK, x, noise=named, device="cpu")
    # A size alone changes no code; it says that entries below 0 are noise.
    by_hand = unrelu.invert(NETWORK, x, objective=objective, noise=0.1, **options)
    assert np.array_equal(by_law.codes, by_hand.codes)
    squares = unrelu.invert(NETWORK, x, noise=0.1, device="cpu")
    assert median_error(by_law, codes) < median_error(squares, codes)
    assert (by_law.fit == "reproduced").mean() > 0.8


def test_an_objective_is_stronger_than_the_law():
    _, x = observed("uniform", 4)
    # The size of the noise alone would bring a measured rule along.
    named = unrelu.invert(
        NETWORK, x, noise="uniform:0.02", objective="l2", miss_rate="none", device="cpu"
    )
    squares = unrelu.invert(NETWORK, x, epsilon=0.02, device="cpu")
    assert np.array_equal(named.codes, squares.codes)


def test_refinement_is_in_the_norm_of_the_law():
    codes, x = observed("uniform")
    plain = {"method": "linf", "epsilon": 0.02, "device": "cpu"}
    named = unrelu.invert(NETWORK, x, "linf", noise="uniform:0.02", refine=True, device="cpu")
    refined = unrelu.invert(NETWORK, x, refine="linf", **plain)
    assert np.array_equal(named.codes, refined.codes)
    largest = np.abs(NETWORK.forward(refined.codes) - x).max(axis=1)
    np.testing.assert_allclose(refined.refinement_after, largest, rtol=1e-12)
    assert (refined.refinement_after <= refined.refinement_before).all()
    assert refined.refinement_proven.all()
    assert all(len(region) == 16 for region in refined.refinement_region)
    assert "refinement_after" in refined.to_pandas()
    squares = unrelu.invert(NETWORK, x, refine=True, **plain)
    assert not hasattr(squares, "refinement_after")
    assert np.array_equal(squares.codes, unrelu.invert(NETWORK, x, refine="l2", **plain).codes)
    assert median_error(refined, codes) < median_error(squares, codes)


def test_recovery_takes_the_law_of_its_measurements():
    rng = np.random.default_rng(8)
    codes = rng.standard_normal((6, 6))
    operator = rng.standard_normal((60, 90)) / np.sqrt(60)
    y = NETWORK.forward(codes) @ operator.T
    y = np.where(rng.random(y.shape) < 0.05, y + rng.uniform(-2, 2, y.shape), y)
    found = unrelu.recover(NETWORK, y, operator, noise="gross", device="cpu")
    assert median_error(found, codes) < 1e-9
    assert (found.fit == "reproduced").mean() > 0.6


def test_curved_outputs_have_the_norms_and_curved_hidden_layers_do_not():
    layers = [(rng_weights(24, 4, 1), np.zeros(24)), (rng_weights(60, 24, 2), np.zeros(60))]
    output = unrelu.Network.from_arrays(layers, activation="relu", output_activation="sigmoid")
    codes = np.random.default_rng(4).standard_normal((6, 4))
    x = output.forward(codes) + np.random.default_rng(5).uniform(-0.01, 0.01, (6, 60))
    found = unrelu.invert(output, x, noise="uniform:0.01", device="cpu")
    assert (found.residual_linf <= 0.01 + 1e-9).all()
    assert found.stationary.all()
    hidden = unrelu.Network.from_arrays(layers, activation="tanh", output_activation="relu")
    with pytest.raises(unrelu.InputError, match="activation tanh in layer 1"):
        unrelu.invert(hidden, x, noise="uniform:0.01", device="cpu")


def rng_weights(rows, columns, seed):
    return np.random.default_rng(seed).standard_normal((rows, columns)) / np.sqrt(columns)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": "poisson"}, "uniform, gaussian, laplace or gross"),
        ({"noise": "uniform:-1"}, "positive SIZE"),
        ({"noise": [0.1]}, "a number, or the name of a law"),
        ({"method": "linf", "refine": "l3"}, "l2, l1 or linf"),
        ({"method": "linf", "refine": 1}, "True or False"),
        ({"method": "linf", "refine": "linf", "prior": 0.1}, "prior"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises((unrelu.InputError, TypeError), match=words):
        unrelu.invert(NETWORK, observed("uniform", 2)[1], **options)


def test_what_was_given_is_named():
    curved = unrelu.Network.random([4, 12, 60], activation="tanh", seed=3)
    x = curved.forward(curved.random_codes(2, seed=1))
    with pytest.raises(ValueError, match="option `noise`.*uniform, which minimises linf.*`objective: l2`"):
        unrelu.invert(curved, x, "best", noise="uniform:0.01")
    with pytest.raises(ValueError, match="option `objective`.*linf for a network"):
        unrelu.invert(curved, x, "best", objective="linf")
    result = unrelu.invert(curved, x, "best", noise="uniform:0.01", objective="l2", device="cpu")
    assert (result.fit == "reproduced").all()


def test_a_miss_rate_takes_fewer_runs():
    network = unrelu.Network.random([4, 100, 200], seed=3)
    clean = network.forward(network.random_codes(20, seed=1))
    x = (clean + 0.01 * np.random.default_rng(0).normal(size=clean.shape)).astype(np.float32)
    options = {"noise": "gaussian:0.01", "device": "cpu"}
    usual = unrelu.invert(network, x, "best", miss_rate="none", **options)
    found = unrelu.invert(network, x, "best", **options)
    assert "runs have found" not in " ".join(usual.notes)
    assert "runs have found the lowest loss" in " ".join(found.notes)
    assert found.runs.sum() < 0.5 * usual.runs.sum()
    worse = found.residual_l2_relative > 1.001 * usual.residual_l2_relative
    assert worse.sum() <= 1
    named = unrelu.invert(network, x, "best", miss_rate=0.01, **options)
    assert np.array_equal(named.codes, found.codes)
    # A projector has the same searches.
    projector = unrelu.Projector(network, "best", **options)
    assert np.array_equal(projector.project(x).codes, found.codes)
    with pytest.raises(ValueError, match="miss_rate.*without a size"):
        unrelu.invert(network, x, "best", miss_rate=0.02)
    for wrong in ("few", 0.0):
        with pytest.raises(ValueError, match="miss_rate"):
            unrelu.invert(network, x, "best", miss_rate=wrong, **options)
    with pytest.raises(TypeError, match="miss_rate"):
        unrelu.invert(network, x, "best", miss_rate=[], **options)
