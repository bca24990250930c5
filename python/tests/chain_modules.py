"""Generators that are chains: convolutions, resampling, normalization, many activations."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations


IMAGE, FLAT = (3, 4, 5), (6,)


class Call(nn.Module):
    """Submodules, and a function of them and the codes."""

    def __init__(self, function, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, z):
        return self.function(z, *self.parts)


def dcgan(features=4, channels=3, code=10):
    """The generator of PyTorch's DCGAN example."""
    sizes = [code, features * 8, features * 4, features * 2, features]
    layers = []
    for number, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        stride, padding = (1, 0) if number == 0 else (2, 1)
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(True),
        ]
    layers += [nn.ConvTranspose2d(features, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


class ConvVae(nn.Module):
    """An autoencoder whose decoder has Linear, Unflatten, BatchNorm before and after a ReLU."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10)
        )
        self.fc = nn.Linear(5, 4 * 3 * 3)
        self.decoder = nn.Sequential(
            nn.BatchNorm1d(36),
            nn.Unflatten(1, (4, 3, 3)),
            nn.ReLU(),
            nn.BatchNorm2d(4, eps=1e-3),
            nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Dropout2d(0.3),
            nn.ConvTranspose2d(6, 1, 3, 2),
        )

    def decode(self, z):
        return torch.sigmoid(self.decoder(F.leaky_relu(self.fc(z), 0.1)))

    def forward(self, x):
        return self.decode(self.encoder(x)[:, :5])


class ResizeDecoder(nn.Module):
    """Upsampling and convolutions, as functions."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3 * 4 * 5)
        self.a, self.b = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 2, (3, 2), padding=(1, 0))

    def forward(self, z):
        h = F.elu(self.fc(z)).view(z.size(0), 3, 4, 5)
        h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=True)
        h = F.leaky_relu_(self.a(h), 0.3)
        h = F.interpolate(h, size=(11, 13))
        return (torch.tanh(self.b(h)) + 1) / 2


