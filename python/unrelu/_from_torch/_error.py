"""The error of a module that cannot be read."""

from __future__ import annotations


class ModuleError(ValueError):
    """A PyTorch module that unrelu cannot read.

    Parameters
    ----------
    source : str
        The module or argument at fault, for example ``decoder.3 (GELU)``.
    found : str
        What was found there.
    expected : str
        What unrelu can read.
    fix : str
        What to do about it.
    """

    def __init__(self, source: str, found: str, expected: str, fix: str) -> None:
        super().__init__(f"{source}: found {found}; expected {expected}; {fix}")
        self.source = source
        self.found = found
        self.expected = expected
        self.fix = fix

    def __reduce__(self) -> tuple[type[ModuleError], tuple[str, str, str, str]]:
        return type(self), (self.source, self.found, self.expected, self.fix)
