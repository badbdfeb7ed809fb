from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataengine.demo.corpus import build


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus, built once."""
    folder = tmp_path_factory.mktemp("demo") / "corpus"
    assert build(folder).built
    return folder


@pytest.fixture(scope="session")
def labels(corpus: Path) -> dict[str, Any]:
    """Its labels.json."""
    loaded: dict[str, Any] = json.loads((corpus / "labels.json").read_bytes())
    return loaded
