"""Projections."""

from __future__ import annotations

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
