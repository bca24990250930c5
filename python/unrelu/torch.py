"""Inversion as a differentiable function of PyTorch: see :func:`invert`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from unrelu._arrays import Rows
from unrelu._engines import Inverter, _batch_size, _run
from unrelu._errors import InputError, InputTypeError
from unrelu._implicit import Adjoint, adjoint, as_layers
from unrelu._network import Network
from unrelu._preactivations import places, record
from unrelu._result import Result

__all__ = ["DifferentiableResult", "invert"]


class DifferentiableResult(Result):
    """A :class:`unrelu.Result` whose `codes` and `images` have gradients."""

    _generate: Callable[[torch.Tensor], torch.Tensor]
    _inversion: _Inversion

    @property
    def differentiable(self) -> np.ndarray:
        """Whether each code has a derivative, as an array of bool; computed at each use."""
        return self._inversion.differentiable()

    @property
    def images(self) -> torch.Tensor:
        """The images ``G(z)`` of the codes, computed by the module; computed at the first use."""
        if self._images is None:
            self._images = self._generate(self.codes).reshape(len(self), *self._image_shape)
        images: torch.Tensor = self._images
        return images


def invert(
    network: Any,
    x: torch.Tensor,
    undetermined: Literal["raise", "nan"] = "raise",
    *,
    code_shape: Sequence[int] | None = None,
    pixels: Literal["0..1", "-1..1", "0..255"] | None = None,
    batch: int | None = None,
    first_index: int = 0,
    progress: bool = False,
    **options: Any,
) -> DifferentiableResult:
    """Find least-squares codes, differentiable by the observations and the weights.

    The codes are those of :func:`unrelu.invert` with method ``"best"``. A code is a local minimum
    of ``½‖G(z) − x‖²`` over the observed entries. Its derivative is that of this minimum, by the
    implicit function theorem, with the active units and the units on kinks as they are. With ``J``
    the Jacobian at ``z`` and no units on kinks, it is ``dz = (JᵀJ)⁻¹ Jᵀ dx`` for the observation.
    With a `prior` ``λ`` the minimum is that of ``½‖G(z) − x‖² + ½λ‖z‖²``, and ``JᵀJ + λI`` is in
    its place. Other minima, and the search for the lowest, have no part in it. The backward pass
    solves one system of size ``k`` per observation, and calls the module once for all. Second
    derivatives are not available.

    Parameters
    ----------
    network : torch.nn.Module, bound method of one, or unrelu.Network
        The generator. A module is read at each call, in eval mode, by
        :meth:`unrelu.Network.from_torch`. Its parameters that require a gradient get one. The
        weights of an ``unrelu.Network`` are constant. It must be dense: a network of operations,
        such as convolutions, is refused.
    x : torch.Tensor, shape (count, n) or (count, *image shape)
        The observations, NaN where unobserved. Such entries get the gradient 0.
    undetermined : str
        What the backward pass does where a code has no derivative, because the data do not
        determine it, or because it is no local minimum: ``"raise"`` an error, or return ``"nan"``
        as gradient of the observation and of all weights. Where the gradient with respect to the
        code is 0, neither happens: select
        ``codes[result.differentiable]`` to leave such codes out.
    code_shape : sequence of int, optional
        The shape of one code. By default, it is found from the module.
    pixels, batch, first_index, progress, epsilon, noise, prior, seed, starts, code_law, device, \
