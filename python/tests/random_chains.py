"""Random chains of all maps and activations of docs/OPERATIONS.md, each described three times.

A description is a list of steps that knows neither torch nor the JSON. A module of torch is made
from it, and a list of operations with tensors; neither is made from the other.
"""

import dataclasses
import math

import numpy as np

MOST_ENTRIES = 900


@dataclasses.dataclass
class Step:
    """One map or activation: its name, its numbers, and its arrays."""

    kind: str
    numbers: dict = dataclasses.field(default_factory=dict)
    arrays: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Description:
    """The shape of a code, the steps, and the shape of an image."""

    input: tuple
    steps: list
    output: tuple

    @property
    def code_length(self):
        return math.prod(self.input)

    @property
    def image_length(self):
        return math.prod(self.output)


class Draw:
    """Draws steps. `shape` is the shape after those drawn so far."""

    def __init__(self, seed, smooth=False):
        self.random = np.random.default_rng([seed, 20])
        self.smooth = smooth

    def integer(self, low, high):
        """From low to high, both included."""
        return int(self.random.integers(low, high + 1))

    def pair(self, low, high):
        return (self.integer(low, high), self.integer(low, high))

    def chance(self, share):
        return bool(self.random.random() < share)

    def one_of(self, things):
        return things[int(self.random.integers(len(things)))]

    def normal(self, *shape):
        return self.random.standard_normal(shape)

    def divisor_of(self, *numbers):
        common = math.gcd(*numbers)
        return self.one_of([n for n in range(1, common + 1) if common % n == 0])

    # Maps. Each returns a step and the shape behind it, or None where it does not fit.

    def linear(self, shape):
        if len(shape) != 1:
            return None
        (inputs,), units = shape, self.integer(2, 40)
        arrays = {"weight": self.normal(units, inputs) / math.sqrt(inputs)}
        if self.chance(0.7):
            arrays["bias"] = 0.3 * self.normal(units)
        return Step("linear", {}, arrays), (units,)

    def convolution(self, shape):
        if len(shape) != 3:
            return None
        channels, size = shape[0], shape[1:]
        out = self.integer(1, 6)
        groups = self.divisor_of(channels, out)
        kernel, stride, padding = self.pair(1, 4), self.pair(1, 3), self.pair(0, 2)
        dilation = self.pair(1, 2)
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
        if any(n + 2 * p < r for n, p, r in zip(size, padding, reach)):
            return None
        after = tuple((n + 2 * p - r) // s + 1 for n, p, r, s in zip(size, padding, reach, stride))
        fan = channels // groups * math.prod(kernel)
        arrays = {"weight": self.normal(out, channels // groups, *kernel) / math.sqrt(fan)}
        if self.chance(0.6):
            arrays["bias"] = 0.3 * self.normal(out)
        numbers = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        return Step("convolution", numbers, arrays), (out, *after)

    def transposed(self, shape):
        if len(shape) != 3:
            return None
        channels, size = shape[0], shape[1:]
        out = self.integer(1, 6)
        groups = self.divisor_of(channels, out)
        kernel, stride, padding = self.pair(1, 4), self.pair(1, 3), self.pair(0, 2)
        dilation = self.pair(1, 2)
        extra = tuple(self.integer(0, max(s, d) - 1) for s, d in zip(stride, dilation))
        after = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, s, p, d, k, e in zip(size, stride, padding, dilation, kernel, extra)
        )
        if min(after) < 1:
            return None
        fan = channels // groups * math.prod(kernel) / math.prod(stride)
        arrays = {"weight": self.normal(channels, out // groups, *kernel) / math.sqrt(max(fan, 1))}
        if self.chance(0.6):
            arrays["bias"] = 0.3 * self.normal(out)
        numbers = dict(
            stride=stride, padding=padding, output_padding=extra, dilation=dilation, groups=groups
        )
        return Step("transposed", numbers, arrays), (out, *after)

    def norm(self, shape):
        channels = shape[0]
        arrays = {
            "mean": 0.4 * self.normal(channels),
            "variance": self.random.uniform(0.3, 2.0, channels),
        }
        if self.chance(0.7):
            arrays["weight"] = self.random.uniform(0.4, 1.6, channels) * self.one_of([-1, 1])
            arrays["bias"] = 0.3 * self.normal(channels)
        return Step("norm", {"eps": self.one_of([1e-5, 1e-3, 0.1])}, arrays), shape

    def scale(self, shape):
        numbers, arrays = {}, {}
        for name, number in (("weight", self.random.uniform(0.5, 1.5)), ("bias", self.normal())):
            how = self.one_of(["number", "one", "channels", "none"])
            if how == "number":
                numbers[name] = float(number)
            elif how != "none":
                count = 1 if how == "one" else shape[0]
                spread = self.random.uniform(0.7, 1.3, count)
                arrays[name] = float(number) * spread
        return Step("scale", numbers, arrays), shape

    def upsampling(self, shape):
        if len(shape) != 3:
            return None
        mode = self.one_of(["nearest", "bilinear"])
        numbers = {"mode": mode, "corners": mode == "bilinear" and self.chance(0.5)}
        if self.chance(0.5):
            factors = tuple(float(np.round(f, 2)) for f in self.random.uniform(1.0, 2.9, 2))
            size = tuple(math.floor(n * f) for n, f in zip(shape[1:], factors))
            numbers["factors"] = factors
        else:
            size = self.pair(1, 11)
        numbers["size"] = size
        return Step("upsampling", numbers), (shape[0], *size)

    def pooling(self, shape):
        if len(shape) != 3:
            return None
        size, kernel, stride = shape[1:], self.pair(1, 4), self.pair(1, 3)
        padding = tuple(self.integer(0, k // 2) for k in kernel)
        ceil = self.chance(0.5)
        after = []
        for n, k, s, p in zip(size, kernel, stride, padding):
            room = n + 2 * p - k
            # With ceil mode torch also takes a kernel that is a little larger than the image.
            if room < 0:
                return None
            count = (room + (s - 1 if ceil else 0)) // s + 1
            # With ceil mode, the last window starts inside the image or its left padding.
            if ceil and (count - 1) * s >= n + p:
                count -= 1
            after.append(count)
        numbers = dict(
            kernel=kernel, stride=stride, padding=padding, ceil=ceil, counts_padding=self.chance(0.5),
            divisor=self.one_of([None, None, 3]),
        )
        return Step("pooling", numbers), (shape[0], *after)

    def parts(self, shape):
        if len(shape) != 3:
            return None
        size = self.pair(1, 7)
        return Step("parts", {"size": size}), (shape[0], *size)

    def reshape(self, shape):
        length = math.prod(shape)
        if len(shape) == 3 and self.chance(0.6):
            after = (length,)
        else:
            channels = self.divisor_of(length)
            rows = self.divisor_of(length // channels)
            after = (channels, rows, length // channels // rows)
        return Step("reshape", {"shape": after}), after

    # Activations.

    SMOOTH = ("softplus", "silu", "gelu", "gelu_tanh", "sigmoid", "tanh", "elu_one")
    KINKED = (
        "relu", "leaky", "prelu", "prelu_channels", "elu", "selu", "hardtanh", "relu6", "identity"
    )

    def activation(self, shape):
        kind = self.one_of(self.SMOOTH if self.smooth else self.SMOOTH + self.KINKED)
        if kind == "leaky":
            return Step(kind, {"slope": self.one_of([0.01, 0.2, 0.7, 1.4, 0.0])})
        if kind == "prelu":
            return Step(kind, {}, {"slopes": self.random.uniform(-0.3, 1.3, 1)})
        if kind == "prelu_channels":
            return Step(kind, {}, {"slopes": self.random.uniform(-0.3, 1.3, shape[0])})
        if kind == "elu":
            return Step(kind, {"alpha": float(self.random.uniform(0.3, 1.7))})
        if kind == "softplus" and self.chance(0.5):
            # Where the formula changes at the threshold, it jumps by about exp(-threshold).
            return Step(kind, {"beta": float(self.random.uniform(0.5, 3.0)), "threshold": 30.0})
        if kind == "hardtanh":
            low = float(self.random.uniform(-1.5, 0.0))
            return Step(kind, {"low": low, "high": low + float(self.random.uniform(0.5, 2.0))})
        return Step(kind)

    MAPS = (
        "linear", "convolution", "convolution", "transposed", "transposed", "norm", "scale",
        "upsampling", "pooling", "parts", "reshape",
    )

    def chain(self):
        if self.chance(0.5):
            shape = (self.integer(1, 7),)
        else:
            shape = (self.integer(1, 4), *self.pair(1, 5))
        first, steps, maps = shape, [], self.integer(2, 7)
        while maps > 0:
            drawn = getattr(self, self.one_of(self.MAPS))(shape)
            if drawn is None or not 1 <= math.prod(drawn[1]) <= MOST_ENTRIES:
                continue
            step, shape = drawn
            steps.append(step)
            maps -= 1
            if self.chance(0.6):
                steps.append(self.activation(shape))
        return Description(first, steps, shape)

    def decoder(self):
        """A chain that widens, as a generator does: few kinds of maps that lose nothing."""
        code = self.integer(2, 6)
        steps, shape = [], (code,)

        def add(drawn, least):
            nonlocal shape
            if drawn is None or not least <= math.prod(drawn[1]) <= MOST_ENTRIES:
                return False
            shape = drawn[1]
            steps.append(drawn[0])
            return True

        while not add(self.linear(shape), 4 * code):
            pass
        steps.append(self.activation(shape))
        while not (add(self.reshape(shape), 1) and len(shape) == 3):
            pass
        for _ in range(self.integer(1, 2)):
            while not add(getattr(self, self.one_of(["convolution", "transposed", "upsampling"]))(shape),
                          max(3 * code, math.prod(shape))):
                pass
            if self.chance(0.5):
                add(self.norm(shape), 1)
            steps.append(self.activation(shape))
        while not add(getattr(self, self.one_of(["convolution", "transposed"]))(shape), math.prod(shape)):
            pass
        if self.chance(0.5):
            steps.append(Step(self.one_of(["tanh", "sigmoid"])))
        return Description((code,), steps, shape)


# The list of operations.

_WORDS = {
    "linear": "linear", "convolution": "conv2d", "transposed": "conv_transpose2d",
    "norm": "batch_norm", "scale": "scale", "upsampling": "upsample", "pooling": "avg_pool2d",
    "parts": "adaptive_avg_pool2d", "reshape": "reshape", "leaky": "leaky_relu", "prelu": "prelu",
    "prelu_channels": "prelu", "elu": "elu", "elu_one": "elu", "gelu_tanh": "gelu",
}
_FIELDS = {
    "mean": "running_mean", "variance": "running_var", "slopes": "weight", "corners": "align_corners",
    "factors": "scale_factor", "kernel": "kernel_size", "ceil": "ceil_mode",
    "counts_padding": "count_include_pad", "divisor": "divisor_override", "slope": "negative_slope",
    "low": "min_val", "high": "max_val",
}
_DEFAULTS = {
    "stride": (1, 1), "padding": (0, 0), "output_padding": (0, 0), "dilation": (1, 1), "groups": 1,
    "align_corners": False, "mode": "nearest", "ceil_mode": False, "count_include_pad": True,
    "divisor_override": None, "eps": 1e-5, "negative_slope": 0.01,
}


def operations_of(description):
    """The document and its tensors by name. Some defaults and equal pairs are written shorter."""
    operations, tensors = [], {}
    for number, step in enumerate(description.steps):
        operation = {"op": _WORDS.get(step.kind, step.kind)}
        for name, value in step.numbers.items():
            field = "output_size" if step.kind == "parts" else _FIELDS.get(name, name)
            may_differ = step.kind == "pooling" and field == "stride"
            if number % 2 == 0 and not may_differ and _DEFAULTS.get(field, ...) == value:
                continue
            if isinstance(value, tuple):
                is_shape = field == "shape"
                is_short = number % 2 == 0 and not is_shape and value[0] == value[1]
                value = value[0] if is_short else list(value)
            operation[field] = value
        for name, array in step.arrays.items():
            key = f"part{number}.{name}"
            operation[_FIELDS.get(name, name)] = key
            tensors[key] = np.ascontiguousarray(array)
        if step.kind == "gelu_tanh":
            operation["approximate"] = "tanh"
        operations.append(operation)
    document = {
        "format": "unrelu operations", "version": 1, "input": list(description.input),
        "operations": operations,
    }
    return document, tensors
