"""The rules for operations that keep a value affine in the units of its layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ._context import Operation, Refused
from ._value import ROWS, Layer, Sizes, Value, constant

#: What joins results of different layers.
SKIP_CONNECTION = "a skip connection"


def common_layer(values: list[Value]) -> Layer | None:
    """Return the layer that all values depend on; None if all are constant.

    Raises
    ------
    Refused
        If they depend on different layers: a skip connection.
    """
    layers = {id(value.layer): value.layer for value in values if value.layer is not None}
    if len(layers) > 1:
        raise Refused(f"joins the results of different layers ({SKIP_CONNECTION})")
    return next(iter(layers.values()), None)


def move(operation: Operation) -> Any:
    """Run a movement on each part; a list of values where the operation returns several."""
    value = operation.only_value()
    units = value.units
    moved = {name: operation.run_on(name, units) for name in value.parts()}
    if operation.shape is not None:
        return value.with_parts(operation.shape, **moved)
    return [
        value.with_parts(meta.shape, **{name: parts[number] for name, parts in moved.items()})
        for number, meta in enumerate(operation.meta)
    ]


def join(operation: Operation) -> Value:
    """``cat`` and ``stack`` of values of one layer, and of constants."""
    tensors = list(operation.args[0])
    layer = common_layer(operation.values)
    values = [_of_layer(tensor, layer) for tensor in tensors]
    if any(value.matrix is not None for value in values):
        values = [_as_matrix(value, layer, operation.sizes) for value in values]
    names = values[0].parts()
    units = layer.units if layer else 1
    operation.args = (values, *operation.args[1:])
    joined = {name: operation.run_on(name, units) for name in names}
    return replace(values[0], shape=tuple(operation.shape), **joined)


def _of_layer(tensor: Any, layer: Layer | None) -> Value:
    if not isinstance(tensor, Value):
        raise Refused("joins a constant without batch axis to a tensor that depends on the code")
    return replace(tensor, layer=layer)


def _as_matrix(value: Value, layer: Layer | None, sizes: Sizes) -> Value:
    return value.as_matrix(sizes, layer.units if layer else 1)


def pad(operation: Operation) -> Value:
    """``pad`` and ``constant_pad_nd`` with a constant: the border depends on no unit."""
    value = operation.only_value()
    mode = operation.argument(2, "mode", "constant") if operation.name == "pad" else "constant"
    if mode != "constant":
        moved: Value = move(operation)
        return moved
    sides = operation.argument(1, "pad")
    border = operation.argument(3, "value") if operation.name == "pad" else (
        operation.argument(2, "value", 0.0)
    )
    parts = {
        name: torch.constant_pad_nd(part, sides, (border or 0.0) if name == "shift" else 0.0)
        for name, part in value.parts().items()
    }
    return value.with_parts(operation.shape, **parts)


def create(operation: Operation) -> Value:
    """A constant in the shape of a value."""
    return constant(operation.shape, operation.run_on("shift", 1))


def add(operation: Operation) -> Value:
    """``add``, ``sub`` and ``rsub`` with their factor ``alpha``."""
    first, second = operation.args[0], operation.args[1]
    alpha = operation.argument(2, "alpha", 1)
    if operation.name == "rsub":
        return combine(operation, first, -alpha, second, 1)
    return combine(operation, first, 1, second, -alpha if operation.name == "sub" else alpha)


def combine(operation: Operation, first: Any, a: float, second: Any, b: float) -> Value:
    """``a * first + b * second``, of two values or a value and a constant."""
    if isinstance(first, Value) and isinstance(second, Value):
        return _combine_values(operation, first, a, second, b)
    if isinstance(second, Value):
        first, a, second, b = second, b, first, a
    value = scale_by(operation, first, a)
    return value.with_parts(operation.shape, shift=value.shift + b * _double(second))


def _combine_values(operation: Operation, first: Value, a: float, second: Value, b: float) -> Value:
    layer = common_layer([first, second])
    first, second = scale_by(operation, first, a), scale_by(operation, second, b)
    for value, other in ((first, second), (second, first)):
        if other.layer is None:
            return value.with_parts(operation.shape, shift=value.shift + other.shift)
    scales = first.scale, second.scale
    if scales[0] is not None and scales[1] is not None and _same_index(first, second):
        return first.with_parts(
            operation.shape,
            scale=scales[0] + scales[1],
            shift=first.shift + second.shift,
        )
    first = _as_matrix(first, layer, operation.sizes)
    second = _as_matrix(second, layer, operation.sizes)
    assert first.matrix is not None and second.matrix is not None
    return first.with_parts(
        operation.shape,
        matrix=first.matrix + second.matrix,
        shift=first.shift + second.shift,
    )


def _same_index(first: Value, second: Value) -> bool:
    assert first.index is not None and second.index is not None
    return bool(torch.equal(first.index, second.index))


def multiply(operation: Operation) -> Value:
    """``mul`` of a value by a constant."""
    first, second = operation.args[0], operation.args[1]
    if not isinstance(first, Value) or (isinstance(second, Value) and first.layer is None):
        first, second = second, first
    return scale_by(operation, first, _constant_part(second))


def divide(operation: Operation) -> Value:
    """``div`` of a value by a constant."""
    value, divisor = operation.args[0], operation.args[1]
    if operation.argument(2, "rounding_mode") is not None:
        raise Refused("rounds a quotient")
    if not isinstance(value, Value):
        raise Refused("divides by a tensor that depends on the code")
    return scale_by(operation, value, _constant_part(divisor), divide=True)


def negate(operation: Operation) -> Value:
    return scale_by(operation, operation.only_value(), -1)


def _constant_part(factor: Any) -> Any:
    """The factor as a constant, with a batch of 1 where it came from the shape of a value."""
    if not isinstance(factor, Value):
        return factor
    if factor.layer is not None:
        raise Refused("combines two tensors that both depend on the code")
    return factor.shift[:1]


def scale_by(operation: Operation, value: Value, factor: Any, divide: bool = False) -> Value:
    """Multiply or divide a value by a constant that broadcasts to the operation's shape."""
    shape, sizes = operation.shape, operation.sizes
    parts = {}
    for name, part in value.parts().items():
        if name != "index" and not (isinstance(factor, (int, float)) and factor == 1):
            part = part / _double(factor) if divide else part * _double(factor)
        batch = value.units + 1 if name == "matrix" else ROWS
        parts[name] = part.expand(sizes.shape(shape, batch))
    return value.with_parts(shape, **parts)


