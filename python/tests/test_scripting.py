"""docs/SCRIPTING.md: its lines of pandas run, and records and reports fit their JSON schemas."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integrations

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a network of 3 -> 8 -> 20, 40 observations x.npy and their codes t.npy."""
    folder = tmp_path_factory.mktemp("scripting")
    unrelu(folder, "random-network", "3,8,20", "-o", "net.safetensors", "--seed", "1")
    return folder


def unrelu(folder: Path, *arguments: str) -> str:
    program = "import sys; from unrelu._command import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def validator(name: str):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCS / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_records_and_reports_fit_their_schemas(folder: Path) -> None:
    of_generation, of_summary, of_row = (validator(name) for name in ("generate", "summary", "report"))
    made = unrelu(
        folder, "generate", "net.safetensors", "--count", "40", "-o", "x.npy", "--codes-out", "t.npy",
        "--noise", "uniform:0.01", "--json",
    )
    of_generation.validate(json.loads(made))
    measured = unrelu(folder, "generate", "net.safetensors", "t.npy", "--gaussian", "9", "-o", "y.npy", "--json")
    of_generation.validate(json.loads(measured))
    recover = ["recover", "net.safetensors", "y.npy", "--gaussian", "9"]
    invert = ["invert", "net.safetensors", "x.npy"]
    runs = [
        [*invert, "--method", "linf", "--refine=linf", "--noise", "uniform:0.01", "--uncertainty", "--truth", "t.npy"],
        [*invert, "--method", "relaxed", "--epsilon", "0.01"],
        [*invert, "--method", "best", "--noise", "gaussian:0.01", "--uncertainty", "--alternatives", "2"],
        [*invert, "--method", "best", "--noise", "gaussian:1e-7", "--prior", "0.01"],
        [*invert, "--method", "descent"],
        [*recover, "--truth", "t.npy"],
        [*recover, "--inner", "linf"],
    ]
    for arguments in runs:
        outputs = ["-o", "z.npy", "--report", "r.jsonl", "--force", "--allow-incomplete", "--json"]
        of_summary.validate(json.loads(unrelu(folder, *arguments, *outputs)))
        rows = [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()]
        assert len(rows) == 40
        for row in rows:
            of_row.validate(row)


def test_a_schema_refuses_what_does_not_fit() -> None:
    of_row = validator("report")
    assert not of_row.is_valid({"index": 0})
    assert not validator("summary").is_valid({"observations": -1})


def test_the_lines_of_pandas(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("pandas")
    unrelu(folder, "generate", "net.safetensors", "--count", "40", "-o", "p.npy", "--force")
    unrelu(folder, "invert", "net.safetensors", "p.npy", "-o", "pz.npy", "--report", "report.jsonl", "--force")
    monkeypatch.chdir(folder)
    page = (DOCS / "SCRIPTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/SCRIPTING.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "reproduced" in printed and "l2_relative" in printed and "40" in printed
