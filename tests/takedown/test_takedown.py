"""A take-down from end to end, without Ray: release, workspace, rerun of the recipe, S3, kills between any two steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from support.command import dataengine
from support.days import WEEK, recipe_of, take_up, week
from support.once import once

from dataengine.contracts import sample_id
from dataengine.errors import UsageError
from dataengine.ingest import tombstones
from dataengine.shards.read import read_shard
from dataengine.storage.store import Store
from dataengine.takedown import purge
from dataengine.verify.verify import verify

DAYS = WEEK[:2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days and their release in ``ws``; not to be changed."""

    def run(folder: Path) -> None:
        take_up(recipe_of(week(folder, DAYS), dedup={"radius": 0}), *DAYS)

    return once(tmp_path_factory, "two-days", run)


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace again, to be changed; its recipe reads the inputs where they are."""
    shutil.copytree(made / "ws", tmp_path / "ws")
    for name in ("recipe.yaml", "policy.yaml", "recipe.lock"):
        if (made / name).exists():
            text = (made / name).read_text()
            (tmp_path / name).write_text(text.replace(str(made / "ws"), str(tmp_path / "ws")))
    return tmp_path


def files(release: Path) -> dict[str, bytes]:
    return {str(p.relative_to(release)): p.read_bytes() for p in sorted(release.rglob("*")) if p.is_file()}


def id_of(release: Path, uri: str) -> str:
    [id_] = {row["id"] for row in pq.read_table(release / "ledger.parquet").to_pylist() if row["uri"] == uri}
    return str(id_)


def shard_of(release: Path, uri: str) -> tuple[str, str]:
    """Id of an input and the shard that it lies in."""
    id_, rows = id_of(release, uri), pq.read_table(release / "assignment.parquet").to_pylist()
    return id_, next(row["shard"] for row in rows if row["id"] == id_)


def asked(folder: Path, *lines: str) -> str:
    (folder / "ids.txt").write_text("\n".join(lines))
    return str(folder / "ids.txt")


def takedown(release: Path | str, *arguments: str, ok: bool = True) -> Any:
    done = dataengine("takedown", str(release), *arguments, "--json", ok=ok)
    return json.loads(done.stdout) if ok else done


def test_only_what_had_it_changes(folder: Path) -> None:
    """The release without a sample, the workspace without it, and the recipe's next run, which does not take it in again."""
    release, uri = folder / "ws/releases/test", f"{DAYS[0]}/2.jpg"
    id_, shard = shard_of(release, uri)
    before, media = files(release), Path(folder / "ws/media")
    assert id_ == sample_id((Path(made_in(folder)) / "in" / uri).read_bytes())[0]
    plan = takedown(release, "--ids", asked(folder, uri))
    assert plan["ids"] == [id_] and plan["shards"] == {shard: [id_]} and not plan["applied"]
    assert files(release) == before and not (folder / "ws/tombstones").exists()

    done = takedown(release, "--ids", asked(folder, uri), "--apply")
    new = folder / "ws/releases/test-0.1.1"
    after = files(new)
    assert files(release) == before and not done["left"] and done["holding"] == ["releases/test"]
    changed = {name for name in after if after[name] != before.get(name)}
    described = {"README.md", "croissant.json", "spdx.json", "report.html", "manifest.json"}
    assert changed == described | {f"shards/{shard}.tar", "ledger.parquet", "assignment.parquet", "deltas.parquet"}
    old, rest = (dict(read_shard(one[f"shards/{shard}.tar"])) for one in (before, after))
    assert rest == {key: members for key, members in old.items() if key != id_} and id_ in old
    assert not verify(str(new)).errors
    manifest = json.loads(after["manifest.json"])
    assert manifest["version"] == "0.1.1" and id_ not in after["manifest.json"].decode()
    assert manifest["taken_down"] == {"inputs": 1, "samples": 1, "records": 0, "sequences": 0}
    assert manifest["ledger"]["failure"]["taken_down"] == 1 and "Take-downs" in after["README.md"].decode()
    assert not any(id_.encode() in data for key, data in after.items() if not key.endswith(".parquet"))
    assert not any(id_ in path.name or id_.encode() in path.read_bytes() for path in media.iterdir())

    again = takedown(release, "--ids", asked(folder, uri), "--apply")
    assert files(new) == after and not again["left"], "the same once more is harmless"
    _, reports = take_up(folder / "recipe.yaml")
    assert reports["ingest"].made == 0, "no source is read again"
    ledger = pq.read_table(release / "ledger.parquet").to_pylist()
    assert {(r["outcome"], r["failure"], r["id"]) for r in ledger if r["uri"] == uri} == {
        ("failed", "taken_down", None)
    }
    assert not any(id_.encode() in data for key, data in files(release).items() if not key.startswith("deltas"))
    assert not verify(str(release)).errors


