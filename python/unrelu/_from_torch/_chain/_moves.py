"""The rules for operations that move, drop or repeat entries.

They are run on the numbers of the entries, so their meaning is torch's own. What can be expressed
are reshapes, choices of channels (a 1 x 1 convolution), crops, repetitions (nearest upsampling) and
pixel shuffles (a transposed convolution of ones, where each output is one input).
"""

from __future__ import annotations

from typing import Any

import torch

from .._context import Operation, Refused
from .._value import ROWS, constant
from .._walk import error_of
from ._arguments import image_of, only_link, run, shape_of
from ._link import Link
from ._maps import MAX_MATRIX, convolved


def move(operation: Operation) -> Any:
    """A movement, expressed by what it does to the entries; a list where it returns several."""
    link = only_link(operation)
    numbers = torch.arange(link.size, dtype=torch.float64).reshape(1, *link.shape)
    moved = run(operation, numbers.expand(ROWS, *link.shape).contiguous())
    if operation.shape is not None:
        return _moved(operation, link, moved, shape_of(operation))
    return [
        _moved(operation, link, part, shape_of(operation, meta))
        for part, meta in zip(moved, operation.meta)
    ]


def _moved(
    operation: Operation, link: Link, moved: torch.Tensor, shape: tuple[int, ...]
) -> Link:
    if moved.shape != (ROWS, *shape) or not torch.equal(moved[0], moved[1]):
        raise Refused("moves entries between the codes of a batch")
    entries = moved[0].long()
    if link.op == "reshape" and link.parent is not None and link.parent.op == "move":
        link = link.parent
    refusal = error_of(operation.source, operation.name, operation.statement, MIXES)
    if link.op == "move" and link.parent is not None:
        # Two movements may be one that can be expressed, such as a shuffle of channels.
        entries = link.numbers["entries"][entries]
        refusal, link = link.numbers["refusal"], link.parent
    # A view before the movement hides the image; the entries' order is the same in both.
    seen = [link, link.parent] if link.op == "reshape" else [link]
    for start in seen:
        for rule in (_reshaped, _crop, _repeated, _chosen, _shuffled):
            found = rule(start, entries, shape) if start is not None else None
            if found is not None:
                return found
    # It is refused at the end, if nothing undoes it, and no other operation says more.
    return link.then("move", shape, {"entries": entries.reshape(-1), "refusal": refusal})


MIXES = (
    "moves entries between channels, rows and columns, and a chain keeps them (channel, row, "
    "column)"
)


def _reshaped(link: Link, moved: torch.Tensor, shape: tuple[int, ...]) -> Link | None:
    """All entries in their order, or None."""
    in_order = torch.equal(moved.reshape(-1), torch.arange(link.size))
    return link.reshaped(shape) if in_order else None


def _crop(link: Link, moved: torch.Tensor, shape: tuple[int, ...]) -> Link | None:
    """A window of the rows and columns of all channels, if it is one; else None."""
    if len(link.shape) != 3 or len(shape) != 3 or shape[0] != link.shape[0] or moved.numel() == 0:
        return None
    _, rows, columns = link.shape
    top, left = divmod(int(moved[0, 0, 0]), columns)
    bottom, right = rows - top - shape[1], columns - left - shape[2]
    window = torch.arange(link.size).reshape(link.shape)
    window = window[:, top : rows - bottom, left : columns - right]
    if min(bottom, right) < 0 or not torch.equal(window, moved):
        return None
    return link.padded((-left, -right, -top, -bottom))


