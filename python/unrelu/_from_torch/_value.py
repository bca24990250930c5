"""Values of the graph: tensors that are affine in the units of one layer.

A tensor of the graph with entries ``v`` is kept in one of two forms, with `h` the layer's units:

- selection: ``v = scale * h[index] + shift``, entry by entry (fresh units, views, rescaling);
- matrix: ``v = h @ matrix + shift``, after a linear operation.

Every part keeps the shape that the tensor has in the graph, batch axis included. The parts
`index`, `scale` and `shift` have a batch of 2 equal rows. The matrix has a batch of ``units + 1``:
row ``u`` holds the coefficients of unit ``u``, and the last row is 0, so the batch is never 1.
So a view or any linear operation of the graph is run by torch itself on each of the parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

ROWS = 2
# A matrix of more entries than this (1 GiB) is refused.
MAX_ENTRIES = 2**27


class TooLarge(Exception):
    """A matrix would have more than `MAX_ENTRIES` entries."""


@dataclass(eq=False)
class Layer:
    """A layer whose units are collected while the graph is read.

    Attributes
    ----------
    parent : Layer or None
        The layer that feeds it; None for the codes.
    activation : str
        ``relu``, ``leaky_relu:SLOPE``, ``sigmoid`` or ``tanh``; ``code`` for the codes.
    source : str
        The submodule that applied the activation, for messages.
    units : int
        Number of units so far.
    pieces : list of (weight, bias)
        Weights of shape ``(units, parent units)``, in the order of the units. Units that the parent
        got later have no column here: their weight is 0.
    children : dict
        The layers fed by this one, by activation. Two applications of one activation to the same
        units are one layer.
    """

    parent: Layer | None
    activation: str
    source: str
    units: int = 0
    pieces: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    children: dict[str, Layer] = field(default_factory=dict)

    @property
    def is_hidden(self) -> bool:
        """Whether other layers can follow: not after ``sigmoid`` and ``tanh``."""
        return self.activation not in ("sigmoid", "tanh")


class Sizes:
    """Turns sizes of the graph, which may contain the batch size, into numbers.

    Parameters
    ----------
    traced : torch.SymInt or int
        The batch size that the graph was traced with: a symbol, or a prime that divides no other
        size.
    """

    def __init__(self, traced: Any) -> None:
        self.symbol = traced.node.expr if isinstance(traced, torch.SymInt) else None
        self.prime = traced if self.symbol is None else None

    def number(self, size: Any, batch: int) -> Any:
        """Return `size` for this batch size; anything else is returned as it is."""
        if isinstance(size, torch.SymInt):
            return int(size.node.expr.subs(self.symbol, batch))
        return size // self.prime * batch if self.is_batched(size) else size

    def shape(self, shape: Any, batch: int) -> tuple[int, ...]:
        return tuple(self.number(size, batch) for size in shape)

    def is_batched(self, size: Any) -> bool:
        """Whether the size contains the batch size."""
        if isinstance(size, torch.SymInt):
            return self.symbol in size.node.expr.free_symbols
        return type(size) is int and self.prime is not None and size > 0 and size % self.prime == 0


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that is affine in the units of `layer`; a constant where `layer` is None.

    Attributes
    ----------
    layer : Layer or None
    shape : tuple
        Its shape in the graph, with symbolic sizes.
    shift : torch.Tensor
        Constant part, with a batch of `ROWS`.
    index, scale : torch.Tensor or None
        Of the selection form; the index is held as float64, so that every operation takes it.
    matrix : torch.Tensor or None
        Of the matrix form.
    units : int
        Number of units that the matrix has coefficients for; 0 in the selection form.
    """

    layer: Layer | None
    shape: tuple[Any, ...]
    shift: torch.Tensor
    index: torch.Tensor | None = None
    scale: torch.Tensor | None = None
    matrix: torch.Tensor | None = None
    units: int = 0

    def parts(self) -> dict[str, torch.Tensor]:
        """The parts in use, by name."""
        named = {name: getattr(self, name) for name in ("shift", "index", "scale", "matrix")}
        return {name: part for name, part in named.items() if part is not None}

    def with_parts(self, shape: Any, **parts: torch.Tensor) -> Value:
        return replace(self, shape=tuple(shape), **parts)

    def as_matrix(self, sizes: Sizes, units: int | None = None) -> Value:
        """Return the value in matrix form, for `units` units of the layer (all, if left out).

        Raises
        ------
        TooLarge
            If the matrix would have more than `MAX_ENTRIES` entries.
        """
        units = units or (self.layer.units if self.layer else 1)
        if self.units == units:
            return self
        columns = self.shift.numel() // ROWS
        if (units + 1) * columns > MAX_ENTRIES:
            raise TooLarge
        matrix = torch.zeros(units + 1, columns, dtype=torch.float64)
        if self.matrix is not None:
            matrix[: self.units] = rows_of(self.matrix, self.units).T
        else:
            assert self.index is not None and self.scale is not None
            rows = self.index.reshape(ROWS, -1)[0].long()
            matrix[rows, torch.arange(columns)] = self.scale.reshape(ROWS, -1)[0]
        matrix = matrix.reshape(sizes.shape(self.shape, units + 1))
        return replace(self, index=None, scale=None, matrix=matrix, units=units)


def constant(shape: Any, shift: torch.Tensor) -> Value:
    """A value that depends on no layer; `shift` has a batch of `ROWS`, and any type."""
    zero = torch.zeros(shift.shape, dtype=torch.float64)
    return Value(None, tuple(shape), shift, index=zero, scale=zero)


def units_of(layer: Layer, start: int, shape: Any, sizes: Sizes) -> Value:
    """The value of a layer's units from number `start` on, in this shape."""
    resolved = sizes.shape(shape, ROWS)
    shift = torch.zeros(resolved, dtype=torch.float64)
    count = shift.numel() // ROWS
    index = (start + torch.arange(count, dtype=torch.float64)).repeat(ROWS).reshape(resolved)
    return Value(layer, tuple(shape), shift, index=index, scale=torch.ones_like(shift))


def rows_of(matrix: torch.Tensor, units: int) -> torch.Tensor:
    """The coefficients as a weight of shape ``(entries, units)``."""
    return matrix.reshape(units + 1, -1)[:units].T