class Standardized(nn.Module):
    """A mean image, a standard deviation per channel and pixels in 0 to 255."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.SiLU())
        self.register_buffer("mean", torch.randn(2, 4, 5))
        self.register_buffer("std", torch.rand(1, 2, 1, 1) + 0.5)

    def forward(self, z):
        return 255 - 128 * (self.net(z) * self.std + self.mean) / 3


def activated(*activations, channels=4):
    """Convolutions with activations between them, codes (3, 4, 5)."""
    layers, inputs = [], 3
    for activation in activations:
        layers += [nn.Conv2d(inputs, channels, 3, padding=1), activation]
        inputs = channels
    return nn.Sequential(*layers, nn.Conv2d(inputs, 2, 2))


def resampled(part):
    """Followed by an activation that dense layers do not have."""
    return nn.Sequential(part, nn.SiLU())


def slopes(count):
    activation = nn.PReLU(count)
    activation.weight.data.copy_(torch.linspace(-0.2, 1.3, count))
    return activation


def old_norms():
    model = activated(nn.ReLU())
    torch.nn.utils.weight_norm(model[0])
    torch.nn.utils.spectral_norm(model[2])
    for _ in range(30):  # As in training: each call improves the singular vectors.
        model(torch.randn(2, *IMAGE))
    return model


def swish(x):
    return x * torch.sigmoid(x)


def without_autocast(z, conv):
    with torch.autocast("cpu", enabled=False):
        return torch.relu(conv(z.float() if z.dtype == torch.float32 else z)) * 0.5


# The module, the shape of a code, and the operations that are expected where they are not many.
READ = {
    "dcgan": (dcgan, (10, 1, 1), None),
    "vae.decode": (ConvVae, (5,), None),
    "resize decoder": (ResizeDecoder, (4,), None),
    "conv, odd": (lambda: nn.Conv2d(3, 5, (3, 2), (2, 3), (2, 1), (1, 2)), IMAGE, ["conv2d"]),
    "conv, groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 5, 3), ["conv2d"]),
    "conv, depthwise": (lambda: nn.Conv2d(3, 6, 2, groups=3, bias=False), IMAGE, ["conv2d"]),
    "conv, same": (lambda: nn.Conv2d(3, 2, 3, padding="same", dilation=2), (3, 6, 5), ["conv2d"]),
    "conv, same, even": (lambda: nn.Conv2d(3, 2, (2, 4), padding="same"), IMAGE, ["conv2d"] * 2),
    "conv, valid": (lambda: nn.Conv2d(3, 2, 3, padding="valid"), IMAGE, ["conv2d"]),
    "transposed, odd": (
        lambda: nn.ConvTranspose2d(3, 5, (3, 4), (3, 2), (1, 2), (2, 0), dilation=(1, 2)), IMAGE,
        ["conv_transpose2d"],
    ),
    "transposed, groups": (
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, bias=False), (4, 3, 5),
        ["conv_transpose2d"],
    ),
    "transposed, output size": (
        lambda: Call(lambda z, up: up(z, output_size=(8, 10)), nn.ConvTranspose2d(3, 2, 3, 2, 1)),
        IMAGE, ["conv_transpose2d"],
    ),
    "zero pad, equal": (
        lambda: nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 2, 3, 2, 1)), IMAGE, ["conv2d"]
    ),
    "zero pad, unequal": (
        lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 2, 3, 2)), IMAGE,
        ["conv2d", "conv2d"],
    ),
    "crops and pads": (
        lambda: resampled(nn.Sequential(
            nn.ZeroPad2d((-1, 1, 0, 1)), nn.ZeroPad2d((1, -1, 0, 1)), nn.ZeroPad2d((1, 0, -1, -2))
        )), IMAGE, None,
    ),
    "padded and cropped output": (
        lambda: Call(lambda z, c: F.pad(torch.sigmoid(c(z))[:, :, 1:, :-2], (1, 2)), nn.Conv2d(3, 2, 2)),
        IMAGE, ["conv2d", "sigmoid", "conv2d", "conv2d"],
    ),
    "crop of 32 to 28": (
        lambda: Call(lambda z, c: torch.tanh(c(z)[..., 2:-2, 2:-2]), nn.ConvTranspose2d(3, 1, 4, 2)),
        IMAGE, ["conv_transpose2d", "conv2d", "tanh"],
    ),
    "nearest, factors": (
        lambda: resampled(nn.Upsample(scale_factor=(1.5, 2.6))), IMAGE, ["upsample", "silu"]
    ),
    "nearest, factors without effect": (
        lambda: resampled(nn.Upsample(scale_factor=(1.1, 2.35))), (2, 5, 2), ["upsample", "silu"]
    ),
    "bilinear, factor without effect": (
        lambda: resampled(nn.Upsample(scale_factor=(2.1, 1.1), mode="bilinear")), (2, 3, 5),
        ["upsample", "silu"],
    ),
    "nearest, size": (
        lambda: resampled(nn.UpsamplingNearest2d(size=(7, 13))), IMAGE, ["upsample", "silu"]
    ),
    "nearest, exact": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=3, mode="nearest-exact"), nn.ReLU6()), IMAGE,
        ["upsample", "relu6"],
    ),
    "bilinear, factor": (
        lambda: resampled(nn.Upsample(scale_factor=1.7, mode="bilinear")), IMAGE,
        ["upsample", "silu"],
    ),
    "bilinear, size": (
        lambda: resampled(nn.Upsample((3, 9), mode="bilinear")), IMAGE, ["upsample", "silu"]
    ),
    "bilinear, aligned": (
        lambda: resampled(nn.Upsample((9, 1), mode="bilinear", align_corners=True)), IMAGE,
        ["upsample", "silu"],
    ),
    "average pool": (
        lambda: resampled(
            nn.AvgPool2d((3, 2), (2, 1), (1, 0), ceil_mode=True, count_include_pad=False)
        ), (2, 6, 5), ["avg_pool2d", "silu"],
    ),
    "average pool, counted": (
        lambda: resampled(nn.AvgPool2d(3, 2, 1, ceil_mode=True)), (2, 6, 5), ["avg_pool2d", "silu"]
    ),
    "average pool, divisor": (
        lambda: resampled(nn.AvgPool2d(2, divisor_override=3)), (2, 5, 4), ["avg_pool2d", "silu"]
    ),
    "adaptive pool": (
        lambda: resampled(nn.AdaptiveAvgPool2d((3, 2))), (2, 7, 5), ["adaptive_avg_pool2d", "silu"]
    ),
    "global pool": (
        lambda: Call(lambda z, a, b: b(a(z).mean((2, 3))), nn.Conv2d(3, 4, 2), nn.Linear(4, 7)),
        IMAGE, ["conv2d", "adaptive_avg_pool2d", "reshape", "linear"],
    ),
    "batch norms": (
        lambda: activated(nn.Sequential(nn.BatchNorm2d(4), nn.ELU(), nn.BatchNorm2d(4, affine=False))),
        IMAGE, ["conv2d", "batch_norm", "elu", "batch_norm", "conv2d"],
    ),
    "batch norm of a line": (
        lambda: nn.Sequential(nn.Linear(6, 6), nn.SELU(), nn.Unflatten(1, (2, 3)), nn.BatchNorm1d(2)),
        FLAT, ["linear", "selu", "reshape", "batch_norm"],
    ),
    "instance norm, stored": (
        lambda: activated(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)), IMAGE,
        ["conv2d", "batch_norm", "conv2d"],
    ),
    "prelu per channel": (lambda: activated(slopes(4)), IMAGE, ["conv2d", "prelu", "conv2d"]),
    "prelu, flat": (
        lambda: nn.Sequential(nn.Linear(6, 9), slopes(9), nn.Linear(9, 4)), FLAT,
        ["linear", "prelu", "linear"],
    ),
    "leaky slopes": (
        lambda: activated(
            nn.LeakyReLU(1.5), nn.PReLU(), nn.RReLU(), nn.LeakyReLU(0.0), nn.LeakyReLU(-0.5),
            nn.PReLU(init=-0.3),
        ), IMAGE, None,
    ),
    "elu": (lambda: activated(nn.ELU(0.7), nn.CELU(1.6), nn.SELU()), IMAGE, None),
    "softplus": (lambda: activated(nn.Softplus(), nn.Softplus(2.5, 4)), IMAGE, None),
    "silu and gelu": (
        lambda: activated(nn.SiLU(), nn.GELU(), nn.GELU("tanh")), IMAGE,
        ["conv2d", "silu", "conv2d", "gelu", "conv2d", "gelu", "conv2d"],
    ),
    "hard": (
        lambda: activated(nn.Hardtanh(-0.7, 0.4), nn.ReLU6(), nn.Hardsigmoid(), nn.Threshold(-0.3, -0.3)),
        IMAGE, None,
    ),
    "swish by hand": (
        lambda: Call(lambda z, a: swish(a(z)), nn.Conv2d(3, 2, 3)), IMAGE, ["conv2d", "silu"]
    ),
    "clamps": (
        lambda: Call(
            lambda z, a: torch.maximum(a(z).clamp(-0.3, 0.6).clamp_max(0.5), torch.tensor(-0.2)) + 1,
            nn.Conv2d(3, 2, 3),
        ), IMAGE, None,
    ),
    "no clamp": (
        lambda: Call(lambda z, a: ((a(z).tanh() + 1) * 0.5).clamp(0, 1), nn.Conv2d(3, 2, 3)), IMAGE,
        ["conv2d", "scale", "sigmoid"],
    ),
    "sigmoid as tanh": (
        lambda: Call(lambda z, a: torch.sigmoid(a(z)).flatten(1) * 2 - 1, nn.Conv2d(3, 2, 3)), IMAGE,
        ["conv2d", "scale", "tanh", "reshape"],
    ),
    "image in 0 to 255": (
        lambda: Call(lambda z, a: torch.sigmoid(a(z)) * 255, nn.Linear(6, 5)), FLAT,
        ["linear", "sigmoid", "scale"],
    ),
    "hidden tanh": (
        lambda: nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 5), nn.Sigmoid()), FLAT,
        ["linear", "tanh", "linear", "sigmoid"],
    ),
    "standardized": (Standardized, IMAGE, None),
    "csgm": (
        lambda: nn.Sequential(
            nn.Linear(6, 9), nn.Softplus(), nn.Linear(9, 9), nn.Softplus(), nn.Linear(9, 8), nn.Sigmoid()
        ), FLAT, ["linear", "softplus", "linear", "softplus", "linear", "sigmoid"],
    ),
    "matrix products": (
        lambda: Call(
            lambda z, a, b: torch.addmm(b.bias, F.gelu(torch.einsum("bi,oi->bo", z, a.weight)), b.weight.T),
            nn.Linear(6, 9), nn.Linear(9, 4),
        ), FLAT, ["linear", "gelu", "linear"],
    ),
    "weight norm": (
        lambda: nn.Sequential(
            parametrizations.weight_norm(nn.ConvTranspose2d(3, 4, 3, 2), dim=1), nn.LeakyReLU(0.2),
            parametrizations.spectral_norm(nn.Conv2d(4, 2, 2)),
        ), IMAGE, ["conv_transpose2d", "leaky_relu", "conv2d"],
    ),
    "norms by hooks": (old_norms, IMAGE, ["conv2d", "relu", "conv2d"]),
    "pixel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2), nn.PixelUnshuffle(4)),
        (3, 4, 6), ["conv2d", "conv_transpose2d", "conv2d"],
    ),
    "channels": (
        lambda: Call(
            lambda z, a: torch.relu(a(z)[:, [3, 0, 5]]).flip(1)[:, 1:].squeeze(), nn.Conv2d(3, 6, 2)
        ), IMAGE, ["conv2d", "conv2d", "relu", "conv2d", "conv2d"],
    ),
    "channel shuffle by hand": (
        lambda: Call(
            lambda z, a: a(z).view(-1, 2, 3, 3, 4).transpose(1, 2).reshape(-1, 6, 3, 4).sigmoid(),
            nn.Conv2d(3, 6, 2),
        ), IMAGE, ["conv2d", "conv2d", "sigmoid"],
    ),
    "pixel shuffle by hand": (
        lambda: Call(
            lambda z, a: a(z).view(-1, 2, 2, 2, 3, 4).permute(0, 1, 4, 2, 5, 3).reshape(-1, 2, 6, 8),
            nn.Conv2d(3, 8, 2),
        ), IMAGE, ["conv2d", "conv_transpose2d"],
    ),
    "rows and columns back": (
        lambda: Call(lambda z, a: a(z).permute(0, 2, 3, 1).permute(0, 3, 1, 2), nn.Conv2d(3, 8, 2)),
        IMAGE, ["conv2d"],
    ),
    "repeated": (
        lambda: Call(
            lambda z, a: a(z[:, :, None, None].expand(-1, -1, 3, 4).repeat_interleave(2, 3)).tanh(),
            nn.Conv2d(6, 2, 2),
        ), FLAT, ["reshape", "upsample", "upsample", "conv2d", "tanh"],
    ),
    "reshapes": (
        lambda: Call(
            lambda z, a: a(z.reshape(-1, 6, 1, 1).squeeze(3).view(len(z), 3, 2).unsqueeze(-1)).contiguous(),
            nn.Conv2d(3, 4, (2, 1)),
        ), FLAT, ["reshape", "conv2d"],
    ),
    "functions": (
        lambda: Call(
            lambda z, a, b: F.conv_transpose2d(
                F.celu(F.conv2d(-z, a.weight, a.bias, stride=(1, 2), dilation=(2, 1)), 0.5) - 1,
                b.weight, None, 2, 1, (1, 0),
            ), nn.Conv2d(3, 4, 2), nn.ConvTranspose2d(4, 2, 3),
        ), (3, 5, 6), None,
    ),
    "autocast off": (lambda: Call(without_autocast, nn.Conv2d(3, 2, 2)), IMAGE, None),
}

def prepared(factory, dtype=torch.float64, seed=0):
    """A module in eval mode with random parameters and statistics; `decode` where it has one."""
    torch.manual_seed(seed)
    module = factory()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._NormBase) and part.running_mean is not None:
                part.running_mean.normal_()
                part.running_var.uniform_(0.2, 2.0)
                if part.affine:
                    part.weight.normal_()
                    part.bias.normal_()
    module = module.to(dtype).eval()
    return module.decode if hasattr(module, "decode") else module
