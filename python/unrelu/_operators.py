"""Operators ``A`` from images to measurements, in the forms that people have them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrelu._arrays import is_tensor, plain, shape_text, tensor_numbers
from unrelu._errors import InputError, InputTypeError

Function = Callable[[np.ndarray], Any]

_FORMS = (
    "a mask of booleans, a matrix (array or scipy.sparse), a scipy LinearOperator, a pair of "
    "functions (apply, adjoint) on batches, or a physics of deepinv"
)


@dataclass
class Operator:
    """An operator as the extension module takes it.

    Attributes
    ----------
    core : None, array or (apply, adjoint, m)
        None for pixels.
    measurements : int
        ``m``.
    mask : numpy.ndarray of bool, optional
        The observed pixels, shape (n,) or (count, n).
    """

    core: Any
    measurements: int
    mask: np.ndarray | None = None


def read_operator(operator: Any, image_shape: Sequence[int]) -> Operator:
    """Read an operator for images of this shape.

    Raises
    ------
    InputError, InputTypeError
        For an operator of another shape, one that is not linear, or an adjoint that is none.
    """
    pixels = math.prod(image_shape)
    if operator is None:
        return Operator(None, pixels)
    if _is_physics(operator):
        return _physics(operator, tuple(image_shape))
    if is_tensor(operator):
        operator = tensor_numbers(operator, "the operator")
    if isinstance(operator, (list, np.matrix)):
        operator = np.asarray(operator)
    if isinstance(operator, np.ndarray):
        return _mask(operator, image_shape) if operator.dtype == bool else _matrix(operator, pixels)
    if isinstance(operator, tuple) and len(operator) == 2 and all(map(callable, operator)):
        return _functions(operator[0], operator[1], pixels, None, 1e-6, "the operator")
    shape = getattr(operator, "shape", None)
    if shape is not None and len(shape) == 2 and hasattr(operator, "matmat"):
        _check_columns(shape, pixels)
        adjoint = operator.rmatmat
        return _functions(
            lambda images: operator.matmat(images.T).T,
            lambda measured: adjoint(measured.T).T,
            pixels,
            int(shape[0]),
            1e-6,
            "the operator",
        )
    if shape is not None and len(shape) == 2 and hasattr(operator, "tocsr"):
        _check_columns(shape, pixels)
        rows = operator.tocsr()
        columns = rows.T.tocsr()
        return _functions(
            lambda images: (rows @ images.T).T,
            lambda measured: (columns @ measured.T).T,
            pixels,
            int(shape[0]),
            1e-6,
            "the operator",
        )
    raise InputTypeError("the operator", f"a {type(operator).__name__}", _FORMS, "pass one of these")


def _mask(mask: np.ndarray, image_shape: Sequence[int]) -> Operator:
    """A mask of the shape (n,), `image_shape`, (count, n) or (count, *image_shape), or one of the
    shape (rows, columns) for all channels."""
    pixels = math.prod(image_shape)
    if len(image_shape) == 3 and tuple(mask.shape) == tuple(image_shape[1:]):
        mask = np.broadcast_to(mask, tuple(image_shape))
    axes = [size for size in image_shape if size != 1]

    def is_image(shape: Sequence[int]) -> bool:
        return tuple(shape) == (pixels,) or [size for size in shape if size != 1] == axes

    if mask.size == pixels and (is_image(mask.shape) or is_image(mask.shape[1:])):
        mask = mask.reshape(pixels)
    elif mask.ndim >= 2 and is_image(mask.shape[1:]) and mask.size == len(mask) * pixels:
        mask = mask.reshape(len(mask), pixels)
    else:
        raise InputError(
            "the mask",
            f"an array of shape {shape_text(mask.shape)}",
            f"one boolean for each of the {pixels} pixels of {shape_text(image_shape)}, for all "
            "images or for each",
            "pass a mask of the shape of an image, or of the images",
        )
    return Operator(None, pixels, mask)


def _matrix(matrix: np.ndarray, pixels: int) -> Operator:
    if matrix.dtype.kind not in "fiu":
        raise InputTypeError(
            "the operator", f"an array of type {matrix.dtype}", "real numbers", "pass real numbers"
        )
    if matrix.ndim != 2:
        raise InputError(
            "the operator",
            f"an array of shape {shape_text(matrix.shape)}",
            f"a matrix of shape (m, {pixels}); a mask has the type bool",
            "pass a matrix, or mask.astype(bool)",
        )
    _check_columns(matrix.shape, pixels)
    if len(matrix) == 0:
        raise InputError(
            "the operator", "a matrix without rows", "at least one measurement", "pass its rows"
        )
    return Operator(plain(matrix), matrix.shape[0])


def _check_columns(shape: Sequence[int], pixels: int) -> None:
    if shape[1] != pixels:
        fix = "pass its transpose" if shape[0] == pixels else "use an operator for these images"
        raise InputError(
            "the operator",
            f"an operator of shape {shape_text(shape)}",
            f"{pixels} columns, one for each pixel of an image",
            fix,
        )


def _functions(
    apply: Function, adjoint: Function, pixels: int, measurements: int | None, within: float, name: str
) -> Operator:
    """A pair of functions, checked on random images: linear, and each other's adjoint."""

    def rows(function: Function, given: np.ndarray, what: str) -> np.ndarray:
        returned = function(given)
        found = tensor_numbers(returned, name) if is_tensor(returned) else np.asarray(returned)
        if found.dtype.kind not in "fiu" or found.ndim < 2 or len(found) != len(given):
            raise InputError(
                f"{name}'s {what}",
                f"an array of type {found.dtype} and shape {shape_text(found.shape)}",
                f"real numbers, one row for each of {len(given)} rows",
                "work on batches: (count, n) to (count, m)",
            )
        return plain(found.reshape(len(given), -1))

    draw = np.random.default_rng(0)
    images = draw.standard_normal((2, pixels))
    measured = rows(apply, images, "apply")
    if measurements is None:
        measurements = measured.shape[1]
    probes = draw.standard_normal((2, measurements))
    back = rows(adjoint, probes, "adjoint")
    for found, width, what in ((measured, measurements, "apply"), (back, pixels, "adjoint")):
        if found.shape[1] != width:
            raise InputError(
                f"{name}'s {what}",
                f"{found.shape[1]} numbers per row",
                f"{width}",
                "check the order of the pair: (apply, adjoint)",
            )
        if width == 0 or not np.isfinite(found).all():
            raise InputError(
                f"{name}'s {what}",
                "no number" if width == 0 else "numbers that are not finite, for random arrays",
                "finite numbers",
                f"correct {what}",
            )
    size = np.linalg.norm(measured) + np.linalg.norm(back) + np.finfo(float).tiny
    mixed = rows(apply, (2 * images[0] - 3 * images[1])[None], "apply")
    if np.linalg.norm(mixed - (2 * measured[0] - 3 * measured[1])) > within * 5 * size:
        raise InputError(
            name, "one that is not linear", "a linear map", "subtract apply(0) from the measurements"
        )
    products = np.sum(measured * probes, axis=1), np.sum(images * back, axis=1)
    scale = np.linalg.norm(measured, axis=1) * np.linalg.norm(probes, axis=1)
    scale = scale + np.linalg.norm(images, axis=1) * np.linalg.norm(back, axis=1)
    if np.any(np.abs(products[0] - products[1]) > within * scale):
        raise InputError(
            f"{name}'s adjoint",
            "another map than the adjoint of apply: <A x, y> differs from <x, adjoint(y)>",
            "the transpose of apply",
            "correct the adjoint",
        )
    pair = (lambda x: rows(apply, x, "apply"), lambda y: rows(adjoint, y, "adjoint"))
    return Operator((*pair, measurements), measurements)


