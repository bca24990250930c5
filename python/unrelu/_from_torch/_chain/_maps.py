"""The rules for linear maps, convolutions, normalization, upsampling and pooling."""

from __future__ import annotations

from typing import Any

import torch

from .._context import Operation, Refused
from ._arguments import constant_of, image_of, only_link, pair, run, shape_of
from ._link import Link

# A matrix that is made from another form of the map, such as an einsum, has at most these entries.
MAX_MATRIX = 2**24


def linear(operation: Operation) -> Link:
    """``linear(value, weight, bias)`` of vectors."""
    link = only_link(operation)
    weight = constant_of(operation.argument(1, "weight"))
    bias = constant_of(operation.argument(2, "bias"))
    return _linear(operation, link, weight, bias)


def addmm(operation: Operation) -> Link:
    """``beta * constant + alpha * value @ weight``."""
    offset, link, weight = (constant_of(argument) for argument in operation.args[:3])
    alpha, beta = operation.kwargs.get("alpha", 1), operation.kwargs.get("beta", 1)
    if not isinstance(link, Link) or isinstance(weight, Link) or isinstance(offset, Link):
        raise Refused("adds a product of matrices to a tensor that depends on the code")
    weight = weight.T if alpha == 1 else alpha * weight.T
    offset = offset.reshape(-1) if beta == 1 else beta * offset.reshape(-1)
    return _linear(operation, link, weight, offset.expand(weight.shape[0]))


def _linear(operation: Operation, link: Link, weight: Any, bias: Any) -> Link:
    shape = shape_of(operation)
    if link.size != weight.shape[1]:
        raise Refused("applies a linear map to the last of several axes")
    mapped = link.reshaped((link.size,)).then(
        "linear", (weight.shape[0],), {}, {"weight": weight, "bias": bias}
    )
    return mapped.reshaped(shape)


def product(operation: Operation) -> Link:
    """``mm``, ``matmul``, ``einsum`` and others that are linear in a vector, without a constant."""
    operation.constants_in_double()
    found = [leaf for leaf in operation.leaves if isinstance(leaf, Link)]
    if len(found) != 1:
        raise Refused("multiplies two tensors that both depend on the code (attention or a gate)")
    link, shape = found[0], shape_of(operation)
    if len(link.shape) != 1 or len(shape) != 1:
        raise Refused("multiplies one of several axes by a matrix")
    if link.size * shape[0] > MAX_MATRIX:
        raise Refused(f"needs a matrix of more than {MAX_MATRIX} entries")
    # The images of the unit vectors are the columns.
    columns = run(operation, torch.eye(link.size, dtype=torch.float64))
    if columns.shape != (link.size, *shape):
        raise Refused("multiplies the batch by a matrix")
    return link.then("linear", shape, {}, {"weight": columns.T.contiguous()})


