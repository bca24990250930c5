"""The rules for activations; those with other offsets and scales are reduced to the listed ones.

- ``max(x, c) = c + relu(x - c)`` and ``min(x, c) = c - relu(c - x)``,
- a LeakyReLU of slope ``s > 1`` is ``-s`` times one of slope ``1 / s``, of ``-x``,
- ELU with an inner scale ``i`` is ``1 / i`` times the ELU of ``i x`` whose alpha is ``i`` times as
  large (so is CELU, with ``i = 1 / alpha``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .._context import Operation, Refused
from .._value import Value
from ._arguments import constant_of, only_link
from ._arithmetic import affine
from ._link import Link, vector


def plain(name: str) -> Callable[[Operation], Link]:
    """The rule of an activation without numbers."""
    return lambda operation: only_link(operation).then(name)


def leaky_relu(operation: Operation) -> Link:
    return _leaky(only_link(operation), float(operation.argument(1, "negative_slope", 0.01)))


def rrelu(operation: Operation) -> Link:
    """RReLU in eval mode: the mean of its two slopes."""
    if operation.argument(3, "training", False):
        raise Refused("draws slopes at random (train mode)")
    lower, upper = operation.argument(1, "lower", 1 / 8), operation.argument(2, "upper", 1 / 3)
    return _leaky(only_link(operation), (lower + upper) / 2)


def prelu(operation: Operation) -> Link:
    """PReLU with one slope, or one per channel."""
    link = only_link(operation)
    slopes = constant_of(operation.args[1]).reshape(-1)
    if bool((slopes == slopes[0]).all()):
        return _leaky(link, float(slopes[0]))
    return link.then("prelu", None, {}, {"weight": slopes})


def _leaky(link: Link, slope: float) -> Link:
    if slope == 0:
        return link.then("relu")
    if slope == 1:
        return link
    if not math.isfinite(slope):
        raise Refused(f"has the slope {slope:g}, which is not finite")
    if slope < 1:
        return link.then("leaky_relu", None, {"negative_slope": slope})
    mirrored = link.scaled(vector(-1), vector(0)).then(
        "leaky_relu", None, {"negative_slope": 1 / slope}
    )
    return mirrored.scaled(vector(-slope), vector(0))


def elu(operation: Operation) -> Link:
    """``elu`` with its outer and inner scales."""
    alpha, outer, inner = (
        float(operation.argument(number, name, 1.0))
        for number, name in ((1, "alpha"), (2, "scale"), (3, "input_scale"))
    )
    return _elu(only_link(operation), alpha, outer, inner)


def celu(operation: Operation) -> Link:
    alpha = float(operation.argument(1, "alpha", 1.0))
    return _elu(only_link(operation), alpha, 1.0, 1 / alpha)


def _elu(link: Link, alpha: float, outer: float, inner: float) -> Link:
    if not (alpha > 0 and outer > 0 and inner > 0):
        raise Refused("has an alpha or a scale that is not positive")
    inside = link.scaled(vector(inner), vector(0)).then("elu", None, {"alpha": alpha * inner})
    return inside.scaled(vector(outer / inner), vector(0))


def softplus(operation: Operation) -> Link:
    beta = float(operation.argument(1, "beta", 1))
    threshold = float(operation.argument(2, "threshold", 20))
    if beta <= 0:
        raise Refused(f"has the beta {beta:g}, which is not positive")
    return only_link(operation).then("softplus", None, {"beta": beta, "threshold": threshold})


def gelu(operation: Operation) -> Link:
    form = operation.argument(1, "approximate", "none")
    return only_link(operation).then("gelu", None, {"approximate": form})


def hardtanh(operation: Operation) -> Link:
    least = float(operation.argument(1, "min_val", -1))
    most = float(operation.argument(2, "max_val", 1))
    return _between(operation, only_link(operation), least, most)


def hardsigmoid(operation: Operation) -> Link:
    """``min(max(x + 3, 0), 6) / 6``."""
    inside = only_link(operation).scaled(vector(1), vector(3)).then("relu6")
    return inside.scaled(vector(1 / 6), vector(0))


def threshold(operation: Operation) -> Link:
    """``x`` above the threshold, another value below: continuous only if the two are equal."""
    limit, below = operation.args[1], operation.args[2]
    if limit != below:
        raise Refused(f"jumps from {below:g} to {limit:g}")
    return _between(operation, only_link(operation), limit, None)


def clamp(operation: Operation) -> Link:
    """Bounds on one side or both; a bound that holds already is left out."""
    link = only_link(operation)
    least: Any = None
    most: Any = None
    if operation.name == "clamp_max":
        most = operation.argument(1, "max")
    elif operation.name == "clamp_min":
        least = operation.argument(1, "min")
    else:
        least, most = operation.argument(1, "min"), operation.argument(2, "max")
    return _between(operation, link, constant_of(least), constant_of(most))


def extremum(operation: Operation) -> Link:
    """``maximum`` and ``minimum`` of a tensor and a constant, also as ``max`` and ``min``."""
    if len(operation.args) < 2 or not isinstance(operation.args[1], (Value, torch.Tensor, Link)):
        raise Refused("takes the largest or smallest entry along an axis")
    first, second = operation.args[0], operation.args[1]
    if isinstance(first, Link) and isinstance(second, Link):
        raise Refused("takes the larger or smaller of two tensors that both depend on the code")
    if not isinstance(first, Link):
        first, second = second, first
    bound = constant_of(second)
    if operation.name.startswith("max"):
        return _between(operation, first, bound, None)
    return _between(operation, first, None, bound)


def _between(operation: Operation, link: Link, least: Any, most: Any) -> Link:
    low, high = link.range()
    if least is None or bool((torch.as_tensor(least) <= low).all()):
        least = None
    if most is None or bool((torch.as_tensor(most) >= high).all()):
        most = None
    if least is not None and most is not None:
        if torch.as_tensor(least).numel() > 1 or torch.as_tensor(most).numel() > 1:
            raise Refused("has bounds on both sides that differ between entries")
        bounds = {"min_val": float(least), "max_val": float(most)}
        if not bounds["min_val"] < bounds["max_val"]:
            raise Refused("has a lower bound that is not below the upper one")
        relu6 = (bounds["min_val"], bounds["max_val"]) == (0, 6)
        return link.then("relu6") if relu6 else link.then("hardtanh", None, bounds)
    if least is None and most is None:
        return link
    sign = 1.0 if most is None else -1.0
    bound = torch.as_tensor(least if most is None else most, dtype=torch.float64)
    factor = torch.tensor(sign, dtype=torch.float64)
    active = affine(operation, link, factor, -sign * bound).then("relu")
    return affine(operation, active, factor, bound)
