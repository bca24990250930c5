"""The derivative of a least-squares code with respect to the observation and the weights.

Let ``f(z) = ½‖G(z) − x‖²`` over the observed entries, and ``z`` a local minimum of it. Units that
are *pinned* have the pre-activation 0 there, held by multipliers ``μ``. Near the minimum the other
units keep their side, so ``z`` minimises a smooth ``f`` on ``a(z) = 0``, where ``a`` are the
pre-activations of the pinned units, and with ``B = ∂a/∂z``

    ∇f + Bᵀμ = 0,    a = 0.

Here ``f`` is continued across the kinks of the pinned units with their lower slope (that of
negative pre-activations). Another slope would change ``μ`` and not ``z``. Differentiating gives

    ⎡H  Bᵀ⎤ ⎡dz⎤     ⎡d(∇f + Bᵀμ)⎤
    ⎣B  0 ⎦ ⎣dμ⎦ = − ⎣     da     ⎦      (on the right: z and μ constant),

with ``H = JᵀJ``. For a sigmoid or tanh output ``H = Aᵀ diag(g'² + r g'') A``, where ``A`` is the
Jacobian of the last pre-activations, ``g`` the output function and ``r = G(z) − x``. For a gradient
``v`` with respect to ``z``, the backward pass needs one solution of the transposed system:

    w = (P H P + t(I − P))⁻¹ P v,    ν = (Bᵀ)⁺ (v − H w),

with ``P = I − B⁺B``, the projection onto the null space of ``B``, and any ``t > 0``. It is one
``k`` x ``k`` system per observation. A prior adds ``½λ‖z‖²`` to ``f``: ``λz`` to ``∇f`` and ``λI``
to ``H``. It does not depend on the observation or the weights. The gradient with respect to the
observation is ``J w``, and that with respect to the weights ``θ`` is that of ``−⟨w, ∇f + Bᵀμ⟩ − ⟨ν,
a⟩``, with ``z``, ``w``, ``μ`` and ``ν`` constant.

The inverse exists and ``z`` is a strict local minimum if ``P H P`` is positive definite on the null
space of ``B`` and the rows of ``B`` are independent. Otherwise there is no derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Layers = Sequence[tuple[torch.Tensor, torch.Tensor, str]]

# A pre-activation below this share of the terms that it is the sum of is that of a kink. The
# minimum is exact to rounding, about 1e-15.
_KINK = 1e-11
# The largest gradient at a minimum, as a share of ‖J‖ ‖x‖.
_STATIONARY = 1e-5
# The smallest pivot of the scaled matrix P H P + t(I − P).
_PIVOT = 1e-13
_NUMBERS_AT_A_TIME = 1 << 23


@dataclass
class Pin:
    """A pinned unit at the minimum of one observation.

    Attributes
    ----------
    observation, layer, unit : int
        Where it is.
    size : float
        Sum of the absolute terms of its pre-activation.
    multiplier, change : float
        ``μ`` and ``ν``.
    """

    observation: int
    layer: int
    unit: int
    size: float
    multiplier: float
    change: float = 0.0


@dataclass
class Adjoint:
    """The solution of the transposed system for each observation of a batch.

    Attributes
    ----------
    w : torch.Tensor, shape (count, k)
        0 where there is no derivative.
    x_gradient : torch.Tensor, shape (count, n)
        ``J w``, and 0 for entries that were not observed.
    off_kinks : torch.Tensor, shape (count, k)
        The direction in which every pinned pre-activation falls by its `size`.
    pins : list of Pin
    reasons : dict of int to str
        Why an observation has no derivative.
    """

    w: torch.Tensor
    x_gradient: torch.Tensor
    off_kinks: torch.Tensor
    pins: list[Pin] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)


def as_layers(layers: Sequence[tuple[Any, Any, str]]) -> Layers:
    """The layers of an ``unrelu.Network`` as tensors of float64."""
    return [(torch.from_numpy(weight), torch.from_numpy(bias), act) for weight, bias, act in layers]


def lower_slope(activation: str) -> float | None:
    """The slope of negative pre-activations, or None for an activation without a kink."""
    kind, _, slope = activation.partition(":")
    if kind == "relu":
        return 0.0
    return float(slope) if kind == "leaky_relu" else None


def adjoint(
    layers: Layers, codes: torch.Tensor, x: torch.Tensor, v: torch.Tensor, prior: float = 0.0
) -> Adjoint:
    """Solve the transposed system at minima.

    Parameters
    ----------
    layers : sequence of (weight, bias, activation)
        The network, float64.
    codes : torch.Tensor, shape (count, k), float64
        The minima. Rows that are not finite have no derivative.
    x : torch.Tensor, shape (count, n), float64
        The observations, NaN where unobserved.
    v : torch.Tensor, shape (count, k), float64
        The gradient with respect to the codes.
    prior : float
        ``λ``.
    """
    count, k = codes.shape
    whole = Adjoint(torch.zeros_like(codes), torch.zeros_like(x), torch.zeros_like(codes))
    per_observation = k * sum(len(bias) for _, bias, _ in layers)
    size = max(1, _NUMBERS_AT_A_TIME // per_observation)
    for start in range(0, count, size):
        rows = slice(start, min(start + size, count))
        finite = torch.isfinite(codes[rows]).all(dim=1)
        part = _adjoint(layers, torch.where(finite[:, None], codes[rows], 0.0), x[rows], v[rows], prior)
        for row in torch.nonzero(~finite).flatten().tolist():
            part.reasons[row] = "no code"
        for row in part.reasons:
            part.w[row] = part.x_gradient[row] = part.off_kinks[row] = 0.0
        whole.w[rows], whole.x_gradient[rows] = part.w, part.x_gradient
        whole.off_kinks[rows] = part.off_kinks
        whole.reasons.update({start + row: why for row, why in part.reasons.items()})
        for pin in part.pins:
            if pin.observation not in part.reasons:
                pin.observation += start
                whole.pins.append(pin)
    return whole


def _adjoint(
    layers: Layers, codes: torch.Tensor, x: torch.Tensor, v: torch.Tensor, prior: float
) -> Adjoint:
    count, k = codes.shape
    observed = ~torch.isnan(x)
    x = torch.where(observed, x, 0.0)
    identity = torch.eye(k, dtype=codes.dtype).expand(count, k, k)

    # Forwards: units h, their Jacobians, and those of the pre-activations.
    h, jacobian = codes, identity
    slopes, sizes, kinks, gradients = [], [], [], []
    for weight, bias, activation in layers:
        a = h @ weight.T + bias
        gradient = weight @ jacobian
        lower = lower_slope(activation)
        if lower is None:
            h, slope, curvature = _smooth(activation, a)
            size, at_kink = torch.zeros_like(a), torch.zeros_like(a, dtype=torch.bool)
        else:
            size = h.abs() @ weight.abs().T + bias.abs()
            at_kink = (a.abs() <= _KINK * size) & (gradient.abs().amax(dim=2) > 0)
            slope = torch.where((a > 0) & ~at_kink, 1.0, lower)
            h, curvature = slope * a, torch.zeros_like(a)
        jacobian = slope[:, :, None] * gradient
        slopes.append(slope)
        sizes.append(size)
        kinks.append(at_kink)
        gradients.append(gradient)

    residual = torch.where(observed, h - x, 0.0)
    jacobian = torch.where(observed[:, :, None], jacobian, 0.0)
    bend = torch.where(observed, slopes[-1] ** 2 + residual * curvature, 0.0)
    hessian = gradients[-1].mT @ (bend[:, :, None] * gradients[-1])
    downhill = -(jacobian.mT @ residual[:, :, None])[:, :, 0] - prior * codes
    hessian = hessian + prior * identity
    x_size = torch.linalg.vector_norm(x, dim=1)
    gradient_size = torch.linalg.vector_norm(jacobian, dim=(1, 2)) * x_size
    gradient_size = gradient_size + prior * torch.linalg.vector_norm(codes, dim=1)

    # Backwards: the jump of the slope of f at each kink. A kink with a jump holds its unit.
    # With a prior, a unit may be held on its kink by the prior alone.
    fits = (torch.linalg.vector_norm(residual, dim=1) <= 1e-10 * x_size) & (prior == 0.0)
    found = Adjoint(torch.zeros_like(codes), torch.zeros_like(x), torch.zeros_like(codes))
    held: dict[int, list[tuple[int, int, float]]] = {}
    force = residual
    for number in reversed(range(len(layers))):
        weight, _, activation = layers[number]
        lower = lower_slope(activation)
        if lower is not None:
            jump = (1.0 - lower) * force
            holds = kinks[number] & (jump > 1e-9 * force.abs().amax(dim=1, keepdim=True))
            for row, unit in torch.nonzero(holds & ~fits[:, None]).tolist():
                held.setdefault(row, []).append((number, unit, float(jump[row, unit])))
        force = (force * slopes[number]) @ weight

    projection, pseudo = identity.clone(), {}
    for row, units in held.items():
        b = torch.stack([gradients[number][row, unit] for number, unit, _ in units])
        rank = int(torch.linalg.matrix_rank(b / torch.linalg.vector_norm(b, dim=1, keepdim=True)))
        if rank < len(units):
            found.reasons[row] = f"{len(units)} units on kinks with dependent gradients"
            continue
        inverse = torch.linalg.pinv(b)
        multipliers = inverse.T @ downhill[row]
        downhill[row] -= b.T @ multipliers
        projection[row] -= inverse @ b
        pseudo[row] = inverse
        lengths = torch.tensor([float(sizes[number][row, unit]) for number, unit, _ in units])
        found.off_kinks[row] = -inverse @ lengths.to(b)
        for (number, unit, top), length, multiplier in zip(
            units, lengths.tolist(), multipliers.tolist()
        ):
            found.pins.append(Pin(row, number, unit, length, multiplier))
            if not -1e-6 * top <= multiplier <= (1 + 1e-6) * top:
                found.reasons[row] = "a code that is no local minimum"
    steep = torch.linalg.vector_norm(downhill, dim=1) > _STATIONARY * gradient_size
    for row in torch.nonzero(steep).flatten().tolist():
        found.reasons[row] = "a code that is no local minimum"

    # The one system per observation, scaled to ones on the diagonal.
    mean = hessian.diagonal(dim1=1, dim2=2).mean(dim=1).abs()[:, None, None]
    system = projection @ hessian @ projection + mean * (identity - projection)
    system = (system + system.mT) / 2
    scale = system.diagonal(dim1=1, dim2=2).abs().sqrt()
    scale = torch.where(scale > 0, scale, 1.0)
    factor, info = torch.linalg.cholesky_ex(system / (scale[:, :, None] * scale[:, None, :]))
    pivots = factor.diagonal(dim1=1, dim2=2).amin(dim=1) ** 2
    for row in torch.nonzero((info != 0) | ~(pivots > _PIVOT)).flatten().tolist():
        found.reasons.setdefault(row, "a code that the data do not determine")
    right = (projection @ v[:, :, None]) / scale[:, :, None]
    found.w = (torch.cholesky_solve(right, factor) / scale[:, :, None])[:, :, 0]
    found.w = (projection @ found.w[:, :, None])[:, :, 0]
    found.x_gradient = (jacobian @ found.w[:, :, None])[:, :, 0]
    left = v - (hessian @ found.w[:, :, None])[:, :, 0]
    for row, inverse in pseudo.items():
        own = [pin for pin in found.pins if pin.observation == row]
        for pin, change in zip(own, (inverse.T @ left[row]).tolist()):
            pin.change = change
    return found


def _smooth(activation: str, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, slopes and second derivatives of an output function without kinks."""
    if activation == "sigmoid":
        value = torch.sigmoid(a)
        slope = value * (1 - value)
        return value, slope, slope * (1 - 2 * value)
    if activation == "tanh":
        value = torch.tanh(a)
        slope = 1 - value**2
        return value, slope, -2 * value * slope
    if activation != "identity":
        raise AssertionError(f"no derivatives of {activation}")
    return a, torch.ones_like(a), torch.zeros_like(a)
