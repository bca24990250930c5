"""Compares the layers with the module, on codes that show both sides of the activations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.func import functional_call

from ._error import ModuleError
from ._layers import Dense
from ._subject import Subject

SCALES = (1e-3, 1.0, 10.0, 100.0)
PER_SCALE = 16
POOL = 500
MAX_CHOSEN = 128
MAX_ACROSS = 32
CHUNK = 128
# Share of the largest output that may differ, beside the rounding of the computation itself.
AGREEMENT = {torch.float64: 1e-9, torch.float32: 1e-6}
# The error of a sum is some standard deviations of a random walk of roundings.
DEVIATIONS = 8.0


def prove(
    subject: Subject, layers: list[Dense], code_shape: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Check that the layers give the module's own outputs; return the units seen on one side only.

    The module runs in its own type, and, if its code allows it, in float64 with the same
    parameters. The layers run in NumPy in float64.

    Raises
    ------
    ModuleError
        If any output differs by more than 1e-6 (float64: 1e-9) of the largest output of its code,
        beside the rounding of the computation.
    """
    codes = _codes(layers, np.random.default_rng(3))
    one_sided = _one_sided(layers, codes)
    runs = [own_outputs(subject, codes, code_shape)]
    double = in_double(subject, codes, code_shape) if subject.dtype != torch.float64 else None
    if double is not None:
        runs.append(double)
    for dtype, outputs in runs:
        for start in range(0, len(codes), CHUNK):
            part = slice(start, start + CHUNK)
            _compare(subject, layers, dtype, codes[part], outputs[part])
    return one_sided


