"""What the checks with real schedulers share: the demo corpus, and a small release to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT
from support.small_corpus import Setup, cut


@pytest.fixture(scope="session")
def demo_corpus() -> Path:
    """As ``make schedule-check`` has built it."""
    from dataengine.demo.corpus import build

    build(ROOT / "workspace" / "corpus")
    return ROOT / "workspace" / "corpus"


@pytest.fixture(scope="session")
def small(demo_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """A recipe over a few inputs of the demo corpus, and its release by one undisturbed run on this machine alone."""
    folder = tmp_path_factory.mktemp("small")
    cut(demo_corpus, folder / "corpus")
    setup = Setup(folder, str(folder / "corpus"), str(folder / "ws"), {"workers": 2}).write()
    setup.run("--workers", "2", process=True)
    yield setup
