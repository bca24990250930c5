"""ONNX models as torch's two exporters write them, and as tf2onnx does, against torch and ONNX."""

import contextlib
import io
import logging
import warnings

import numpy as np
import onnx
import pytest
import random_chain_modules
import random_chains
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import unrelu

pytestmark = pytest.mark.integrations

CHAINS = range(200)
# torch.export takes seconds for a module; the exporter by TorchScript takes milliseconds.
EXPORTED = [8, 24, 56, 72, 96, 104, 136, 160]


def export(module, example, path, dynamo, opset, symbolic=False):
    """Writes a model with one of torch's exporters."""
    silent = io.StringIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silent),
        contextlib.redirect_stderr(silent),
    ):
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},) if symbolic else None
            torch.onnx.export(
                module, (example,), path, dynamo=True, opset_version=opset, dynamic_shapes=shapes,
                verbose=False,
            )
        else:
            axes = {"x": {0: "batch"}} if symbolic else None
            torch.onnx.export(
                module, (example,), path, dynamo=False, opset_version=opset, dynamic_axes=axes,
                input_names=["x"],
            )


def f32_exact(description):
    """The description with numbers that f32 holds: an exporter rounds what is no tensor."""

    def rounded(value):
        if isinstance(value, float) and value not in (1e-5, 1e-3, 0.1):
            return round(value * 64) / 64
        return tuple(map(rounded, value)) if isinstance(value, tuple) else value

    for step in description.steps:
        if step.kind == "pooling":
            # The exporter by TorchScript leaves it out without a word.
            step.numbers["divisor"] = None
        if step.kind == "upsampling" and "factors" in step.numbers:
            continue
        step.numbers = {name: rounded(value) for name, value in step.numbers.items()}
    return description


