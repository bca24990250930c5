"""Reads the graph of the module into a chain of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._context import Operation, Refused
from .._movement import CASTS, CREATIONS, MOVEMENTS
from .._walk import Walk
from . import _activations as activations
from . import _arithmetic as arithmetic
from . import _maps as maps
from . import _moves as moves
from ._arguments import links, only_link
from ._link import Link

RULES: dict[str, Callable[[Operation], Any]] = {
    **dict.fromkeys(MOVEMENTS - {"upsample_nearest1d", "upsample_nearest3d"}, moves.move),
    **dict.fromkeys(CREATIONS, moves.create),
    **dict.fromkeys(("pad", "constant_pad_nd"), moves.pad),
    "pixel_shuffle": moves.pixel_shuffle,
    "pixel_unshuffle": moves.pixel_unshuffle,
    **dict.fromkeys(
        ("cat", "concat", "concatenate", "stack", "hstack", "vstack"), arithmetic.join
    ),
    **dict.fromkeys(("add", "sub", "subtract", "rsub"), arithmetic.add),
    **dict.fromkeys(("mul", "multiply"), arithmetic.multiply),
    **dict.fromkeys(("div", "divide", "true_divide"), arithmetic.divide),
    **dict.fromkeys(("neg", "negative"), arithmetic.negate),
    "linear": maps.linear,
    "addmm": maps.addmm,
    **dict.fromkeys(("mm", "matmul", "einsum", "inner", "tensordot"), maps.product),
    "conv2d": maps.conv2d,
    "conv_transpose2d": maps.conv_transpose2d,
    "convolution": maps.convolution,
    **dict.fromkeys(
        ("batch_norm", "native_batch_norm", "_native_batch_norm_legit_no_training"),
        maps.batch_norm,
    ),
    "instance_norm": maps.instance_norm,
    **dict.fromkeys(
        ("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d"), maps.upsample
    ),
    "avg_pool2d": maps.avg_pool2d,
    **dict.fromkeys(("adaptive_avg_pool2d", "_adaptive_avg_pool2d"), maps.adaptive_avg_pool2d),
    "mean": maps.mean,
    **{name: activations.plain(name) for name in ("relu", "selu", "silu", "tanh", "relu6")},
    **dict.fromkeys(("sigmoid", "special_expit"), activations.plain("sigmoid")),
    "leaky_relu": activations.leaky_relu,
    "rrelu": activations.rrelu,
    **dict.fromkeys(("prelu", "_prelu_kernel"), activations.prelu),
    "elu": activations.elu,
    "celu": activations.celu,
    "softplus": activations.softplus,
    "gelu": activations.gelu,
    "hardtanh": activations.hardtanh,
    "hardsigmoid": activations.hardsigmoid,
    "threshold": activations.threshold,
    **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), activations.clamp),
    **dict.fromkeys(("maximum", "minimum", "max", "min"), activations.extremum),
}

# Why some operations are no link of a chain, or not yet one.
WITHOUT_RULE = {
    **dict.fromkeys(
        ("layer_norm", "group_norm", "rms_norm", "native_layer_norm", "native_group_norm"),
        maps.STATISTICS,
    ),
    **dict.fromkeys(
        ("softmax", "_softmax", "log_softmax", "scaled_dot_product_attention"),
        "weighs entries by functions of other entries (a softmax, attention), which is not a chain",
    ),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "adaptive_max_pool2d"),
        "takes the largest of several entries; AvgPool2d can be read",
    ),
    **dict.fromkeys(
        ("conv1d", "conv3d", "conv_transpose1d", "conv_transpose3d"),
        "is a convolution over one or three axes; conv2d and conv_transpose2d can be read",
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest3d", "upsample_linear1d", "upsample_trilinear3d"),
        "upsamples one or three axes; two axes can be read",
    ),
    **dict.fromkeys(
        ("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
        "upsamples in another way than nearest or bilinear without antialiasing",
    ),
    "glu": "multiplies one half of its input by a function of the other half (a gate)",
    "bmm": "multiplies by a matrix for each code of the batch",
}


class ChainReader(Walk):
    """Reads operations of which each acts on the result of the one before alone."""

    def code(self, shape: Any) -> Link:
        return Link(None, "code", tuple(self.code_shape))

    def depends(self, value: Any) -> bool:
        return isinstance(value, Link)

    def apply(self, operation: Operation) -> Any:
        if operation.name in CASTS:
            return only_link(operation)
        rule = RULES.get(operation.name)
        if rule is None:
            reason = WITHOUT_RULE.get(operation.name, "")
            if not reason and len({id(link) for link in links(operation)}) > 1:
                reason = arithmetic.SKIP
            raise Refused(reason)
        return rule(operation)
