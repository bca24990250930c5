"""Recovery: every kind of operator finds the codes that the matrix finds."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import unrelu

A = np.random.default_rng(2).standard_normal((40, 60))


@pytest.fixture
def affine() -> unrelu.Network:
    """A network that ends in an affine layer, with a bias."""
    hidden, last = unrelu.Network.random([5, 20, 60], seed=1).layers
    return unrelu.Network.from_arrays([hidden, (last[0], np.full(60, 0.25), "identity")])


def sparse():
    import scipy.sparse

    return scipy.sparse.csr_array(A)


def linear():
    import scipy.sparse.linalg

    return scipy.sparse.linalg.aslinearoperator(A)


KINDS = {
    "array": lambda: A,
    "fortran": lambda: np.asfortranarray(A),
    "functions": lambda: (lambda x: x @ A.T, lambda y: y @ A),
}
# These need SciPy.
FURTHER = {"sparse": sparse, "linear": linear}


@pytest.mark.parametrize(
    "kind", [*KINDS, *(pytest.param(kind, marks=pytest.mark.integrations) for kind in FURTHER)]
)
@pytest.mark.parametrize("way", [{}, {"inner": "best"}, {"method": "descent", "restarts": 2}])
def test_every_kind_of_operator(affine, kind, way):
    codes = affine.random_codes(6, seed=4)
    y = affine.forward(codes) @ A.T
    result = unrelu.recover(affine, y, {**KINDS, **FURTHER}[kind](), **way)
    expected = unrelu.recover(affine, y, A, **way)
    found = np.linalg.norm(result.codes - codes, axis=1) < 1e-3
    same = np.linalg.norm(expected.codes - codes, axis=1) < 1e-3
    assert np.array_equal(found, same) and (way or found.all())


class Counted:
    """``A`` as a pair of functions that count their calls and refuse unit images."""

    def __init__(self, dtype=np.float64):
        self.matrix, self.rows = A.astype(dtype), []

    def apply(self, x):
        assert not np.any((np.count_nonzero(x, axis=1) == 1) & (x.sum(axis=1) == 1.0)), "a unit image"
        self.rows.append(len(x))
        return x.astype(self.matrix.dtype) @ self.matrix.T

    def adjoint(self, y):
        return y.astype(self.matrix.dtype) @ self.matrix

    @property
    def pair(self):
        return self.apply, self.adjoint


def with_output(network, output):
    """The network with another output activation, and a bias."""
    hidden, last = network.layers
    return unrelu.Network.from_arrays([hidden, (last[0], np.full(60, 0.25), output)])


OUTPUTS = ["relu", "leaky_relu:0.2", "sigmoid", "tanh"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_search_uses_only_products(network, output, noise, hidden):
    network = with_output(network, output)
    codes = network.random_codes(5, seed=3)
    draw = np.random.default_rng(5)
    y = network.forward(codes) @ A.T
    y += noise * np.sqrt(np.mean(y**2)) * draw.standard_normal(y.shape)
    if hidden:
        y[draw.random(y.shape) < 0.2] = np.nan
    counted = Counted()
    recoverer = unrelu.Recoverer(network, counted.pair)
    # Three calls check the pair, and one measures its error. No matrix is formed.
    assert counted.rows == [2, 1, 3]
    result, expected = recoverer.recover(y), unrelu.recover(network, y, A)
    assert set(counted.rows[3:-1]) <= {1, 5, 13, 31}
    np.testing.assert_array_equal(result.status, expected.status)
    np.testing.assert_array_equal(result.determined, expected.determined)
    np.testing.assert_allclose(result.residual, expected.residual, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(result.codes, expected.codes, atol=1e-6)
    if noise == 0.0:
        np.testing.assert_allclose(result.codes, codes, atol=1e-6)
    # Observations in single precision have a core of their own, which forms no matrix either.
    before = len(counted.rows)
    single = recoverer.recover(y.astype(np.float32))
    assert counted.rows[before] == 3
    np.testing.assert_allclose(single.codes, expected.codes, atol=1e-3)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_functions_in_single_precision(network, output, noise):
    """The search ends by its stop rule, at the codes of the matrix."""
    network = with_output(network, output)
    codes = network.random_codes(5, seed=3)
    draw, counted = np.random.default_rng(5), Counted(np.float32)
    y = counted.apply(network.forward(codes)).astype(np.float64)
    y += noise * np.sqrt(np.mean(y**2)) * draw.standard_normal(y.shape)
    result, expected = unrelu.recover(network, y, counted.pair), unrelu.recover(network, y, A)
    assert set(result.status) == {"converged"}
    np.testing.assert_allclose(result.codes, expected.codes, atol=1e-4)


def test_descent_behind_a_kink_forms_the_matrix(network, codes, images):
    rows = []

    def apply(x):
        rows.append(len(x))
        return x @ A.T

    unrelu.recover(network, images @ A.T, (apply, lambda y: y @ A), "descent", iterations=10)
    assert 60 in rows


@pytest.mark.integrations
@pytest.mark.parametrize("kind", FURTHER)
def test_operators_of_scipy_behind_a_kink(network, codes, images, kind):
    result = unrelu.recover(network, images @ A.T, FURTHER[kind]())
    np.testing.assert_allclose(result.codes, codes, atol=1e-6)


def test_what_a_function_raises_in_the_search_is_raised(network, images):
    rows = []

    def apply(x):
        rows.append(len(x))
        if len(rows) > 8:
            raise ZeroDivisionError("in the operator")
        return x @ A.T

    recoverer = unrelu.Recoverer(network, (apply, lambda y: y @ A))
    with pytest.raises(ZeroDivisionError, match="in the operator"):
        recoverer.recover(images @ A.T)


def test_masks(network, codes, images):
    draw = np.random.default_rng(0)
    for mask in (draw.random(60) < 0.5, draw.random((12, 60)) < 0.5):
        hidden = np.where(mask, images, np.nan)
        for result in (
            unrelu.recover(network, np.where(mask, images, 0.0), mask),
            unrelu.recover(network, hidden),
            unrelu.recover(network, hidden, method="linf"),
        ):
            # Programs of hidden layers alone determine fewer codes than all layers together.
            good = result.determined & (result.fit == "reproduced")
            assert good.sum() >= (2 if result.layers else 11)
            np.testing.assert_allclose(result.codes[good], codes[good], atol=1e-6)
    shaped = unrelu.Network.from_arrays(network.layers, image_shape=(6, 10))
    mask = draw.random((6, 10)) < 0.5
    assert unrelu.recover(shaped, images.reshape(12, 6, 10), mask).images.shape == (12, 6, 10)


def test_the_matrix_of_the_command_line(network, codes, images):
    matrix = unrelu.gaussian_operator(30, 60, 1)
    assert matrix.shape == (30, 60) and abs(np.linalg.norm(matrix, axis=0).mean() - 1) < 0.1
    result = unrelu.recover(network, images @ matrix.T, matrix)
    np.testing.assert_allclose(result.codes, codes, atol=1e-6)


@pytest.mark.parametrize(
    ("operator", "error", "words"),
    [
        (A.T, ValueError, "its transpose"),
        (np.ones(60), ValueError, r"astype\(bool\)"),
        (np.ones(59, bool), ValueError, "60 pixels"),
        (np.ones((11, 60), bool), ValueError, "masks for 11 images"),
        (A.astype(complex), TypeError, "real"),
        (0 * A, ValueError, "zeros"),
        ("gaussian", TypeError, "a mask of booleans"),
        ((lambda x: x @ A.T, lambda y: 2 * y @ A), ValueError, "adjoint of apply"),
        ((lambda x: x @ A.T + 1, lambda y: y @ A), ValueError, "not linear"),
        ((lambda x: abs(x @ A.T), lambda y: y @ A), ValueError, "not linear"),
        ((lambda x: A @ x[0], lambda y: y @ A), ValueError, "batches"),
        ((lambda x: x @ A.T * np.nan, lambda y: y @ A), ValueError, "not finite"),
        (A[:0], ValueError, "without rows"),
    ],
)
def test_wrong_operators_are_refused(network, images, operator, error, words):
    with pytest.raises(error, match=words):
        y = images if np.shape(operator)[-1:] in ((60,), (59,)) else images @ A.T
        unrelu.recover(network, y, operator)


def test_what_an_operator_raises_is_raised(affine):
    calls = []

    def apply(x):
        calls.append(len(x))
        if len(calls) > 3:
            raise ZeroDivisionError("in the operator")
        return x @ A.T

    pair = (apply, lambda y: y @ A)
    recoverer = unrelu.Recoverer(affine, pair, inner="best")
    calls[:] = [0, 0, 0]
    with pytest.raises(ZeroDivisionError, match="in the operator"):
        recoverer.recover(np.ones((300, 40)), batch=10)
    # It is not called again, and the next run begins anew.
    assert len(calls) == 4
    calls[:] = [0] * 3
    with pytest.raises(ZeroDivisionError):
        recoverer.recover(np.ones((3, 40)))


def test_runs_of_an_operator_keep_their_own_errors(affine):
    """One call raises: the run that it belongs to says so, and no other."""
    y = affine.forward(affine.random_codes(4, seed=4)) @ A.T

    raising = threading.Event()

    def apply(x):
        if raising.is_set():
            raising.clear()
            raise ZeroDivisionError
        return x @ A.T

    recoverer = unrelu.Recoverer(affine, (apply, lambda y: y @ A), inner="best")
    expected, outcomes = recoverer.recover(y).codes, []
    raising.set()

    def work():
        try:
            outcomes.append(np.array_equal(recoverer.recover(y).codes, expected))
        except ZeroDivisionError:
            outcomes.append("raised")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [True] * 5 + ["raised"]


def test_masks_in_another_order_of_axes_are_refused(network, images):
    shaped = unrelu.Network.from_arrays(network.layers, image_shape=(6, 10))
    mask = np.random.default_rng(0).random((6, 10)) < 0.5
    expected = unrelu.recover(shaped, images, mask).codes
    for same in (mask[None], mask.ravel(), mask.ravel()[None], np.repeat(mask[None], 12, axis=0)):
        assert np.array_equal(unrelu.recover(shaped, images, same).codes, expected)
    with pytest.raises(ValueError, match=r"shape \(10, 6\)"):
        unrelu.recover(shaped, images, mask.T)


def test_wrong_measurements_and_options_are_refused(network, images):
    with pytest.raises(ValueError, match=r"y: found .*\(count, 40\)"):
        unrelu.recover(network, images, A)
    with pytest.raises(ValueError, match="projected gradient descent"):
        unrelu.recover(network, images, method="best", inner="linf")
    with pytest.raises(ValueError, match="momentum.*does not use it"):
        unrelu.recover(network, images, momentum=0.5)


def test_a_mask_of_rows_and_columns_is_for_all_channels():
    network = unrelu.Network.random([4, 20, 60], seed=2)
    mask = np.random.default_rng(0).random((4, 5)) < 0.7
    codes = network.random_codes(3, seed=1)
    images = network.forward(codes).reshape(3, 3, 4, 5)
    found = unrelu.recover(network, images, mask, image_shape=(3, 4, 5))
    for_each = unrelu.recover(network, images, np.stack([mask] * 3), image_shape=(3, 4, 5))
    np.testing.assert_array_equal(found.codes, for_each.codes)
