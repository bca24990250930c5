"""The pre-activations of a live module of PyTorch, with their derivatives by the weights.

A module may compute them in any way: as layers, functions or methods, in place or not. So every
result of a function of torch is recorded while the module runs, and a unit is found among them by
its values on several codes. A pre-activation is computed before its activation, so the first
result that fits is taken. It may differ from the unit's by a factor, which leaves ``a = 0`` the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from unrelu._implicit import Layers, lower_slope

Place = tuple[int, int, float]  # the number of the result, its entry, and its factor


class _Recorder(TorchFunctionMode):
    """Records the results of the functions of torch that have one row for each code."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.results: list[torch.Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.is_floating_point() and result.dim() >= 2:
            if result.shape[0] == self.count:
                # A copy: a function that works in place, as ReLU(inplace=True), may follow.
                self.results.append(result.clone())
        return result


def record(module: Callable[[Any], Any], codes: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The output of the module, and every result on the way, each as (count, entries)."""
    recorder = _Recorder(len(codes))
    with recorder:
        output = module(codes)
    return output, [result.reshape(len(codes), -1) for result in recorder.results]


def places(
    module: Callable[[Any], Any], codes: torch.Tensor, layers: Layers, units: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Place]:
    """Where the pre-activations of units are among the results of :func:`record`.

    Parameters
    ----------
    module : callable
        The module, or a bound method of one.
    codes : torch.Tensor, shape (count, *code_shape)
        Codes of the type and device of the module, to which random ones are added.
    layers : sequence of (weight, bias, activation)
        The network that was read from the module.
    units : sequence of (layer, unit)
        The units to find; those that are not found are missing in the result.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (32, *codes.shape[1:])
    size = codes.abs().max().clamp(min=1.0)
    random = torch.randn(shape, generator=generator, dtype=torch.float64).to(codes) * size
    codes = torch.cat([codes[:32], random])
    with torch.no_grad():
        results = [result.cpu().double() for result in record(module, codes)[1]]
    wanted = {}
    h = codes.flatten(1).cpu().double()
    for number, (weight, bias, activation) in enumerate(layers):
        a = h @ weight.T + bias
        wanted.update({place: a[:, place[1]] for place in units if place[0] == number})
        lower = lower_slope(activation)
        h = a if lower is None else torch.where(a > 0, a, lower * a)
    within = 1e-4 if codes.dtype == torch.float32 else 1e-9
    found = {}
    for place, column in wanted.items():
        for number, result in enumerate(results):
            factors = (column @ result) / (column @ column)
            misfit = torch.linalg.vector_norm(result - column[:, None] * factors, dim=0)
            lengths = torch.linalg.vector_norm(result, dim=0)
            fits = (misfit <= within * lengths) & (lengths > 0)
            if bool(fits.any()):
                entry = int(torch.nonzero(fits)[0])
                found[place] = (number, entry, float(factors[entry]))
                break
    return found
