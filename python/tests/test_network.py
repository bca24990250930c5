"""Networks against products in NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import unrelu


def numpy_forward(layers, codes):
    """The outputs by NumPy alone."""
    for weight, bias, activation in layers:
        codes = codes @ weight.T + bias
        if activation == "relu":
            codes = np.maximum(codes, 0.0)
        elif activation.startswith("leaky_relu:"):
            codes = np.where(codes > 0, codes, float(activation.split(":")[1]) * codes)
        elif activation == "tanh":
            codes = np.tanh(codes)
        elif activation == "sigmoid":
            codes = 1.0 / (1.0 + np.exp(-codes))
    return codes


def random_layers(activations=("relu", "tanh")):
    draw = np.random.default_rng(5)
    sizes = [4, *(10 * (place + 1) for place in range(len(activations)))]
    return [
        (draw.standard_normal((units, inputs)), draw.standard_normal(units), activation)
        for inputs, units, activation in zip(sizes, sizes[1:], activations, strict=False)
    ]


@pytest.mark.parametrize(
    "activations", [("relu",), ("leaky_relu:0.1", "identity"), ("relu", "relu", "sigmoid"), ("relu", "tanh")]
)
def test_arrays_compute_what_numpy_computes(activations):
    layers = random_layers(activations)
    network = unrelu.Network.from_arrays(layers)
    codes = np.random.default_rng(1).standard_normal((7, 4))
    np.testing.assert_allclose(network.forward(codes), numpy_forward(layers, codes), rtol=1e-13, atol=1e-13)
    for (weight, bias, name), (own, own_bias, own_name) in zip(layers, network.layers, strict=True):
        assert np.array_equal(weight, own) and np.array_equal(bias, own_bias) and name == own_name


def test_arrays_in_any_order_and_precision_are_read():
    weight = np.asfortranarray(np.arange(6.0, dtype=np.float32).reshape(3, 2))
    network = unrelu.Network.from_arrays([(weight, None)], activation="identity")
    assert np.array_equal(network.forward([[1.0, 2.0]]), [[2.0, 8.0, 14.0]]) and not network.notes
    assert "ReLU" in unrelu.Network.from_arrays([(weight, None)]).notes[0]
    assert network.forward(np.float32([[1, 2]])).dtype == np.float32


def test_a_file_gives_the_network_back(tmp_path):
    network = unrelu.Network.from_arrays(random_layers())
    path = tmp_path / "net.safetensors"
    network.save(path)
    again = unrelu.Network.from_file(path, image_shape=(4, 5))
    assert again.image_shape == (4, 5) and again.forward(np.ones((2, 4))).shape == (2, 4, 5)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(network.layers, again.layers, strict=True))
    with pytest.raises(ValueError, match="net.safetensors.*overwrite=True"):
        network.save(path)
    network.save(path, overwrite=True)
    with pytest.raises(FileNotFoundError):
        unrelu.Network.from_file(tmp_path / "missing.safetensors")


def test_notes_say_what_a_file_does_not(tmp_path):
    weight = np.random.default_rng(0).standard_normal((6, 2))
    norm = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    tensors = {f"bn.{name}": np.full(6, value) for name, value in norm.items()}
    np.savez(tmp_path / "net.npz", **{"fc.weight": weight, "fc.bias": np.zeros(6)}, **tensors)
    options = {"layers": ["fc", "bn"], "activation": "relu"}
    network = unrelu.Network.from_file(tmp_path / "net.npz", **options)
    assert any("eps 1e-5" in note for note in network.notes), network.notes
    other = unrelu.Network.from_file(tmp_path / "net.npz", **options, batch_norm_epsilon=3.0)
    np.testing.assert_allclose(other.layers[0][0], network.layers[0][0] / 2, rtol=1e-4)


def test_a_pickle_is_the_network():
    network = unrelu.Network.from_arrays(random_layers(), image_shape=(2, 10))
    again = pickle.loads(pickle.dumps(network))
    codes = np.ones((3, 4))
    assert np.array_equal(again.forward(codes), network.forward(codes))
    assert repr(again) == repr(network)


def test_repr_prints_the_layers():
    text = repr(unrelu.Network.from_arrays(random_layers()))
    assert text == "Network(4 -> 20)\n  1: 10 x 4, relu\n  2: 20 x 10, tanh"


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ([(np.ones((3, 2)), np.ones(2))], ValueError, "bias"),
        ([(np.ones((3, 2)), None), (np.ones((4, 2)), None)], ValueError, "layer 2"),
        ([(np.full((3, 2), np.nan), None)], ValueError, "NaN"),
        ([(np.ones(3), None)], ValueError, r"\(units, inputs\)"),
        ([(np.array([["a"]]), None)], TypeError, "numbers"),
        ([np.ones((3, 2))], TypeError, "(W, b)"),
        ([(np.ones((3, 2)), None, "mish")], ValueError, "mish"),
        ([], ValueError, "layer"),
    ],
)
def test_layers_that_make_no_network_are_refused(layers, error, words):
    with pytest.raises(error, match=words) as raised:
        unrelu.Network.from_arrays(layers)
    assert isinstance(raised.value, unrelu.UnreluError)


def test_shapes_that_do_not_fit_are_refused():
    network = unrelu.Network.from_arrays(random_layers())
    with pytest.raises(ValueError, match="codes: found an array of shape"):
        network.forward(np.ones((3, 5)))
    with pytest.raises(ValueError, match="image_shape"):
        unrelu.Network.from_arrays(random_layers(), image_shape=(3, 3))
    with pytest.raises(TypeError, match="from_torch"):
        unrelu.Network("net.pth")
