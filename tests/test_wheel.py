"""The wheel is whole: every module imports from it alone, and what lies beside the code is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
IMPORT_ALL = """
import importlib, importlib.resources, json, pathlib, pkgutil, sys
import dataengine
modules = [m.name for m in pkgutil.walk_packages(dataengine.__path__, "dataengine.")]
for name in modules:
    importlib.import_module(name)
places = [getattr(sys.modules[name], "__file__", None) for name in ["dataengine", *modules]]
data = {}
for file in sys.argv[1:]:
    data[file] = len(importlib.resources.files("dataengine").joinpath(file).read_bytes())
print(json.dumps({"modules": modules, "places": places, "data": data}))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel that pip would build without isolation, from a copy: a build leaves folders behind."""
    source, out, into = (tmp_path_factory.mktemp(name) for name in ("source", "wheel", "site"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("dataengine", "tests"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(out / done.stdout.split()[-1]) as wheel:
        wheel.extractall(into)
    return into


def _files(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_the_wheel_holds_the_package_and_nothing_else(unpacked: Path) -> None:
    assert _files(unpacked / "dataengine") == _files(REPOSITORY / "dataengine")
    others = {path.name for path in unpacked.iterdir()} - {"dataengine"}
    assert len(others) == 1 and others.pop().endswith(".dist-info")


@pytest.mark.slow
def test_every_module_imports_from_the_wheel_and_finds_its_data(unpacked: Path) -> None:
    source = REPOSITORY / "dataengine"
    data = {name: (source / name).stat().st_size for name in _files(source) if not name.endswith(".py")}
    assert {Path(name).suffix for name in data} >= {".yaml", ".txt", ".css", ".js", ".html", ".typed"}
    env = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *data], cwd=unpacked, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    names = {name.removesuffix(".py").removesuffix("/__init__") for name in _files(source) if name.endswith(".py")}
    assert {name.replace(".", "/") for name in found["modules"]} == {f"dataengine/{n}" for n in names - {"__init__"}}
    assert all(Path(place).is_relative_to(unpacked) for place in found["places"])
    assert found["data"] == data


@pytest.mark.slow
def test_the_command_of_the_wheel_has_its_policies_and_recipes(unpacked: Path, tmp_path: Path) -> None:
    """In an empty folder, with no repository beside it: what `make demo-wheel` runs to the end."""
    call = "from dataengine.cli.main import app; app()"
    env = {**os.environ, "PYTHONPATH": str(unpacked)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-c", call, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("packaged", "demo-v1") == (REPOSITORY / "filters/demo-v1.yaml").read_text()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jpg").write_bytes(b"x")
    shown = run("run", "pictures", "--dry-run")
    assert "estimate: " in shown and "pending" in shown
    assert not any(path.is_symlink() for path in unpacked.rglob("*")) and [
        path.name for path in tmp_path.iterdir()
    ] == ["data"]
