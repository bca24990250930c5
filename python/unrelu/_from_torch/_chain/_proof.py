"""Compares the list of operations with the module, on codes of several scales."""

from __future__ import annotations

from typing import Callable

import numpy as np
import torch

from .._error import ModuleError
from .._proof import AGREEMENT, DEVIATIONS, SCALES, in_double, own_outputs
from .._reading import OperationsReading
from .._subject import Subject
from ._document import Document, Tensors
from ._forward import KINKS, Chain

MOST = 16
LEAST = 1
# Multiplications of the comparison, about, before it takes fewer codes: some seconds.
BUDGET = 4e9
# Entries of the largest tensor of all codes together.
ENTRIES = 2**25
# An entry of an activation costs as much as these multiplications: 10, if none is given.
COSTS = {"gelu": 500, "reshape": 0}


def prove(subject: Subject, document: Document, tensors: Tensors) -> tuple[tuple[int, int], ...]:
    """Check that the operations give the module's own outputs; return the units of one sign.

    The module runs in its own type, and, if its code allows it, in float64 with the same
    parameters. The operations run in NumPy in float64.

    Raises
    ------
    ModuleError
        If any output differs by more than 1e-6 (float64: 1e-9) of the largest output of its code,
        beside the rounding of the computation.
    """
    chain = Chain(document, tensors)
    random = np.random.default_rng(3)
    cost, largest = _sizes(chain)
    most = min(BUDGET / (cost * len(SCALES)), ENTRIES / largest)
    count = int(np.clip(most, LEAST, MOST))
    codes = [scale * random.standard_normal((count, *chain.input)) for scale in SCALES]
    above: dict[int, np.ndarray] = {}
    below: dict[int, np.ndarray] = {}
    for part in codes:
        part = part.astype(np.float32).astype(np.float64)
        runs = [own_outputs(subject, part, chain.input)]
        double = None
        if subject.dtype != torch.float64:
            double = in_double(subject, part, chain.input)
        runs += [] if double is None else [double]
        for dtype, outputs in runs:
            signs = _compare(subject, chain, dtype, part, outputs)
        for number, (positive, negative) in signs.items():
            above[number] = above.get(number, False) | positive
            below[number] = below.get(number, False) | negative
    return tuple(
        (number, int(unit))
        for number in above
        for unit in np.flatnonzero(~(above[number] & below[number]))
    )


def _compare(
    subject: Subject,
    chain: Chain,
    dtype: torch.dtype,
    codes: np.ndarray,
    outputs: np.ndarray,
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Check the outputs for some codes; return which kinked units were above and below 0."""
    signs: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    wanted, variance = codes, np.zeros_like(codes)
    steps = chain.steps(codes, float(torch.finfo(dtype).eps))
    for number, (operation, before, wanted, variance) in enumerate(steps):
        if operation["op"] in KINKS:
            flat = before.reshape(len(codes), -1)
            signs[number] = np.any(flat > 0, axis=0), np.any(flat < 0, axis=0)
    wanted = wanted.reshape(len(codes), -1)
    rounding = DEVIATIONS * np.sqrt(variance.reshape(len(codes), -1))
    largest = np.abs(wanted).max(axis=1, keepdims=True)
    error = np.abs(outputs - wanted)
    if not (error <= AGREEMENT[dtype] * largest + rounding).all():
        worst = np.max(np.where(np.isfinite(error), error, np.inf) / (largest + 1e-300))
        raise ModuleError(
            subject.label,
            f"outputs that differ from those of the operations read, by {worst:.1e} of the largest",
            f"the same outputs to {AGREEMENT[dtype]:.0e} in {dtype}",
            "report this module as a defect of unrelu",
        )
    return signs


def _sizes(chain: Chain) -> tuple[float, int]:
    """Multiplications for one code, about, and the entries of the largest tensor."""
    total, largest, shape = 1.0, 1, (1, *chain.input)
    for operation, before, after, _ in chain.steps(np.zeros(shape), 0.0):
        weight = chain.get(operation, "weight")
        name = operation["op"]
        if name == "linear" and weight is not None:
            total += weight.size
        elif name in ("conv2d", "conv_transpose2d") and weight is not None:
            image = after if name == "conv2d" else before
            total += weight.size * image.shape[2] * image.shape[3]
        else:
            total += COSTS.get(name, 10) * after.size
        largest = max(largest, before.size, after.size)
    return total, largest


def prove_network(
    label: str, reading: OperationsReading, forward: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Check that the network made of the operations gives their outputs.

    Parameters
    ----------
    label : str
        What the message calls the module.
    reading : OperationsReading
        The operations, which :func:`prove` has compared with the module.
    forward : callable
        The network: codes (count, k) to outputs (count, n), both float64.

    Raises
    ------
    ModuleError
        If any output differs by more than 1e-9 of the largest output of its code, beside the
        rounding of the computation.
    """
    chain = Chain(reading.document, reading.tensors)
    random = np.random.default_rng(4)
    for scale in SCALES:
        codes = scale * random.standard_normal((1, *chain.input))
        outputs = forward(codes.reshape(1, -1))
        for *_, wanted, variance in chain.steps(codes, float(np.finfo(np.float64).eps)):
            pass
        wanted = wanted.reshape(1, -1)
        rounding = DEVIATIONS * np.sqrt(variance.reshape(1, -1))
        error, largest = np.abs(outputs - wanted), np.abs(wanted).max()
        if not (error <= AGREEMENT[torch.float64] * largest + rounding).all():
            raise ModuleError(
                label,
                f"a network whose outputs differ by {error.max() / (largest + 1e-300):.1e} of the"
                " largest from those of the operations read",
                "the same outputs to 1e-9",
                "report this module as a defect of unrelu",
            )
