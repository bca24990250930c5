"""Reads the graph of the module, operation by operation."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.fx.node import map_arg

from . import _activations as activations
from . import _affine as affine
from ._context import AfterOutput, Operation, Refused, in_double, on_cpu
from ._error import ModuleError
from ._movement import CASTS, CHECKS, CREATIONS, LINEAR, MOVEMENTS
from ._places import place_of, statement_of
from ._subject import READABLE, Subject
from ._trace import traced
from ._value import ROWS, Layer, Sizes, TooLarge, Value, constant, units_of

EXPECTED = (
    "affine operations, ReLU or LeakyReLU between them, and at the end also sigmoid or tanh"
)

RULES: dict[str, Callable[[Operation], Any]] = {
    **dict.fromkeys(MOVEMENTS, affine.move),
    **dict.fromkeys(LINEAR, affine.apply_linear),
    **dict.fromkeys(CREATIONS, affine.create),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack"), affine.join),
    **dict.fromkeys(("add", "sub", "subtract", "rsub"), affine.add),
    **dict.fromkeys(("mul", "multiply"), affine.multiply),
    **dict.fromkeys(("div", "divide", "true_divide"), affine.divide),
    **dict.fromkeys(("neg", "negative"), affine.negate),
    **dict.fromkeys(("pad", "constant_pad_nd"), affine.pad),
    "linear": affine.linear,
    "addmm": affine.addmm,
    **dict.fromkeys(
        ("batch_norm", "native_batch_norm", "_native_batch_norm_legit_no_training"),
        affine.batch_norm,
    ),
    "relu": activations.relu,
    "leaky_relu": activations.leaky_relu,
    "rrelu": activations.rrelu,
    **dict.fromkeys(("prelu", "_prelu_kernel"), activations.prelu),
    "threshold": activations.threshold,
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), activations.clamp),
    **dict.fromkeys(("maximum", "minimum", "max", "min"), activations.extremum),
    **dict.fromkeys(("sigmoid", "special_expit"), activations.sigmoid),
    "tanh": activations.tanh,
}


def read_graph(subject: Subject, code_shape: tuple[int, ...]) -> tuple[Value, Sizes]:
    """Trace the module and return its output as a value, with the meaning of its sizes.

    Raises
    ------
    ModuleError
        If the module cannot be traced, or has an operation that layers cannot express.
    """
    reader = _Reader(subject, traced(subject, code_shape), code_shape)
    return reader.read(), reader.sizes


class _Reader:
    """Holds what is known of each node while the graph is read."""

    def __init__(self, subject: Subject, program: ExportedProgram, code_shape: Any) -> None:
        self.subject, self.program = subject, program
        self.code_shape = code_shape
        self.known: dict[Node, Any] = {}

    def read(self) -> Value:
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
        for node in self.program.graph.nodes:
            if node.op == "placeholder" and node.name == user_input:
                self._code(node)
            elif node.op == "placeholder":
                self.known[node] = self._parameter(node.name)
            elif node.op == "get_attr":
                self.known[node] = on_cpu(getattr(self.program.graph_module, node.target))
            elif node.op == "call_function":
                self.known[node] = self._call(node)
        results = [value for node, value in self.known.items() if node.name == output]
        if not results or not isinstance(results[0], Value) or results[0].layer is None:
            raise ModuleError(
                self.subject.label,
                "an output that does not depend on the code",
                "an output that depends on it",
                "pass the module that generates images from codes",
            )
        return results[0]

    def _code(self, node: Node) -> None:
        shape = node.meta["val"].shape
        self.sizes = Sizes(shape[0])
        code = Layer(None, "code", self.subject.label)
        code.units = torch.Size(self.code_shape).numel()
        self.known[node] = units_of(code, 0, shape, self.sizes)

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
                return in_double(held) if names is not lifted else on_cpu(held)
        return None

    def _call(self, node: Node) -> Any:
        if node.target is operator.getitem:
            return self.known[node.args[0]][node.args[1]]
        meta = node.meta.get("val")
        if isinstance(meta, (torch.SymInt, int)):
            return meta
        source = place_of(node, self.subject)
        if not isinstance(node.target, torch._ops.OpOverload):
            name = getattr(node.target, "__name__", str(node.target))
            raise self._error(node, source, name, None)
        args, kwargs = map_arg((node.args, node.kwargs), lambda part: self.known[part])
        operation = Operation(node, args, kwargs, self.sizes, source)
        if operation.name in CHECKS:
            return None
        try:
            result = self._apply(operation)
            if any(value.layer is not None for value in operation.values):
                self._check_batch(result)
            return result
        except Refused as reason:
            raise self._error(node, source, operation.name, str(reason)) from None
        except AfterOutput as follows:
            raise ModuleError(
                follows.layer.source,
                f"a {follows.layer.activation} in a hidden layer, before {operation.name}{statement_of(node)}",
                "ReLU or LeakyReLU in hidden layers, and sigmoid or tanh at the output only",
                "train the generator with one of those activations",
            ) from None
        except TooLarge:
            raise self._error(
                node, source, operation.name, "needs a dense matrix of more than 1 GiB"
            ) from None
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            # A form of the operation that its rule does not know.
            reason = f"is used in a way that unrelu does not read ({type(error).__name__}: {error})"
            raise self._error(node, source, operation.name, reason) from error

    def _apply(self, operation: Operation) -> Any:
        if all(value.layer is None for value in operation.values):
            return self._constant(operation)
        if operation.name in CASTS:
            return self._cast(operation)
        rule = RULES.get(operation.name)
        if rule is None:
            raise Refused("")
        for value in operation.values:
            if value.layer is not None and not value.layer.is_hidden and rule not in AFTER_OUTPUT:
                raise AfterOutput(value.layer)
        operation.constants_in_double()
        return rule(operation)

    def _constant(self, operation: Operation) -> Any:
        """Run an operation on constants alone: parameters are float64, others keep their type."""
        if operation.name in CASTS:
            self._check_type(operation.meta)
        result = operation.run(ROWS, lambda value: value.shift)
        shape = operation.shape
        if shape is None or not any(self.sizes.is_batched(size) for size in shape):
            return result
        if not torch.equal(result[:1].expand_as(result), result):
            raise Refused("gives each code of a batch another constant")
        return constant(shape, result)

    def _cast(self, operation: Operation) -> Any:
        self._check_type(operation.meta)
        return operation.values[0].with_parts(operation.shape)

    def _check_type(self, meta: Any) -> None:
        if isinstance(meta, torch.Tensor) and meta.is_floating_point():
            if meta.dtype not in READABLE:
                raise Refused(f"converts to {meta.dtype}")
        elif isinstance(meta, torch.Tensor) and not meta.is_complex():
            raise Refused(f"converts to {meta.dtype}")

    def _check_batch(self, result: Any) -> None:
        for value in result if isinstance(result, list) else [result]:
            if isinstance(value, Value):
                if not value.shape or not self.sizes.is_batched(value.shape[0]):
                    raise Refused("moves the batch axis or sums over it")

    def _error(self, node: Node, source: str, name: str, reason: str | None) -> ModuleError:
        what = f"the operation {name}{statement_of(node)}"
        if reason:
            what += f", which {reason}"
        return ModuleError(
            source, what, EXPECTED, "replace it, or pass the part of the module without it"
        )


# What may follow a sigmoid or tanh: whether the output only is rescaled is known at the end.
AFTER_OUTPUT = frozenset(
    [affine.move, affine.create, affine.join, affine.add, affine.multiply, affine.divide]
    + [affine.negate, affine.pad, affine.batch_norm]
    + [activations.relu, activations.leaky_relu, activations.clamp]
)
