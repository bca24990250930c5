"""Projections."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import unrelu


def test_images_are_their_own_projections(network, codes, images):
    projector = unrelu.Projector(network)
    found = projector.project(images)
    np.testing.assert_allclose(found.images, images, atol=1e-8)
    np.testing.assert_allclose(found.codes, codes, atol=1e-8)
    again = projector.project(images, warm_start=found.codes)
    assert again.from_warm_start.all() and not found.from_warm_start.any()
    assert "12 from the warm start" in repr(again)


def test_a_projection_is_no_farther_than_any_nearby_image(network, images):
    noisy = images + 0.1 * np.random.default_rng(0).standard_normal(images.shape)
    found = unrelu.Projector(network).project(noisy)
    np.testing.assert_allclose(found.residual, np.linalg.norm(found.images - noisy, axis=1))
    draw = np.random.default_rng(1)
    for _ in range(50):
        near = found.codes + 1e-3 * draw.standard_normal(found.codes.shape)
        assert (np.linalg.norm(network.forward(near) - noisy, axis=1) >= found.residual - 1e-12).all()


def test_batches_change_nothing(network, images):
    noisy = images + 0.1
    projector = unrelu.Projector(network, "descent", iterations=40, seed=3)
    whole = projector.project(noisy)
    parts = projector.project(noisy, batch=5)
    assert np.array_equal(whole.codes, parts.codes)
    warm = projector.project(noisy, whole.codes, batch=5)
    assert np.array_equal(warm.images, projector.project(noisy, whole.codes).images)


def test_single_precision_stays(network, images):
    found = unrelu.Projector(network).project(images.astype(np.float32).reshape(12, 6, 10))
    assert found.images.dtype == np.float32 and found.images.shape == (12, 6, 10)
    again = unrelu.Projector(network).project(images.astype(np.float32), found.codes)
    assert again.codes.dtype == np.float32


def test_mistakes(network, images):
    projector = unrelu.Projector(network)
    with pytest.raises(ValueError, match="warm_start: found 3 codes"):
        projector.project(images, np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"warm_start: found an array of shape \(12, 4\)"):
        projector.project(images, np.zeros((12, 4)))
    with pytest.raises(ValueError, match="starts"):
        unrelu.Projector(network, "linf", starts=4)


def moving(network, count, steps):
    """Noisy observations that move less from step to step."""
    draw = np.random.default_rng(5)
    clean = network.forward(network.random_codes(count, seed=9))
    noisy = clean + draw.uniform(-0.01, 0.01, clean.shape)
    direction = draw.uniform(-0.01, 0.01, clean.shape)
    return [noisy + 0.7**step * direction for step in range(steps)]


@pytest.mark.parametrize("method", ["linf", "l1", "relaxed", "exact", "best", "descent"])
def test_the_last_projection_is_a_warm_start(network, method):
    options = {"iterations": 40} if method == "descent" else {}
    projector = unrelu.Projector(network, method, **options)
    last = None
    for x in moving(network, 6, 5):
        found = projector.project(x, warm_start=last)
        if method in ("linf", "l1", "relaxed"):
            cold = projector.project(x)
            assert (found.status == cold.status).all()
            np.testing.assert_allclose(found.codes, cold.codes, atol=1e-9)
        elif last is not None:
            codes_only = projector.project(x, warm_start=last.codes)
            assert np.array_equal(found.codes, codes_only.codes, equal_nan=True)
        last = found


def test_parts_of_a_batch_start_from_their_own_bases(network):
    projector = unrelu.Projector(network, "linf")
    first, second = moving(network, 7, 2)
    last = projector.project(first, batch=3)
    whole, parts = projector.project(second, last), projector.project(second, last, batch=2)
    assert np.array_equal(whole.codes, parts.codes)
    np.testing.assert_allclose(whole.codes, projector.project(second).codes, atol=1e-9)


def test_a_pickled_projection_has_its_codes(network):
    projector = unrelu.Projector(network, "linf")
    first, second = moving(network, 4, 2)
    last = pickle.loads(pickle.dumps(projector.project(first)))
    found = projector.project(second, last)
    np.testing.assert_allclose(found.codes, projector.project(second).codes, atol=1e-9)


def test_projections_that_do_not_fit(network, images):
    projector = unrelu.Projector(network, "linf")
    other = unrelu.Network.random([5, 21, 60], seed=1)
    last = unrelu.Projector(other, "linf").project(images + 0.01)
    with pytest.raises(ValueError, match="bases of a network with other layers"):
        projector.project(images, last)
    with pytest.raises(ValueError, match="warm_start: found 3 codes"):
        projector.project(images, projector.project(images[:3] + 0.01))


def least_violation(weight, bias, x, epsilon):
    """The least violation of the rows of `linf` for one ReLU layer and one tolerance, by HiGHS."""
    optimize = pytest.importorskip("scipy.optimize")
    above = x > epsilon
    rows = np.vstack([weight, -weight[above]])
    bounds = np.concatenate([x - bias, (bias - x)[above]])
    matrix = np.hstack([rows, -np.ones((len(rows), 1))])
    columns = weight.shape[1]
    limits = [(None, None)] * columns + [(0, None)]
    return optimize.linprog([0.0] * columns + [1.0], matrix, bounds, bounds=limits, method="highs")


def test_a_warm_answer_is_the_optimum_of_the_least_feasible_tolerance():
    draw = np.random.default_rng(3)
    weight, bias = draw.standard_normal((30, 4)), 0.1 * draw.standard_normal(30)
    network = unrelu.Network.from_arrays([(weight, bias, "relu")])
    projector = unrelu.Projector(network, "linf")
    last = None
    for x in moving(network, 3, 4):
        last = projector.project(x, last)
        for row, code in zip(x, last.codes, strict=True):
            epsilon = 1e-6 * abs(row).max()
            while (optimum := least_violation(weight, bias, row, epsilon)).fun > epsilon:
                epsilon *= 1.2
            np.testing.assert_allclose(code, optimum.x[:-1], atol=1e-7)
