"""The steps of :func:`unrelu._from_torch.read_module`, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._code_shape import code_shape_of
from ._graph import read_graph
from ._layers import layers_of
from ._mode import check_function, check_mode
from ._proof import prove
from ._reading import ModuleReading
from ._subject import Subject


def read(module: Any, code_shape: int | Sequence[int] | None) -> ModuleReading:
    """Check, trace, assemble, prove. See :func:`unrelu._from_torch.read_module`."""
    subject = Subject(module)
    check_mode(subject)
    shape = code_shape_of(subject, code_shape)
    image_shape = check_function(subject, shape)
    output, sizes = read_graph(subject, shape)
    layers = layers_of(output, sizes, subject.label)
    one_sided = prove(subject, layers, shape)
    return ModuleReading(layers, shape, image_shape, one_sided)
