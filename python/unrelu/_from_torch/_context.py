"""One operation of the graph with its arguments, as the rules see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from ._places import statement_of
from ._value import ROWS, Layer, Sizes, Value


class Refused(Exception):
    """An operation that layers cannot express; the reason in plain words."""


class AfterOutput(Exception):
    """An operation after a sigmoid or tanh, which can only end a network."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.source)
        self.layer = layer


class Operation:
    """A node of the graph, with constants and values in place of its argument nodes.

    Attributes
    ----------
    name : str
        Name of the ATen operation, such as ``relu``.
    args, kwargs
        Its arguments. Values stand where tensors depend on the codes.
    shape : Any
        Shape of the result in the graph; None if the result is not one tensor.
    source : str
        The submodule that it belongs to.
    statement : str
        Where it was written, for messages.
    leaves : list
        All arguments, those inside of lists one by one.
    """

    def __init__(self, node: Node, args: Any, kwargs: Any, sizes: Sizes, source: str) -> None:
        target: Any = node.target
        self.target = target
        self.name: str = target._schema.name.removeprefix("aten::")
        self.args, self.kwargs, self.sizes, self.source = args, kwargs, sizes, source
        self.meta: Any = node.meta.get("val")
        self.shape: Any = self.meta.shape if isinstance(self.meta, torch.Tensor) else None
        self.statement = statement_of(node)
        self.leaves = pytree.tree_leaves((args, kwargs))
        self.values = [leaf for leaf in self.leaves if isinstance(leaf, Value)]

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """Return an argument given by position or by name."""
        if len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)

    def constants_in_double(self) -> None:
        """Turn constant tensors among the arguments into float64, as the parts of values are."""
        self.args, self.kwargs = pytree.tree_map_only(
            torch.Tensor, in_double, (self.args, self.kwargs)
        )

    def run(self, batch: int, choose: Callable[[Value], torch.Tensor]) -> Any:
        """Run the operation itself, with `choose` giving a tensor for each value."""

        def concrete(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                # A part may be strided otherwise than the tensor, and a view must still work.
                return choose(leaf).contiguous()
            return self.sizes.number(leaf, batch)

        args, kwargs = pytree.tree_map(concrete, (self.args, self.kwargs))
        if "device" in kwargs:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        return on_cpu(self.target(*args, **kwargs))

    def run_on(self, part: str, units: int) -> Any:
        """Run the operation on one part of every value."""
        batch = units + 1 if part == "matrix" else ROWS
        return self.run(batch, lambda value: value.parts()[part])

    def only_value(self) -> Value:
        """Return the one argument that depends on the codes.

        Raises
        ------
        Refused
            If there are two or more.
        """
        if len(self.values) != 1:
            raise Refused("combines two tensors that both depend on the code")
        return self.values[0]


def on_cpu(result: Any) -> Any:
    """Move tensors to the CPU, also those inside lists."""
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.detach().cpu(), result)


def in_double(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the CPU, in float64 if it holds floating-point numbers."""
    tensor = on_cpu(tensor)
    return tensor.double() if tensor.is_floating_point() else tensor
