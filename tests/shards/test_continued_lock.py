"""The lock of a release is an input of one that continues it: its tokenizer is the same, or the run says why it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.days import WEEK, recipe_of, take_up, week

from dataengine.config import lock
from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.pipeline import open_run

TOKENIZE = {"tokenizer": {"name": "product", "codebooks": 4, "entries": 8, "max_tokens": 64}, "fit_samples": 8}


@pytest.mark.slow
def test_the_tokenizer_goes_on(tmp_path: Path) -> None:
    path = recipe_of(week(tmp_path, WEEK[:2]), tokenize=TOKENIZE)
    take_up(path, WEEK[0])
    (tmp_path / "recipe.lock").unlink()
    later = recipe_of(tmp_path, name="later", continues="test", tokenize=TOKENIZE)
    _, reports = take_up(later, *WEEK[:2])
    assert reports["tokenize.fit"].state == "up to date", "the lock of the release names it"
    manifests = [
        json.loads((tmp_path / f"ws/releases/{name}/manifest.json").read_bytes()) for name in ("test", "later")
    ]
    assert manifests[0]["tokenizer"]["id"] == manifests[1]["tokenizer"]["id"]
    released = lock.read(str(tmp_path / "ws/releases/later/lock.yaml"))
    assert released and released.tokenizer and released.tokenizer.id == manifests[0]["tokenizer"]["id"]
    other = released.tokenizer.model_copy(update={"id": "another"})
    (tmp_path / "recipe.lock").write_bytes(lock.to_bytes(released.model_copy(update={"tokenizer": other})))
    with pytest.raises(UsageError, match=r"continues: the codes of .*/test are of tokenizer .* names another"):
        open_run(load(later))
    refitted = recipe_of(tmp_path, name="later", continues="test", tokenize={**TOKENIZE, "fit_samples": 6})
    (tmp_path / "recipe.lock").unlink()
    with pytest.raises(UsageError, match="are of tokenizer"):
        take_up(refitted)
