"""Options and fixtures of the tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unrelu


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--integrations",
        action="store_true",
        help="also run the tests that need torch, onnx, deepinv, dask or ray; without them they fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "integrations: needs torch, onnx, deepinv, dask or ray")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules that import these packages at their top cannot even be read without them."""
    needs = (
        "test_from_torch.py", "test_from_torch_chains.py", "test_random_chains.py", "test_torch.py",
        "test_onnx.py", "test_deepinv.py", "test_dask.py", "test_ray.py", "test_notebooks.py",
        "test_trained_chains.py",
    )
    left_out = not config.getoption("--integrations") and collection_path.name in needs
    return True if left_out else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--integrations"):
        return
    left_out = pytest.mark.skip(reason="needs --integrations")
    for item in items:
        if "integrations" in item.keywords:
            item.add_marker(left_out)


@pytest.fixture(scope="session")
def network() -> unrelu.Network:
    """A network of 5 -> 20 -> 60."""
    return unrelu.Network.random([5, 20, 60], seed=1)


@pytest.fixture
def codes(network: unrelu.Network) -> np.ndarray:
    """12 codes."""
    return network.random_codes(12, seed=3)


@pytest.fixture
def images(network: unrelu.Network, codes: np.ndarray) -> np.ndarray:
    """The images of the codes."""
    return network.forward(codes)
