"""dataengine.testing, as a user's own tests call it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import imagehash
import pyarrow as pa
import pytest
from PIL import Image

from dataengine.config.recipe import load
from dataengine.pipeline import execute
from dataengine.score.nsfw import Nsfw
from dataengine.score.technical import Technical
from dataengine.testing import InProcess, Turn, chat_server, check_scorer, picture, write_corpus, write_recipe
from dataengine.verify.verify import verify


def test_a_corpus_is_the_same_each_time_and_holds_no_near_duplicates(tmp_path: Path) -> None:
    paths = write_corpus(tmp_path / "a", images=12, videos=1)
    again = write_corpus(tmp_path / "b", images=12, videos=1)
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in again] and len(paths) == 13
    assert all(p.with_suffix(".txt").read_text().endswith(f"number {n}") for n, p in enumerate(paths))
    hashes = [imagehash.phash(Image.open(p)) for p in paths[:12]]
    assert min(a - b for n, a in enumerate(hashes) for b in hashes[:n]) > 12
    larger = imagehash.phash(Image.fromarray(picture(0, 640, 480)))
    assert larger - hashes[0] <= 4
    assert not list(tmp_path.glob("c/*.txt")) and write_corpus(tmp_path / "c", captions=False)


def test_a_run_in_this_process_makes_a_whole_release(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=4, videos=1)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    recipe = load(str(write_recipe(tmp_path)))
    states = {report.name: report.state for report in execute(recipe, engine=InProcess())}
    assert states["ingest"] == states["shard.write"] == states["release"] == "done"
    release = tmp_path / "ws" / "releases" / "test"
    checked = verify(str(release))
    assert checked.errors == [] and (checked.samples, checked.inputs) == (5, 6)
    outcomes = json.loads((release / "manifest.json").read_bytes())["ledger"]["outcome"]
    assert outcomes == {"kept": 5, "duplicate": 0, "filtered": 0, "failed": 1}
    assert {report.state for report in execute(recipe, engine=InProcess())} == {"up to date"}


def test_blocks_of_the_recipe_are_replaced(tmp_path: Path) -> None:
    recipe = load(str(write_recipe(tmp_path, name="mine", dedup={"radius": 3})))
    assert (recipe.name, recipe.dedup.radius, recipe.cot) == ("mine", 3, None)


def test_scorers_that_keep_the_contract_pass() -> None:
    check_scorer(Technical())


@pytest.mark.slow
def test_a_scorer_with_a_model_keeps_the_contract() -> None:
    check_scorer(Nsfw())


class Mean:
    """Mean brightness, 0 to 1."""

    name = "mean"
    fields: tuple[pa.Field[Any], ...] = (pa.field("mean", pa.float64()),)
    frames = 1
    min_side = None
    version = "1"

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Any]) -> float:
        return float(frames[0].mean() / 255)

    def setup(self, device: str, threads: int) -> None: ...

    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"mean": [round(value, 4) for value in prepared]}


class Unrounded(Mean):
    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"mean": list(prepared)}


class Relative(Mean):
    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"mean": [round(value - min(prepared), 4) for value in prepared]}


class ByPlace(Mean):
    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"mean": [round(value + 0.1 * (len(prepared) > 1 and n == 0), 4) for n, value in enumerate(prepared)]}


class Short(Mean):
    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"mean": [0.5]}


class Elsewhere(Mean):
    def score(self, prepared: Sequence[float], captions: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
        return {"brightness": [0.5 for _ in prepared]}


class WithId(Mean):
    fields = (pa.field("id", pa.string()),)


class Random(Mean):
    count = 0

    def prepare(self, frames: Sequence[Any]) -> float:
        Random.count += 1
        return Random.count / 100


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (Unrounded, "not rounded to 4 decimals"),
        (Relative, "other scores alone than with others"),
        (ByPlace, "other scores alone than with others"),
        (Short, "1 of `mean` for 6 samples"),
        (Elsewhere, r"columns \['brightness'\], not those of fields: \['mean'\]"),
        (WithId, "`id` is added by the stage"),
        (Random, "prepare gives another result the second time"),
    ],
)
def test_a_scorer_that_breaks_the_contract_is_told_where(scorer: type[Mean], message: str) -> None:
    check_scorer(Mean())  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=message):
        check_scorer(scorer())  # type: ignore[arg-type]


def test_a_chat_server_answers_as_told_and_keeps_what_it_was_asked() -> None:
    with chat_server(lambda body: Turn(text=body["messages"][0]["content"].upper())) as server:
        server.turns = [Turn("status", status=503), Turn("cut")]
        url, body = f"{server.endpoint}/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}
        assert httpx.post(url, json=body).status_code == 503
        with pytest.raises(json.JSONDecodeError):
            httpx.post(url, json=body).json()
        told = httpx.post(url, json=body).json()
        assert told["choices"][0]["message"]["content"] == "HELLO" and told["usage"]["completion_tokens"] == 5
        assert server.requests == 3 and server.bodies == [body] * 3
