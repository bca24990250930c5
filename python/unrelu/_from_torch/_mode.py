"""Train mode and randomness: what makes the outputs of a module something other than a function."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from ._error import ModuleError
from ._subject import Subject

EVAL = "call module.eval() first"
COUNT = 6


def check_mode(subject: Subject) -> None:
    """Refuse a module that behaves otherwise in train mode, and is in it.

    Raises
    ------
    ModuleError
        Naming the first such submodule.
    """
    for name, part in subject.root.named_modules():
        if part.training and _differs_in_training(part):
            source = f"{name} ({type(part).__name__})" if name else subject.label
            raise ModuleError(source, "train mode", "eval mode", EVAL)


def _differs_in_training(part: nn.Module) -> bool:
    if isinstance(part, _DropoutNd):
        return part.p > 0
    return isinstance(part, (_NormBase, nn.RReLU))


def check_function(subject: Subject, code_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse a module that is not a function of each code alone; return the shape of an image.

    Raises
    ------
    ModuleError
        If the call fails, if the result is not one tensor, or if it is random, depends on the other
        codes of the batch, or depends on the mode.
    """
    codes = subject.codes(COUNT, code_shape, seed=1)
    with subject.unchanged():
        first = _call(subject, codes)
        again = _call(subject, codes)
        order = torch.arange(COUNT - 1, 0, -2)
        others = _call(subject, codes[order.to(codes.device)])
        evaluated = None
        if any(part.training for part in subject.root.modules()):
            subject.root.eval()
            evaluated = _call(subject, codes)
    if not _alike(first, again):
        raise ModuleError(
            subject.label,
            "outputs that differ between two calls with the same codes",
            "a function of the code, without random numbers",
            "pass the deterministic part alone, for example vae.decode",
        )
    if evaluated is not None and not _alike(first, evaluated):
        raise ModuleError(subject.label, "train mode, with other outputs", "eval mode", EVAL)
    if first.shape[:1] != (COUNT,) or first.ndim < 2:
        raise ModuleError(
            subject.label,
            f"an output of shape {tuple(first.shape)} for {COUNT} codes",
            f"an output of shape ({COUNT}, ...), one image per code",
            "keep the batch axis as the first axis of the output",
        )
    if others.shape[1:] != first.shape[1:] or not _alike(first[order.to(first.device)], others):
        raise ModuleError(
            subject.label,
            "outputs that change with the other codes of the batch",
            "an output that depends on its own code alone",
            "replace statistics of the batch by stored ones (track_running_stats=True)",
        )
    return tuple(first.shape[1:])


def _call(subject: Subject, codes: torch.Tensor) -> torch.Tensor:
    try:
        output = subject.call(codes.clone())
    except Exception as error:  # Whatever the module's own code raises.
        raise ModuleError(
            subject.label,
            f"{type(error).__name__} for codes of shape {tuple(codes.shape)}: {_first_line(error)}",
            "a module that accepts codes of this shape",
            "give the shape of one code, without the batch axis, as code_shape",
        ) from error
    if not isinstance(output, torch.Tensor):
        raise ModuleError(
            subject.label,
            f"an output of type {type(output).__name__}",
            "one tensor",
            "wrap it in a module whose forward returns the tensor of images alone",
        )
    if not output.is_floating_point():
        raise ModuleError(
            subject.label,
            f"an output of type {output.dtype}",
            "an output of floating-point numbers",
            "return the images before they are converted",
        )
    return output.clone()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _alike(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two outputs agree up to the rounding of another order of summation."""
    if first.shape != second.shape:
        return False
    finite = first[first.isfinite()]
    largest = finite.abs().max().item() if finite.numel() else 0.0
    close = torch.isclose(first, second, rtol=0.0, atol=2e-5 * largest, equal_nan=True)
    return bool(close.all())
