"""The folders of ``cot`` import one way: later steps know earlier ones, never the other way round."""

from __future__ import annotations

import ast
from pathlib import Path

import dataengine.cot

ROOT = Path(dataengine.cot.__file__).parent
#: From what knows nothing of the others to what may know them all.
ORDER = ("core", "replies", "tasks", "teachers", "checks", "questions", "paths", "review", "mix")
PREFIX = "dataengine.cot."


def imported(path: Path) -> set[str]:
    """Modules of ``cot`` that a file imports or names as ``module:function``."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            names.add(node.value.partition(":")[0])
    return {name for name in names if name.startswith(PREFIX)}


def arrows() -> set[tuple[str, str, str]]:
    """``(folder, folder that it imports, file)``."""
    found = set()
    for path in ROOT.rglob("*.py"):
        folder = path.relative_to(ROOT).parts[0]
        for name in imported(path):
            other = name.removeprefix(PREFIX).partition(".")[0]
            if folder not in (other, "__init__.py"):
                found.add((folder, other, str(path.relative_to(ROOT))))
    return found


def test_every_folder_has_its_place() -> None:
    assert {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ORDER)


def test_imports_run_one_way() -> None:
    known = arrows()
    assert {folder for folder, _, _ in known} == set(ORDER) - {"core"}
    assert not [arrow for arrow in known if ORDER.index(arrow[1]) > ORDER.index(arrow[0])]


def test_functions_named_by_a_string_are_imports_too() -> None:
    assert "dataengine.cot.questions.worker" in imported(ROOT / "questions" / "stage.py")
