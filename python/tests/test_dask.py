"""unrelu.dask: the results of one process, whatever the blocks, the scheduler and its losses."""

import doctest
import os
import pickle
import signal
import time

import numpy as np
import pytest

import unrelu

pytestmark = pytest.mark.integrations
import dask.array  # noqa: E402, F401
import distributed  # noqa: E402, F401

import dask  # noqa: E402
import dask.array as da  # noqa: E402
from distributed import Client, LocalCluster, get_worker  # noqa: E402

import unrelu.dask  # noqa: E402
from unrelu import _per_process  # noqa: E402

COUNT = 150


@pytest.fixture(scope="module")
def network():
    return unrelu.Network.random([6, 18, 40], activation="leaky_relu:0.2", seed=5)


@pytest.fixture(scope="module")
def x(network):
    """Observations whose codes depend on the random starts: noisy, with unobserved entries."""
    draw = np.random.default_rng(7)
    x = network.forward(network.random_codes(COUNT, seed=5))
    x = x + 0.3 * draw.standard_normal(x.shape)
    x[draw.random(x.shape) < 0.3] = np.nan
    x[11] = np.nan
    return x


@pytest.fixture(scope="module")
def expected(network, x):
    return unrelu.invert(network, x)


@pytest.fixture(scope="module")
def cluster():
    # Two workers of two threads each, as separate processes.
    options = {"n_workers": 2, "threads_per_worker": 2, "processes": True}
    with LocalCluster(**options, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            yield client


def assert_same(found, expected):
    """Bit for bit: codes and every column, NaN included."""
    assert found["codes"].dtype == expected.codes.dtype
    assert found["codes"].tobytes() == np.ascontiguousarray(expected.codes).tobytes()
    for name, column in found.items():
        assert np.array_equal(
            column, getattr(expected, name), equal_nan=column.dtype.kind == "f"
        ), name


def test_the_starts_matter_here(network, x, expected):
    """Otherwise the tests below could not notice a wrong index."""
    shifted = unrelu.invert(network, x, first_index=1)
    assert (shifted.codes != expected.codes).any()


@pytest.mark.parametrize("chunks", [(37, 40), (150, 7), ((1, 0, 149), (20, 20)), (1, 40)])
def test_every_partition_gives_the_same(network, x, expected, chunks):
    lazy = unrelu.dask.invert(network, da.from_array(x, chunks=chunks))
    assert lazy.codes.shape == (COUNT, 6) and lazy.status.shape == (COUNT,)
    assert_same(lazy.compute(scheduler="threads"), expected)


@pytest.mark.parametrize("scheduler", ["synchronous", "processes"])
def test_every_scheduler_gives_the_same(network, x, expected, scheduler):
    lazy = unrelu.dask.invert(network, da.from_array(x, chunks=(64, 40)))
    assert_same(lazy.compute(scheduler=scheduler), expected)


def test_a_cluster_gives_the_same(network, x, expected, cluster):
    lazy = unrelu.dask.invert(network, da.from_array(x, chunks=(16, 40)))
    kept = lazy.persist()
    codes, status = dask.compute(kept.codes, kept.status)
    assert codes.tobytes() == expected.codes.tobytes()
    assert (status == expected.status).all()
    threads = cluster.run(lambda: [key[1] for key in _per_process._opened])
    assert list(threads.values()) == [[2], [2]], "one inverter per process, of the worker's threads"


def test_a_killed_worker_changes_nothing(network, x, expected, cluster, tmp_path):
    """The process that reads the fifth of ten blocks is killed, with the results that it holds."""
    told = tmp_path / "pid"

    record = unrelu.dask.invert(network, da.from_array(x)).records.dtype

    def held():
        values = list(get_worker().data.values())
        return any(getattr(value, "dtype", None) == record for value in values)

    def read(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 4 and not told.exists():
            # The worker's other thread goes on until one block is inverted.
            deadline = time.monotonic() + 30
            while not held() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert held(), "no block was inverted yet: this is not the middle"
            told.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    before = set(cluster.run(os.getpid).values())
    source = da.from_array(x, chunks=(15, 40)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    assert_same(unrelu.dask.invert(network, source).compute(), expected)
    killed = int(told.read_text())
    assert killed in before
    deadline = time.monotonic() + 30
    while len(after := set(cluster.run(os.getpid).values())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert killed not in after and len(after) == 2


@pytest.mark.filterwarnings("ignore:.*such noise explains nearly any code")
@pytest.mark.parametrize("noise", ["gaussian:0.3", "uniform:0.9", "uniform"])
def test_uncertainty_and_alternatives(network, x, noise):
    options = {"noise": noise, "uncertainty": True, "alternatives": 2}
    expected = unrelu.invert(network, x[:40], **options)
    lazy = unrelu.dask.invert(network, da.from_array(x[:40], chunks=(11, 40)), **options)
    assert lazy.sd.shape == (40, 6) and lazy.alternative_codes.shape == (40, 2, 6)
    found = lazy.compute(scheduler="threads")
    assert_same(found, expected)
    assert np.array_equal(found["alternative_codes"], expected.alternative_codes, equal_nan=True)
    assert ("bound_lower" in found) == (noise == "uniform:0.9")


def test_images_and_single_precision(network, x):
    images = x.astype(np.float32).reshape(COUNT, 5, 8)
    expected = unrelu.invert(network, images, "linf", first_index=3)
    lazy = unrelu.dask.invert(
        network, da.from_array(images, chunks=(50, 2, 8)), "linf", first_index=3
    )
    assert lazy.codes.dtype == np.float32
    assert_same(lazy.compute(), expected)


def test_bytes_descent_and_an_empty_array(network):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 40), dtype=np.uint8)
    options = {"iterations": 20, "restarts": 2, "seed": 4}
    expected = unrelu.invert(network, pixels, "descent", pixels="0..255", **options)
    lazy = unrelu.dask.invert(
        network, da.from_array(pixels, chunks=6), "descent", pixels="0..255", **options
    )
    assert_same(lazy.compute(), expected)
    empty = unrelu.dask.invert(network, da.zeros((0, 40), chunks=(4, 40))).compute()
    assert empty["codes"].shape == (0, 6) and empty["runs"].shape == (0,)


def test_one_block_is_inverted_once_for_all_columns(network, x, monkeypatch):
    calls = []
    monkeypatch.setattr(
        unrelu.dask, "records_of", lambda *given: calls.append(1) or _records(*given)
    )
    _records = unrelu._records.records_of
    lazy = unrelu.dask.invert(network, da.from_array(x, chunks=(50, 40)))
    assert not calls, "lazy"
    dask.compute(lazy.codes, lazy.status, lazy.residual, scheduler="synchronous")
    assert len(calls) == 3


def test_the_same_call_has_the_same_name(network, x):
    array = da.from_array(x, chunks=(50, 40))
    copy = pickle.loads(pickle.dumps(network))
    assert unrelu.dask.invert(copy, array).codes.name == unrelu.dask.invert(network, array).codes.name
    other = unrelu.dask.invert(network, array, seed=1)
    assert other.codes.name != unrelu.dask.invert(network, array).codes.name


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda x: np.asarray(x), {}, "x: found a ndarray; expected a dask.array.Array"),
        (lambda x: x[:, :39], {}, r"x: found an array of shape \(150, 39\); expected \(count, 40\)"),
        (lambda x: x[x[:, 0] > 0], {}, "call x.compute_chunk_sizes"),
        (lambda x: x.astype(complex), {}, "x: found numbers of type complex128"),
        (lambda x: x, {"starts": 0}, "starts"),
        (lambda x: x, {"step": 0.1}, "step"),
        (lambda x: x, {"batch": 0}, "batch"),
        (lambda x: x, {"pixels": "0..1"}, "pixels"),
    ],
)
def test_mistakes_are_told_before_the_computation(network, x, change, options, message):
    with pytest.raises(unrelu.UnreluError, match=message):
        unrelu.dask.invert(network, change(da.from_array(x, chunks=(50, 40))), **options)


