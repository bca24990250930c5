"""The shape of a code, found from the sizes of the parameters."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ._error import ModuleError
from ._subject import Subject

MAX_TRIALS = 300


def code_shape_of(subject: Subject, given: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the given shape of a code, checked, or the only one that the module accepts.

    Raises
    ------
    ModuleError
        If `given` is not a shape, or if no shape or more than one is possible.
    """
    if given is not None:
        return _checked(given)
    with subject.unchanged():
        shapes = [shape for shape in _candidates(subject.root) if _accepts(subject, shape)]
    # A single entry is broadcast by most operations: it is believed only if nothing else fits.
    shapes = [shape for shape in shapes if shape != (1,)] or shapes
    # A forward that begins with view(-1, 100, 1, 1) takes both: a vector is what its author means.
    shapes = [shape for shape in shapes if len(shape) == 1 or shape[:1] not in shapes]
    if len(shapes) == 1:
        return shapes[0]
    found = "several possible shapes: " + ", ".join(map(str, shapes[:8])) if shapes else (
        "no shape that the module accepts among the sizes of its parameters"
    )
    raise ModuleError(
        "code_shape", found, "the shape of one code, without the batch axis",
        "give it, for example code_shape=(20,)",
    )


def _checked(given: int | Sequence[int]) -> tuple[int, ...]:
    try:
        sizes = given if isinstance(given, (tuple, list, torch.Size)) else (given,)
        shape = tuple(operator.index(size) for size in sizes)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ModuleError(
            "code_shape", repr(given), "positive whole numbers, without the batch axis",
            "give the shape of one code, for example code_shape=(20,)",
        )
    return shape


def _candidates(root: nn.Module) -> Iterator[tuple[int, ...]]:
    """Shapes that a first layer of `root` could take, each once, first layers first."""
    seen: set[tuple[int, ...]] = set()
    for part in root.modules():
        tensors = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        shapes: list[tuple[int, ...]] = [
            (size,) for tensor in tensors for size in reversed(tensor.shape)
        ]
        if isinstance(part, nn.modules.conv._ConvNd) and part.transposed:
            # As in a DCGAN. Other convolutions take codes of any size.
            shapes.append((part.in_channels,) + (1,) * len(part.kernel_size))
        for shape in shapes:
            if shape not in seen and len(seen) < MAX_TRIALS and min(shape) > 0:
                seen.add(shape)
                yield shape


def _accepts(subject: Subject, shape: tuple[int, ...]) -> bool:
    """Whether the module turns 3 codes of this shape into 3 outputs."""
    try:
        output = subject.call(subject.codes(3, shape, seed=0))
    except Exception:  # Whatever the module's own code raises: the shape does not fit.
        return False
    # An output that is no tensor is refused later, by name.
    return not isinstance(output, torch.Tensor) or output.shape[:1] == (3,)