def _chosen(link: Link, moved: torch.Tensor, shape: tuple[int, ...]) -> Link | None:
    """Some of the channels, in any order, or None."""
    each = link.size // link.shape[0]
    if moved.numel() == 0 or moved.numel() % each:
        return None
    blocks = moved.reshape(-1, each)
    channels = blocks[:, 0] // each
    if not torch.equal(blocks, channels[:, None] * each + torch.arange(each)):
        return None
    inputs, count = link.shape[0], len(channels)
    if inputs * count > MAX_MATRIX:
        raise Refused(f"needs a matrix of more than {MAX_MATRIX} entries")
    weight = torch.zeros(count, inputs, dtype=torch.float64)
    weight[torch.arange(count), channels] = 1
    if len(link.shape) == 1:
        return link.then("linear", (count,), {}, {"weight": weight}).reshaped(shape)
    rest = link.shape[1:] if len(link.shape) == 3 else (link.size // inputs, 1)
    image = link.reshaped((inputs, *rest))
    return convolved(image, (count, *rest), weight[:, :, None, None]).reshaped(shape)


def _shuffled(link: Link, moved: torch.Tensor, shape: tuple[int, ...]) -> Link | None:
    """A pixel shuffle that is written as views and a permutation, or None."""
    if len(link.shape) != 3 or len(shape) != 3 or moved.numel() != link.size:
        return None
    factor = shape[1] // link.shape[1]
    if shape != (link.shape[0] // max(factor, 1) ** 2, *(factor * n for n in link.shape[1:])):
        return None
    numbers = torch.arange(link.size).reshape(link.shape)
    same = torch.equal(torch.pixel_shuffle(numbers, factor), moved)
    return _shuffle(link, shape, factor) if same else None


def _repeated(link: Link, moved: torch.Tensor, shape: tuple[int, ...]) -> Link | None:
    """Rows and columns that are repeated a whole number of times, or None."""
    if len(link.shape) != 3 or len(shape) != 3 or shape[0] != link.shape[0]:
        return None
    down, right = (size // before for size, before in zip(shape[1:], link.shape[1:]))
    if shape[1:] != (down * link.shape[1], right * link.shape[2]):
        return None
    numbers = torch.arange(link.size).reshape(link.shape)
    wanted = numbers.repeat_interleave(down, 1).repeat_interleave(right, 2)
    # torch computes positions in float32, which may round down.
    upsampled = torch.nn.functional.interpolate(numbers[None].double(), size=shape[1:])[0].long()
    if not torch.equal(wanted, moved) or not torch.equal(upsampled, moved):
        return None
    return link.then("upsample", shape, {"size": list(shape[1:]), "mode": "nearest"})


def create(operation: Operation) -> Any:
    """A constant in the shape of a tensor that depends on the code."""
    link = only_link(operation)
    zeros = torch.zeros((ROWS, *link.shape), dtype=torch.float64)
    return constant(operation.shape, run(operation, zeros))


def pad(operation: Operation) -> Link:
    """Zeros around each channel."""
    link, shape = only_link(operation), shape_of(operation)
    named = operation.name == "pad"
    mode = operation.argument(2, "mode", "constant") if named else "constant"
    if mode != "constant":
        raise Refused(
            f"pads in the mode {mode}, and only zeros are read; train with padding_mode='zeros'"
        )
    border = operation.argument(3, "value") if named else operation.argument(2, "value", 0.0)
    sides = [int(side) for side in operation.argument(1, "pad")]
    if not any(sides):
        return link
    if border and max(sides) > 0:
        raise Refused(f"pads with {float(border):g}, and only zeros are read")
    if len(link.shape) != 3 or any(sides[4:]):
        raise Refused("pads other axes than rows and columns")
    left, right, top, bottom = (sides + [0, 0])[:4]
    if min(shape) < 1:
        raise Refused("leaves no entries")
    return link.padded((left, right, top, bottom))


def pixel_shuffle(operation: Operation) -> Link:
    """Each group of ``r * r`` channels becomes one, by a transposed convolution of ones."""
    link, shape = image_of(operation), shape_of(operation)
    factor = int(operation.argument(1, "upscale_factor"))
    return _shuffle(link, shape, factor)


def pixel_unshuffle(operation: Operation) -> Link:
    """The inverse of a pixel shuffle, by a convolution."""
    link, shape = image_of(operation), shape_of(operation)
    factor = int(operation.argument(1, "downscale_factor"))
    weight = _ones(link.shape[0], factor)
    return convolved(link, shape, weight, stride=factor, groups=link.shape[0])


def _shuffle(link: Link, shape: tuple[int, ...], factor: int) -> Link:
    numbers = {
        "stride": [factor, factor], "padding": [0, 0], "output_padding": [0, 0],
        "groups": shape[0], "dilation": [1, 1],
    }
    weight = _ones(shape[0], factor)
    return link.then("conv_transpose2d", shape, numbers, {"weight": weight})


def _ones(groups: int, factor: int) -> torch.Tensor:
    places = factor * factor
    one = torch.eye(places, dtype=torch.float64).reshape(places, 1, factor, factor)
    return one.repeat(groups, 1, 1, 1)
