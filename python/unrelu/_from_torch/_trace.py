"""Traces the module with ``torch.export``."""

from __future__ import annotations

from torch.export import Dim, ExportedProgram, export

from ._error import ModuleError
from ._subject import Subject


def traced(subject: Subject, code_shape: tuple[int, ...]) -> ExportedProgram:
    """Return the module's graph of ATen operations, without in-place ones.

    The batch size is a symbol. Where the module's code needs a number, as ``len(z)`` does, it is a
    prime that divides no size of a parameter, so that it is recognized in the graph.

    Raises
    ------
    ModuleError
        If torch cannot trace the module, for example because it branches on values.
    """
    codes = subject.codes(3, code_shape, seed=2)
    with subject.unchanged():
        try:
            try:
                program = export(
                    subject.call, (codes,), dynamic_shapes=({0: Dim("batch")},), strict=False
                )
            except Exception as error:  # The type differs between releases of torch.
                if "Constraints violated" not in str(error):
                    raise
                codes = subject.codes(_prime(subject, code_shape), code_shape, seed=2)
                program = export(subject.call, (codes,), strict=False)
            # An empty table of decompositions: this only removes in-place operations.
            return program.run_decompositions({})
        except Exception as error:  # torch.export raises many types.
            reason = (str(error).strip().splitlines() or [""])[0]
            raise ModuleError(
                subject.label,
                f"code that torch.export cannot trace ({type(error).__name__}: {reason})",
                "a forward without branches on values, for batches of any size",
                "move what depends on values or on the size of the batch out of the forward",
            ) from error


def _prime(subject: Subject, code_shape: tuple[int, ...]) -> int:
    """A prime that divides no size of the code, a parameter or a buffer."""
    tensors = [*subject.root.parameters(), *subject.root.buffers()]
    sizes = {size for tensor in tensors for size in tensor.shape} | set(code_shape)
    candidate = 499
    while not _is_prime(candidate) or any(size % candidate == 0 for size in sizes if size):
        candidate += 2
    return candidate


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))
