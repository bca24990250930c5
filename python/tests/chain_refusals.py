"""Generators that are no chains, or hold an operation that is not listed."""

import torch
import torch.nn.functional as F
from chain_modules import FLAT, IMAGE, Call, activated
from torch import nn


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, z):
        return z + F.relu(self.conv(z))


class Modulated(nn.Module):
    """A style that scales the channels, as in StyleGAN."""

    def __init__(self):
        super().__init__()
        self.style, self.conv = nn.Linear(6, 4), nn.Conv2d(3, 4, 2)
        self.register_buffer("start", torch.randn(1, 3, 4, 5))

    def forward(self, z):
        image = self.conv(self.start).expand(len(z), -1, -1, -1)
        h = F.relu(image * self.style(z)[:, :, None, None])
        return h * self.style(z)[:, :, None, None]


class ModulatedWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.style, self.conv = nn.Linear(6, 3), nn.Conv2d(3, 4, 2)
        self.register_buffer("start", torch.randn(1, 3, 4, 5))

    def forward(self, z):
        weight = self.conv.weight * F.gelu(self.style(z)).view(-1, 1, 3, 1, 1)
        weight = weight.reshape(-1, 3, 2, 2)
        images = self.start.expand(len(z), -1, -1, -1).reshape(1, -1, 4, 5)
        return F.conv2d(images, weight, groups=len(z)).view(len(z), 4, 3, 4)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Conv2d(3, 9, 1)

    def forward(self, z):
        q, k, v = self.qkv(z).flatten(2).transpose(1, 2)[:, None].chunk(3, -1)
        return F.scaled_dot_product_attention(q, k, v)


class SelfAttention(nn.Module):
    """Attention over the pixels, as in SAGAN."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

    def forward(self, z):
        return torch.bmm(self.query(z).flatten(2).transpose(1, 2), self.key(z).flatten(2))


def one(part, image=IMAGE):
    return lambda: activated(part()), image


def behind_a_linear(*parts):
    """Parts behind a dense layer; the reader of dense layers stops at the convolution."""
    return lambda: nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Unflatten(1, (2, 4, 4)), *parts), (4,)


# What is refused, the code's shape, the place that the message names, and what it says.
REFUSED = {
    "skip": (Residual, IMAGE, "Residual", "operation add in `return z + F.relu("),
    "tanhshrink": (*one(nn.Tanhshrink), "1 (Tanhshrink)", "x - tanh(x)"),
    "joined": (
        lambda: Call(lambda z, a: torch.cat([z[:, :, 1:, 1:], a(z)], 1), nn.Conv2d(3, 3, 2)), IMAGE,
        "Call", "skip connection",
    ),
    "modulation": (Modulated, FLAT, "Modulated", "combines two tensors that both depend"),
    "modulated weight": (ModulatedWeight, FLAT, "ModulatedWeight", "as a style modulation does"),
    "gate": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 2), nn.GLU(1)), IMAGE, "1 (GLU)",
        "glu, which multiplies one half",
    ),
    "attention": (Attention, IMAGE, "Attention", "weighs entries by functions of other entries"),
    "self attention": (SelfAttention, IMAGE, "SelfAttention", "bmm in `return torch.bmm("),
    "softmax": (*one(lambda: nn.Softmax(1)), "1 (Softmax)", "softmax"),
    "layer norm": (*one(lambda: nn.LayerNorm([4, 4, 5])), "1 (LayerNorm)", "statistics of its own input"),
    "instance norm": (*one(lambda: nn.InstanceNorm2d(4)), "1 (InstanceNorm2d)", "not a chain"),
    "group norm": (*one(lambda: nn.GroupNorm(2, 4)), "1 (GroupNorm)", "not a chain"),
    "max pool": (*one(lambda: nn.MaxPool2d(2)), "1 (MaxPool2d)", "AvgPool2d can be read"),
    "mish": (*one(nn.Mish), "1 (Mish)", "operation mish"),
    "hardswish": (*one(nn.Hardswish), "1 (Hardswish)", "operation hardswish"),
    "softsign": (*one(nn.Softsign), "1 (Softsign)", "operation abs"),
    "jump": (*one(lambda: nn.Threshold(0.5, 0.0)), "1 (Threshold)", "jumps from 0 to 0.5"),
    "conv1d": (lambda: nn.Conv1d(3, 2, 2), (3, 7), "Conv1d", "conv2d and conv_transpose2d can"),
    "conv3d": (lambda: nn.Conv3d(2, 2, 2), (2, 3, 3, 3), "Conv3d", "one or three axes"),
    "reflected": (
        *one(lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")), "1 (Conv2d)", "mode reflect"
    ),
    "circular": (
        *one(lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular")), "1 (Conv2d)", "circular"
    ),
    "padded with ones": (*one(lambda: nn.ConstantPad2d(1, 1.0)), "1 (ConstantPad2d)", "pads with 1"),
    "replicated": (*one(lambda: nn.ReplicationPad2d(1)), "1 (ReplicationPad2d)", "mode replicate"),
    "bicubic": (
        *one(lambda: nn.Upsample(scale_factor=2, mode="bicubic")), "1 (Upsample)", "nearest or bilinear"
    ),
    "bicubic behind a linear layer": (
        *behind_a_linear(nn.Upsample(scale_factor=2, mode="bicubic"), nn.Conv2d(2, 3, 3)),
        "3 (Upsample)", "nearest or bilinear",
    ),
    "reflected behind a linear layer": (
        *behind_a_linear(nn.ReflectionPad2d(1), nn.Conv2d(2, 3, 3)),
        "3 (ReflectionPad2d)", "mode reflect",
    ),
    "rows and columns": (
        lambda: Call(lambda z, a: a(z).permute(0, 2, 3, 1), nn.Conv2d(3, 2, 2)), IMAGE, "Call",
        "between channels, rows and columns",
    ),
    "per pixel": (
        lambda: Call(lambda z, a, b: b(a(z)), nn.Conv2d(3, 2, 2), nn.Linear(4, 4)), IMAGE,
        "parts.1 (Linear)", "the last of several axes",
    ),
    "coordinates": (
        lambda: Call(lambda z, a: torch.cat([a(z), torch.ones_like(a(z))], 1), nn.Conv2d(3, 2, 2)),
        IMAGE, "Call", "joins a constant",
    ),
    "half": (
        lambda: Call(lambda z, a: a(z).to(torch.bfloat16).to(z.dtype), nn.Conv2d(3, 2, 2)), IMAGE, "Call",
        "bfloat16",
    ),
}