def test_the_examples_of_the_module():
    assert doctest.testmod(unrelu.dask) == (0, 6)


def test_arrays_at_any_address(network, x, expected):
    """A connection delivers arrays that are not aligned, pickled networks too."""

    def moved(array):
        raw = np.empty(array.nbytes + 1, np.uint8)[1:]
        raw[:] = array.ravel().view(np.uint8)
        return raw.view(array.dtype).reshape(array.shape)

    buffers = []
    pickled = pickle.dumps(network, protocol=5, buffer_callback=buffers.append)
    frames = [moved(np.frombuffer(buffer, np.uint8)) for buffer in buffers]
    assert frames and not moved(x).flags.aligned
    found = unrelu.invert(pickle.loads(pickled, buffers=frames), moved(x))
    assert found.codes.tobytes() == expected.codes.tobytes()


def test_images_in_another_order_of_axes_are_refused_at_once(network):
    shaped = unrelu.Network.from_arrays(network.layers, image_shape=(5, 8))
    images = da.zeros((6, 5, 8), chunks=(3, 5, 8))
    assert unrelu.dask.invert(shaped, images).codes.shape == (6, 6)
    with pytest.raises(ValueError, match=r"images of shape \(5, 8\)"):
        unrelu.dask.invert(shaped, images.transpose(0, 2, 1))
