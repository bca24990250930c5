"""The steps of :func:`unrelu._from_torch.read_module`, in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.export import ExportedProgram

from ._affine import SKIP_CONNECTION
from ._chain._document import Document, Tensors, document_of
from ._chain._proof import prove as prove_chain
from ._chain._reader import ChainReader
from ._code_shape import code_shape_of
from ._error import ModuleError
from ._graph import LayerReader, knows_all
from ._layers import Dense, layers_of
from ._mode import check_function, check_mode
from ._proof import prove
from ._reading import ModuleReading, OperationsReading
from ._subject import Subject
from ._trace import traced
from ._walk import Walk


def read(
    module: Any, code_shape: int | Sequence[int] | None
) -> ModuleReading | OperationsReading:
    """Check, trace, assemble, prove. See :func:`unrelu._from_torch.read_module`."""
    subject = Subject(module)
    check_mode(subject)
    shape = code_shape_of(subject, code_shape)
    image_shape = check_function(subject, shape)
    program = traced(subject, shape)
    layers: list[Dense] | _Refusal | None = None
    if knows_all(program):
        layers = _layers(subject, program, shape)
    if not isinstance(layers, list):
        chain = _chain(subject, program, shape)
        if not isinstance(chain, _Refusal):
            one_sided = prove_chain(subject, *chain)
            return OperationsReading(*chain, shape, image_shape, one_sided)
        # Without a rule for some operation, it is expected to refuse, and to say why.
        layers = layers or _layers(subject, program, shape)
        if isinstance(layers, _Refusal):
            raise _clearer(layers, chain)
    return ModuleReading(layers, shape, image_shape, prove(subject, layers, shape))


#: The operations that the reader of dense layers never takes, and the reader of chains does.
_CONVOLUTIONS = ("conv2d", "conv_transpose2d", "convolution")


class _Refusal:
    """The error of one reader, and how far in the graph it came."""

    def __init__(self, error: ModuleError, position: float) -> None:
        self.error, self.position = error, position


def _clearer(layers: _Refusal, chain: _Refusal) -> ModuleError:
    """The error of the reader that came further; where both stopped, the one that says why.

    A convolution stops the reader of dense layers only: what is wrong is where the other stopped.
    """
    if any(layers.error.found.startswith(f"the operation {name}") for name in _CONVOLUTIONS):
        return chain.error
    if layers.position != chain.position:
        return max(layers, chain, key=lambda refusal: refusal.position).error
    # The reader of chains knows what is joined, such as the two terms of x - tanh(x).
    adds_a_reason = chain.error.found.startswith(layers.error.found)
    adds_a_reason |= SKIP_CONNECTION in layers.error.found
    return chain.error if adds_a_reason else layers.error


def _layers(
    subject: Subject, program: ExportedProgram, shape: tuple[int, ...]
) -> list[Dense] | _Refusal:
    reader = LayerReader(subject, program, shape)
    try:
        output = reader.read()
        reader.position = math.inf
        return layers_of(output, reader.sizes, subject.label)
    except ModuleError as error:
        return _refusal(reader, error)


def _chain(
    subject: Subject, program: ExportedProgram, shape: tuple[int, ...]
) -> tuple[Document, Tensors] | _Refusal:
    reader = ChainReader(subject, program, shape)
    try:
        output = reader.read()
        reader.position = math.inf
        return document_of(output, reader.names, subject.label)
    except ModuleError as error:
        return _refusal(reader, error)


def _refusal(reader: Walk, error: ModuleError) -> _Refusal:
    return _Refusal(error, reader.position)