def _double(number: Any) -> Any:
    return number.double() if isinstance(number, torch.Tensor) else number


def apply_linear(operation: Operation) -> Value:
    """An operation that is linear in its one value, without a constant term."""
    value = operation.only_value().as_matrix(operation.sizes)
    _replace(operation, value)
    units = value.units
    parts = {name: operation.run_on(name, units) for name in value.parts()}
    return value.with_parts(operation.shape, **parts)


def _replace(operation: Operation, value: Value) -> None:
    """Put `value` in the place of the operation's only value."""
    old = operation.only_value()
    swap = torch.utils._pytree.tree_map
    operation.args, operation.kwargs = swap(
        lambda leaf: value if leaf is old else leaf, (operation.args, operation.kwargs)
    )
    operation.values = [value]


def linear(operation: Operation) -> Value:
    """``linear(value, weight, bias)`` over the last axis."""
    weight, bias = operation.argument(1, "weight"), operation.argument(2, "bias")
    value = operation.only_value()
    if operation.args[0] is not value:
        raise Refused("computes a weight from the code")
    shift = value.shift @ weight.T
    if bias is not None:
        shift = shift + bias
    rows = value.index is not None and value.index.ndim == 2 and len(value.index) == ROWS
    if rows and value.layer is not None:
        # The usual case, without the matrix of the fresh units (an identity).
        units = value.layer.units
        matrix = torch.zeros(units + 1, weight.shape[0], dtype=torch.float64)
        matrix.index_add_(0, value.index[0].long(), (weight * value.scale[0]).T)
    else:
        dense = value.as_matrix(operation.sizes)
        units, matrix = dense.units, dense.matrix @ weight.T
    return Value(value.layer, tuple(operation.shape), shift, matrix=matrix, units=units)


def addmm(operation: Operation) -> Value:
    """``beta * constant + alpha * value @ weight``."""
    offset, value, weight = operation.args[:3]
    alpha, beta = operation.kwargs.get("alpha", 1), operation.kwargs.get("beta", 1)
    if operation.only_value() is not value:
        raise Refused("adds a product of matrices to a tensor that depends on the code")
    dense = value.as_matrix(operation.sizes)
    shift = alpha * (dense.shift @ weight) + beta * offset
    return dense.with_parts(operation.shape, matrix=alpha * (dense.matrix @ weight), shift=shift)


def batch_norm(operation: Operation) -> Any:
    """Batch normalization by stored statistics: a scale and a shift per channel (axis 1)."""
    value, weight, bias, mean, variance = operation.args[:5]
    rest = list(operation.args[5:])
    if operation.name in ("batch_norm", "native_batch_norm"):
        if rest.pop(0):
            raise Refused("normalizes by the statistics of the batch")
    if mean is None or variance is None:
        raise Refused("normalizes by the statistics of the batch")
    epsilon = rest[1]
    factor = 1 / torch.sqrt(variance + epsilon)
    if weight is not None:
        factor = factor * weight
    offset = -mean * factor if bias is None else bias - mean * factor
    single = operation.shape is not None
    if not single:
        operation.shape = operation.meta[0].shape
    channels = (1, -1) + (1,) * (len(operation.shape) - 2)
    scaled = scale_by(operation, value, factor.reshape(channels))
    result = scaled.with_parts(operation.shape, shift=scaled.shift + offset.reshape(channels))
    return result if single else [result]