def conv2d(operation: Operation) -> Link:
    """``conv2d``, also with the paddings ``same`` and ``valid``."""
    link = image_of(operation)
    stride = operation.argument(3, "stride", 1)
    padding = operation.argument(4, "padding", 0)
    dilation = pair(operation.argument(5, "dilation", 1))
    weight = constant_of(operation.argument(1, "weight"))
    if padding == "same":
        total = [d * (size - 1) for d, size in zip(dilation, weight.shape[2:])]
        (rows, columns) = total
        link = link.padded((columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        padding = 0
    elif padding == "valid":
        padding = 0
    groups = int(operation.argument(6, "groups", 1))
    bias = constant_of(operation.argument(2, "bias"))
    return convolved(link, shape_of(operation), weight, bias, stride, padding, dilation, groups)


def convolved(
    link: Link,
    shape: tuple[int, ...],
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Link:
    """A convolution; equal zeros on both sides before it become its padding."""
    padding = pair(padding)
    if link.op == "pad" and link.parent is not None:
        left, right, top, bottom = link.numbers["sides"]
        if left == right and top == bottom and min(left, top) >= 0:
            link, padding = link.parent, [padding[0] + top, padding[1] + left]
    numbers = {
        "stride": pair(stride), "padding": padding, "dilation": pair(dilation), "groups": groups,
    }
    return link.then("conv2d", shape, numbers, {"weight": weight, "bias": bias})


def conv_transpose2d(operation: Operation) -> Link:
    link = image_of(operation)
    numbers = {
        "stride": pair(operation.argument(3, "stride", 1)),
        "padding": pair(operation.argument(4, "padding", 0)),
        "output_padding": pair(operation.argument(5, "output_padding", 0)),
        "groups": int(operation.argument(6, "groups", 1)),
        "dilation": pair(operation.argument(7, "dilation", 1)),
    }
    weight = constant_of(operation.argument(1, "weight"))
    bias = constant_of(operation.argument(2, "bias"))
    tensors = {"weight": weight, "bias": bias}
    return link.then("conv_transpose2d", shape_of(operation), numbers, tensors)


def convolution(operation: Operation) -> Link:
    """The operation that both kinds of convolution are decomposed into."""
    stride, padding, dilation, transposed, output_padding, groups = operation.args[3:9]
    tensors = operation.args[:3]
    if transposed:
        operation.args = (*tensors, stride, padding, output_padding, groups, dilation)
        return conv_transpose2d(operation)
    operation.args = (*tensors, stride, padding, dilation, groups)
    return conv2d(operation)


def batch_norm(operation: Operation) -> Any:
    """Batch normalization by stored statistics."""
    link = only_link(operation)
    weight, bias, mean, variance = (constant_of(part) for part in operation.args[1:5])
    rest = list(operation.args[5:])
    if operation.name != "_native_batch_norm_legit_no_training":
        if rest.pop(0):
            raise Refused(STATISTICS)
    if mean is None or variance is None:
        raise Refused(STATISTICS)
    tensors = {"running_mean": mean, "running_var": variance, "weight": weight, "bias": bias}
    result = link.then("batch_norm", None, {"eps": float(rest[1])}, tensors)
    return result if operation.shape is not None else [result]


def instance_norm(operation: Operation) -> Link:
    """Instance normalization; by stored statistics, it is a batch normalization."""
    link = only_link(operation)
    weight, bias, mean, variance = (constant_of(part) for part in operation.args[1:5])
    if operation.argument(5, "use_input_stats") or mean is None or variance is None:
        raise Refused(STATISTICS)
    tensors = {"running_mean": mean, "running_var": variance, "weight": weight, "bias": bias}
    return link.then("batch_norm", None, {"eps": float(operation.args[7])}, tensors)


STATISTICS = (
    "normalizes by statistics of its own input: a quotient of two functions of the code, which is "
    "not a chain"
)


def upsample(operation: Operation) -> Link:
    """Nearest and bilinear upsampling, in both forms of the operation."""
    link, shape = image_of(operation), shape_of(operation)
    bilinear = "bilinear" in operation.name
    listed = operation.target._overloadname == "vec"
    first = 2 + bilinear
    factors: Any = operation.argument(first, "scale_factors")
    if not listed:
        factors = [factors, operation.argument(first + 1, "scales_w")]
    numbers: dict[str, Any] = {
        "size": list(shape[1:]), "mode": "bilinear" if bilinear else "nearest",
    }
    if bilinear:
        numbers["align_corners"] = bool(operation.argument(2, "align_corners"))
    whole = [size % before == 0 for size, before in zip(shape[1:], link.shape[1:])]
    if factors is not None and None not in factors:
        copied = (1,) if bilinear else (1, 2)
        used = []
        for size, before, factor in zip(shape[1:], link.shape[1:], factors):
            # torch leaves an axis alone that keeps its size, and repeats one that nearest doubles.
            same = [whole for whole in copied if size == whole * before]
            used.append(float(same[0] if same else factor))
        exact = [size == before * f for size, before, f in zip(shape[1:], link.shape[1:], used)]
        if not all(exact):
            numbers["scale_factor"] = used
    if "exact" in operation.name and ("scale_factor" in numbers or not all(whole)):
        raise Refused("takes the nearest entry in a way that equals `nearest` for whole factors only")
    return link.then("upsample", shape, numbers)


def avg_pool2d(operation: Operation) -> Link:
    link = image_of(operation)
    kernel = pair(operation.argument(1, "kernel_size"))
    divisor = operation.argument(6, "divisor_override")
    numbers = {
        "kernel_size": kernel,
        "stride": pair(operation.argument(2, "stride") or kernel),
        "padding": pair(operation.argument(3, "padding", 0)),
        "ceil_mode": bool(operation.argument(4, "ceil_mode", False)),
        "count_include_pad": bool(operation.argument(5, "count_include_pad", True)),
        "divisor_override": None if divisor is None else int(divisor),
    }
    return link.then("avg_pool2d", shape_of(operation), numbers)


def adaptive_avg_pool2d(operation: Operation) -> Link:
    shape = shape_of(operation)
    return image_of(operation).then("adaptive_avg_pool2d", shape, {"output_size": list(shape[1:])})


def mean(operation: Operation) -> Link:
    """The mean of each channel."""
    link, shape = image_of(operation), shape_of(operation)
    axes = operation.argument(1, "dim")
    if sorted(axis % 4 for axis in axes or []) != [2, 3]:
        raise Refused("takes a mean over other axes than rows and columns")
    pooled = link.then("adaptive_avg_pool2d", (link.shape[0], 1, 1), {"output_size": [1, 1]})
    return pooled.reshaped(shape)
