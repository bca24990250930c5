"""Inversion: known codes, the kinds of arrays, and the mistakes of users."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

import unrelu

METHODS = ["best", "linf", "l1", "relaxed", "exact"]


@pytest.mark.parametrize("method", METHODS)
def test_known_codes_are_found(network, codes, images, method):
    result = unrelu.invert(network, images, method)
    # The relaxation is exact only up to its tolerance of 1e-6.
    within = 1e-4 if method == "relaxed" else 1e-8
    np.testing.assert_allclose(result.codes, codes, atol=within)
    np.testing.assert_allclose(result.images, images, atol=within)
    assert result.ok.all()
    if method != "relaxed":
        assert result.determined.all() and (result.fit == "reproduced").all()
    assert (result.residual < within).all() and len(result) == 12
    assert bool(result.layers) == (method != "best") and hasattr(result, "runs") == (method == "best")


def test_residuals_are_those_of_numpy(network, images):
    noisy = images + 0.05 * np.random.default_rng(0).standard_normal(images.shape)
    noisy[0, :7] = np.nan
    result = unrelu.invert(network, noisy, noise=0.05)
    difference = result.images - noisy
    np.testing.assert_allclose(result.residual, np.sqrt(np.nansum(difference**2, axis=1)))
    np.testing.assert_allclose(result.residual_linf, np.nanmax(abs(difference), axis=1))
    np.testing.assert_allclose(result.residual_l1, np.nansum(abs(difference), axis=1))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f8", "int32"])
def test_types_of_numbers(network, images, dtype):
    given = (8 * images).astype(dtype) if dtype == "int32" else images.astype(dtype)
    result = unrelu.invert(network, given)
    same = unrelu.invert(network, given.astype(float))
    expected = np.float32 if dtype in ("float32", "float16") else np.float64
    assert result.codes.dtype == expected and result.images.dtype == expected
    np.testing.assert_allclose(result.codes, same.codes, rtol=1e-6, atol=1e-6)


def test_bytes_are_pixels():
    layers = unrelu.Network.random([3, 40], activation="sigmoid", seed=2).layers
    network = unrelu.Network.from_arrays(layers)
    images = network.forward(network.random_codes(5, seed=1))
    pixels = np.round(255 * images).astype(np.uint8)
    result = unrelu.invert(network, pixels)
    same = unrelu.invert(network, pixels / 255.0)
    assert np.array_equal(result.codes, same.codes) and "255" in result.notes[-1]
    with pytest.warns(unrelu.UnreluWarning, match="range"):
        other = unrelu.invert(network, pixels, pixels="-1..1")
    assert (other.out_of_range > 0).any()
    tanh = unrelu.Network.from_arrays([(*layers[0][:2], "tanh")])
    signed = np.round(127.5 * (tanh.forward(tanh.random_codes(5, seed=1)) + 1)).astype(np.uint8)
    assert np.array_equal(
        unrelu.invert(tanh, signed).codes, unrelu.invert(tanh, signed / 127.5 - 1.0).codes
    )


def test_layouts_and_images(network, images):
    expected = unrelu.invert(network, images).codes
    strided = np.repeat(images, 2, axis=1)[:, ::2]
    for given in (np.asfortranarray(images), strided, images[::-1][::-1], images.tolist()):
        assert np.array_equal(unrelu.invert(network, given).codes, expected)
    result = unrelu.invert(network, images.reshape(12, 3, 4, 5))
    assert np.array_equal(result.codes, expected) and result.images.shape == (12, 3, 4, 5)


def test_parts_and_batches_have_the_answers_of_the_whole(network, images):
    noisy = images + 0.1 * np.random.default_rng(1).random(images.shape)
    whole = unrelu.invert(network, noisy, "descent", iterations=50, seed=7)
    with unrelu.Inverter(network, "descent", iterations=50, seed=7, threads=1) as inverter:
        parts = [
            inverter.invert(noisy[:5], batch=2).codes,
            inverter.invert(noisy[5:], first_index=5, batch=3).codes,
        ]
    assert np.array_equal(np.concatenate(parts), whole.codes)


def test_an_empty_batch_gives_empty_arrays(network, images):
    result = unrelu.invert(network, images[:0])
    assert result.codes.shape == (0, 5) and result.images.shape == (0, 60)
    assert result.status.shape == result.residual.shape == result.determined.shape == (0,)
    assert unrelu.recover(network, images[:0]).codes.shape == (0, 5)
    assert unrelu.Projector(network).project(images[:0]).images.shape == (0, 60)


def test_a_bad_observation_fails_alone(network, codes, images):
    images[3] = np.nan
    images[4, 2] = np.inf
    for method in METHODS:
        result = unrelu.invert(network, images, method)
        assert result.status.tolist().count("failed") == 2
        assert "no entry is observed" in result.failure[3] and "infinite" in result.failure[4]
        assert not result.failure[0]
        assert np.isnan(result.codes[3:5]).all() and not result.determined[3:5].any()
        np.testing.assert_allclose(result.codes[5:], codes[5:], atol=1e-4)


def test_wrong_images_are_unexplained(network):
    noise = np.random.default_rng(0).random((4, 60))
    result = unrelu.invert(network, noise)
    assert (result.status == "unexplained").all() and not result.ok.any()
    assert "4 unexplained" in repr(result)


def test_entries_out_of_range_are_warned_of():
    layers = unrelu.Network.random([3, 40], seed=2).layers
    network = unrelu.Network.from_arrays([(*layers[0][:2], "sigmoid")])
    images = 255 * network.forward(network.random_codes(3))
    with pytest.warns(unrelu.UnreluWarning, match="range") as told:
        unrelu.invert(network, images)
    with pytest.warns(unrelu.UnreluWarning, match="range") as by_method:
        unrelu.Inverter(network).invert(images)
    # They point at the user's line.
    assert {warning.filename for warning in [*told, *by_method]} == {__file__}


def test_the_summary_is_the_command_lines(network, images):
    result = unrelu.invert(network, images, "linf", epsilon=0.01)
    assert repr(result).startswith("12 observations: 12 solved, 0 not certified, 0 failed")
    assert result.totals["observations"] == 12 and result.totals["solved"] == 12


def test_no_warning_where_all_is_well(network, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unrelu.invert(network, images)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "simplex"}, ValueError, "best, linf"),
        ({"method": "linf", "starts": 5}, ValueError, "starts.*does not use it"),
        ({"refine": True}, ValueError, "refine.*does not use it"),
        ({"method": "linf", "seed": 5}, ValueError, "seed"),
        ({"passes": 2}, ValueError, "passes.*does not use it"),
        ({"method": "linf", "passes": 0}, ValueError, "passes.*at least 1"),
        ({"method": "linf", "relaxed_weights": "clear"}, ValueError, "relaxed_weights.*does not use"),
        ({"method": "l1", "row_tolerances": "some"}, ValueError, "equal or proportional"),
        ({"method": "exact", "hidden_epsilon": "carried"}, ValueError, "hidden_epsilon.*does not"),
        ({"threads": 0}, ValueError, "threads.*1 to 1024"),
        ({"threads": "two"}, TypeError, "threads.*'two' of type str"),
        ({"seed": -1}, TypeError, "seed"),
        ({"seed": True}, TypeError, "seed"),
        ({"epsilon": -1.0}, ValueError, "epsilon"),
        ({"noise": 0.0}, ValueError, "noise"),
        ({"device": "cuda"}, ValueError, "found \"cuda\"; expected auto, cpu or gpu; change"),
        ({"code_law": "cauchy"}, ValueError, "code_law"),
        ({"batch": 0}, ValueError, "batch"),
        ({"batch": 1.5}, TypeError, "batch"),
        ({"pixels": "0..1"}, ValueError, "pixels.*uint8"),
        ({"nonsense": 1}, TypeError, "nonsense"),
        ({"adapter": "no such adapter", "device": "gpu"}, RuntimeError, "no usable device"),
    ],
)
def test_wrong_options_are_refused(network, images, options, error, words):
    with pytest.raises(error, match=words):
        unrelu.invert(network, images, **options)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda x: x[:, :59], ValueError, r"shape \(12, 59\); expected \(count, 60\)"),
        (lambda x: x.T, ValueError, r"pass x\.T"),
        (lambda x: x[0], ValueError, r"pass x\[None\]"),
        (lambda x: x.astype(complex), TypeError, "complex128"),
        (lambda x: x > 0, TypeError, "bool"),
        (lambda x: x.astype(str), TypeError, "str"),
        (lambda x: np.ma.masked_array(x, x > 0), TypeError, "filled"),
        (lambda x: {"a": x}, TypeError, "objects"),
        (lambda x: None, TypeError, "NoneType"),
    ],
)
def test_wrong_observations_are_refused(network, images, change, error, words):
    with pytest.raises(error, match=words) as raised:
        unrelu.invert(network, change(images))
    assert raised.value.source == "x" and raised.value.fix


def test_images_in_another_order_of_axes_are_refused(network, images):
    shaped = unrelu.Network.from_arrays(network.layers, image_shape=(3, 4, 5), code_shape=(1, 5))
    right = images.reshape(12, 3, 4, 5)
    assert unrelu.invert(shaped, right).codes.shape == (12, 1, 5)
    for wrong in (right.transpose(0, 2, 3, 1), images.reshape(12, 4, 3, 5), images.reshape(12, 5, 12)):
        for call in (unrelu.invert, unrelu.recover, lambda net, x: unrelu.Projector(net).project(x)):
            with pytest.raises(ValueError, match=r"images of shape \(3, 4, 5\).*transpose"):
                call(shaped, wrong)
    assert np.array_equal(unrelu.invert(shaped, images).codes[:, 0], unrelu.invert(network, images).codes)


def test_a_result_keeps_its_own_codes(network, images):
    result = unrelu.invert(network, images)
    result.codes[:] = 0.0
    np.testing.assert_allclose(result.images, images, atol=1e-8)
    # No observation is in the pickle: it is that of a network and some columns.
    many = np.tile(images, (100, 1))
    assert len(pickle.dumps(unrelu.invert(network, many))) < many.nbytes
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_allclose(again.images, images, atol=1e-8)


@pytest.mark.parametrize("index", [-1, 1.5, 2**64 - 5, True])
def test_indices_are_integers_within_range(network, images, index):
    with pytest.raises((ValueError, TypeError), match="first_index") as raised:
        unrelu.invert(network, images, first_index=index)
    assert isinstance(raised.value, unrelu.UnreluError)


def test_a_network_is_wanted(images):
    with pytest.raises(TypeError, match="from_torch"):
        unrelu.invert("net.pth", images)


@pytest.mark.integrations
def test_to_pandas(network, images):
    import pandas

    frame = unrelu.invert(network, images, "linf").to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 12
    assert {"status", "residual_linf", "layer1_epsilon", "code_4"} <= set(frame.columns)


@pytest.mark.integrations
def test_progress(network, images, capsys):
    result = unrelu.invert(network, images, progress=True, batch=5)
    assert result.ok.all()
    assert "inverting" in capsys.readouterr().err


def test_names_that_are_no_options_are_refused(network, images):
    with pytest.raises(TypeError, match="did you mean `starts`") as raised:
        unrelu.invert(network, images, nstarts=3)
    assert isinstance(raised.value, unrelu.UnreluError)
    with pytest.raises(TypeError, match="did you mean `noise`"):
        unrelu.recover(network, images, nois=0.1)
    with pytest.raises(TypeError, match="numpy.load"):
        unrelu.invert(network, "images.npy")


def test_layers_depart_from_the_papers_form():
    """Each option changes the codes of noisy observations; the named defaults change nothing."""
    network = unrelu.Network.random([4, 16, 50], seed=3)
    rng = np.random.default_rng(4)
    x = network.forward(rng.normal(size=(8, 4))) + rng.uniform(-0.05, 0.05, (8, 50))

    def codes(method, **options):
        return unrelu.invert(network, x, method, epsilon=0.01, **options).codes

    for method, options, stop in [
        ("linf", {"passes": 3}, {}),
        ("linf", {"row_tolerances": "proportional"}, {}),
        ("l1", {"hidden_epsilon": "enlarged"}, {"stop": "first"}),
        ("relaxed", {"relaxed_weights": "clear"}, {"stop": "first"}),
        ("linf", {"hidden_sign": "free"}, {}),
    ]:
        assert not np.array_equal(codes(method, **stop), codes(method, **stop, **options)), options
    defaults = {"passes": 1, "row_tolerances": "equal", "hidden_epsilon": "restart", "hidden_sign": "nonnegative"}
    assert np.array_equal(codes("linf"), codes("linf", **defaults))
