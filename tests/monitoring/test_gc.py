"""``dataengine gc``: only what nothing needs goes, and a kept recipe's next run finds all it needs."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import letters
from support.command import dataengine
from support.small_release import NAME, recipe

from dataengine.config.lock import Lock, to_bytes
from dataengine.config.share import Share
from dataengine.monitoring.kept import of_releases
from dataengine.pipeline import execute
from dataengine.storage import garbage
from dataengine.storage.garbage import Kept
from dataengine.storage.lease import RUN, Lease
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json
from dataengine.testing.in_process import InProcess

#: Digests, which what the engine makes is called by.
A, B = "a" * 32, "b" * 32


def made(workspace: Path | str, text: str, name: str = "letters") -> dict[str, tuple[str, int]]:
    changed = letters.recipe(Path("unused")).model_copy(update={"workspace": str(workspace), "name": name})
    reports = execute(changed, plan=letters.plan(text), engine=InProcess())
    return {r.name: (r.state, r.made) for r in reports}


def gc(workspace: Path | str, *arguments: str, older_than: str = "0s") -> dict[str, dict[str, dict[str, int]]]:
    done = dataengine("gc", str(workspace), "--json", "--older-than", older_than, *arguments)
    content: dict[str, dict[str, dict[str, int]]] = json.loads(done.stdout)
    return content


def keys(workspace: Path | str) -> set[str]:
    return {entry.key for entry in Store(workspace).list() if not entry.key.startswith(("runs/", "costs/", "pids/"))}


def _letters_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small stages' files lie in a folder that is not the engine's."""
    monkeypatch.setattr(garbage, "_FOLDERS", (*garbage._FOLDERS, "letters"))


def test_what_an_earlier_run_alone_used_goes_and_the_last_run_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _letters_are_tables(monkeypatch)
    made(tmp_path, "abc")
    first = keys(tmp_path)
    made(tmp_path, "abd")
    before = keys(tmp_path)
    plan = gc(tmp_path)
    assert keys(tmp_path) == before and not plan["deleted"], "a dry run deletes nothing"
    assert plan["free"]["commits"]["objects"] == 2 and plan["free"]["parts"]["objects"] == 1
    assert gc(tmp_path, "--delete")["free"] == plan["free"]
    gone = before - keys(tmp_path)
    assert sum("letters/part-c" in key for key in gone) == 1 and gone < first
    assert made(tmp_path, "abd") == {"count": ("up to date", 0), "sum": ("up to date", 0)}
    assert made(tmp_path, "abc") == {"count": ("done", 1), "sum": ("done", 1)}, "what was deleted is made again"
    assert gc(tmp_path, "--delete", older_than="1h")["free"] == {}, "what is young stays"


def test_what_killed_processes_were_writing_goes(tmp_path: Path) -> None:
    made(tmp_path, "a")
    (tmp_path / "staging/letters/shards").mkdir(parents=True)
    half = [tmp_path / f"{'0f1e' * 8}#0", tmp_path / "staging/letters/shards/a-000000.tar#12"]
    for path in (*half, tmp_path / "#1", tmp_path / "mine#1.txt"):
        path.write_bytes(b"1234")
    assert gc(tmp_path, "--delete", older_than="1h")["free"] == {}, "a run may be writing them"
    assert gc(tmp_path, "--delete")["free"] == {"unfinished files": {"objects": 2, "bytes": 8}}
    assert not any(path.exists() for path in half)
    assert (tmp_path / "#1").exists() and (tmp_path / "mine#1.txt").exists(), "not the engine's"


def test_all_recipes_of_a_workspace_stay_unless_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _letters_are_tables(monkeypatch)
    made(tmp_path, "ab", "one")
    made(tmp_path, "bc", "two")
    assert gc(tmp_path, "--delete")["free"] == {}
    gc(tmp_path, "--delete", "--forget", "one")
    assert made(tmp_path, "bc", "two") == {"count": ("up to date", 0), "sum": ("up to date", 0)}
    assert not any("part-a" in key for key in keys(tmp_path)), "b is of both"
    assert "no run of a recipe `one`" in dataengine("gc", str(tmp_path), "--forget", "one", ok=False).stderr


def test_parts_of_a_run_that_was_killed_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _letters_are_tables(monkeypatch)
    made(tmp_path, "a")
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail" / "d").touch()
    with pytest.raises(Exception, match="cannot be made"):
        made(tmp_path, "abcd")
    gc(tmp_path, "--delete")
    (tmp_path / "fail" / "d").unlink()
    assert made(tmp_path, "abcd")["count"] == ("done", 1)


