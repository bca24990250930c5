"""The notebooks run from the first cell to the last, each within two minutes."""

import os
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integrations
import nbclient  # noqa: E402
import nbformat  # noqa: E402
import ipykernel  # noqa: E402, F401
import matplotlib  # noqa: E402, F401

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NEEDS_TORCH = ("denoise_your_decoder", "inpainting_beside_csgm")
LARGEST = 150_000


def run(path):
    """The notebook with its outputs; a cell that raises fails."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}}
    )
    client.create_kernel_manager()
    # The kernel is this Python, whatever kernels are installed.
    client.km.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute(env=dict(os.environ))
    return notebook


def texts(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == [*NEEDS_TORCH, "projected_gradient"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    if path.stem in NEEDS_TORCH:
        import torch  # noqa: F401
    began = time.perf_counter()
    notebook = run(path)
    print(f"{path.stem}: {time.perf_counter() - began:.0f} s\n{texts(notebook)}")
    assert pictures(notebook), "a picture"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert pictures(notebook), "its pictures"
    assert path.stat().st_size < LARGEST, "small enough for the repository"
