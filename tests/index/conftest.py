"""A corpus of a few pictures with captions and a clip."""

from pathlib import Path

import pytest
from support.planted_lists import corpus


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder whose ``photos`` has the corpus."""
    folder = tmp_path_factory.mktemp("indexed")
    corpus(folder)
    return folder
