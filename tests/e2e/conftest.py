"""The corpus is cut once, and one undisturbed release made of it, that all tests compare with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.small_corpus import Setup, cut

from dataengine.demo.corpus import build


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole demo corpus."""
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    build(folder)
    return folder


@pytest.fixture(scope="session")
def inputs(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small corpus; not to be changed."""
    return cut(demo, tmp_path_factory.mktemp("small") / "corpus")


@pytest.fixture(scope="session")
def base(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """A finished run with two workers; not to be changed."""
    folder = tmp_path_factory.mktemp("base")
    setup = Setup(folder, str(inputs), str(folder / "ws")).write()
    setup.run("--workers", "2")
    return setup


@pytest.fixture
def copy(base: Setup, tmp_path: Path) -> Setup:
    """The finished run again, corpus included, to be changed."""
    shutil.copytree(base.corpus, tmp_path / "corpus")
    shutil.copytree(base.workspace, tmp_path / "ws")
    return Setup(tmp_path, str(tmp_path / "corpus"), str(tmp_path / "ws")).write()
