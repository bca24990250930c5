"""Arrays as users have them, in batches as the library reads them."""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrelu._errors import InputError, InputTypeError

_SINGLE = ("float16", "float32")
_ACCEPTED = "numbers of type float64, float32, float16, uint8 or another integer type"


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor of torch, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as Python prints it, without subclasses of tuple."""
    return str(tuple(int(size) for size in shape))


def plain(values: Any, dtype: Any = np.float64) -> np.ndarray:
    """`values` as an aligned array of `dtype` in C order, copied only where it is not one.

    Arrays that a network connection or a pickle delivered may start at any address.
    """
    return np.require(values, dtype, ["C_CONTIGUOUS", "ALIGNED"])


def _checked_tensor(tensor: Any, name: str) -> None:
    """Refuse a tensor whose numbers cannot be read as they are."""
    if tensor.requires_grad:
        raise InputError(
            name,
            "a tensor that requires a gradient",
            "one that does not: this function computes no gradient",
            f"pass {name}.detach()",
        )
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized:
        raise InputTypeError(
            name, f"a tensor of layout {tensor.layout}", "a dense tensor", f"pass {name}.to_dense()"
        )
    if tensor.device.type == "meta":
        raise InputError(
            name,
            "a tensor on device meta, which has no numbers",
            "a tensor on the CPU or a GPU",
            "load its data first",
        )


def tensor_numbers(tensor: Any, name: str) -> np.ndarray:
    """The numbers of a tensor that is no observation; its gradient does not matter."""
    _checked_tensor(tensor.detach(), name)
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    numbers: np.ndarray = tensor.detach().resolve_conj().resolve_neg().cpu().numpy()
    return numbers


@dataclass(frozen=True)
class Kind:
    """What observations were: an array, or a tensor on a device; and whether they were single.

    It holds none of their numbers.
    """

    device: Any
    single: bool

    def like(self, array: np.ndarray) -> Any:
        """`array` in this kind."""
        if self.single:
            array = array.astype(np.float32, copy=False)
        if self.device is None:
            return array
        return sys.modules["torch"].from_numpy(array).to(self.device)


class Rows:
    """Observations as rows of numbers.

    Parameters
    ----------
    values : array_like or torch.Tensor, shape (count, width) or (count, *shape)
        The observations. The product of `shape` is `width`.
    width : int
        Number of entries per observation.
    name : str
        The name of the argument, for messages.
    meaning : str
        What `width` is, for messages.
    symmetric_pixels : bool
        Whether the bytes of uint8 stand for -1 to 1 where `pixels` is None.
    pixels : str, optional
        The range that the bytes stand for: "0..1", "-1..1" or "0..255".
    mask : numpy.ndarray of bool, shape (width,) or (count, width), optional
        Entries that are False were not observed.
    image_shape : sequence of int, optional
        The shape that images must have, axes of length 1 aside, if they are not flat.
    """

    def __init__(
        self,
        values: Any,
        width: int,
        name: str = "x",
        meaning: str = "one entry per output of the network",
        symmetric_pixels: bool = False,
        pixels: str | None = None,
        mask: np.ndarray | None = None,
        image_shape: Sequence[int] | None = None,
    ) -> None:
        self.tensor = is_tensor(values)
        if self.tensor:
            _checked_tensor(values, name)
            self.device = values.device
            self.dtype = str(values.dtype).removeprefix("torch.")
        else:
            if isinstance(values, np.ma.MaskedArray):
                raise InputTypeError(
                    name,
                    "a masked array",
                    "an array with NaN where nothing was observed",
                    f"pass {name}.astype(float).filled(numpy.nan)",
                )
            if not isinstance(values, np.ndarray):
                values = _array_of(values, name)
            self.dtype = values.dtype.name
        known = self.dtype in ("float64", *_SINGLE) or self.dtype.startswith(("int", "uint"))
        if not known:
            fix = f"pass {name}.float()" if self.tensor else f"pass {name}.astype(float)"
            raise InputTypeError(name, f"numbers of type {self.dtype}", _ACCEPTED, fix)
        self.values = values
        self.width = width
        self.shape = tuple(int(size) for size in values.shape)
        if len(self.shape) < 2 or math.prod(self.shape[1:]) != width:
            raise _wrong_shape(self.shape, width, name, meaning)
        if image_shape is not None:
            _check_axes(self.shape[1:], image_shape, name)
        self.count = self.shape[0]
        self.kind = Kind(self.device if self.tensor else None, self.dtype in _SINGLE)
        self.mask = mask
        if pixels is not None and pixels not in ("0..1", "-1..1", "0..255"):
            raise InputError(
                "option `pixels`", repr(pixels), '"0..1", "-1..1" or "0..255"', "change this argument"
            )
        if pixels is not None and self.dtype != "uint8":
            raise InputError(
                "option `pixels`",
                f"given with numbers of type {self.dtype}",
                "uint8, whose bytes stand for a range",
                "leave it out",
            )
        self.pixels = pixels or ("-1..1" if symmetric_pixels else "0..1")

    @property
    def stored_as(self) -> str:
        """The type of the numbers, as the library names it."""
        if self.dtype == "uint8" and self.pixels == "0..255":
            return "float64"
        return self.dtype if self.dtype in (*_SINGLE, "uint8") else "float64"

    @property
    def single(self) -> bool:
        """Whether codes are returned in single precision: the observations have no more."""
        return self.dtype in _SINGLE

    @property
    def note(self) -> str | None:
        """How the bytes of uint8 were read."""
        if self.dtype != "uint8":
            return None
        words = {"0..1": "value / 255", "-1..1": "value / 127.5 - 1", "0..255": "the values themselves"}
        return f"bytes were read as {words[self.pixels]} (option `pixels`: {self.pixels!r})"

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop` as an array of float64 in C order, shape (stop - start, width)."""
        return self._rows(start, stop, np.float64)

    def given(self, start: int, stop: int) -> np.ndarray:
        """The same rows, of float32 if they were given so: the library widens them where needed."""
        return self._rows(start, stop, np.float32 if self.dtype == "float32" else np.float64)

    def _rows(self, start: int, stop: int, dtype: Any) -> np.ndarray:
        part = self.values[start:stop]
        if self.tensor:
            part = part.resolve_neg().cpu().numpy()
        part = part.reshape(stop - start, self.width)
        rows = plain(part, dtype)
        if self.dtype == "uint8" and self.pixels != "0..255":
            rows = rows / 255.0 if self.pixels == "0..1" else rows / 127.5 - 1.0
        if self.mask is not None:
            hidden = ~(self.mask if self.mask.ndim == 1 else self.mask[start:stop])
            rows = np.where(hidden, rows.dtype.type(np.nan), rows)
        return rows

    def like(self, array: np.ndarray) -> Any:
        """`array` as the observations came: an array or a tensor, on their device."""
        return self.kind.like(array)


