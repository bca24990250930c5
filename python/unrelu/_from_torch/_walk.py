"""Walks the traced graph in order: what every reader of it does alike.

A reader gives each node a value. Nodes that do not depend on the codes are computed: parameters in
float64, other constants in their own type. The rules for the others are those of the reader.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from ._context import Operation, Refused, in_double, on_cpu
from ._error import ModuleError
from ._movement import CASTS, CHECKS
from ._places import place_of, statement_of
from ._subject import READABLE, Subject
from ._value import ROWS, Sizes, TooLarge, constant

EXPECTED = (
    "a chain of affine maps (linear layers, convolutions, upsampling, average pooling, stored "
    "normalization) and of activations that act on each entry alone"
)


class Walk(ABC):
    """Holds what is known of each node while the graph is read.

    Attributes
    ----------
    position : float
        The number of the node that was read last. Where reading fails, it says how far it came.
    names : dict
        The name of each parameter and buffer, by :func:`place_in_memory`.
    """

    def __init__(self, subject: Subject, program: ExportedProgram, code_shape: Any) -> None:
        self.subject, self.program = subject, program
        self.code_shape = code_shape
        self.known: dict[Node, Any] = {}
        self.names: dict[Any, str] = {}
        self.position = -1.0
        self.sizes = Sizes(1)

    @abstractmethod
    def code(self, shape: Any) -> Any:
        """The value of the codes; `shape` is theirs in the graph."""

    @abstractmethod
    def depends(self, value: Any) -> bool:
        """Whether a value depends on the codes."""

    @abstractmethod
    def apply(self, operation: Operation) -> Any:
        """The result of an operation with an argument that depends on the codes."""

    def read(self) -> Any:
        """Return the value of the module's output.

        Raises
        ------
        ModuleError
            If an operation cannot be expressed, or the output does not depend on the codes.
        """
        signature = self.program.graph_signature
        for name in signature.buffers_to_mutate.values():
            raise ModuleError(
                f"{name.removeprefix('subject.')} of {self.subject.label}",
                "a buffer that each call changes",
                "a module that a call leaves as it was",
                "remove the update of the buffer from the forward",
            )
        output = signature.user_outputs[0]
        user_input = signature.user_inputs[0]
        for number, node in enumerate(self.program.graph.nodes):
            self.position = float(number)
            if node.op == "placeholder" and node.name == user_input:
                shape = node.meta["val"].shape
                self.sizes = Sizes(shape[0])
                self.known[node] = self.code(shape)
            elif node.op == "placeholder":
                self.known[node] = self._parameter(node.name)
            elif node.op == "get_attr":
                self.known[node] = on_cpu(getattr(self.program.graph_module, node.target))
            elif node.op == "call_function":
                self.known[node] = self._call(node)
        results = [value for node, value in self.known.items() if node.name == output]
        if not results or not self.depends(results[0]):
            raise ModuleError(
                self.subject.label,
                "an output that does not depend on the code",
                "an output that depends on it",
                "pass the module that generates images from codes",
            )
        return results[0]

    def _parameter(self, name: str) -> Any:
        """The value of a parameter, a buffer or a tensor attribute."""
        signature = self.program.graph_signature
        lifted = signature.inputs_to_lifted_tensor_constants
        for names in (signature.inputs_to_parameters, signature.inputs_to_buffers, lifted):
            if name in names:
                target = names[name]
                state = self.program.state_dict
                held = state[target] if target in state else self.program.constants[target]
                # As in the comparison in float64: tensors that torch does not register stay.
                value = in_double(held) if names is not lifted else on_cpu(held)
                if names is not lifted:
                    key = place_in_memory(value)
                    self.names.setdefault(key, target.removeprefix("subject."))
                return value
        return None

    def _call(self, node: Node) -> Any:
        if node.target is operator.getitem:
            part: Any = node.args
            return self.known[part[0]][part[1]]
        meta = node.meta.get("val")
        if isinstance(meta, (torch.SymInt, int)):
            return meta
        source = place_of(node, self.subject)
        if not isinstance(node.target, torch._ops.OpOverload):
            name = getattr(node.target, "__name__", str(node.target))
            raise error_of(source, name, statement_of(node), None)
        args, kwargs = map_arg((node.args, node.kwargs), lambda part: self.known[part])
        operation = Operation(node, args, kwargs, self.sizes, source)
        if operation.name in CHECKS:
            return None
        try:
            if not any(self.depends(value) for value in operation.leaves):
                return self._constant(operation)
            if operation.name in CASTS:
                check_type(operation.meta)
            result = self.apply(operation)
            self._check_batch(operation)
            return result
        except Refused as refused:
            raise error_of(source, operation.name, operation.statement, str(refused)) from None
        except TooLarge:
            reason = "needs a dense matrix of more than 1 GiB"
            raise error_of(source, operation.name, operation.statement, reason) from None
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            if isinstance(error, ModuleError):
                raise
            # A form of the operation that its rule does not know.
            unread = f"is used in a way that unrelu does not read ({type(error).__name__}: {error})"
            raise error_of(source, operation.name, operation.statement, unread) from error

    def _constant(self, operation: Operation) -> Any:
        """Run an operation on constants alone: parameters are float64, others keep their type."""
        if operation.name in CASTS:
            check_type(operation.meta)
        result = operation.run(ROWS, lambda value: value.shift)
        shape = operation.shape
        if shape is None or not any(self.sizes.is_batched(size) for size in shape):
            return result
        if not torch.equal(result[:1].expand_as(result), result):
            raise Refused("gives each code of a batch another constant")
        return constant(shape, result)

    def _check_batch(self, operation: Operation) -> None:
        results = operation.meta if isinstance(operation.meta, (list, tuple)) else [operation.meta]
        for number, result in enumerate(results):
            if number and operation.name in STATISTICS:
                break
            if isinstance(result, torch.Tensor):
                if not result.shape or not self.sizes.is_batched(result.shape[0]):
                    raise Refused("moves the batch axis or sums over it")


# Operations whose first result alone depends on the codes.
STATISTICS = frozenset(("native_batch_norm", "_native_batch_norm_legit_no_training"))


def error_of(source: str, name: str, statement: str, reason: str | None) -> ModuleError:
    """The error of an operation that cannot be read, with the reason where one is known."""
    what = f"the operation {name}{statement}"
    if reason:
        what += f", which {reason}"
    return ModuleError(
        source, what, EXPECTED, "replace it, or pass the part of the module without it"
    )


def check_type(meta: Any) -> None:
    """Refuse a conversion to a type that the reading in float64 does not follow."""
    if isinstance(meta, torch.Tensor) and meta.is_floating_point():
        if meta.dtype not in READABLE:
            raise Refused(f"converts to {meta.dtype}")
    elif isinstance(meta, torch.Tensor) and not meta.is_complex():
        raise Refused(f"converts to {meta.dtype}")


def place_in_memory(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Where the numbers of a tensor lie, and in which order."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()
