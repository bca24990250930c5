"""The list of operations in torch's own functions: what the document means, as an oracle."""

import torch
import torch.nn.functional as F


def forward(document, tensors, codes):
    """Images of codes (count, *input), in float64, by docs/OPERATIONS.md."""
    assert document["format"] == "unrelu operations" and document["version"] == 1
    x = codes.double()
    assert list(x.shape[1:]) == document["input"]
    for operation in document["operations"]:
        fields = dict(operation)
        rule = RULES[fields.pop("op")]
        for name in ("weight", "bias", "running_mean", "running_var"):
            if fields.get(name) is not None:
                fields[name] = torch.from_numpy(tensors[fields[name]]).double()
        x = rule(x, **fields)
    return x


def scale(x, weight=None, bias=None):
    def along(vector):
        assert vector.ndim == 1 and vector.numel() in (1, x.shape[1])
        return vector.reshape(1, -1, *[1] * (x.ndim - 2))

    x = x if weight is None else x * along(weight)
    return x if bias is None else x + along(bias)


def upsample(x, size, mode="nearest", align_corners=False, scale_factor=None):
    corners = align_corners if mode == "bilinear" else None
    if scale_factor is None:
        return F.interpolate(x, size=size, mode=mode, align_corners=corners)
    x = F.interpolate(x, scale_factor=scale_factor, mode=mode, align_corners=corners)
    assert list(x.shape[2:]) == size
    return x


def batch_norm(x, running_mean, running_var, weight=None, bias=None, eps=1e-5):
    return F.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)


def linear(x, weight, bias=None):
    assert x.ndim == 2
    return F.linear(x, weight, bias)


RULES = {
    "linear": linear,
    "conv2d": F.conv2d,
    "conv_transpose2d": F.conv_transpose2d,
    "batch_norm": batch_norm,
    "scale": scale,
    "upsample": upsample,
    "avg_pool2d": F.avg_pool2d,
    "adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "reshape": lambda x, shape: x.reshape(len(x), *shape),
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "prelu": F.prelu,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu": F.gelu,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}
