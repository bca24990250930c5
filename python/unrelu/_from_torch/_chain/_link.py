"""Links: a tensor of the graph as the last of the operations that lead to it from the codes.

A link knows the one before it, so branches of the graph that do not reach the output leave no
trace. Neighbours that are one operation are joined at once: two scales, two reshapes, two pads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

Sides = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Link:
    """A tensor that depends on the codes.

    Attributes
    ----------
    parent : Link or None
        The input of the operation; None for the codes.
    op : str
        The operation, in the words of docs/OPERATIONS.md; ``code`` for the codes. ``pad`` adds
        zeros around each channel, and with negative numbers removes entries. It is none of the
        listed ones: ``_document`` expresses it by a convolution. ``move`` holds a movement that
        cannot be expressed, with the error that it is refused with at the end.
    shape : tuple of int
        The shape of the result for one code.
    numbers, tensors : dict
        The fields that hold numbers, and those that hold tensors (float64).
    """

    parent: Link | None
    op: str
    shape: tuple[int, ...]
    numbers: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def then(
        self,
        op: str,
        shape: tuple[int, ...] | None = None,
        numbers: dict[str, Any] | None = None,
        tensors: dict[str, torch.Tensor | None] | None = None,
    ) -> Link:
        """Append an operation; without a shape, it keeps that of its input."""
        held = {name: value for name, value in (tensors or {}).items() if value is not None}
        return Link(self, op, self.shape if shape is None else tuple(shape), numbers or {}, held)

    def reshaped(self, shape: tuple[int, ...]) -> Link:
        """The same entries in another shape."""
        if self.shape == shape:
            return self
        if self.op == "reshape" and self.parent is not None:
            return self.parent.reshaped(shape)
        return self.then("reshape", shape)

    def scaled(self, weight: torch.Tensor, bias: torch.Tensor) -> Link:
        """``weight * a + bias``: 1-D tensors of one entry, or of one per channel (first axis)."""
        if bool((weight == 1).all()) and bool((bias == 0).all()):
            return self
        if self.op == "scale" and self.parent is not None:
            first_weight, first_bias = self.tensors["weight"], self.tensors["bias"]
            return self.parent.scaled(first_weight * weight, first_bias * weight + bias)
        weight, bias = torch.broadcast_tensors(weight, bias)
        return self.then("scale", None, {}, {"weight": weight, "bias": bias})

    def padded(self, sides: Sides) -> Link:
        """Zeros around each channel: left, right, top, bottom; negative numbers remove entries."""
        if not any(sides):
            return self
        channels, rows, columns = self.shape
        if self.op == "pad" and self.parent is not None:
            earlier: Sides = self.numbers["sides"]
            if _same_sign(*earlier[:2], *sides[:2]) and _same_sign(*earlier[2:], *sides[2:]):
                left, right, top, bottom = (a + b for a, b in zip(earlier, sides))
                return self.parent.padded((left, right, top, bottom))
        shape = (channels, rows + sides[2] + sides[3], columns + sides[0] + sides[1])
        return self.then("pad", shape, {"sides": sides})

    def range(self) -> tuple[float, float]:
        """Bounds of all entries that hold for every code."""
        if self.op in RANGES:
            return RANGES[self.op]
        if self.op == "reshape" and self.parent is not None:
            return self.parent.range()
        if self.op == "scale" and self.parent is not None and self.tensors["weight"].numel() == 1:
            weight, bias = float(self.tensors["weight"]), float(self.tensors["bias"])
            low, high = sorted(weight * end + bias for end in self.parent.range())
            return (low, high) if weight else (bias, bias)
        return -math.inf, math.inf


RANGES = {"relu": (0.0, math.inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu6": (0.0, 6.0)}


def _same_sign(*numbers: int) -> bool:
    """Whether all are at least 0, or all at most 0: removed entries do not come back as zeros."""
    return min(numbers) >= 0 or max(numbers) <= 0


def vector(*entries: float) -> torch.Tensor:
    return torch.tensor(entries, dtype=torch.float64)
