from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def corpus(demo_corpus: Path) -> Path:
    """The demo corpus; not to be changed."""
    return demo_corpus


@pytest.fixture(scope="session")
def labels(corpus: Path) -> dict[str, Any]:
    """Its labels.json."""
    loaded: dict[str, Any] = json.loads((corpus / "labels.json").read_bytes())
    return loaded
