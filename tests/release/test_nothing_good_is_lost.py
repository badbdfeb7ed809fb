"""A release is replaced by what is whole and not less: error budget, empty results, and a run that ends in between."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import dataengine
from dataengine.errors import RunError, StoppedError
from dataengine.storage.release_folder import MANIFEST, ReleaseFolder
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output
from dataengine.testing import InProcess, write_corpus, write_recipe
from dataengine.verify.verify import verify

Rows = list[dict[str, Any]]


def corpus(folder: Path, missing: int, images: int = 4) -> None:
    """A table of ``images`` pictures and ``missing`` rows whose files do not exist."""
    names = [path.name for path in write_corpus(folder / "in", images=images)]
    rows = [f'{{"path": "{name}"}}' for name in [*names, *(f"gone-{n}.jpg" for n in range(missing))]]
    (folder / "in" / "t.jsonl").write_text("\n".join(rows))


def run(folder: Path, accept: bool = False, **changes: Any) -> list[str]:
    sources = [{"type": "table", "name": "rows", "path": str(folder / "in" / "t.jsonl"), "buckets": 1}]
    loaded = dataengine.load(write_recipe(folder, **{"sources": sources} | changes))
    return [f"{r.name} {r.state}" for r in dataengine.run(loaded, record_engine=InProcess(), accept=accept).stages]


def digests(folder: Path) -> dict[str, str]:
    release = folder / "ws" / "releases" / "test"
    return {
        str(p.relative_to(release)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in release.rglob("*")
        if p.is_file()
    }


@pytest.mark.slow
def test_more_failures_than_the_budget_stop_the_run_after_ingest(tmp_path: Path) -> None:
    corpus(tmp_path, missing=0)
    run(tmp_path)
    before = digests(tmp_path)
    corpus(tmp_path, missing=48)
    with pytest.raises(StoppedError) as caught:
        run(tmp_path)
    text = str(caught.value)
    assert "source `rows`: 48 of 52 inputs failed; limits.failed allows 20%" in text
    assert "48 missing, for example" in text and "gone-0.jpg" in text and "--accept" in text
    assert caught.value.exit_code == 4 and digests(tmp_path) == before
    with pytest.raises(StoppedError):
        run(tmp_path)
    assert "ingest up to date" in run(tmp_path, limits={"failed": 0.95}), "the budget changes no result"
    assert verify(str(tmp_path / "ws" / "releases" / "test")).errors == []


@pytest.mark.slow
def test_what_was_accepted_once_is_not_asked_again(tmp_path: Path) -> None:
    corpus(tmp_path, missing=48)
    assert "release done" in run(tmp_path, accept=True)
    assert set(run(tmp_path)) == {line for line in run(tmp_path, accept=True) if line.endswith("up to date")}
    corpus(tmp_path, missing=49)
    with pytest.raises(StoppedError, match="49 of 53"):
        run(tmp_path)


def test_a_small_source_has_no_budget(tmp_path: Path) -> None:
    corpus(tmp_path, missing=45)
    assert "release done" in run(tmp_path)


@pytest.mark.slow
def test_a_run_that_keeps_nothing_replaces_nothing(tmp_path: Path) -> None:
    corpus(tmp_path, missing=0)
    run(tmp_path)
    before = digests(tmp_path)
    policy = tmp_path / "none.yaml"
    policy.write_text(
        "name: none\nversion: '1'\nrules:\n- {name: huge, keep: width >= 9999, on_missing: drop, reason: small}\n"
    )
    with pytest.raises(
        StoppedError, match=r"nothing would be kept: of 4 samples .* none is left \(dropped: 4 by `huge`\)"
    ):
        run(tmp_path, filter={"policy": str(policy)})
    assert digests(tmp_path) == before
    assert "release done" in run(tmp_path, accept=True, filter={"policy": str(policy)})
    assert verify(str(tmp_path / "ws" / "releases" / "test")).errors == []


class KilledError(BaseException):
    """The process is no more."""


@pytest.mark.slow
def test_the_earlier_release_is_whole_until_the_new_ones_manifest_is_there(tmp_path: Path) -> None:
    """Ended at each of its writes, copies and deletions of files, a run leaves the old release, none, or the new one; never less
    than all of it, and none only between the first file that both have and the manifest."""
    corpus(tmp_path, missing=0)
    run(tmp_path, shard={"target_bytes": 1})
    old = digests(tmp_path)
    corpus(tmp_path, missing=0, images=6)
    states = []
    for step in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            left = step

            def counted(name: str, patch: pytest.MonkeyPatch = patch) -> None:
                original = getattr(Store, name)

                def call(self: Store, *arguments: Any) -> Any:
                    nonlocal left
                    counts = any(part in str(arguments) for part in ("releases/", "staging/", "stages/release/"))
                    left -= counts
                    if counts and left == 0:
                        raise KilledError
                    return original(self, *arguments)

                patch.setattr(Store, name, call)

            for name in ("put", "copy", "create", "delete"):
                counted(name)
            try:
                run(tmp_path, shard={"target_bytes": 1})
            except KilledError:
                pass
            else:
                break
        now = digests(tmp_path)
        if MANIFEST not in now:
            states.append("none")
        else:
            assert verify(str(tmp_path / "ws" / "releases" / "test")).errors == [] or now.items() >= old.items()
            states.append("old" if now.items() >= old.items() else "new")
    order = [state for n, state in enumerate(states) if not n or states[n - 1] != state]
    assert order in (["old", "none", "new"], ["old", "none"], ["old", "none", "old"]), states
    assert states.count("none") <= 13, states
    assert verify(str(tmp_path / "ws" / "releases" / "test")).samples == 6
    assert not list((tmp_path / "ws" / "staging").rglob("*.*"))


@pytest.mark.slow
def test_a_run_that_was_killed_among_its_shards_leaves_none_of_them_to_another_recipe(tmp_path: Path) -> None:
    """Both recipes write shards of the same names and sizes."""
    corpus(tmp_path, missing=0)
    rows = (tmp_path / "in" / "t.jsonl").read_text().splitlines()
    (tmp_path / "in" / "t.jsonl").write_text("\n".join(row[:-1] + ', "caption": "a photo"}' for row in rows))

    def no_release(*arguments: Any) -> None:
        raise KilledError

    def killed(store: Store, marker: str, key: str, output: Output) -> None:
        assert "shard.write" in marker, "other stages are the same"
        raise KilledError

    for what, instead, changes in (
        ("release.stage.account", no_release, {}),
        ("storage.workspace.commit_part", killed, {"seed": 5}),
    ):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
            patch.setattr(f"dataengine.{what}", instead)
            run(tmp_path, **changes)
    run(tmp_path)
    assert verify(str(tmp_path / "ws" / "releases" / "test")).errors == []


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "folder" else f"{request.getfixturevalue('s3')}/ws")


@pytest.mark.parametrize("largest", [0, 5 << 30], ids=["streamed", "copied"])
def test_files_are_put_in_place_and_others_go(store: Store, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr("dataengine.storage.release_folder._LARGEST_COPY", largest)
    folder = ReleaseFolder(store, "r")
    first = [folder.put(name, data, len(data)) for name, data in (("a", b"1"), ("dir/b", b"22"), ("c", b"3"))]
    assert [f.key for f in first] == ["releases/r/a", "releases/r/dir/b", "releases/r/c"]
    listing = {f.key.removeprefix("releases/r/"): f.sha256 for f in first}
    one = b'{"files": [%s]}' % b", ".join(
        b'{"path": "%s", "sha256": "%s"}' % (k.encode(), v.encode()) for k, v in listing.items()
    )
    folder.publish(first, one, None)
    assert [e.key for e in store.list()] == [
        "releases/r/a",
        "releases/r/c",
        "releases/r/dir/b",
        "releases/r/manifest.json",
    ]
    assert all(map(folder.contents(), first))
    second = [folder.put("a", b"9", 1), first[1]]
    assert store.get("releases/r/a") == b"1" and not folder.contents()(second[0].__class__("releases/r/x", "", 1))
    with pytest.raises(RunError, match="another run has published"):
        folder.publish(second, b"{}", b"what was there before")
    folder.publish(second, b"{}", one)
    assert {e.key: store.get(e.key) for e in store.list()} == {
        "releases/r/a": b"9",
        "releases/r/dir/b": b"22",
        "releases/r/manifest.json": b"{}",
    }
