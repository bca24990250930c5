"""Writes a chain as a list of operations with named tensors: docs/OPERATIONS.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .._error import ModuleError
from .._layers import inner_factor
from .._walk import place_in_memory
from ._link import Link, vector
from ._maps import convolved

Document = dict[str, Any]
Tensors = dict[str, np.ndarray]


def document_of(output: Link, names: dict[Any, str], label: str) -> tuple[Document, Tensors]:
    """Return the document and its tensors.

    Parameters
    ----------
    output : Link
        The result of the last operation.
    names : dict
        Names of parameters by their place in memory. Other tensors are named by their operation.
    label : str
        The module's name, for messages.

    Raises
    ------
    ModuleError
        If a number is not finite, or entries are moved in a way that no operation expresses.
    """
    listed = _listed(_simplified(output))
    operations: list[dict[str, Any]] = []
    tensors: Tensors = {}
    parameters = set(names.values())
    for number, link in enumerate(listed[1:]):
        entry: dict[str, Any] = {"op": link.op, **link.numbers}
        if link.op == "reshape":
            entry["shape"] = list(link.shape)
        for field, tensor in link.tensors.items():
            if link.op == "scale" and bool((tensor == (field == "weight")).all()):
                continue
            name = names.get(place_in_memory(tensor))
            if name is None:
                name = f"{number}.{link.op}.{field}"
                while name in parameters:
                    name += "_"
            array = _array(tensor)
            if not np.isfinite(array).all():
                raise ModuleError(
                    label,
                    f"NaN or an infinite entry in {name}",
                    "finite parameters",
                    "check the training; the eps of a normalization must not be 0 for a variance 0",
                )
            entry[field] = name
            tensors[name] = array
        operations.append(entry)
    document = {
        "format": "unrelu operations",
        "version": 1,
        "input": list(listed[0].shape),
        "operations": operations,
    }
    return document, tensors


def _array(tensor: torch.Tensor) -> np.ndarray:
    """In C order; in float32 where that holds the same numbers."""
    array = np.array(tensor.numpy(), dtype=np.float64, order="C")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    return single if np.array_equal(single, array) else array


def _listed(link: Link) -> list[Link]:
    listed = [link]
    while listed[-1].parent is not None:
        listed.append(listed[-1].parent)
    return listed[::-1]


def _simplified(output: Link) -> Link:
    """The same chain with listed operations only, and rescaled outputs absorbed where exact."""
    links = _listed(output)
    current = links[0]
    for link in links[1:]:
        if link.op == "reshape":
            current = current.reshaped(link.shape)
        elif link.op == "scale":
            weight, bias = link.tensors["weight"], link.tensors["bias"]
            current = _absorbed(current, weight, bias) or current.scaled(weight, bias)
        elif link.op == "move":
            error: ModuleError = link.numbers["refusal"]
            raise error
        elif link.op == "pad":
            current = _padded(current, link)
        else:
            current = Link(current, link.op, link.shape, link.numbers, link.tensors)
    return current


def _absorbed(link: Link, weight: torch.Tensor, bias: torch.Tensor) -> Link | None:
    """A rescaled sigmoid or tanh as one of the two, such as ``0.5 * (tanh(a) + 1)``; else None."""
    shape = link.shape
    if link.op == "reshape" and link.parent is not None and weight.numel() == 1:
        link = link.parent
    if link.op not in ("sigmoid", "tanh") or link.parent is None:
        return None
    factor, name = inner_factor(link.op, weight, bias)
    if factor is None:
        return None
    return link.parent.scaled(factor, vector(0)).then(name).reshaped(shape)


def _padded(link: Link, pad: Link) -> Link:
    """Padding that differs between sides, and crops: a convolution of a single 1 per channel.

    With `p` zeros on both sides, a kernel of ``2 p + 1 - left - right`` entries whose entry
    ``p - left`` is 1 gives ``left`` zeros before and ``right`` behind.
    """
    left, right, top, bottom = pad.numbers["sides"]
    padding, sizes, place = [], [], []
    for before, behind in ((top, bottom), (left, right)):
        both = max(before, behind, 0)
        padding.append(both)
        sizes.append(2 * both + 1 - before - behind)
        place.append(both - before)
    channels = link.shape[0]
    weight = torch.zeros(channels, 1, *sizes, dtype=torch.float64)
    weight[:, 0, place[0], place[1]] = 1
    return convolved(link, pad.shape, weight, padding=padding, groups=channels)
