"""The rules for sums and products with constants: a scale and a shift."""

from __future__ import annotations

from typing import Any

import torch

from .._context import Operation, Refused
from ._arguments import constant_of, links, only_link, shape_of
from ._link import Link, vector

SKIP = (
    "joins two tensors that both depend on the code (a skip connection, or an activation of several "
    "operations that unrelu does not know), and a chain has one tensor at a time"
)
GATE = (
    "multiplies two tensors that both depend on the code (a gate, or a style modulation), and a "
    "chain has one tensor at a time"
)


def add(operation: Operation) -> Link:
    """``add``, ``sub`` and ``rsub`` with their factor ``alpha``."""
    first, second = operation.args[0], operation.args[1]
    alpha = operation.argument(2, "alpha", 1)
    if isinstance(first, Link) and isinstance(second, Link):
        if operation.name != "add" and second.op == "tanh" and second.parent is first:
            raise Refused("computes x - tanh(x), an activation (Tanhshrink) that unrelu lacks")
        raise Refused(SKIP)
    a, b = 1.0, float(-alpha if operation.name in ("sub", "subtract") else alpha)
    if operation.name == "rsub":
        a, b = -float(alpha), 1.0
    if not isinstance(first, Link):
        first, second, a, b = second, first, b, a
    shift = torch.as_tensor(constant_of(second), dtype=torch.float64) * b
    return affine(operation, first, torch.tensor(a, dtype=torch.float64), shift)


def multiply(operation: Operation) -> Link:
    """``mul`` by a constant; ``x * sigmoid(x)`` is SiLU."""
    first, second = operation.args[0], operation.args[1]
    if isinstance(first, Link) and isinstance(second, Link):
        for value, gate in ((first, second), (second, first)):
            if gate.op == "sigmoid" and gate.parent is value:
                return value.then("silu")
        raise Refused(GATE)
    if not isinstance(first, Link):
        first, second = second, first
    return affine(operation, first, constant_of(second), 0.0)


def divide(operation: Operation) -> Link:
    """``div`` by a constant."""
    first, second = operation.args[0], operation.args[1]
    if operation.argument(2, "rounding_mode") is not None:
        raise Refused("rounds a quotient")
    if isinstance(second, Link):
        raise Refused("divides by a tensor that depends on the code, which is not a chain")
    divisor = torch.as_tensor(constant_of(second), dtype=torch.float64)
    return affine(operation, first, 1 / divisor, 0.0)


def negate(operation: Operation) -> Link:
    return only_link(operation).scaled(vector(-1), vector(0))


def join(operation: Operation) -> Link:
    """``cat`` and others: refused, unless one tensor is joined alone."""
    if len(links(operation)) > 1:
        raise Refused(SKIP)
    raise Refused("joins a constant to a tensor that depends on the code")


def affine(operation: Operation, link: Link, weight: Any, bias: Any) -> Link:
    """``weight * link + bias``, of constants that broadcast to the shape of the link."""
    shape = shape_of(operation)
    if shape != link.shape:
        if torch.Size(shape).numel() != link.size:
            raise Refused(
                "spreads a tensor that depends on the code over a larger constant, as a style "
                "modulation does"
            )
        link = link.reshaped(shape)
    parts = [torch.as_tensor(part, dtype=torch.float64) for part in (weight, bias)]
    parts = [_least(part, shape) for part in parts]
    longest = max(part.numel() for part in parts)
    if longest == 1 or longest == shape[0]:
        return link.scaled(*parts)
    parts = [_least(part, shape, flat=True) for part in (weight, bias)]
    return link.reshaped((link.size,)).scaled(*parts).reshaped(shape)


def _least(part: Any, shape: tuple[int, ...], flat: bool = False) -> torch.Tensor:
    """A constant as a vector of 1 entry, or one per channel, or one per entry."""
    part = torch.as_tensor(part, dtype=torch.float64)
    if part.numel() == 1:
        return part.reshape(1)
    full = part.expand(1, *shape).reshape(shape[0], -1)
    if flat:
        return full.reshape(-1)
    if bool((full == full[0, 0]).all()):
        return full[0, :1]
    return full[:, 0].clone() if bool((full == full[:, :1]).all()) else full.reshape(-1)
