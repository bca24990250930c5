"""Assembles the layers of a network from the value of its output."""

from __future__ import annotations

import numpy as np
import torch

from ._error import ModuleError
from ._value import ROWS, Layer, Sizes, TooLarge, Value, rows_of

Dense = tuple[np.ndarray, np.ndarray, str]
# The constants of a rescaled output are decimal fractions, rounded once or twice.
EXACT = 1e-14


def layers_of(output: Value, sizes: Sizes, label: str) -> list[Dense]:
    """Return the layers from the code to the output.

    Raises
    ------
    ModuleError
        If the output is a sigmoid or tanh rescaled in another way than between the two, or if a
        weight or bias is not finite.
    """
    last = output.layer
    assert last is not None
    try:
        if output.scale is not None and last.parent is not None:
            end = _absorbed(output, last) or _affine_end(output, sizes)
        else:
            end = _affine_end(output, sizes)
    except TooLarge:
        raise ModuleError(
            label,
            "a rescaled output that needs a dense matrix of more than 1 GiB",
            "an output without rescaling",
            "leave the rescaling out of the module, and rescale the observations instead",
        ) from None
    hidden = last if end[2] == "identity" else last.parent
    layers = [end]
    while hidden is not None and hidden.parent is not None:
        layers.append((*_weight_and_bias(hidden), hidden.activation))
        hidden = hidden.parent
    dense = [
        (
            np.array(weight.numpy(), dtype=np.float64, order="C"),
            np.array(bias.numpy(), dtype=np.float64, order="C"),
            activation,
        )
        for weight, bias, activation in reversed(layers)
    ]
    _check_finite(dense, label)
    return dense


def _check_finite(layers: list[Dense], label: str) -> None:
    for number, (weight, bias, _) in enumerate(layers):
        for name, values in (("weight", weight), ("bias", bias)):
            if not np.isfinite(values).all():
                raise ModuleError(
                    label,
                    f"NaN or an infinite entry in the {name} of layer {number}",
                    "finite parameters",
                    "check the training; the eps of a normalization must not be 0 for a variance 0",
                )


def _weight_and_bias(layer: Layer) -> tuple[torch.Tensor, torch.Tensor]:
    """All pieces of a layer, one below the other, with a column for each unit of its parent."""
    assert layer.parent is not None
    inputs = layer.parent.units
    weight = torch.zeros(layer.units, inputs, dtype=torch.float64)
    start = 0
    for piece, _ in layer.pieces:
        weight[start : start + piece.shape[0], : piece.shape[1]] = piece
        start += piece.shape[0]
    return weight, torch.cat([bias for _, bias in layer.pieces])


def _affine_end(output: Value, sizes: Sizes) -> tuple[torch.Tensor, torch.Tensor, str]:
    """An output layer without an activation, after the last hidden layer."""
    assert output.layer is not None
    if not output.layer.is_hidden:
        raise ModuleError(
            output.layer.source,
            f"a {output.layer.activation} whose output is rescaled or combined afterwards",
            "an output of sigmoid(x) or tanh(x), or one of these turned into the other, "
            "such as 0.5 * (tanh(x) + 1)",
            "leave the rescaling out of the module, and rescale the observations instead",
        )
    dense = output.as_matrix(sizes)
    assert dense.matrix is not None
    weight = rows_of(dense.matrix, dense.units)
    missing = output.layer.units - dense.units
    weight = torch.nn.functional.pad(weight, (0, missing))
    return weight, dense.shift.reshape(ROWS, -1)[0], "identity"


def _absorbed(output: Value, last: Layer) -> tuple[torch.Tensor, torch.Tensor, str] | None:
    """The last layer with the order and scale of the output; None where it cannot take them."""
    assert output.index is not None and output.scale is not None
    units = output.index.reshape(ROWS, -1)[0].long()
    scale = output.scale.reshape(ROWS, -1)[0]
    shift = output.shift.reshape(ROWS, -1)[0]
    factor, activation = inner_factor(last.activation, scale, shift)
    if factor is None:
        return None
    weight, bias = _weight_and_bias(last)
    return weight[units] * factor[:, None], bias[units] * factor, activation


def inner_factor(
    activation: str, scale: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor | None, str]:
    """The factor on the pre-activations, and the activation, that give the same output.

    ``s relu(a) = relu(s a)`` for ``s >= 0``. With ``S`` the sigmoid,
    ``tanh(a) = 2 S(2 a) - 1``, ``S(-a) = 1 - S(a)`` and ``tanh(-a) = -tanh(a)``.
    """

    def close(values: torch.Tensor, wanted: torch.Tensor | float) -> bool:
        return bool(((values - wanted).abs() <= EXACT).all())

    sign = scale.sign()
    if activation not in ("sigmoid", "tanh"):
        fits = bool((shift == 0).all()) and bool((scale >= 0).all())
        return (scale, activation) if fits else (None, activation)
    if activation == "sigmoid" and close(scale.abs(), 1) and close(shift, (1 - sign) / 2):
        return sign, "sigmoid"
    if activation == "sigmoid" and close(scale.abs(), 2) and close(shift, -sign):
        return sign / 2, "tanh"
    if activation == "tanh" and close(scale.abs(), 1) and close(shift, 0):
        return sign, "tanh"
    if activation == "tanh" and close(scale.abs(), 0.5) and close(shift, 0.5):
        return sign * 2, "sigmoid"
    return None, activation