def chain(seed):
    """A module of float64, codes and images."""
    description = f32_exact(random_chains.Draw(seed).chain())
    module = random_chain_modules.module_of(description)
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(3, *description.input, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        return module, codes, module(codes)


def agrees(path, codes, images, tolerance=1e-10):
    network = unrelu.Network.from_file(path)
    found = network.forward(codes.flatten(1)).flatten(1)
    wanted = images.flatten(1)
    assert found.shape == wanted.shape
    return bool((found - wanted).abs().max() <= tolerance * wanted.abs().max())


# What the exporter by TorchScript refuses itself.
UNEXPORTABLE = (
    "adaptive_avg_pool2d", "aten::unflatten", "unknown channel size",
)


def test_random_chains_of_the_exporter_by_torchscript(tmp_path):
    read = 0
    for seed in CHAINS:
        module, codes, images = chain(seed)
        path = tmp_path / f"{seed}.onnx"
        opset, symbolic = 11 + seed % 10, seed % 3 == 0
        try:
            export(module, codes[: 2 if symbolic else 1], path, False, opset, symbolic)
        except Exception as error:
            assert any(words in str(error) for words in UNEXPORTABLE), (seed, error)
            continue
        assert agrees(path, codes, images), seed
        read += 1
    assert read >= 100


@pytest.mark.parametrize("seed", EXPORTED)
def test_random_chains_of_the_exporter_by_torch_export(seed, tmp_path):
    module, codes, images = chain(seed)
    path, symbolic = tmp_path / "net.onnx", seed % 3 == 0
    export(module, codes[: 2 if symbolic else 1], path, True, 18 + seed // 8 % 4, symbolic)
    assert agrees(path, codes, images), seed


def images_of(module, codes):
    with torch.no_grad():
        return module(codes)


class Dcgan(nn.Sequential):
    """A small decoder in the manner of DCGAN, with codes of (k, 1, 1)."""

    def __init__(self):
        super().__init__(
            nn.ConvTranspose2d(7, 12, 4, 1, 0, bias=False), nn.BatchNorm2d(12), nn.ReLU(True),
            nn.ConvTranspose2d(12, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(6, 3, 4, 2, 1, bias=False), nn.Tanh(),
        )


class Vae(nn.Module):
    """The decoder of a VAE, with a reshape to images and an upsampling."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.second = nn.Linear(5, 30), nn.Linear(30, 2 * 6 * 4)
        self.activation, self.up = activation, nn.Upsample(scale_factor=2, mode="bilinear")
        self.last, self.dropout = nn.Conv2d(2, 1, 3, padding=1), nn.Dropout()

    def forward(self, z):
        hidden = self.dropout(self.activation(self.first(z)))
        image = self.activation(self.second(hidden)).view(-1, 2, 6, 4)
        return torch.sigmoid(self.last(self.up(image))).flatten(1)


def trained(module, seed=0):
    """The module in evaluation mode, with statistics that are not those of the start."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.3, 2.0)
            nn.init.normal_(part.weight, 1.0, 0.2)
            nn.init.normal_(part.bias)
    return module.eval()


@pytest.mark.parametrize("dynamo, opset", [(False, 11), (False, 16), (False, 20), (True, 21)])
def test_decoders_are_read(dynamo, opset, tmp_path):
    dtype, tolerance = (torch.float32, 1e-5) if opset in (16, 21) else (torch.float64, 1e-10)
    modules = [(Dcgan(), (7, 1, 1))]
    # Each activation once per exporter.
    for number, activation in enumerate(
        [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Softplus(), nn.PReLU(), nn.ReLU6(), nn.ELU(0.5)]
    ):
        if not dynamo or (number + opset) % 3 == 0:
            modules.append((Vae(activation), (5,)))
    for number, (module, shape) in enumerate(modules):
        module = trained(module, number).to(dtype)
        codes = torch.randn(4, *shape, dtype=dtype)
        path = tmp_path / f"{number}.onnx"
        export(module, codes[:1] if number % 2 else codes[:2], path, dynamo, opset, number % 2 == 0)
        assert agrees(path, codes.double(), images_of(module, codes).double(), tolerance), number


def test_a_million_parameters_with_external_data(tmp_path):
    module = nn.Sequential(nn.Linear(20, 1000), nn.ReLU(), nn.Linear(1000, 1000)).eval()
    codes = torch.randn(2, 20)
    path = tmp_path / "net.onnx"
    export(module, codes[:1], path, False, 17)
    model = onnx.load(path)
    onnx.save_model(model, tmp_path / "two.onnx", save_as_external_data=True, location="two.data")
    for name in ("net.onnx", "two.onnx"):
        assert agrees(tmp_path / name, codes.double(), images_of(module, codes).double(), 1e-5)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "two.onnx").rename(tmp_path / "elsewhere" / "two.onnx")
    with pytest.raises(OSError, match="two.data"):
        unrelu.Network.from_file(tmp_path / "elsewhere" / "two.onnx")


def test_a_skip_connection_is_refused_by_name(tmp_path):
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 6)

        def forward(self, z):
            hidden = torch.relu(self.first(z))
            return hidden + self.second(hidden)

    for dynamo in (False, True):
        export(Skip().eval(), torch.randn(1, 4), tmp_path / "net.onnx", dynamo, 18)
        with pytest.raises(unrelu.InputError, match=r"\(Add\).*skip connection"):
            unrelu.Network.from_file(tmp_path / "net.onnx")


# Models as tf2onnx writes them, judged by ONNX's own reference.


def reference(model, codes):
    return ReferenceEvaluator(model).run(None, {"x": codes})[0]


def keras_model(opset):
    """A decoder of Keras: dense, (row, column, channel), transposed convolutions of `same`."""
    random = np.random.default_rng(opset)
    tensors = {
        "w": random.standard_normal((5, 3 * 2 * 8)) / 2, "b": random.standard_normal(48),
        "k1": random.standard_normal((8, 6, 3, 3)) / 4, "k2": random.standard_normal((3, 6, 3, 3)) / 4,
        "bias": random.standard_normal(3), "g": random.uniform(0.5, 1.5, 6),
        "beta": random.standard_normal(6), "mean": random.standard_normal(6),
        "var": random.uniform(0.5, 1.5, 6), "image": np.array([-1, 3, 2, 8]),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    node = helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["a0"]), node("Add", ["a0", "b"], ["a1"]),
        node("LeakyRelu", ["a1"], ["a2"], alpha=0.25), node("Reshape", ["a2", "image"], ["a3"]),
        node("Transpose", ["a3"], ["a4"], perm=[0, 3, 1, 2]),
        node("ConvTranspose", ["a4", "k1"], ["a5"], strides=[2, 2], pads=[0, 0, 1, 1]),
        node("BatchNormalization", ["a5", "g", "beta", "mean", "var"], ["a6"], epsilon=2.0**-10),
        node("Transpose", ["a6"], ["a7"], perm=[0, 2, 3, 1]), node("Relu", ["a7"], ["a8"]),
        node("Transpose", ["a8"], ["a9"], perm=[0, 3, 1, 2]),
        node("Resize", ["a9", "", "scales"], ["a10"], mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Conv", ["a10", "k2", "bias"], ["a11"], strides=[2, 2], pads=[0, 0, 1, 1]),
        node("Sigmoid", ["a11"], ["a12"]), node("Transpose", ["a12"], ["y"], perm=[0, 2, 3, 1]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "keras", [value("x", TensorProto.DOUBLE, ["batch", 5])], [value("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="tf2onnx")


# Below opset 15, the reference computes a BatchNorm with the statistics of the batch.
@pytest.mark.parametrize("opset", [15, 18, 21])
def test_a_model_of_keras_is_read(opset, tmp_path):
    model, path = keras_model(opset), tmp_path / "net.onnx"
    onnx.save(model, path)
    codes = np.random.default_rng(0).standard_normal((4, 5))
    wanted = reference(model, codes)
    network = unrelu.Network.from_file(path)
    np.testing.assert_allclose(network.forward(codes).reshape(4, -1), wanted.reshape(4, -1), rtol=0, atol=1e-10)
    assert wanted.shape == (4, 6, 4, 3)
    network.save(tmp_path / "net.safetensors")
    again = unrelu.Network.from_file(tmp_path / "net.safetensors")
    np.testing.assert_allclose(again.forward(codes), network.forward(codes), rtol=0, atol=1e-14)


RESIZES = [
    (mode, transformation, rounding, size)
    for mode, roundings in (("linear", ["floor"]), ("nearest", ["floor", "round_prefer_floor", "round_prefer_ceil", "ceil"]))
    for transformation in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    for rounding in roundings
    for size in ((6, 10), (3, 8), (2, 1))
]


def test_resizes_are_those_of_the_reference(tmp_path):
    image = np.random.default_rng(1).standard_normal((1, 2, 3, 5)).astype(np.float32)
    for mode, transformation, rounding, size in RESIZES:
        resize = helper.make_node(
            "Resize", ["x", "", "", "sizes"], ["y"], mode=mode, nearest_mode=rounding,
            coordinate_transformation_mode=transformation,
        )
        value = helper.make_tensor_value_info
        sizes = numpy_helper.from_array(np.array([1, 2, *size]), "sizes")
        graph = helper.make_graph(
            [resize], "resize", [value("x", TensorProto.FLOAT, [1, 2, 3, 5])],
            [value("y", TensorProto.FLOAT, None)], [sizes],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.save(model, tmp_path / "net.onnx")
        found = unrelu.Network.from_file(tmp_path / "net.onnx").forward(image.reshape(1, -1).astype(float))
        assert found.shape == (1, 2, *size)
        found = found.reshape(1, -1)
        wanted = reference(model, image).reshape(1, -1)
        assert np.abs(found - wanted).max() <= 1e-5, (mode, transformation, rounding, size)
