"""Reads a live PyTorch module, and proves the reading by comparing outputs.

A module is read into dense layers where they can express it. Otherwise it is read as a list of
operations, such as convolutions (``_chain``).

The steps, one file each:

- check the argument (``_subject``, ``_mode``) and find the shape of the code (``_code_shape``),
- trace the module with ``torch.export`` (``_trace``), and walk over its graph (``_walk``),
- read it (``_graph``) by the rules of ``_movement``, ``_affine`` and ``_activations``, on values
  that are affine in the units of one layer (``_value``),
- assemble the layers (``_layers``), and compare them with the module (``_proof``).

torch is imported by :func:`read_module` alone, so ``unrelu`` works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Sequence

from ._error import ModuleError
from ._reading import ModuleReading, OperationsReading

if TYPE_CHECKING:
    import torch

__all__ = ["ModuleError", "ModuleReading", "OperationsReading", "read_module"]


def read_module(
    module: torch.nn.Module | Callable[[torch.Tensor], torch.Tensor],
    code_shape: int | Sequence[int] | None = None,
) -> ModuleReading | OperationsReading:
    """Read the layers or the operations of a PyTorch module in eval mode.

    The module is traced with ``torch.export`` and its graph is read operation by operation. Then
    what was read is compared with the module itself on random codes, near 0 and far from it.

    Parameters
    ----------
    module : torch.nn.Module or bound method of one
        A ``Sequential``, a module with any ``forward``, or a method such as ``vae.decode``. It
        takes one tensor of shape ``(count, *code_shape)`` and returns one of
        ``(count, *image_shape)``, of float32 or float64, on any device. It is left as it is: mode,
        type, device and hooks.
    code_shape : int or sequence of int, optional
        Shape of one code, without the batch axis. If left out, it is found from the sizes of the
        parameters: the only one that the module accepts.

    Returns
    -------
    ModuleReading or OperationsReading
        The layers in float64, where dense layers can express the module; otherwise the operations
        of docs/OPERATIONS.md. Both have the shapes of a code and an image.

    Raises
    ------
    ModuleError
        If the module is in train mode, is random, mixes the codes of a batch, or is no chain of
        affine maps and activations. The message names the submodule.
    ImportError
        If torch is not installed.
    """
    from ._read import read

    return read(module, code_shape)
