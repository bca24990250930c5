"""Reads the graph of the module into layers, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from . import _activations as activations
from . import _affine as affine
from ._context import AfterOutput, Operation, Refused
from ._error import ModuleError
from ._movement import CASTS, CHECKS, CREATIONS, LINEAR, MOVEMENTS
from ._value import Layer, Value, units_of
from ._walk import Walk

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


def knows_all(program: ExportedProgram) -> bool:
    """Whether there is a rule for every operation that depends on the codes."""
    dependent: set[Node] = set()
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name == program.graph_signature.user_inputs[0]:
            dependent.add(node)
        elif node.op == "call_function" and dependent.intersection(node.all_input_nodes):
            if isinstance(node.meta.get("val"), (torch.SymInt, int)):
                continue
            name = ""
            if isinstance(node.target, torch._ops.OpOverload):
                name = node.target._schema.name.removeprefix("aten::")
                if name not in RULES and name not in CASTS and name not in CHECKS:
                    return False
            if name not in CREATIONS:
                dependent.add(node)
    return True


class LayerReader(Walk):
    """Reads affine operations and activations into the layers of a dense network."""

    def code(self, shape: Any) -> Value:
        code = Layer(None, "code", self.subject.label)
        code.units = torch.Size(self.code_shape).numel()
        return units_of(code, 0, shape, self.sizes)

    def depends(self, value: Any) -> bool:
        return isinstance(value, Value) and value.layer is not None

    def apply(self, operation: Operation) -> Any:
        if operation.name in CASTS:
            return operation.values[0].with_parts(operation.shape)
        rule = RULES.get(operation.name)
        if rule is None:
            raise Refused("")
        try:
            for value in operation.values:
                after_output = value.layer is not None and not value.layer.is_hidden
                if after_output and rule not in AFTER_OUTPUT:
                    assert value.layer is not None
                    raise AfterOutput(value.layer)
            operation.constants_in_double()
            return rule(operation)
        except AfterOutput as follows:
            # A network of operations may have it: that reader's error says more.
            self.position = -1.0
            raise ModuleError(
                follows.layer.source,
                f"a {follows.layer.activation} in a hidden layer, before {operation.name}"
                f"{operation.statement}",
                "ReLU or LeakyReLU in hidden layers, and sigmoid or tanh at the output only",
                "train the generator with one of those activations",
            ) from None


# What may follow a sigmoid or tanh: whether the output only is rescaled is known at the end.
AFTER_OUTPUT = frozenset(
    [affine.move, affine.create, affine.join, affine.add, affine.multiply, affine.divide]
    + [affine.negate, affine.pad, affine.batch_norm]
    + [activations.relu, activations.leaky_relu, activations.clamp]
)
