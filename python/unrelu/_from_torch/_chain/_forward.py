"""The list of operations in NumPy, in float64: what the reading is proved with.

It is written from docs/OPERATIONS.md, without torch. Convolutions are loops over the taps of the
kernel, one matrix product for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ._axes import matrices

Operation = dict[str, Any]
KINKS = ("relu", "leaky_relu", "prelu")


class Chain:
    """A document and its tensors, ready to compute images of codes.

    Parameters
    ----------
    document : dict
        As ``_document`` writes it: every field but null ones is present.
    tensors : dict of numpy.ndarray
    """

    def __init__(self, document: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.input = tuple(document["input"])
        self.operations: list[Operation] = document["operations"]
        self.tensors = tensors

    def get(self, operation: Operation, field: str) -> np.ndarray | None:
        name = operation.get(field)
        return None if name is None else self.tensors[name].astype(np.float64)

    def steps(
        self, codes: np.ndarray, epsilon: float
    ) -> Iterator[tuple[Operation, np.ndarray, np.ndarray, np.ndarray]]:
        """Each operation with its input, its output and the output's variance by rounding.

        Codes have the shape (count, *input). Each entry gets the mean square of the roundings to
        relative precision `epsilon`, its own and those that come in.
        """
        values, variance = codes, np.zeros_like(codes)
        for operation in self.operations:
            before = values
            name = operation["op"]
            if name == "reshape":
                shape = (len(codes), *operation["shape"])
                values, variance = values.reshape(shape), variance.reshape(shape)
            elif name in MAPS:
                values, variance = self._map(operation, values, variance, epsilon)
            else:
                slopes = self._slopes(operation, before)
                values, steepness = activate(operation, before, slopes)
                # What saturates, such as a sigmoid or an exponential, is rounded near 1.
                own = np.maximum(before**2, values**2) if name in KINKS else 1 + before**2
                variance = steepness**2 * variance + epsilon**2 * own
            yield operation, before, values, variance

    def forward(self, codes: np.ndarray) -> np.ndarray:
        """The images, (count, *image shape)."""
        values = codes
        for _, _, values, _ in self.steps(codes, 0.0):
            pass
        return values

    def _slopes(self, operation: Operation, values: np.ndarray) -> np.ndarray:
        """The slopes of a PReLU, one for each channel, in a shape that broadcasts."""
        weight = self.get(operation, "weight")
        return np.zeros(1) if weight is None else _channels(weight, values)

    def _map(
        self, operation: Operation, values: np.ndarray, variance: np.ndarray, epsilon: float
    ) -> tuple[np.ndarray, np.ndarray]:
        name = operation["op"]
        if name in ("batch_norm", "scale"):
            weight, bias, own = self._per_channel(operation, values)
            own = own + (weight * values) ** 2
            return weight * values + bias, weight**2 * variance + epsilon**2 * own
        if name in ("linear", "conv2d", "conv_transpose2d"):
            kernel = self.get(operation, "weight")
            assert kernel is not None
            given = self.get(operation, "bias")
            apply = _linear if name == "linear" else (
                _conv2d if name == "conv2d" else _conv_transpose2d
            )
            result = apply(operation, kernel, values)
            shift = _channels(np.zeros(1) if given is None else given, result)
            squares = apply(operation, kernel**2, variance + epsilon**2 * values**2)
            return result + shift, squares + epsilon**2 * shift**2
        rows, columns = matrices(operation, values.shape[1:])
        result = rows @ values @ columns.T
        # Positions are rounded, too: an entry may take part of the one next to it.
        size = max(values.shape[2:]) if name == "upsample" else 1
        own = epsilon**2 * (1 + size**2) * (rows @ values**2 @ columns.T)
        return result, rows**2 @ variance @ (columns**2).T + own

    def _per_channel(
        self, operation: Operation, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weight and bias of a scale, and the square of what is added on the way."""
        given = (self.get(operation, "weight"), self.get(operation, "bias"))
        weight = np.ones(1) if given[0] is None else given[0]
        bias = np.zeros(1) if given[1] is None else given[1]
        if operation["op"] == "scale":
            return _channels(weight, values), _channels(bias, values), _channels(bias**2, values)
        mean, variance = self.get(operation, "running_mean"), self.get(operation, "running_var")
        assert mean is not None and variance is not None
        weight = weight / np.sqrt(variance + operation["eps"])
        own = bias**2 + (mean * weight) ** 2
        bias = bias - mean * weight
        return _channels(weight, values), _channels(bias, values), _channels(own, values)


