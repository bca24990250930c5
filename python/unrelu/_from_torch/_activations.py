"""The rules for activations: each ends a layer and starts the next value.

An activation with any offset or slope is reduced to those of unrelu, exactly:

- ``max(x, c) = c + relu(x - c)`` and ``min(x, c) = c - relu(c - x)``,
- a LeakyReLU of slope ``s > 1`` is ``-s`` times one of slope ``1 / s``, of ``-x``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from ._affine import combine, scale_by
from ._context import AfterOutput, Operation, Refused
from ._value import ROWS, Layer, Value, rows_of, units_of


def relu(operation: Operation) -> Value:
    return activate(operation, operation.only_value(), "relu")


def sigmoid(operation: Operation) -> Value:
    return activate(operation, operation.only_value(), "sigmoid")


def tanh(operation: Operation) -> Value:
    return activate(operation, operation.only_value(), "tanh")


def leaky_relu(operation: Operation) -> Value:
    return _leaky(operation, float(operation.argument(1, "negative_slope", 0.01)))


def rrelu(operation: Operation) -> Value:
    """RReLU in eval mode: the mean of its two slopes."""
    if operation.argument(3, "training", False):
        raise Refused("draws slopes at random (train mode)")
    lower, upper = operation.argument(1, "lower", 1 / 8), operation.argument(2, "upper", 1 / 3)
    return _leaky(operation, (lower + upper) / 2)


def prelu(operation: Operation) -> Value:
    """PReLU with one slope, or with equal slopes per channel."""
    slopes = operation.args[1]
    if isinstance(slopes, Value):
        raise Refused("computes its slopes from the code")
    smallest, largest = float(slopes.min()), float(slopes.max())
    if smallest != largest:
        raise Refused(f"has different slopes per channel, from {smallest:g} to {largest:g}")
    return _leaky(operation, smallest)


def _leaky(operation: Operation, slope: float) -> Value:
    value = operation.only_value()
    if slope == 0:
        return activate(operation, value, "relu")
    if slope == 1:
        return value.with_parts(operation.shape)
    if not 0 < slope < float("inf"):
        raise Refused(f"has the slope {slope:g}, which is not positive")
    if slope < 1:
        return activate(operation, value, f"leaky_relu:{slope!r}")
    mirrored = activate(operation, scale_by(operation, value, -1), f"leaky_relu:{1 / slope!r}")
    return scale_by(operation, mirrored, -slope)


def threshold(operation: Operation) -> Value:
    """``x`` above the threshold, another value below: continuous only if the two are equal."""
    limit, below = operation.args[1], operation.args[2]
    if limit != below:
        raise Refused(f"jumps from {below:g} to {limit:g}")
    return _at_least(operation, operation.only_value(), limit)


def clamp(operation: Operation) -> Value:
    """A bound on one side."""
    value = operation.only_value()
    if operation.args[0] is not value:
        raise Refused("has a bound that depends on the code")
    least = most = None
    if operation.name == "clamp_max":
        most = operation.argument(1, "max")
    elif operation.name == "clamp_min":
        least = operation.argument(1, "min")
    else:
        least, most = operation.argument(1, "min"), operation.argument(2, "max")
    low, high = _range(value)
    least = None if _holds(least, low, -1) else least
    most = None if _holds(most, high, 1) else most
    if least is None and most is None:
        return value.with_parts(operation.shape)
    if least is not None and most is not None:
        raise Refused("bounds its values on both sides")
    return _at_least(operation, value, least) if most is None else _at_most(operation, value, most)


def extremum(operation: Operation) -> Value:
    """``maximum`` and ``minimum`` of a value and a constant, also as ``max`` and ``min``."""
    if len(operation.args) < 2 or not isinstance(operation.args[1], (Value, torch.Tensor)):
        raise Refused("takes the largest or smallest entry along an axis")
    first, second = operation.args[0], operation.args[1]
    constants = [leaf for leaf in operation.values if leaf.layer is None]
    if len(operation.values) == 2 and len(constants) == 1:
        # A constant in the shape of a value, such as zeros_like.
        bound = constants[0]
        first = second if first is bound else first
        second = bound.shift[:1]
    elif not isinstance(first, Value):
        first, second = second, first
    if isinstance(second, Value):
        raise Refused("takes the larger or smaller of two tensors that both depend on the code")
    rule = _at_least if operation.name.startswith("max") else _at_most
    return rule(operation, first, second)


def _at_least(operation: Operation, value: Value, bound: Any) -> Value:
    if not isinstance(bound, torch.Tensor) and bound == 0:
        return activate(operation, value, "relu")
    above = activate(operation, combine(operation, value, 1, _tensor(bound), -1), "relu")
    return combine(operation, above, 1, _tensor(bound), 1)


def _at_most(operation: Operation, value: Value, bound: Any) -> Value:
    below = activate(operation, combine(operation, value, -1, _tensor(bound), 1), "relu")
    return combine(operation, below, -1, _tensor(bound), 1)


def _tensor(bound: Any) -> torch.Tensor:
    return torch.as_tensor(bound, dtype=torch.float64)


def activate(operation: Operation, value: Value, activation: str) -> Value:
    """Apply an activation of unrelu: append units to a layer, and return them as a value.

    Raises
    ------
    AfterOutput
        If the value comes from a ``sigmoid`` or ``tanh``: those can end the network only.
    TooLarge
        If the layer's weight has too many entries.
    """
    parent = value.layer
    if parent is None:
        raise Refused("applies an activation to a constant in the shape of a batch")
    known = _without_kink(operation, value, activation)
    if known is not None:
        return known
    if not parent.is_hidden:
        raise AfterOutput(parent)
    dense = value.as_matrix(operation.sizes)
    assert dense.matrix is not None
    layer = parent.children.get(activation)
    if layer is None:
        layer = Layer(parent, activation, operation.source)
        parent.children[activation] = layer
    weight, bias = rows_of(dense.matrix, dense.units), dense.shift.reshape(ROWS, -1)[0]
    start = _append(layer, weight, bias)
    return units_of(layer, start, operation.shape, operation.sizes)


def _without_kink(operation: Operation, value: Value, activation: str) -> Value | None:
    """The value after a ReLU or LeakyReLU, if no entry can change its sign; else None."""
    if activation in ("sigmoid", "tanh") or value.scale is None:
        return None
    low, high = _range(value)
    if not ((low >= 0) | (high <= 0)).all():
        return None
    slope = 0.0 if activation == "relu" else float(activation.split(":")[1])
    factor = torch.full_like(low, slope).masked_fill(low >= 0, 1.0)
    parts = {"scale": value.scale * factor, "shift": value.shift * factor}
    return value.with_parts(operation.shape, **parts)


def _append(layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> int:
    """Add units to a layer and return the number of the first; units that it has are reused."""
    start = 0
    for other_weight, other_bias in layer.pieces:
        if torch.equal(weight, other_weight) and torch.equal(bias, other_bias):
            return start
        start += len(other_bias)
    layer.pieces.append((weight, bias))
    layer.units += len(bias)
    return start


RANGES = {"relu": (0.0, math.inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def _range(value: Value) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds of each entry that hold for all codes."""
    low, high = RANGES.get(value.layer.activation if value.layer else "", (-math.inf, math.inf))
    scale = torch.ones_like(value.shift) if value.scale is None else value.scale
    if value.scale is None:
        low, high = -math.inf, math.inf
    ends = torch.stack([torch.where(scale == 0, 0.0, scale * end) for end in (low, high)])
    ends = ends + value.shift
    return ends.amin(0), ends.amax(0)


def _holds(bound: Any, end: torch.Tensor, side: int) -> bool:
    """Whether a bound of a clamp is absent, or holds already: `side` is 1 for the upper bound."""
    return bound is None or bool((side * (_tensor(bound) - end) >= 0).all())
