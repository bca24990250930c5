"""Recovery with a generator as a reconstruction model of deepinv."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from deepinv.models import Reconstructor

from unrelu._engines import recover
from unrelu._errors import InputError, InputTypeError
from unrelu._network import Network
from unrelu._result import Result

__all__ = ["GeneratorReconstructor"]


class GeneratorReconstructor(Reconstructor):
    """Recover images ``G(z)`` of a generator from linear measurements ``y = A G(z) + noise``.

    It takes the place of ``deepinv.models.CSGMGenerator``: each image of a batch is recovered, from
    many starts, and the same `seed` gives the same images. It has no gradient; see
    :func:`unrelu.torch.invert` for one.

    Parameters
    ----------
    generator : torch.nn.Module, bound method of one, or unrelu.Network
        The generator, in eval mode. A module is read once; call :meth:`read` after its weights
        change.
    image_shape : sequence of int, optional
        The shape of an image, such as (1, 28, 28). By default, that of the generator's output.
    code_shape : sequence of int, optional
        The shape of one code. By default, found from the module, or from its attribute ``nz`` if
        it is like a generator of ``CSGMGenerator``, with codes of shape (nz, 1, 1).
    method, inner, noise, prior, epsilon, seed, starts, threads, ... : optional
        As in :func:`unrelu.recover`.

    Attributes
    ----------
    network : unrelu.Network
        The generator as it was read.
    last : unrelu.Result
        The result of the last call, with codes, statuses and residuals.

    Raises
    ------
    InputError, InputTypeError
        If the generator cannot be read.

    Examples
    --------
    >>> import deepinv, torch, unrelu, unrelu.deepinv
    >>> network = unrelu.Network.random([5, 20, 64], seed=1)
    >>> x = torch.from_numpy(network.forward(network.random_codes(2, seed=1))).reshape(2, 1, 8, 8)
    >>> physics = deepinv.physics.Inpainting((1, 8, 8), mask=torch.rand(1, 8, 8).double() < 0.7)
    >>> model = unrelu.deepinv.GeneratorReconstructor(network, image_shape=(1, 8, 8))
    >>> bool((model(physics(x), physics) - x).abs().max() < 1e-6)
    True
    """

    def __init__(
        self,
        generator: Any,
        image_shape: Sequence[int] | None = None,
        *,
        code_shape: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if code_shape is None and hasattr(generator, "nz"):
            code_shape = (int(generator.nz), 1, 1)
        # A plain attribute for what is no module; torch keeps modules in its own registry.
        self.generator = generator
        self.image_shape = None if image_shape is None else tuple(image_shape)
        self.code_shape = code_shape
        self.options = options
        self.last: Result | None = None
        self.read()

    def read(self) -> None:
        """Read the generator again, after its weights have changed."""
        if isinstance(self.generator, Network):
            if self.code_shape is not None:
                raise InputError(
                    "option `code_shape`", "given with an unrelu.Network", "a module", "leave it out"
                )
            self.network = self.generator
        elif isinstance(self.generator, torch.nn.Module) or inspect.ismethod(self.generator):
            self.network = Network.from_torch(self.generator, self.code_shape)
        else:
            raise InputTypeError(
                "generator",
                f"a {type(self.generator).__name__}",
                "a torch.nn.Module, a method of one, or an unrelu.Network",
                "pass the decoder",
            )

    def forward(self, y: torch.Tensor, physics: Any, **kwargs: Any) -> torch.Tensor:
        """Recover each image of the batch.

        Parameters
        ----------
        y : torch.Tensor, shape (count, *shape of the measurements)
            The measurements, NaN where not measured.
        physics : deepinv.physics.LinearPhysics
            The operator; its noise model is not used.

        Returns
        -------
        torch.Tensor, shape (count, *image_shape)
            The images, in the type and on the device of `y`. NaN where no code was found.
        """
        shape = self.image_shape or self.network.image_shape
        self.last = recover(
            self.network, y.detach(), physics, image_shape=shape, **{**self.options, **kwargs}
        )
        images: torch.Tensor = self.last.images.to(y).reshape(len(y), *shape)
        return images
