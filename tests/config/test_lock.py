"""The lock of a recipe as a file: places, damage, two runs at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.config import lock
from dataengine.config.lock import FittedOn, Lock, LockedTokenizer, LockedTree, LockFile
from dataengine.errors import RunError, UsageError


def entry(id_: str = "ab") -> LockedTokenizer:
    facts = {"loss": 1e-05, "share": 2.0, "sizes": [16, 16], "fps": 0.1 + 0.2, "hash": "1e5"}
    on = FittedOn(samples=3, digest="12", held_out_below="00ff")
    return LockedTokenizer(id=id_, settings="0123", engine="0.1.0", fitted_on=on, facts=facts, files={})


@pytest.mark.parametrize(
    ("recipe", "place"),
    [
        ("cats.yaml", "cats.lock"),
        ("a.b/cats.v2.yml", "a.b/cats.v2.lock"),
        ("s3://bucket/r/cats.yaml", "s3://bucket/r/cats.lock"),
        ("cats", "cats.lock"),
    ],
)
def test_the_lock_lies_beside_the_recipe(recipe: str, place: str) -> None:
    assert lock.beside(recipe) == place


def _round_trip(place: str) -> None:
    assert lock.read(place) is None
    first = LockFile.open(place)
    assert first.keep(tokenizer=entry()) == "" == first.keep(tokenizer=entry())
    assert LockFile.open(place).content == first.content == Lock(tokenizer=entry())
    assert LockFile.open(place).keep(tokenizer=entry("cd")) == ""
    now = lock.read(place)
    assert now is not None and now.tokenizer == entry("cd")


def test_what_is_kept_is_read_again_to_the_last_digit(tmp_path: Path) -> None:
    _round_trip(str(tmp_path / "none" / "r.lock"))
    text = (tmp_path / "none" / "r.lock").read_text()
    assert text.startswith("# Written by dataengine") and "held_out_below" in text
    assert [p.name for p in (tmp_path / "none").iterdir()] == ["r.lock"]


@pytest.mark.slow  # starts a server
def test_a_lock_on_s3(s3_conditional: str) -> None:
    _round_trip(f"{s3_conditional}/recipes/r.lock")


def test_without_a_place_it_is_kept_in_memory() -> None:
    file = LockFile.open(None)
    assert file.keep(tokenizer=entry()) == "" and file.content.tokenizer == entry()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the lock is empty"),
        ("version: 1\ntokenizer: {id: ab", "r.lock:2: not valid YAML"),
        ("version: 9\n", "r.lock:1: `version`"),
        ("version: 1\nshards: {}\n", "r.lock:2: unknown field `shards`"),
        ("version: 1\ntokenizer: {id: ab}\n", "`tokenizer.settings` is missing"),
        ("- 1\n", "r.lock"),
        ("<<<<<<< HEAD\nversion: 1\n", "r.lock"),
        (
            "version: 1\ntokenizer: {id: ab, settings: a, engine: a, files: {}, fitted_on: {samples: x, digest: a}}",
            "r.lock:2",
        ),
    ],
)
def test_a_damaged_lock_is_a_mistake_that_names_the_file_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    place = tmp_path / "r.lock"
    place.write_text(text)
    with pytest.raises(UsageError) as error:
        LockFile.open(str(place))
    message = str(error.value)
    assert says in message and f"{place} is the recipe's lock: restore it" in message and "delete it" in message


def test_a_lock_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "r.lock").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"r\.lock is not a text file in UTF-8"):
        LockFile.open(str(tmp_path / "r.lock"))


@pytest.mark.parametrize("earlier", [None, "00"])
def test_of_two_runs_at_once_the_first_decides(tmp_path: Path, earlier: str | None) -> None:
    place = str(tmp_path / "r.lock")
    if earlier:
        LockFile.open(place).keep(tokenizer=entry(earlier))
    first, second, agreeing = (LockFile.open(place) for _ in range(3))
    assert first.keep(tokenizer=entry("ab")) == ""
    with pytest.raises(RunError, match=r"r\.lock: another run has written this lock meanwhile.*rerun"):
        second.keep(tokenizer=entry("cd"))
    assert agreeing.keep(tokenizer=entry("ab")) == ""
    assert LockFile.open(place).content == first.content


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = LockFile("x", Lock())
    file.place = str(tmp_path / "file" / "r.lock")
    failure = file.keep(tokenizer=entry())
    assert failure and str(tmp_path / "file") in failure
    assert file.content.tokenizer == entry(), "the run itself goes on with what it has decided"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_decisions_of_a_release_that_is_continued_are_no_other_run_s(tmp_path: Path) -> None:
    place = str(tmp_path / "cats.lock")
    LockFile.open(place).keep(tokenizer=entry())
    file = LockFile.open(place)
    tree = LockedTree(id="t", settings="s", engine="1", folder="index/t", files={})
    file.content = file.content.model_copy(update={"tree": tree})
    assert file.keep(tokenizer=entry("cd")) == "" == file.keep(tokenizer=entry("ef"))
    assert lock.read(place) == Lock(tokenizer=entry("ef"), tree=tree)
