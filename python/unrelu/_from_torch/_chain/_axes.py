"""Upsampling and average pooling, as one matrix for rows and one for columns.

The output is ``R X Cᵀ`` for each channel. The positions are torch's: ATen/native/UpSample.h and
AveragePool.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def matrices(operation: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """``R`` of shape (rows out, rows in), and ``C``, for an input of (channels, rows, columns)."""
    name = operation["op"]
    both = []
    for axis, size in enumerate(shape[1:]):
        if name == "upsample":
            factors = operation.get("scale_factor")
            factor = None if factors is None else factors[axis]
            wanted = operation["size"][axis]
            if operation["mode"] == "nearest":
                both.append(_nearest(size, wanted, factor))
            else:
                both.append(_linear(size, wanted, factor, operation["align_corners"]))
        elif name == "adaptive_avg_pool2d":
            both.append(_adaptive(size, operation["output_size"][axis]))
        else:
            both.append(_windows(operation, axis, size))
    rows, columns = both
    if operation.get("divisor_override"):
        return rows / operation["divisor_override"], columns
    return rows, columns


def _nearest(size: int, wanted: int, factor: float | None) -> np.ndarray:
    """torch computes these positions in float32, for every type."""
    step = np.float32(size) / np.float32(wanted) if factor is None else np.float32(1.0 / factor)
    source = np.floor(np.arange(wanted, dtype=np.float32) * np.float32(step)).astype(int)
    matrix = np.zeros((wanted, size))
    matrix[np.arange(wanted), np.minimum(source, size - 1)] = 1
    return matrix


def _linear(size: int, wanted: int, factor: float | None, align_corners: bool) -> np.ndarray:
    output = np.arange(wanted)
    if align_corners:
        position = output * ((size - 1) / (wanted - 1) if wanted > 1 else 0.0)
    else:
        step = size / wanted if factor is None else 1.0 / factor
        position = np.maximum((output + 0.5) * step - 0.5, 0.0)
    low = np.minimum(position.astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    share = np.clip(position - low, 0.0, 1.0)
    matrix = np.zeros((wanted, size))
    np.add.at(matrix, (output, low), 1 - share)
    np.add.at(matrix, (output, high), share)
    return matrix


def _adaptive(size: int, wanted: int) -> np.ndarray:
    matrix = np.zeros((wanted, size))
    for output in range(wanted):
        start, end = output * size // wanted, -(-(output + 1) * size // wanted)
        matrix[output, start:end] = 1 / (end - start)
    return matrix


def _windows(operation: dict[str, Any], axis: int, size: int) -> np.ndarray:
    kernel, stride = operation["kernel_size"][axis], operation["stride"][axis]
    padding = operation["padding"][axis]
    places = size + 2 * padding - kernel
    wanted = places // stride + 1
    if operation["ceil_mode"] and wanted * stride - places < stride:
        # One more window, unless it would begin in the padding behind.
        wanted += wanted * stride < size + padding
    matrix = np.zeros((wanted, size))
    for output in range(wanted):
        start = output * stride - padding
        end = min(start + kernel, size + padding)
        inside = slice(max(start, 0), min(end, size))
        count = end - start if operation["count_include_pad"] else inside.stop - inside.start
        matrix[output, inside] = 1.0 if operation["divisor_override"] else 1 / count
    return matrix