adapter, backend, threads : optional
        As in :func:`unrelu.invert`.

    Returns
    -------
    DifferentiableResult
        `codes` and `images` have gradients; all else is as in :class:`unrelu.Result`.

    Raises
    ------
    InputError, InputTypeError, DeviceError, KeyboardInterrupt
        As in :func:`unrelu.invert`. In the backward pass, an InputError where a code has no
        derivative.

    Examples
    --------
    >>> import torch, unrelu, unrelu.torch
    >>> network = unrelu.Network.random([5, 20, 60], seed=1)
    >>> x = torch.from_numpy(network.forward(network.random_codes(2, seed=1))).requires_grad_()
    >>> codes = unrelu.torch.invert(network, x).codes
    >>> codes.sum().backward()
    >>> x.grad.shape
    torch.Size([2, 60])
    """
    _check(x, undetermined, options)
    module = None
    if not isinstance(network, Network):
        module, network = network, Network.from_torch(network, code_shape)
    elif code_shape is not None:
        raise InputError(
            "option `code_shape`", "given with an unrelu.Network", "a module", "leave it out"
        )
    beyond = network._core.beyond_dense_relu()
    if beyond is not None:
        raise InputError(
            "network",
            f"a network with {beyond}",
            "dense layers with ReLU or LeakyReLU: derivatives of codes are computed for those",
            "use unrelu.invert, which returns codes without derivatives",
        )
    owner = getattr(module, "__self__", module)
    parameters = [] if owner is None else [one for one in owner.parameters() if one.requires_grad]

    with Inverter(network, **options) as inverter:
        rows = inverter._image_rows(x.detach(), pixels)
        # Codes in double precision, also for data in single: the kinks would be lost otherwise.
        core = inverter._core(rows.stored_as, False)
        found = _run(core.invert, rows, _batch_size(batch, 256), first_index, progress, "inverting")
    result = DifferentiableResult(found, rows, network, images_like_x=True)
    prior = float(options.get("prior") or 0.0)
    inversion = _Inversion(network, module, rows, result._codes, undetermined, first_index, prior)
    result._inversion = inversion
    result.codes = _Codes.apply(inversion, result.codes, x, *parameters)
    result._generate = _forward(network) if module is None else _module_forward(module, network)
    return result


def _check(x: Any, undetermined: str, options: dict[str, Any]) -> None:
    if not isinstance(x, torch.Tensor):
        raise InputTypeError("x", f"a {type(x).__name__}", "a torch.Tensor", "use unrelu.invert")
    if undetermined not in ("raise", "nan"):
        raise InputError(
            "option `undetermined`", repr(undetermined), '"raise" or "nan"', "change this argument"
        )
    for name, only in (("method", "best"), ("objective", "l2")):
        if options.get(name, only) != only:
            raise InputError(
                f"option `{name}`",
                repr(options[name]),
                f'"{only}": derivatives are those of least squares',
                "leave it out, or use unrelu.invert",
            )


class _Inversion:
    """What the backward pass needs, apart from tensors that torch keeps."""

    def __init__(
        self,
        network: Network,
        module: Any,
        rows: Rows,
        codes: np.ndarray,
        undetermined: str,
        first_index: int,
        prior: float,
    ) -> None:
        self.network, self.module, self.rows = network, module, rows
        self.codes = torch.from_numpy(codes)
        self.undetermined, self.first_index = undetermined, first_index
        self.prior = prior

    def values(self) -> torch.Tensor:
        """The observations in float64."""
        return torch.from_numpy(self.rows(0, self.rows.count))

    def differentiable(self) -> np.ndarray:
        """Whether each code has a derivative."""
        layers = as_layers(self.network.layers)
        none = torch.zeros_like(self.codes)
        reasons = adjoint(layers, self.codes, self.values(), none, self.prior).reasons
        return np.array([row not in reasons for row in range(len(self.codes))], dtype=bool)

    def adjoint(self, x: torch.Tensor, v: torch.Tensor) -> Adjoint:
        """Solve the systems of the observations whose code has a gradient."""
        found = adjoint(as_layers(self.network.layers), self.codes, x, v, self.prior)
        wanted = v.ne(0).any(dim=1)
        found.reasons = {row: why for row, why in found.reasons.items() if bool(wanted[row])}
        if found.reasons and self.undetermined == "raise":
            row, why = min(found.reasons.items())
            raise InputError(
                f"the gradient of code {self.first_index + row}",
                f"{why} ({len(found.reasons)} of {len(x)} codes have no derivative)",
                "a strict local minimum, which has a derivative",
                'leave these codes out of the loss, or pass undetermined="nan"',
            )
        found.pins = [pin for pin in found.pins if pin.observation not in found.reasons]
        return found

    def weight_gradients(
        self, found: Adjoint, x: torch.Tensor, parameters: Sequence[torch.Tensor]
    ) -> Sequence[torch.Tensor | None]:
        """The gradients of ``−⟨w, ∇f + Bᵀμ⟩ − ⟨ν, a⟩``, through the module itself."""
        like = parameters[0]
        # The module computes on the side of the lower slopes, far enough from kinks to round there.
        away = 1e3 * torch.finfo(like.dtype).eps
        codes = torch.where(torch.isfinite(self.codes), self.codes, 0.0) + away * found.off_kinks
        codes = codes.to(like).reshape(-1, *self.network.code_shape)
        layers = as_layers(self.network.layers)
        units = sorted({(pin.layer, pin.unit) for pin in found.pins})
        where = places(self.module, codes, layers, units) if units else {}
        with torch.enable_grad():
            codes.requires_grad_()
            if units:
                output, results = record(self.module, codes)
            else:
                output, results = self.module(codes), []
            target = x.to(like)
            error = torch.where(torch.isnan(target), 0.0, output.reshape(target.shape) - target)
            lagrangian, held = (error**2).sum() / 2, torch.zeros_like(error[0, 0])
            for pin in found.pins:
                a = _pre_activation(where.get((pin.layer, pin.unit)), results, pin, away)
                lagrangian = lagrangian + pin.multiplier * a
                held = held + pin.change * a
            (gradient,) = torch.autograd.grad(lagrangian, codes, create_graph=True)
            value = -(gradient.flatten(1) * found.w.to(like)).sum() - held
        gradients: Sequence[torch.Tensor | None] = torch.autograd.grad(
            value, parameters, allow_unused=True
        )
        return gradients


def _pre_activation(place: Any, results: list[torch.Tensor], pin: Any, away: float) -> torch.Tensor:
    """The pre-activation of a pinned unit as the module computes it."""
    if place is not None:
        number, entry, factor = place
        a: torch.Tensor = results[number][pin.observation, entry] / factor
        if -1.5 * away * pin.size <= float(a.detach()) <= -0.5 * away * pin.size:
            return a
    raise InputError(
        f"the gradient of the weights at observation {pin.observation}",
        f"unit {pin.unit} of layer {pin.layer + 1} on its kink, whose pre-activation is no result "
        "of a function that the module calls",
        "a module that computes pre-activations as tensors",
        "write the module with nn.Linear and nn.ReLU, or without compilation",
    )


class _Codes(torch.autograd.Function):
    """The codes as a function of the observations and the parameters."""

    @staticmethod
    def forward(
        ctx: Any, inversion: _Inversion, codes: torch.Tensor, x: torch.Tensor, *parameters: torch.Tensor
    ) -> torch.Tensor:
        ctx.inversion = inversion
        # torch then refuses a backward pass after the values have changed.
        ctx.save_for_backward(x, *parameters)
        return codes.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v: torch.Tensor) -> tuple[Any, ...]:
        inversion = ctx.inversion
        x, *parameters = ctx.saved_tensors
        values = inversion.values()
        found = inversion.adjoint(values, v.detach().cpu().double().flatten(1))
        bad = sorted(found.reasons)
        x_gradient = None
        if ctx.needs_input_grad[2]:
            found.x_gradient[bad] = torch.nan
            found.x_gradient[torch.isnan(values)] = 0.0
            x_gradient = found.x_gradient.to(x).reshape(x.shape)
        gradients: list[torch.Tensor | None] = [None] * len(parameters)
        if parameters and any(ctx.needs_input_grad[3:]):
            gradients = list(inversion.weight_gradients(found, values, parameters))
            if bad:
                gradients = [
                    None if one is None else torch.full_like(one, torch.nan) for one in gradients
                ]
        return None, None, x_gradient, *gradients


def _module_forward(module: Any, network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    """The module on codes of any type, with the image in the type of the codes."""

    def generate(codes: torch.Tensor) -> torch.Tensor:
        owner = getattr(module, "__self__", module)
        like = next((one for one in owner.parameters() if one.is_floating_point()), codes)
        images: torch.Tensor = module(codes.to(like).reshape(-1, *network.code_shape))
        return images.to(codes)

    return generate


def _forward(network: Network) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as functions of torch."""

    def generate(codes: torch.Tensor) -> torch.Tensor:
        h = codes.flatten(1)
        for weight, bias, activation in as_layers(network.layers):
            a = h @ weight.to(h).T + bias.to(h)
            kind, _, slope = activation.partition(":")
            if kind == "leaky_relu":
                h = torch.nn.functional.leaky_relu(a, float(slope))
            else:
                h = a if kind == "identity" else getattr(torch, kind)(a)
        return h

    return generate