def test_parts_of_a_share_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _letters_are_tables(monkeypatch)
    shared = letters.recipe(tmp_path)
    execute(shared, "count", plan=letters.plan("abcd"), engine=InProcess(), share=Share.parse("1/2"))
    stages = json.loads(dataengine("status", str(tmp_path), "--json").stdout)["stages"]
    assert [(one["state"], one["finished"]) for one in stages] == [("partly done", 2)]
    gc(tmp_path, "--delete")
    assert made(tmp_path, "abcd")["count"] == ("done", 2)


def test_it_deletes_nothing_beside_a_run_of_its_own_id_or_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "abc")
    monkeypatch.setenv(RUN, "nightly")
    with closing(Lease(Store(tmp_path), "letters")) as lease:
        lease.take()
        before = keys(tmp_path)
        done = dataengine("gc", str(tmp_path), "--delete", "--older-than", "0s", ok=False)
        assert done.returncode == 5 and "holds this workspace" in done.stderr and keys(tmp_path) == before
        assert "objects would be freed" in dataengine("gc", str(tmp_path)).stdout


def test_a_wrong_clock_makes_nothing_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "abc")
    made(tmp_path, "d")
    now = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: now)
    assert gc(tmp_path, "--delete", older_than="1h")["free"] == {}, "the store's clock counts"


def test_what_is_not_the_engines_is_never_listed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    others = ("notes.txt", "releases/x/shards/a.tar", "completions/a.json", "cot/decisions/r/a.json", "index/r.json")
    mine = ("accepted/x.json", "model_servers/a.log", "tombstones/a.json")
    named_alike = (f"media/ab/{A}.jpg", "media/holiday.jpg", "samples/all.parquet", "index/notes/a.npy")
    for key in (*others, *mine, *named_alike):
        store.put(key, b"{}")
    assert garbage.find(store, Kept(), 0.0, time.time() + 10).entries == []


def test_what_a_kept_table_names_or_owns_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def table(key: str, packs: list[str | None]) -> dict[str, object]:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"pack": packs}), sink)
        data = sink.getvalue().to_pybytes()
        store.put(key, data)
        return {"key": key, "sha256": "", "bytes": len(data), "rows": len(packs)}

    media, other = A, B
    for name in (media, other):
        for key in (f"media/{name}.tar", f"annotations/technical-1/ingest-{name}-x.parquet"):
            store.put(key, b"m")
    for key in (f"cot/pictures/{A}.bin", f"cot/pictures/{B}.bin", f"index/routed/{A}/x.bin", f"index/routed/{B}/x.bin"):
        store.put(key, b"p")
    for key in (f"tokenizers/{A}/config.json", f"tokenizers/{A}/report.json", f"tokenizers/{B}/config.json"):
        store.put(key, b"t")
    store.put(f"plans/{A}.parquet", b"p")
    files = {
        "q": table(f"cot/questions/{A}.parquet", [f"cot/pictures/{A}.bin", None]),
        "r": table(f"index/routed/{A}.parquet", []),
    }
    for role, key in (("m", f"media/{media}.tar"), ("t", f"tokenizers/{A}/config.json")):
        files[role] = {"key": key, "sha256": "", "bytes": 1, "rows": 0}
    output = {"files": files, "counts": {}, "facts": {}}
    key = "stages/x/" + "a" * 32 + ".json"
    store.put(key, canonical_json({"stage": "x", "key": "a" * 32, "parts": {"all": output}}))
    free = {e.key for e in garbage.find(store, Kept(frozenset({key})), 0.0, time.time() + 10).entries}
    assert free == {
        *(f"media/{other}.tar", f"annotations/technical-1/ingest-{other}-x.parquet"),
        *(f"cot/pictures/{B}.bin", f"index/routed/{B}/x.bin", f"tokenizers/{B}/config.json", f"plans/{A}.parquet"),
    }


def test_a_damaged_commit_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for key in ("stages/x/a.json", "stages/x/parts/p-k.json"):
        store.put(key, b'{"stage": 1}')
    assert garbage.find(store, Kept(), 0.0, time.time() + 10).entries == []


