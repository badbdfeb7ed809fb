"""The public face: its names, what importing it costs, and the page that shows each of them."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import dataengine
from dataengine import pipeline
from dataengine.testing import InProcess

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
NAMES = {
    *("Recipe", "Scorer", "Source", "Teacher", "load", "run", "open", "Run", "Release", "Sample", "CotRecord"),
    *("DataEngineError", "UsageError", "RunError", "CancelledError"),
    *("EmbeddingScorer", "FileScorer", "Task", "Tokenizer", "Exporter", "Occurrence", "Part"),
}


#: Those that the page calls or implements.
CALLED = {
    "Recipe",
    "Scorer",
    "FileScorer",
    "EmbeddingScorer",
    "Task",
    "Tokenizer",
    "Exporter",
    "Occurrence",
    "Part",
    "Source",
    "Teacher",
    "UsageError",
    "load",
    "open",
    "run",
}


def test_the_public_names_and_no_others() -> None:
    assert set(dataengine.__all__) == NAMES
    assert {name: getattr(dataengine, name) for name in NAMES}.keys() == NAMES
    assert set(dir(dataengine)) >= NAMES
    with pytest.raises(AttributeError, match="has no attribute 'execute'; it offers CancelledError, "):
        _ = dataengine.execute  # type: ignore[attr-defined]


def test_types_are_those_that_are_loaded() -> None:
    """What a type checker reads in ``if TYPE_CHECKING`` is what a program gets."""
    tree = ast.parse(Path(dataengine.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == dataengine._PLACES


def test_importing_it_loads_nothing_else() -> None:
    code = "import dataengine, sys; print(*sorted(m for m in sys.modules if m.split('.')[0] in {'dataengine', 'numpy', 'ray'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["dataengine"]


def test_the_page_about_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Ray: ``InProcess`` runs the workers."""
    page = PAGE.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 8
    assert set(re.findall(r"\bdataengine\.(\w+)", page)) >= NAMES
    assert set(re.findall(r"\bde\.(\w+)", "".join(blocks))) >= CALLED
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "_record_engine", lambda recipe: InProcess())
    (tmp_path / "page.py").write_text("\n".join(blocks))
    runpy.run_path("page.py", run_name="__main__")
    shown = capsys.readouterr().out
    assert "release.publish" not in shown or "done" in shown
    assert "kept" in shown and "colourfulness" in shown and "0.jpg" in shown