def made_in(folder: Path) -> str:
    """Where the inputs are, by the recipe."""
    source = yaml.safe_load((folder / "recipe.yaml").read_text())["sources"][0]
    return str(Path(source["path"]).parents[1])


def test_a_fresh_workspace_with_the_tombstones_has_the_same_tables(folder: Path) -> None:
    """What a take-down leaves of committed parts is what ingest makes of the same inputs beside the same list."""
    takedown(
        folder / "ws/releases/test", "--ids", asked(folder, f"{DAYS[0]}/2.jpg", f"{DAYS[1]}/narrow.jpg"), "--apply"
    )
    store = Store(folder / "fresh")
    store.put(tombstones.LIST, Store(folder / "ws").get(tombstones.LIST))
    take_up(folder / "recipe.yaml")
    take_up(folder / "recipe.yaml", *DAYS, workspace=str(folder / "fresh"))
    one, other = (files(folder / place / "releases/test") for place in ("ws", "fresh"))
    assert one == other


def test_a_release_that_continues_it_keeps_the_shards(folder: Path) -> None:
    release, uri = folder / "ws/releases/test", f"{DAYS[1]}/1.jpg"
    takedown(release, "--ids", asked(folder, uri), "--apply")
    new = folder / "ws/releases/test-0.1.1"
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + f"continues: {new}\n")
    take_up(recipe)
    shards = {name: data for name, data in files(new).items() if name.startswith("shards/")}
    later = files(release)
    assert {name: later.get(name) for name in shards} == shards
    assert {s["change"] for s in json.loads(later["manifest.json"])["deltas"]["shards"]} <= {"untouched", "added"}


STEPS = ("_note", "_bury", "rewrite.rewrite", "ingested.apply", "purge.find", "purge.delete", "_delete_old", "scanned")