def test_on_s3_and_a_lease_that_is_lost_ends_it(s3_conditional: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _letters_are_tables(monkeypatch)
    store = Store(f"{s3_conditional}/ws")
    for key in (f"samples/{A}.parquet", f"media/{A}.tar", "releases/r/a.tar"):
        store.put(key, b"old")
    lease = Lease(store, "gc", alone=True)
    with closing(lease):
        lease.take()
        found = garbage.find(store, Kept(), 0.0, lease.now() + 5)
        assert [e.key for e in found.entries] == [f"samples/{A}.parquet", f"media/{A}.tar"]
        assert garbage.delete(store, found, lease.take) == 6
    assert [e.key for e in store.list()] == ["releases/r/a.tar"]


def test_a_recipe_that_was_forgotten_is_not_asked_for_again(tmp_path: Path) -> None:
    made(tmp_path, "ab", "one")
    made(tmp_path, "bc", "two")
    Store(tmp_path).put("stages/release/one.json", b"{}")
    gc(tmp_path, "--delete", "--forget", "one")
    assert gc(tmp_path)["free"] == {} and Store(tmp_path).exists("stages/release/one.json")


@pytest.mark.parametrize("trace", ["partitions/day/2026-11-01.json", "continued/day/shard.assign.json"])
def test_a_recipe_without_a_log_is_refused_until_it_is_given_up(tmp_path: Path, trace: str) -> None:
    made(tmp_path, "ab", "one")
    Store(tmp_path).put(trace, b"{}")
    done = dataengine("gc", str(tmp_path), ok=False)
    assert done.returncode == 2 and "no run of day has reported" in done.stderr
    gc(tmp_path, "--delete", "--forget", "day")
    assert gc(tmp_path)["deleted"] is False and Store(tmp_path).exists(trace)


@pytest.mark.parametrize("lost", ["commit", "log"])
def test_parts_stay_where_it_cannot_be_read_which_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    _letters_are_tables(monkeypatch)
    made(tmp_path, "abc")
    store = Store(tmp_path)
    if lost == "commit":
        store.delete([entry.key for entry in store.list("stages/count") if "/parts/" not in entry.key])
    else:
        store.put("runs/letters/stages/count.json", b'{"of": "another version"}')
    before = keys(tmp_path)
    gc(tmp_path, "--delete")
    assert keys(tmp_path) == before
    assert made(tmp_path, "abc")["count"][1] == 0


def test_models_of_a_release_stay_for_those_that_continue_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    entry = {"id": A, "settings": "s", "engine": "e", "files": {}}
    tokenizer = {**entry, "fitted_on": {"samples": 1, "digest": "d"}}
    content = Lock.model_validate({"tokenizer": tokenizer, "tree": {**entry, "folder": f"index/trees/{A}"}})
    store.put("stages/release/r.json", b"{}")
    store.put("releases/r/lock.yaml", to_bytes(content))
    for name in (A, B):
        store.put(f"tokenizers/{name}/a.json", b"m")
        store.put(f"index/trees/{name}/a.npy", b"m")
    free = [e.key for e in garbage.find(store, of_releases(store), 0.0, time.time() + 10).entries]
    assert free == [f"index/trees/{B}/a.npy", f"tokenizers/{B}/a.json"]


def test_a_workspace_of_which_nothing_is_known_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).put("stages/release/old.json", b"{}")
    done = dataengine("gc", str(tmp_path), ok=False)
    assert done.returncode == 2 and "no run of old has reported" in done.stderr
    assert dataengine("gc", str(tmp_path), "--older-than", "soon", ok=False).returncode == 2
    none = dataengine("gc", str(tmp_path / "photos"), "--delete", "--forget", "cats", ok=False)
    assert none.returncode == 2 and "no run has reported here. Is it a workspace?" in none.stderr


@pytest.mark.slow
def test_a_whole_workspace_is_needed_and_a_lost_release_is_made_again_without_its_sources(
    workspace: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(workspace, tmp_path / "ws"))
    report = gc(copy, "--delete")
    assert {kind for kind, one in report["free"].items() if one["objects"]} <= {"plans"}, report["free"]
    before = {e.key: e.tag for e in Store(copy).list(f"releases/{NAME}")}
    assert before
    (tmp_path / "corpus").symlink_to(workspace.parent / "corpus")
    path = str(recipe(tmp_path, str(copy)))
    manifest = (copy / "releases" / NAME / "manifest.json").read_bytes()
    shutil.rmtree(copy / "releases")
    raw = json.loads(dataengine("status", path, "--json").stdout)
    again = {stage["stage"] for stage in raw["stages"] if stage["state"] != "done"}
    assert "shard.write" in again and not again & {"ingest", "score", "tokenize.encode", "cot.questions", "cot.paths"}
    dataengine("run", path)
    assert (copy / "releases" / NAME / "manifest.json").read_bytes() == manifest
