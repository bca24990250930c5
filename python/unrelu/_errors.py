"""The exceptions and the warning of the package."""

from __future__ import annotations


class UnreluError(Exception):
    """An error of unrelu. Every other exception of the package is one, too."""


class _FourParts(UnreluError):
    """An error with the four parts of its message.

    Attributes
    ----------
    source : str
        The argument or the file.
    found : str
        What was found.
    expected : str
        What was expected.
    fix : str
        How to fix it.
    """

    def __init__(self, source: str, found: str, expected: str, fix: str) -> None:
        super().__init__(source, found, expected, fix)
        self.source, self.found, self.expected, self.fix = source, found, expected, fix

    def __str__(self) -> str:
        return f"{self.source}: found {self.found}; expected {self.expected}; {self.fix}"


class InputError(_FourParts, ValueError):
    """A value that cannot be used: an array of a wrong shape, an option out of range."""


class InputTypeError(_FourParts, TypeError):
    """A value of a type that cannot be used."""


class DeviceError(UnreluError, RuntimeError):
    """The requested device does not exist, was lost, or has too little memory."""


class UnreluWarning(UserWarning):
    """Something that may make results worse than they could be."""
