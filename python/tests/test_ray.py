"""The recipe for Ray Data in docs/CLUSTER.md, as it is printed."""

import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import unrelu

pytestmark = pytest.mark.integrations
import ray  # noqa: E402
import ray.data  # noqa: E402, F401

DOCS = Path(__file__).parents[2] / "docs" / "CLUSTER.md"
COUNT = 150


def recipe():
    """The names that the first Python block of the section on Ray Data defines."""
    section = DOCS.read_text(encoding="utf-8").split("## Ray Data\n")[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    # Workers get the functions of __main__ by value.
    names = {"__name__": "__main__"}
    exec(compile(code, str(DOCS), "exec"), names)
    return names


@pytest.fixture(scope="module")
def network():
    return unrelu.Network.random([6, 18, 40], activation="leaky_relu:0.2", seed=5)


@pytest.fixture(scope="module")
def x(network):
    """Observations whose codes depend on the random starts."""
    draw = np.random.default_rng(7)
    x = network.forward(network.random_codes(COUNT, seed=5))
    x = x + 0.3 * draw.standard_normal(x.shape)
    x[draw.random(x.shape) < 0.3] = np.nan
    return x


@pytest.fixture(scope="module")
def expected(network, x):
    return unrelu.invert(network, x, seed=3)


@pytest.fixture(scope="module")
def cluster():
    ray.init(
        num_cpus=5,  # Two workers of two, and one for reading.
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}},
    )
    yield
    ray.shutdown()


def columns(dataset):
    rows = sorted(dataset.take_all(), key=lambda row: row["index"])
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def assert_same(found, expected):
    assert found["index"].tolist() == list(range(COUNT))
    assert found["codes"].tobytes() == expected.codes.tobytes()
    assert found["residual"].tobytes() == expected.residual.tobytes()
    assert found["status"].tolist() == expected.status.tolist()


def test_the_recipe_with_a_killed_worker(network, x, expected, cluster, tmp_path, monkeypatch):
    names = recipe()
    array, told = tmp_path / "observations.npy", tmp_path / "pids"
    np.save(array, x)

    def read(batch):
        loaded = np.load(str(array), mmap_mode="r")
        return {"index": batch["id"], "x": loaded[batch["id"]]}

    class Invert(names["Invert"]):
        """The recipe's, whose process is killed in its second batch, once in all."""

        batches = 0

        def __call__(self, batch):
            self.batches += 1
            with told.open("a") as file:
                file.write(f"{os.getpid()} {self.inverter._options['threads']}\n")
            if self.batches == 2 and not told.with_suffix(".killed").exists():
                told.with_suffix(".killed").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.2)  # So that both workers get batches.
            return super().__call__(batch)

    names["read"], names["Invert"] = read, Invert
    source = ray.data.range
    monkeypatch.setattr(ray.data, "range", lambda count: source(count, override_num_blocks=15))
    found = columns(names["inverted"](network, COUNT, workers=2, cpus=2, batch=10, seed=3))
    assert_same(found, expected)
    seen = [line.split() for line in told.read_text().splitlines()]
    killed = told.with_suffix(".killed").read_text()
    pids = [pid for pid, _ in seen]
    assert {threads for _, threads in seen} == {"2"}
    assert len(set(pids)) >= 2, "several processes"
    assert len(pids) > 15, "the batch of the killed process ran again"
    assert killed in pids


@pytest.mark.parametrize("order", ["shuffled", "gaps", "empty"])
def test_any_order_of_rows(network, x, expected, cluster, order):
    invert = recipe()["Invert"].__new__(recipe()["Invert"])
    invert.inverter = unrelu.Inverter(network, seed=3)
    index = np.random.default_rng(0).permutation(COUNT)
    index = {"shuffled": index, "gaps": index[:40], "empty": index[:0]}[order]
    found = invert({"index": index, "x": x[index]})
    assert found["index"].tolist() == sorted(index)
    assert found["status"].shape == found["residual"].shape == index.shape
    assert found["codes"].tobytes() == expected.codes[np.sort(index)].tobytes()
