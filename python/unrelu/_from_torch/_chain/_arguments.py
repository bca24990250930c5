"""What the rules need of an operation's arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils import _pytree as pytree

from .._context import Operation, Refused, in_double, on_cpu
from .._value import ROWS, Value
from ._link import Link


def links(operation: Operation) -> list[Link]:
    """The arguments that depend on the codes."""
    return [leaf for leaf in operation.leaves if isinstance(leaf, Link)]


def only_link(operation: Operation) -> Link:
    """The one argument that depends on the codes, and the first.

    Raises
    ------
    Refused
        If there are two, or if another argument, such as a weight, depends on the codes.
    """
    found = links(operation)
    if len(found) > 1:
        raise Refused(
            "combines two tensors that both depend on the code (a skip connection, or a "
            "modulation); a chain has one tensor at a time"
        )
    first: object = operation.args[0]
    if first is not found[0]:
        raise Refused("computes a weight from the code (a modulated layer), which is not a chain")
    return found[0]


def constant_of(argument: Any) -> Any:
    """A constant argument: a number, or a tensor in float64 with a batch axis where it has one."""
    if isinstance(argument, Value):
        argument = argument.shift[:1]
    return in_double(argument) if isinstance(argument, torch.Tensor) else argument


def shape_of(operation: Operation, meta: Any = None) -> tuple[int, ...]:
    """The shape of the result for one code."""
    shape = operation.shape if meta is None else meta.shape
    resolved = operation.sizes.shape(shape, ROWS)
    if not resolved or resolved[0] != ROWS:
        raise Refused("moves entries between the codes of a batch and the axes of one code")
    return tuple(int(size) for size in resolved[1:])


def image_of(operation: Operation) -> Link:
    """The one link, of the shape (channels, rows, columns)."""
    link = only_link(operation)
    if len(link.shape) != 3:
        raise Refused(f"acts on codes of shape {link.shape}, not (channels, rows, columns)")
    return link


def pair(value: Any) -> list[int]:
    """A number, or a list of one or two, as rows and columns."""
    entries = [int(entry) for entry in value] if isinstance(value, (list, tuple)) else [int(value)]
    return entries * 2 if len(entries) == 1 else entries


def run(operation: Operation, tensor: torch.Tensor) -> Any:
    """Run the operation itself on constants, with `tensor` in the place of its links."""

    def concrete(leaf: Any) -> Any:
        if isinstance(leaf, Link):
            return tensor
        return leaf.shift if isinstance(leaf, Value) else operation.sizes.number(leaf, ROWS)

    args, kwargs = pytree.tree_map(concrete, (operation.args, operation.kwargs))
    if "device" in kwargs:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    return on_cpu(operation.target(*args, **kwargs))
