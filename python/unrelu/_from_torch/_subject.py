"""The module to read: what it is, its type and device, and calls that leave it as it was."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ._error import ModuleError

READABLE = (torch.float32, torch.float64)


class Call(nn.Module):
    """Calls a module or a method of it; the module is its child ``subject``."""

    def __init__(self, subject: nn.Module, method: Any) -> None:
        super().__init__()
        self.subject = subject
        self.method = method
        self.training = subject.training

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        return self.subject(code) if self.method is None else self.method(code)


class Subject:
    """A module or a bound method of one, checked.

    Attributes
    ----------
    root : torch.nn.Module
        The module, or the one that the method belongs to.
    label : str
        Its name in messages: ``Decoder`` or ``VAE.decode``.
    call : Call
        What runs it on a batch of codes.
    dtype, device : torch.dtype, torch.device
        Those of its first floating-point parameter or buffer.
    """

    def __init__(self, module: Any) -> None:
        method = None
        if inspect.ismethod(module) and isinstance(module.__self__, nn.Module):
            module, method = module.__self__, module
        if not isinstance(module, nn.Module):
            raise ModuleError(
                "module",
                f"an object of type {type(module).__name__}",
                "a torch.nn.Module or a bound method of one, such as vae.decode",
                "pass the module itself, or put the function in the forward of a module",
            )
        # torch.compile wraps the module; the one inside is what was written.
        self.root = getattr(module, "_orig_mod", module)
        name = type(self.root).__name__
        self.label = name if method is None else f"{name}.{method.__name__}"
        self.call = Call(self.root, method)
        self._check_arguments(self.root.forward if method is None else method)
        self.dtype, self.device = self._type_and_device()

    def _check_arguments(self, function: Any) -> None:
        """Refuse a function that does not take exactly one required argument."""
        required = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if len(required) > 1:
            raise ModuleError(
                self.label,
                f"{len(required)} required arguments ({', '.join(required)})",
                "one argument, the batch of codes",
                "wrap it in a module whose forward takes the codes and fixes the other arguments",
            )

    def _type_and_device(self) -> tuple[torch.dtype, torch.device]:
        named = [*self.root.named_parameters(), *self.root.named_buffers()]
        for name, value in named:
            if is_lazy(value):
                raise ModuleError(
                    f"{name} of {self.label}",
                    "a parameter whose shape is not known yet",
                    "a module with all its parameters",
                    "call the module once, or load its weights, before reading it",
                )
        floating = [(name, value) for name, value in named if value.is_floating_point()]
        for name, value in floating:
            if value.dtype not in READABLE:
                raise ModuleError(
                    f"{name} of {self.label}",
                    f"the type {value.dtype}",
                    "torch.float32 or torch.float64",
                    "call module.float() first",
                )
            if value.device.type == "meta":
                raise ModuleError(
                    f"{name} of {self.label}",
                    "a tensor on the device meta, which has no values",
                    "a tensor with values",
                    "load the weights before reading the module",
                )
        if not floating:
            return torch.float32, torch.device("cpu")
        return floating[0][1].dtype, floating[0][1].device

    def codes(self, count: int, code_shape: tuple[int, ...], seed: int) -> torch.Tensor:
        """Return standard normal codes of shape ``(count, *code_shape)``, of the module's type."""
        generator = torch.Generator().manual_seed(seed)
        codes = torch.randn(count, *code_shape, generator=generator, dtype=torch.float64)
        return codes.to(self.device, self.dtype)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Run without gradients and warnings, and leave the module and the random state as found.

        Hooks and in-place updates that the module's own code makes are undone.
        """
        attributes = [_Attributes(part.__dict__) for part in self.root.modules()]
        buffers = [(buffer, buffer.clone(), buffer._version) for buffer in self.root.buffers()]
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            finally:
                for saved in attributes:
                    saved.restore()
                for buffer, values, version in buffers:
                    if buffer._version != version:
                        buffer.copy_(values)


class _Attributes:
    """The items of a module's ``__dict__``, and of the dictionaries that torch keeps in it.

    The dictionaries are restored in place: the handle of a hook refers to the one that holds it.
    """

    def __init__(self, attributes: dict[str, Any]) -> None:
        inner = [
            value
            for name, value in attributes.items()
            if name.startswith("_") and isinstance(value, dict)
        ]
        self.saved = [(target, target.copy()) for target in (attributes, *inner)]

    def restore(self) -> None:
        for target, items in self.saved:
            same = target.keys() == items.keys()
            if not same or any(target[name] is not value for name, value in items.items()):
                target.clear()
                target.update(items)
