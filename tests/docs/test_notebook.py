"""The notebook runs from its first cell to its last, and its last lines show something."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from dataengine import pipeline
from dataengine.testing import InProcess

NOTEBOOK = Path(__file__).parents[2] / "examples" / "corpus.ipynb"


def test_the_file_is_a_notebook_without_outputs() -> None:
    content = json.loads(NOTEBOOK.read_text())
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(ids) == len({*ids}) > 8
    for cell in content["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        code = cell["cell_type"] == "code"
        assert set(cell) == (wanted | {"execution_count", "outputs"} if code else wanted)
        assert not code or (cell["execution_count"], cell["outputs"]) == (None, [])


def run(source: str, names: dict[str, Any]) -> object:
    """The value of a cell's last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last is not None else None


@pytest.mark.slow
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Ray: ``InProcess`` runs the workers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "_record_engine", lambda recipe: InProcess())
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = {cell["id"]: run("".join(cell["source"]), names) for cell in cells}
    assert "done" in repr(shown["run"]) and "larger.jpg" in shown["corpus"]
    outcomes = dict(zip(shown["ledger"].uri, shown["ledger"].outcome, strict=True))
    assert (outcomes["broken.jpg"], outcomes["image-000.jpg"], outcomes["larger.jpg"]) == (
        "failed",
        "duplicate",
        "kept",
    )
    assert len(shown["scores"]) == 5 and shown["sample"].size[0] >= 320
    assert "assistant: " in capsys.readouterr().out
    assert set(shown["again"].rule) == {"side", None} or set(shown["again"].rule.dropna()) == {"side"}
