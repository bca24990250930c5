"""Modules of torch, made from the descriptions of ``random_chains``."""

import torch
import torch.nn.functional as F
from torch import nn


class Scale(nn.Module):
    """A factor and a shift, per channel or for all."""

    def __init__(self, step):
        super().__init__()
        for name in ("weight", "bias"):
            value = step.numbers.get(name)
            if name in step.arrays:
                self.register_buffer(name, torch.from_numpy(step.arrays[name]))
            else:
                setattr(self, name, value)

    def forward(self, x):
        for name in ("weight", "bias"):
            value = getattr(self, name)
            if isinstance(value, torch.Tensor):
                value = value.reshape(1, -1, *[1] * (x.ndim - 2))
            if value is not None:
                x = x * value if name == "weight" else x + value
        return x


class Function(nn.Module):
    """A function of torch.nn.functional with its arguments."""

    def __init__(self, function, *arguments, **options):
        super().__init__()
        self.function, self.arguments, self.options = function, arguments, options

    def forward(self, x):
        return self.function(x, *self.arguments, **self.options)


def _filled(module, **arrays):
    with torch.no_grad():
        for name, array in arrays.items():
            if array is not None:
                getattr(module, name).copy_(torch.from_numpy(array))
    return module


def _part(step, shape, as_function):
    """The module of one step, whose input has this shape; some activations also as a function."""
    n, a = step.numbers, step.arrays
    weight, bias = a.get("weight"), a.get("bias")
    match step.kind:
        case "linear":
            part = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
            return _filled(part.double(), weight=weight, bias=bias)
        case "convolution":
            part = nn.Conv2d(
                shape[0], weight.shape[0], weight.shape[2:], n["stride"], n["padding"], n["dilation"],
                n["groups"], bias is not None,
            )
            return _filled(part.double(), weight=weight, bias=bias)
        case "transposed":
            part = nn.ConvTranspose2d(
                shape[0], weight.shape[1] * n["groups"], weight.shape[2:], n["stride"], n["padding"],
                n["output_padding"], n["groups"], bias is not None, n["dilation"],
            )
            return _filled(part.double(), weight=weight, bias=bias)
        case "norm":
            kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
            part = kind(shape[0], n["eps"], affine=weight is not None).double()
            statistics = {"running_mean": a["mean"], "running_var": a["variance"]}
            return _filled(part, weight=weight, bias=bias, **statistics)
        case "scale":
            return Scale(step)
        case "upsampling":
            corners = n["corners"] if n["mode"] == "bilinear" else None
            if "factors" in n:
                return nn.Upsample(scale_factor=n["factors"], mode=n["mode"], align_corners=corners)
            return nn.Upsample(n["size"], mode=n["mode"], align_corners=corners)
        case "pooling":
            return nn.AvgPool2d(
                n["kernel"], n["stride"], n["padding"], n["ceil"], n["counts_padding"], n["divisor"]
            )
        case "parts":
            return nn.AdaptiveAvgPool2d(n["size"])
        case "reshape":
            if len(n["shape"]) == 1:
                return nn.Flatten()
            return nn.Unflatten(1, n["shape"]) if len(shape) == 1 else Reshape(n["shape"])
        case "prelu" | "prelu_channels":
            return _filled(nn.PReLU(len(a["slopes"])).double(), weight=a["slopes"])
        case "leaky":
            return Function(F.leaky_relu, n["slope"]) if as_function else nn.LeakyReLU(n["slope"])
        case "elu":
            return Function(F.elu, n["alpha"]) if as_function else nn.ELU(n["alpha"])
        case "elu_one":
            return nn.ELU()
        case "hardtanh":
            if as_function:
                return Function(torch.clamp, n["low"], n["high"])
            return nn.Hardtanh(n["low"], n["high"])
        case "softplus":
            if as_function:
                return Function(F.softplus, **n)
            return nn.Softplus(**n)
        case "gelu_tanh":
            return Function(F.gelu, approximate="tanh") if as_function else nn.GELU("tanh")
    module, function = {
        "relu": (nn.ReLU, F.relu), "selu": (nn.SELU, F.selu), "silu": (nn.SiLU, F.silu),
        "gelu": (nn.GELU, F.gelu), "relu6": (nn.ReLU6, F.relu6), "tanh": (nn.Tanh, torch.tanh),
        "sigmoid": (nn.Sigmoid, torch.sigmoid), "identity": (nn.Identity, torch.clone),
    }[step.kind]
    return Function(function) if as_function else module()


class Reshape(nn.Module):
    """Another shape of the same entries."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape)


def module_of(description):
    """The torch module, float64, in eval mode."""
    parts, x = [], torch.zeros(1, *description.input, dtype=torch.float64)
    for number, step in enumerate(description.steps):
        part = _part(step, tuple(x.shape[1:]), number % 3 == 2).eval()
        with torch.no_grad():
            x = part(x)
        parts.append(part)
    assert tuple(x.shape[1:]) == description.output, (x.shape, description)
    return nn.Sequential(*parts).eval()
