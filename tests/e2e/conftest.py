"""The corpus is cut once, and one undisturbed release made of it, that all tests compare with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.once import once
from support.small_corpus import Setup, cut


@pytest.fixture(scope="session")
def base(demo_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """A finished run with two workers; not to be changed."""

    def setup(folder: Path) -> Setup:
        return Setup(folder, str(folder / "corpus"), str(folder / "ws"))

    def run(folder: Path) -> None:
        cut(demo_corpus, folder / "corpus")
        setup(folder).write().run("--workers", "2")

    return setup(once(tmp_path_factory, "base", run))


@pytest.fixture
def copy(base: Setup, tmp_path: Path) -> Setup:
    """The finished run again, corpus and lock included, to be changed."""
    shutil.copytree(base.corpus, tmp_path / "corpus")
    shutil.copytree(base.workspace, tmp_path / "ws")
    shutil.copy(base.lock, tmp_path)
    return Setup(tmp_path, str(tmp_path / "corpus"), str(tmp_path / "ws")).write()