def _compare(
    subject: Subject,
    layers: list[Dense],
    dtype: torch.dtype,
    codes: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """Check the module's outputs in one type for some codes."""
    wanted, rounding = forward_with_rounding(layers, codes, torch.finfo(dtype).eps)
    largest = np.abs(wanted).max(axis=1, keepdims=True)
    error = np.abs(outputs - wanted)
    if (error <= AGREEMENT[dtype] * largest + rounding).all():
        return
    worst = np.max(np.where(np.isfinite(error), error, np.inf) / (largest + 1e-300))
    raise ModuleError(
        subject.label,
        f"outputs that differ from those of the layers read, by {worst:.1e} of the largest",
        f"the same outputs to {AGREEMENT[dtype]:.0e} in {dtype}",
        "report this module as a defect of unrelu; from_arrays takes its layers as arrays",
    )


def _codes(layers: list[Dense], random: np.random.Generator) -> np.ndarray:
    """Random codes of several scales, and those that take most units to either side."""
    weight, bias, _ = layers[0]
    norms = np.linalg.norm(weight, axis=1)
    ratios = np.abs(bias[norms > 0]) / norms[norms > 0]
    far = 3.0 * float(ratios.max(initial=1.0))
    scales = [*SCALES, far]
    size = weight.shape[1]
    codes = np.concatenate([s * random.standard_normal((PER_SCALE, size)) for s in scales])
    codes = np.concatenate([codes, _across(weight, bias, norms)])
    spread = np.exp(random.uniform(np.log(1e-2), np.log(10 * far), (POOL, 1)))
    pool = spread * random.standard_normal((POOL, size))
    chosen: set[int] = set()
    missing = [_missing(units) for units in _pre_activations(layers, codes)]
    for units, absent in zip(_pre_activations(layers, pool), missing):
        for wanted, picks, sign in zip(absent, (units.argmax(0), units.argmin(0)), (1, -1)):
            reached = sign * units[picks, np.arange(units.shape[1])] > 0
            chosen.update(picks[wanted & reached].tolist())
    picked = sorted(chosen)[:MAX_CHOSEN]
    # The reading is checked on what the module itself receives: exact float32 numbers.
    return np.concatenate([codes, pool[picked]]).astype(np.float32).astype(np.float64)


def _across(weight: np.ndarray, bias: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Codes on both sides of the kinks of some units of the first layer."""
    units = np.flatnonzero(norms > 0)[:MAX_ACROSS]
    if len(units) == 0:
        return np.zeros((1, weight.shape[1]))
    direction = weight[units] / norms[units, None]
    kink = -(bias[units] / norms[units])[:, None] * direction
    return np.concatenate([kink + direction, kink - direction])


def _missing(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The units never seen above 0, and those never seen below."""
    return ~np.any(units > 0, axis=0), ~np.any(units < 0, axis=0)


def _one_sided(layers: list[Dense], codes: np.ndarray) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for number, units in enumerate(_pre_activations(layers, codes)):
        above, below = _missing(units)
        found.extend((number, int(unit)) for unit in np.flatnonzero(above | below))
    return tuple(found)


def _pre_activations(layers: list[Dense], codes: np.ndarray) -> Iterator[np.ndarray]:
    """The pre-activations of each layer whose activation has a kink, shape ``(count, units)``."""
    values = codes
    for number, (weight, bias, activation) in enumerate(layers):
        if number == len(layers) - 1 and not has_kink(activation):
            return
        before = values @ weight.T + bias
        yield before
        values = activate(before, activation)


def has_kink(activation: str) -> bool:
    return activation.startswith(("relu", "leaky_relu"))


def activate(values: np.ndarray, activation: str) -> np.ndarray:
    """Apply an activation, given by unrelu's name."""
    if activation == "relu":
        return np.asarray(np.maximum(values, 0.0))
    if activation.startswith("leaky_relu:"):
        return np.where(values > 0, values, float(activation.split(":")[1]) * values)
    if activation == "sigmoid":
        decayed = np.exp(-np.abs(values))
        return np.asarray(np.where(values >= 0, 1.0, decayed) / (1.0 + decayed))
    return np.tanh(values) if activation == "tanh" else values


def forward_with_rounding(
    layers: list[Dense], codes: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs, and what rounding to relative precision `epsilon` may change in each entry.

    Each entry of a layer gets the root mean square of its own roundings and of those that come in.
    """
    values, variance = codes, np.zeros_like(codes)
    for weight, bias, activation in layers:
        squares = weight**2
        own = (values**2) @ squares.T + bias**2
        variance = variance @ squares.T + epsilon**2 * own
        values = activate(values @ weight.T + bias, activation)
        # A sigmoid may stand for 0.5 * (tanh + 1), rounded at 1, and a tanh for 2 * sigmoid - 1.
        saturates = activation in ("sigmoid", "tanh")
        variance = variance + epsilon**2 * (1.0 if saturates else values**2)
    return values, DEVIATIONS * np.sqrt(variance)


Run = tuple[torch.dtype, np.ndarray]


def own_outputs(subject: Subject, codes: np.ndarray, code_shape: tuple[int, ...]) -> Run:
    """The module's outputs in its own type."""
    inputs = torch.from_numpy(codes).to(subject.device, subject.dtype)
    with subject.unchanged():
        outputs = [subject.call(part) for part in _parts(inputs.reshape(-1, *code_shape))]
    dtype, rows = _run(outputs, len(codes))
    # A float32 module may return its result as float64.
    return (subject.dtype if dtype == torch.float64 else dtype), rows


def in_double(subject: Subject, codes: np.ndarray, code_shape: tuple[int, ...]) -> Run | None:
    """The module's outputs with its parameters in float64; None if its code insists on float32."""
    named = [*subject.call.named_parameters(), *subject.call.named_buffers()]
    state = {
        name: value.double() if value.is_floating_point() else value for name, value in named
    }
    inputs = torch.from_numpy(codes).to(subject.device).reshape(-1, *code_shape)
    with subject.unchanged():
        try:
            outputs = [
                functional_call(subject.call, state, (part,)) for part in _parts(inputs)
            ]
        except RuntimeError:  # Such as a product of float32 and float64.
            return None
    return _run(outputs, len(codes))


def _parts(codes: torch.Tensor) -> list[torch.Tensor]:
    return [codes[start : start + CHUNK] for start in range(0, len(codes), CHUNK)]


def _run(outputs: list[torch.Tensor], count: int) -> Run:
    joined = torch.cat(outputs).detach()
    return joined.dtype, joined.double().cpu().numpy().reshape(count, -1)
