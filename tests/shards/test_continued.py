"""Releases that continue another: samples keep their shards, untouched shards their bytes, and all else is a new shard."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.days import WEEK, recipe_of, take_up, week

from dataengine import contracts
from dataengine.config.recipe import load
from dataengine.errors import RunError, UsageError
from dataengine.pipeline import committed, execute, open_run
from dataengine.shards.earlier import earlier_of, key_of
from dataengine.shards.read import read_shard
from dataengine.shards.stage import ShardAssign, ShardWorker
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store
from dataengine.testing import InProcess
from dataengine.verify.verify import verify

Bytes = dict[str, bytes]


def files(release: Path) -> Bytes:
    return {str(path.relative_to(release)): path.read_bytes() for path in release.rglob("*") if path.is_file()}


def deltas(release: Path) -> Any:
    return json.loads((release / "manifest.json").read_bytes())["deltas"]


def samples(release: Bytes) -> dict[str, tuple[str, dict[str, bytes]]]:
    """Shard and members by id."""
    read = {name: read_shard(data) for name, data in release.items() if name.startswith("shards/")}
    return {key: (name, members) for name, shard in read.items() for key, members in shard}


def check(earlier: Bytes, later: Bytes) -> dict[str, list[str]]:
    """What must hold of a release and the one that continues it; its shards by what became of them."""
    before, after = samples(earlier), samples(later)
    told = json.loads(later["manifest.json"])["deltas"]
    assert told["continues"]["manifest"] == hashlib.sha256(earlier["manifest.json"]).hexdigest()
    assert all(after[id_] == before[id_] for id_ in before.keys() & after.keys()), "a sample keeps its shard and bytes"
    came, went = after.keys() - before.keys(), before.keys() - after.keys()
    assert not {after[id_][0] for id_ in came} & {name for name, _ in before.values()}, "new ones are in new shards"
    became = defaultdict[str, list[str]](list)
    for shard in told["shards"]:
        name = f"shards/{shard['name']}.tar"
        then, now = (hashlib.sha256(r[name]).hexdigest() if name in r else None for r in (earlier, later))
        assert (shard.get("before"), shard.get("sha256")) == (then, now)
        lost = any(before[id_][0] == name for id_ in went)
        wanted = "added" if then is None else "removed" if now is None else "changed" if lost else "untouched"
        assert shard["change"] == wanted and (wanted == "untouched") == (then == now)
        became[wanted].append(shard["name"])
    rows = pq.read_table(pa.BufferReader(later["deltas.parquet"])).to_pylist()
    assert {r["id"] for r in rows if r["change"] == "added"} == came and told["added"] == len(came)
    assert {r["id"] for r in rows if r["change"] == "removed"} == went and told["removed"] == len(went)
    assert all(f"shards/{r['shard']}.tar" == (after if r["change"] == "added" else before)[r["id"]][0] for r in rows)
    assert told["stayed"] == len(before.keys() & after.keys())
    return became


@pytest.mark.slow
def test_a_chain_of_days(tmp_path: Path) -> None:
    """Samples, groups and decisions are those of one big run; the same chain elsewhere is the same release."""
    path, release, last = recipe_of(week(tmp_path), continues="test"), tmp_path / "ws/releases/test", Bytes()
    for day in WEEK[:4]:
        take_up(path, day)
        became = check(last, files(release)) if last else {}
        assert not last or (len(became["changed"]) == 1 and len(became["untouched"]) >= 1 and became["added"])
        assert not last or deltas(release)["removed_because"] == {"duplicate: perceptual": 1}, "a larger copy came"
        for again in ((day,), ()):
            assert {report.state for report in take_up(path, *again)[1].values()} == {"up to date"}
        last = files(release)
    result = verify(str(release))
    assert not result.errors
    assert "## What is new" in last["README.md"].decode() or "### What is new" in last["README.md"].decode()
    for day in WEEK[:4]:
        take_up(path, day, workspace=str(tmp_path / "again"))
    assert files(tmp_path / "again/releases/test") == last
    once, _ = take_up(recipe_of(tmp_path), f"{WEEK[0]}..{WEEK[3]}", workspace=str(tmp_path / "once"))
    for stage, role, schema in (
        ("ingest", "samples", contracts.SAMPLES),
        ("dedup", "groups", contracts.GROUPS),
        ("filter", "decisions", contracts.DECISIONS),
    ):
        chain, whole = (committed(load(path, workspace=place), "filter") for place in (None, once.workspace))
        assert chain.table(stage, role, schema) == whole.table(stage, role, schema)
    assert samples(last).keys() == samples(files(tmp_path / "once/releases/test")).keys()


@pytest.mark.slow
def test_what_goes_changes_its_shard_alone(tmp_path: Path) -> None:
    """By the policy, or with its inputs; a number of a shard that went is not used again."""
    path, release = recipe_of(week(tmp_path, WEEK[:2]), continues="test"), tmp_path / "ws/releases/test"
    take_up(path, WEEK[0])
    first = files(release)
    policy = tmp_path / "policy.yaml"
    rules = yaml.safe_load(policy.read_text())
    name, _ = max((name, id_) for id_, (name, _) in samples(first).items())
    in_last = [id_ for id_, (shard, _) in samples(first).items() if shard == name]
    scores = committed(load(path)).table(
        "score", "technical", pa.schema([("id", pa.string()), ("contrast", pa.float64())])
    )
    contrast = {row["id"]: row["contrast"] for row in scores.to_pylist()}
    rule = {"name": "contrast", "on_missing": "drop", "reason": "flat"}
    lowest = min(contrast[id_] for id_ in samples(first))
    rules["rules"].append({**rule, "keep": f"contrast > {lowest + 1e-9:.9f}"})
    policy.write_text(yaml.safe_dump(rules))
    take_up(path)
    second = files(release)
    became = check(first, second)
    assert deltas(release)["removed_because"] == {"filtered: contrast": 1} and not became["added"]
    assert len(became["changed"] + became["removed"]) == 1
    for file in (tmp_path / "in" / WEEK[0]).glob("*.jpg"):
        if _id(file) in in_last:
            file.unlink()
    take_up(path, WEEK[0])
    third = files(release)
    assert check(second, third)["removed"] == [name[7:-4]]
    assert set(deltas(release)["removed_because"]) == {"absent"}
    take_up(path, WEEK[1])
    assert min(check(third, files(release))["added"]) > name[7:-4]
    assert not verify(str(release)).errors


def _id(file: Path) -> str:
    return contracts.sample_id(file.read_bytes())[0]


@pytest.mark.slow
def test_releases_elsewhere_and_of_another_name(tmp_path: Path, s3: str) -> None:
    path = recipe_of(week(tmp_path, WEEK[:2]))
    take_up(path, WEEK[0])
    first = files(tmp_path / "ws/releases/test")
    copy = shutil.copytree(tmp_path / "ws/releases/test", tmp_path / "copy")
    for name, data in first.items():
        Store(f"{s3}/day").put(name, data)
    made = []
    for n, place in enumerate([str(copy), f"{s3}/day", "test"]):
        later = recipe_of(tmp_path, name=f"later-{n}", continues=place, release={**_RELEASE})
        take_up(later, *WEEK[:2])
        made.append(files(tmp_path / f"ws/releases/later-{n}"))
        assert check(first, made[-1])["untouched"]
        assert {report.state for report in take_up(later)[1].values()} == {"up to date"}
    tars = [{name: data for name, data in one.items() if name.startswith("shards/")} for one in made]
    assert tars[0] == tars[1] == tars[2]
    shutil.rmtree(tmp_path / "copy/shards")
    other = recipe_of(tmp_path, name="later-3", continues=str(copy))
    with pytest.raises(RunError, match=r"copy/shards/.* is not what its release's manifest says"):
        take_up(other, *WEEK[:2])


_RELEASE = {"title": "Test", "license": "cc0-1.0", "description": "Made for a test."}


class Killed(InProcess):
    """Ends while shards are written."""

    def run(self, worker: Any, *args: Any) -> Iterator[Any]:
        for n, one in enumerate(super().run(worker, *args)):
            if isinstance(worker, ShardWorker) and n == 2:
                raise KeyboardInterrupt
            yield one


@pytest.mark.slow
def test_a_day_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While shards are written, and while the release is put in place, when there is no manifest."""
    path, release = recipe_of(week(tmp_path, WEEK[:3]), continues="test"), tmp_path / "ws/releases/test"
    for day in WEEK[:2]:
        take_up(path, day, workspace=str(tmp_path / "whole"))
    take_up(path, WEEK[0])
    with pytest.raises(KeyboardInterrupt):
        execute(load(path, [WEEK[1]]), engine=Killed())
    withdraw = ReleaseFolder._withdraw

    def stopped(self: ReleaseFolder, previous: bytes | None) -> None:
        withdraw(self, previous)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ReleaseFolder, "_withdraw", stopped)
        with pytest.raises(KeyboardInterrupt):
            take_up(path, WEEK[1])
    assert not (release / "manifest.json").exists()
    with pytest.raises(RunError, match="has no manifest: an earlier run was stopped while it was put in place"):
        take_up(path, WEEK[2])
    shutil.rmtree(tmp_path / "ws/partitions/test")
    take_up(path, *WEEK[:2])
    assert files(release) == files(tmp_path / "whole/releases/test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"media": {"exif": "strip"}}, "media.exif is keep there and strip here"),
        ({"media": {"faces": "blur"}}, "media.faces is keep there and blur here"),
        ({"tokenize": {"tokenizer": {"name": "product"}}}, "a tokenizer is False there and True here"),
        ({"continues": "nowhere"}, "nowhere holds no finished release"),
        ({"continues": "s3:/"}, "holds no finished release"),
    ],
)
def test_what_cannot_be_continued(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    manifest = {
        "schema_version": contracts.VERSION,
        "name": "test",
        "version": "0.1.0",
        "shards": [],
        "tokenizer": None,
    }
    listed = [{"path": path, "sha256": "0" * 64, "bytes": 1} for path in ("lock.yaml", "assignment.parquet")]
    (tmp_path / "old").mkdir()
    (tmp_path / "old/manifest.json").write_text(
        json.dumps({**manifest, "files": listed, "media": {"exif": "keep", "faces": "keep"}})
    )
    (tmp_path / "old/lock.yaml").write_text("version: 1\n")
    with pytest.raises(UsageError, match=message):
        recipe = load(recipe_of(week(tmp_path, WEEK[:1]), **({"continues": str(tmp_path / "old")} | changes)), WEEK[:1])
        ShardAssign().validate(recipe)


_NAMED_WRONGLY = {
    "schema_version": "1",
    "name": "n",
    "version": "1",
    "shards": [],
    "files": [],
    "media": {},
    "tokenizer": None,
    "cot": {"shards": [{"name": "pictures", "sha256": "0" * 64}]},
}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", RunError, "is not the manifest of a release"),
        (json.dumps({"schema_version": "1"}), RunError, "missing required field"),
        (json.dumps(_NAMED_WRONGLY), RunError, "names a shard `pictures`, which is no name of one"),
    ],
)
def test_a_damaged_release(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(error, match=message):
        earlier_of(load(recipe_of(tmp_path, continues=str(tmp_path))))


def test_a_damaged_note_of_what_was_continued(tmp_path: Path) -> None:
    run = open_run(load(recipe_of(tmp_path, continues="test")))
    run.workspace.store.put("continued/test/shard.assign.json", b"[1]")
    with pytest.raises(RunError, match=r"continued/test/shard.assign.json is damaged: delete it"):
        key_of(run, "shard.assign", "u")