def _is_physics(operator: Any) -> bool:
    return "deepinv" in sys.modules and hasattr(operator, "A") and hasattr(operator, "A_adjoint")


def _other_images(expected: Any, image_shape: tuple[int, ...]) -> InputError:
    return InputError(
        "the physics",
        f"images of shape {shape_text(image_shape)}",
        f"what it is made for: {tuple(expected) if not isinstance(expected, str) else expected}",
        "pass image_shape=, the shape of one image, such as (1, 28, 28)",
    )


def _physics(physics: Any, image_shape: tuple[int, ...]) -> Operator:
    """A physics of deepinv: its ``A`` and ``A_adjoint``, without its noise."""
    import torch
    from deepinv.physics import Denoising, Inpainting, LinearPhysics

    pixels = math.prod(image_shape)
    if not isinstance(physics, LinearPhysics):
        raise InputTypeError(
            "the physics", f"a {type(physics).__name__}", "a LinearPhysics", "use a linear physics"
        )
    if type(physics) is Denoising:
        return Operator(None, pixels)
    if isinstance(physics, Inpainting):
        mask = physics.mask.detach().cpu()
        values = torch.unique(mask)
        if all(value in (0, 1) for value in values.tolist()):
            count = () if mask.dim() <= len(image_shape) else (mask.shape[0],)
            try:
                mask = mask.expand(*count, *image_shape)
            except RuntimeError:
                raise _other_images(mask.shape, image_shape) from None
            return _mask(mask.numpy() != 0, image_shape)
    parameters = [*physics.parameters(), *physics.buffers()]
    floats = [tensor for tensor in parameters if tensor.is_floating_point()]
    dtype = floats[0].dtype if floats else torch.float64
    device = parameters[0].device if parameters else torch.device("cpu")
    tensor = {"dtype": dtype, "device": device}
    try:
        with torch.no_grad():
            measured_shape = tuple(physics.A(torch.zeros(1, *image_shape, **tensor)).shape[1:])
    except (RuntimeError, ValueError, IndexError) as error:
        raise _other_images(getattr(physics, "img_size", "another size"), image_shape) from error

    def on_batches(function: Callable[[Any], Any], shape: tuple[int, ...]) -> Function:
        def apply(rows: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                batch = torch.from_numpy(rows).to(**tensor).reshape(len(rows), *shape)
                found = function(batch).reshape(len(rows), -1)
                numbers: np.ndarray = found.to(torch.float64).cpu().numpy()
                return numbers

        return apply

    within = 1e-6 if dtype == torch.float64 else 1e-3
    return _functions(
        on_batches(physics.A, image_shape),
        on_batches(physics.A_adjoint, measured_shape),
        pixels,
        math.prod(measured_shape),
        within,
        "the physics",
    )
