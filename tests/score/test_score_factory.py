"""Mistakes in score.scorers."""

from __future__ import annotations

from typing import Any

import pytest

from dataengine.errors import UsageError
from dataengine.score.factory import build


def test_scorers_in_the_order_given() -> None:
    assert [s.name for s in build([{"name": "nsfw"}, {"name": "technical"}])] == ["nsfw", "technical"]


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([{"name": "tecnical"}], "did you mean `technical`"),
        ([{}], "a scorer needs a `name`"),
        ([{"name": "conse", "colour": "red"}], "conse"),
        ([{"name": "clip"}], "clip: .*model.*checkpoint"),
        ([{"name": "conse"}, {"name": "conse"}], "both add a column `match`"),
        ([{"name": "clip", "model": "ViT-B-32", "checkpoint": "x.pt"}, {"name": "conse"}], "both add a column `match`"),
    ],
)
def test_mistakes_are_named(configs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(configs)
