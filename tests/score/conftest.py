"""Real photographs and real models, loaded once."""

from __future__ import annotations

import pytest
from support.photos import crops, photos, tiny

from dataengine.score.conse import Conse
from dataengine.score.nsfw import Nsfw

__all__ = ["conse", "crops", "nsfw", "photos", "tiny"]


@pytest.fixture(scope="session")
def conse() -> Conse:
    scorer = Conse()
    scorer.setup("cpu", 2)
    return scorer


@pytest.fixture(scope="session")
def nsfw() -> Nsfw:
    scorer = Nsfw()
    scorer.setup("cpu", 2)
    return scorer