def test_a_kill_between_any_two_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before each step, one call after the other, then after the last: each goes on from where the one before was killed.
    A run, and another take-down, refuse to start until it has ended, once anything was written."""
    release, line = folder / "ws/releases/test", asked(folder, f"{DAYS[0]}/2.jpg")
    (folder / "other.txt").write_text(f"{DAYS[0]}/1.jpg")
    words = [str(release), "--ids", line, "--delete-old", "--apply"]
    for step in (*STEPS, "note.delete"):
        with monkeypatch.context() as patch:
            patch.setattr(f"dataengine.takedown.takedown.{step}", _killed)
            assert dataengine("takedown", *words, ok=False).returncode == 130, step
        begun = Store(folder / "ws").exists(tombstones.UNFINISHED)
        assert begun == (step != "_note")
        if begun:
            with pytest.raises(UsageError, match="take-down was interrupted"):
                take_up(folder / "recipe.yaml")
            other = takedown(release, "--ids", str(folder / "other.txt"), "--apply", ok=False)
            assert other.returncode == 2 and "was interrupted: run that one again first" in other.stderr
    done = takedown(*words)
    assert not done["left"] and not done["holding"] and not Store(folder / "ws").exists(tombstones.UNFINISHED)
    assert not (release / "manifest.json").exists() and not verify(str(folder / "ws/releases/test-0.1.1")).errors


def _killed(*arguments: Any, **named: Any) -> Any:
    raise KeyboardInterrupt


def test_a_kill_amid_the_deletion(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what was to be deleted is gone; the recipe's next run makes it again once the take-down has ended."""
    release, line = folder / "ws/releases/test", asked(folder, f"{DAYS[0]}/2.jpg")
    whole = purge.delete

    def half(store: Store, entries: list[Any], check: Any) -> Any:
        whole(store, entries[: len(entries) // 2], check)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(purge, "delete", half)
        assert takedown(release, "--ids", line, "--apply", ok=False).returncode == 130
    assert not takedown(release, "--ids", line, "--apply")["left"]
    _, reports = take_up(folder / "recipe.yaml")
    assert reports["release"].state == "done" and reports["ingest"].made == 0


def test_near_duplicates_of_a_picture_go_and_stay_out(folder: Path) -> None:
    """A larger copy came a day later and was released instead; the picture is given as a file of other bytes than both."""
    release, place = folder / "ws/releases/test", Path(made_in(folder)) / "in"
    one, larger = (id_of(release, uri) for uri in (f"{DAYS[0]}/1.jpg", f"{DAYS[1]}/larger.jpg"))
    exact = takedown(release, "--ids", asked(folder, f"{DAYS[0]}/1.jpg"))
    near = takedown(release, "--ids", asked(folder, f"{DAYS[0]}/1.jpg"), "--near-duplicates")
    assert exact["ids"] == [one] and near["ids"] == sorted([one, larger])
    assert exact["near_duplicates"] == [larger] and near["near_duplicates"] == []
    Image.open(place / DAYS[0] / "1.jpg").save(folder / "copy.png")
    done = takedown(release, "--image", str(folder / "copy.png"), "--apply")
    assert done["ids"] == sorted([one, larger]) and not done["left"]
    assert any(len(line) == 16 for line in tombstones.lines(Store(folder / "ws")))
    fresh = folder / "fresh"
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + f"media: {{known_bad: [{{path: {folder}/ws/{tombstones.LIST}}}]}}\n")
    take_up(recipe, *DAYS, workspace=str(fresh))
    failed = pq.read_table(fresh / "releases/test/ledger.parquet").to_pylist()
    assert {r["uri"] for r in failed if r["failure"] == "taken_down"} == {f"{DAYS[0]}/1.jpg", f"{DAYS[1]}/larger.jpg"}


@pytest.mark.parametrize("gone", [False, True])
def test_a_published_release_on_s3(folder: Path, s3: str, gone: bool) -> None:
    """No workspace: a file of tombstones; the old release is deleted where that is asked for."""
    for name, data in files(folder / "ws/releases/test").items():
        Store(f"{s3}/v1").put(name, data)
    line = asked(folder, f"{DAYS[0]}/2.jpg")
    refused = takedown(f"{s3}/v1", "--ids", line, "--apply", ok=False)
    assert refused.returncode == 2 and "--tombstones" in refused.stderr
    more = ["--tombstones", f"{s3}/lists/gone.txt", *(["--delete-old"] if gone else [])]
    done = takedown(f"{s3}/v1", "--ids", line, "--to", f"{s3}/v2", "--apply", *more)
    assert not done["left"] and done["holding"] == ([] if gone else [f"{s3}/v1"])
    assert not verify(f"{s3}/v2").errors and len(tombstones.lines(Store(f"{s3}/lists"), "gone.txt")) == 1
    assert Store(f"{s3}/v1").exists("manifest.json") != gone
    local = takedown(folder / "ws/releases/test", "--ids", line, "--apply")
    assert not local["left"]
    new = files(folder / "ws/releases/test-0.1.1")
    assert {e.key: Store(f"{s3}/v2").get(e.key) for e in Store(f"{s3}/v2").list()} == new, "the same bytes anywhere"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ids", "{}"], "name no input"),
        (["--ids", "{}", "--workspace", "{folder}/no-such"], "no workspace is there"),
        (["--ids", "{}", "--version", "2"], "three numbers"),
        (["--ids", "{}", "--to", "{ws}/releases/test"], "the release itself"),
        (["--near-duplicates", "--image", "x"], "is for --ids"),
        ([], "--ids FILE"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    made: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    values = {"{}": asked(tmp_path, f"{DAYS[0]}/no-such.jpg"), "{ws}": str(made / "ws"), "{folder}": str(tmp_path)}
    words = list(arguments)
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    done = takedown(made / "ws/releases/test", *words, "--apply", ok=False)
    assert done.returncode == 2 and message in done.stderr
    assert not (made / "ws/tombstones").exists() and not (made / "ws/releases/test-0.1.1").exists()
    assert not (tmp_path / "no-such").exists()


def test_what_stays_is_told_before_anything_goes(made: Path, tmp_path: Path) -> None:
    """A smaller copy of what goes, which the next run may release instead."""
    release, line = made / "ws/releases/test", asked(tmp_path, f"{DAYS[1]}/larger.jpg")
    done = dataengine("takedown", str(release), "--ids", line)
    smaller = id_of(release, f"{DAYS[0]}/1.jpg")
    assert f"1 near-duplicates of these stay: {smaller}." in done.stdout and "--near-duplicates" in done.stdout
    assert "near-duplicates" not in dataengine("takedown", str(release), "--ids", line, "--near-duplicates").stdout


def test_an_input_that_had_failed_is_named(made: Path, tmp_path: Path) -> None:
    """Nothing of it is released, and nothing would keep it out."""
    planned = takedown(made / "ws/releases/test", "--ids", asked(tmp_path, f"{DAYS[0]}/broken.jpg"))
    assert planned["ids"] == [] and planned["failed"] == [f"{DAYS[0]}/broken.jpg"]


def test_a_release_named_from_within_its_workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made / "ws")
    planned = takedown("releases/test", "--ids", asked(tmp_path, f"{DAYS[0]}/2.jpg"))
    assert planned["workspace"] == str(made / "ws") and len(planned["ids"]) == 1


def test_another_release_at_the_place_is_left_alone(folder: Path) -> None:
    """Also one that continues this one, without as many samples, but others."""
    release, line = folder / "ws/releases/test", asked(folder, f"{DAYS[0]}/2.jpg")
    takedown(release, "--ids", line, "--apply")
    other = takedown(release, "--ids", asked(folder, f"{DAYS[0]}/3.jpg"), "--apply", ok=False)
    assert other.returncode == 1 and "without other samples: take these down from" in other.stderr
    assert not Store(folder / "ws").exists(tombstones.UNFINISHED)
    both = takedown(folder / "ws/releases/test-0.1.1", "--ids", asked(folder, f"{DAYS[0]}/3.jpg"), "--apply")
    assert not both["left"] and both["to"].endswith("test-0.1.1-0.1.2")
    line = asked(folder, f"{DAYS[0]}/2.jpg")
    shutil.copytree(release, folder / "other")
    before = files(folder / "other")
    done = takedown(release, "--ids", line, "--to", str(folder / "other"), "--apply", ok=False)
    assert done.returncode == 1 and "holds another release" in done.stderr and files(folder / "other") == before


def test_a_digest_of_nothing_that_is_there_is_a_tombstone_alone(folder: Path) -> None:
    """Bytes of it that a killed run has stored, and no part names, go as well."""
    (folder / "ws/media/lost.tar").write_bytes(b"." * 99 + b"ab" * 16 + b".jpg")
    done = takedown(folder / "ws/releases/test", "--ids", asked(folder, "ab" * 32), "--apply")
    assert not (folder / "ws/media/lost.tar").exists()
    assert done["ids"] == [] and tombstones.lines(Store(folder / "ws")) == ["ab" * 32]
    assert not (folder / "ws/releases/test-0.1.1").exists()