def _array_of(values: Any, name: str) -> np.ndarray:
    """An array of a list or of an object that NumPy can read."""
    if isinstance(values, (str, os.PathLike)):
        raise InputTypeError(
            name, f"the path {os.fspath(values)!r}", "an array or a tensor",
            "load the file: numpy.load(path, mmap_mode='r')",
        )
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        kind = type(values).__name__
        raise InputTypeError(
            name, f"a {kind} that is no array ({error})", "an array or a tensor", "pass an array"
        ) from error
    if array.dtype == object:
        raise InputTypeError(
            name, f"a {type(values).__name__} of objects", _ACCEPTED, "pass an array of numbers"
        )
    return array


def _check_axes(found: Sequence[int], expected: Sequence[int], name: str) -> None:
    """Refuse images whose axes are in another order: their pixels would be taken for others."""
    long_found, long_expected = ([size for size in shape if size != 1] for shape in (found, expected))
    if len(found) > 1 and len(long_expected) > 1 and long_found != long_expected:
        raise InputError(
            name,
            f"images of shape {shape_text(found)}",
            f"images of shape {shape_text(expected)}, or flat rows",
            f"bring the axes into this order: {name}.transpose(...), or permute(...) of a tensor",
        )


def integer(name: str, value: Any, low: int, high: int) -> int:
    """An integer from `low` to `high`; a bool is none.

    Raises
    ------
    InputError, InputTypeError
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, (bool, np.bool_)):
        kind = type(value).__name__
        raise InputTypeError(name, f"{value!r} of type {kind}", "an integer", "change this argument")
    if not low <= number <= high:
        raise InputError(name, str(number), f"{low} to {high}", "change this argument")
    return number


def _wrong_shape(shape: tuple[int, ...], width: int, name: str, meaning: str) -> InputError:
    if math.prod(shape) == width:
        fix = f"it is one observation: pass {name}[None]"
    elif len(shape) == 2 and shape[0] == width:
        fix = f"its first axis fits: pass {name}.T"
    else:
        fix = "pass one row, or one image, for each observation"
    return InputError(
        name, f"an array of shape {shape_text(shape)}", f"(count, {width}), {meaning}", fix
    )


def code_rows(codes: Any, shape: Sequence[int], name: str = "codes") -> Rows:
    """Codes of this shape as rows of numbers, bytes included."""
    meaning = "one entry per entry of a code"
    rows = Rows(codes, math.prod(shape), name, meaning, image_shape=shape)
    if rows.dtype == "uint8":
        rows.pixels = "0..255"
    return rows
