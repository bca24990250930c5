"""The result of reading a module: layers, or a list of operations, from the code to the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ModuleReading:
    """The layers of a PyTorch module, and the shapes of its code and its image.

    Attributes
    ----------
    layers : list of (weight, bias, activation)
        From the code to the output. ``weight`` has shape ``(units, inputs)`` and ``bias`` has shape
        ``(units,)``; both are float64 in C order. ``activation`` is ``relu``,
        ``leaky_relu:SLOPE``, ``identity``, ``sigmoid`` or ``tanh``. Hidden layers have ``relu`` or
        ``leaky_relu:SLOPE``.
    code_shape : tuple of int
        Shape of one code, without the batch axis.
    image_shape : tuple of int
        Shape of one output, without the batch axis. The last layer has its entries in C order.
    one_sided : tuple of (int, int)
        ``(layer, unit)`` of each unit whose pre-activation kept its sign on every code of the
        comparison with the module. Such a unit is dead or always active, as far as was seen.
    """

    layers: list[tuple[np.ndarray, np.ndarray, str]]
    code_shape: tuple[int, ...]
    image_shape: tuple[int, ...]
    one_sided: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class OperationsReading:
    """The operations of a PyTorch module that dense layers cannot express.

    Attributes
    ----------
    document : dict
        The list of operations, as docs/OPERATIONS.md describes it: numbers, strings, lists and
        dictionaries, ready for ``json.dumps``.
    tensors : dict of numpy.ndarray
        The tensors that it names, in C order: float32 where that holds the numbers exactly,
        otherwise float64.
    code_shape : tuple of int
        Shape of one code, without the batch axis.
    image_shape : tuple of int
        Shape of one output, without the batch axis.
    one_sided : tuple of (int, int)
        ``(operation, unit)`` of each unit of a ReLU, LeakyReLU or PReLU whose input kept its sign
        on every code of the comparison with the module.
    """

    document: dict[str, Any]
    tensors: dict[str, np.ndarray]
    code_shape: tuple[int, ...]
    image_shape: tuple[int, ...]
    one_sided: tuple[tuple[int, int], ...] = ()
