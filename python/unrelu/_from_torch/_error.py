"""The error of a module that cannot be read."""

from __future__ import annotations

from unrelu._errors import InputError


class ModuleError(InputError):
    """A PyTorch module that unrelu cannot read.

    Its `source` is the module at fault, for example ``decoder.3 (GELU)``; the other three parts are
    those of :class:`unrelu.InputError`.
    """