MAPS = (
    "linear", "conv2d", "conv_transpose2d", "batch_norm", "scale", "upsample", "avg_pool2d",
    "adaptive_avg_pool2d",
)


def _channels(vector: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A vector along the first axis behind the batch."""
    return vector.reshape(1, -1, *[1] * (values.ndim - 2))


def _linear(operation: Operation, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(values @ weight.T)


def _conv2d(operation: Operation, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``out[o, y, x] = Σ weight[o, i, u, v] in[i, y s + u d - p, x s + v d - p]``."""
    (top, left), (down, right) = operation["padding"], operation["stride"]
    (far, wide), groups = operation["dilation"], operation["groups"]
    padded = np.pad(values, ((0, 0), (0, 0), (top, top), (left, left)))
    count, channels, rows, columns = padded.shape
    outputs, inputs, taps, across = weight.shape
    high = (rows - far * (taps - 1) - 1) // down + 1
    long = (columns - wide * (across - 1) - 1) // right + 1
    padded = padded.reshape(count, groups, channels // groups, rows, columns)
    kernel = weight.reshape(groups, outputs // groups, inputs, taps, across)
    result = np.zeros((count, groups, outputs // groups, high * long))
    for u in range(taps):
        for v in range(across):
            tap = kernel[..., u, v]
            if tap.any():
                window = padded[
                    ..., u * far : u * far + down * (high - 1) + 1 : down,
                    v * wide : v * wide + right * (long - 1) + 1 : right,
                ]
                result += tap @ window.reshape(count, groups, inputs, high * long)
    return result.reshape(count, outputs, high, long)


def _conv_transpose2d(operation: Operation, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``out[o, y s + u d - p, x s + v d - p] += weight[i, o, u, v] in[i, y, x]``."""
    (top, left), (down, right) = operation["padding"], operation["stride"]
    (far, wide), groups = operation["dilation"], operation["groups"]
    count, channels, rows, columns = values.shape
    _, outputs, taps, across = weight.shape
    high = down * (rows - 1) + far * (taps - 1) + 1 + operation["output_padding"][0]
    long = right * (columns - 1) + wide * (across - 1) + 1 + operation["output_padding"][1]
    kernel = weight.reshape(groups, channels // groups, outputs, taps, across)
    inputs = values.reshape(count, groups, channels // groups, rows * columns)
    result = np.zeros((count, groups, outputs, high, long))
    for u in range(taps):
        for v in range(across):
            tap = np.swapaxes(kernel[..., u, v], 1, 2)
            result[
                ..., u * far : u * far + down * (rows - 1) + 1 : down,
                v * wide : v * wide + right * (columns - 1) + 1 : right,
            ] += (tap @ inputs).reshape(count, groups, outputs, rows, columns)
    result = result.reshape(count, groups * outputs, high, long)
    return result[:, :, top : high - top, left : long - left]


def activate(
    operation: Operation, x: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray | float]:
    """An activation, and a bound of its derivative."""
    name = operation["op"]
    if name == "relu":
        return np.maximum(x, 0.0), 1.0
    if name in ("leaky_relu", "prelu"):
        slopes = slopes if name == "prelu" else np.array(operation["negative_slope"])
        return np.where(x > 0, x, slopes * x), np.maximum(1.0, np.abs(slopes))
    if name == "elu":
        alpha = operation["alpha"]
        return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), max(1.0, alpha)
    if name == "selu":
        alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), scale * alpha
    if name == "softplus":
        scaled = operation["beta"] * x
        smooth = np.logaddexp(0.0, scaled) / operation["beta"]
        return np.where(scaled > operation["threshold"], x, smooth), 1.0
    if name == "silu":
        return x * sigmoid(x), 1.1
    if name == "gelu" and operation["approximate"] == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + np.tanh(inner)), 1.13
    if name == "gelu":
        return x * 0.5 * _erfc(-x / math.sqrt(2)), 1.13
    if name == "hardtanh":
        return np.clip(x, operation["min_val"], operation["max_val"]), 1.0
    if name == "relu6":
        return np.clip(x, 0.0, 6.0), 1.0
    if name == "sigmoid":
        return sigmoid(x), 1.0
    if name == "tanh":
        return np.tanh(x), 1.0
    assert name == "identity"
    return x, 1.0


def sigmoid(x: np.ndarray) -> np.ndarray:
    decayed = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, decayed) / (1.0 + decayed))


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
