"""Tensors of torch in, tensors of torch out."""

from __future__ import annotations

import numpy as np
import pytest

import unrelu

pytestmark = pytest.mark.integrations


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_tensors_come_back(network, images, dtype):
    import torch

    x = torch.from_numpy(images).to(getattr(torch, dtype))
    result = unrelu.invert(network, x)
    same = unrelu.invert(network, x.numpy())
    wanted = torch.float64 if dtype == "float64" else torch.float32
    assert isinstance(result.codes, torch.Tensor) and result.codes.dtype == wanted
    assert result.images.dtype == wanted and result.images.shape == x.shape
    assert np.array_equal(result.codes.numpy(), same.codes)
    projected = unrelu.Projector(network).project(x.reshape(12, 6, 10), result.codes)
    assert projected.images.shape == (12, 6, 10) and projected.from_warm_start.all()


def test_bytes_and_layouts(network, images):
    import torch

    x = torch.from_numpy(images)
    turned = x.T.contiguous().T
    assert not turned.is_contiguous()
    expected = unrelu.invert(network, images).codes
    assert np.array_equal(unrelu.invert(network, turned).codes.numpy(), expected)
    pixels = (255 * x.clamp(0, 1)).round().to(torch.uint8)
    found = unrelu.invert(network, pixels)
    assert found.codes.dtype == torch.float64
    assert np.array_equal(found.codes.numpy(), unrelu.invert(network, pixels.numpy()).codes)


def test_operators_and_masks(network, codes, images):
    import torch

    matrix = torch.from_numpy(np.random.default_rng(0).standard_normal((40, 60)))
    result = unrelu.recover(network, torch.from_numpy(images) @ matrix.T, matrix)
    np.testing.assert_allclose(result.codes.numpy(), codes, atol=1e-6)
    mask = torch.from_numpy(np.random.default_rng(0).random(60) < 0.7)
    result = unrelu.recover(network, torch.from_numpy(images), mask)
    np.testing.assert_allclose(result.codes.numpy(), codes, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x: x.requires_grad_(), ValueError, r"x\.detach"),
        (lambda x: x.to("meta"), ValueError, "meta"),
        (lambda x: x.to_sparse(), TypeError, "to_dense"),
        (lambda x: x.bfloat16(), TypeError, r"x\.float\(\)"),
        (lambda x: x[:, :59], ValueError, r"\(12, 59\)"),
        (lambda x: x > 0, TypeError, "bool"),
        (lambda x: x.T, ValueError, r"x\.T"),
    ],
)
def test_wrong_tensors_are_refused(network, images, change, error, words):
    import torch

    with pytest.raises(error, match=words):
        unrelu.invert(network, change(torch.from_numpy(images)))


def test_a_tensor_on_a_gpu(network, images):
    import torch

    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            torch.from_numpy(images).cuda()
        pytest.skip("no CUDA device")
    result = unrelu.invert(network, torch.from_numpy(images).cuda())
    assert result.codes.is_cuda and result.images.is_cuda
