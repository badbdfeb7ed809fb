"""Sources and workspace on S3 and the release published from it, on both servers: what `make demo WORKSPACE=s3://…` rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import dataengine
from support.faulty_proxy import Fault, FaultyProxy, faulty
from support.small_corpus import NAME, Setup, digests, stage_lines

from dataengine.storage.store import Store


def fetched(url: str, to: Path) -> Path:
    store = Store(url)
    for entry in store.list():
        path = to / entry.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.get(entry.key))
    return to


@pytest.fixture
def proxy(moto: str, s3_conditional: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty(moto) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def test_a_run_through_faults_publishes_the_same_bytes(
    base: Setup, s3_conditional: str, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """Workspace and target on S3, every class of passing fault on the way, the release published by the recipe."""
    release = {**base.content()["release"], "publish": f"{s3_conditional}/public/small"}
    setup = Setup(tmp_path, base.corpus, f"{s3_conditional}/ws", {"release": release}).write()
    for kind in (500, 503, "reset", "truncated", "lost_answer"):
        proxy.faults += [
            Fault(kind, "GET", "annotations|media|samples"),
            Fault(kind, "GET", "list-type"),
            Fault(kind, "PUT", "media|samples|shards"),
            Fault(kind, "PUT", "manifest.json"),
        ]
    proxy.faults += [Fault("corrupted", "GET", r"samples/.*parquet"), Fault("slow", "PUT", "shards/")]
    done = setup.run("--workers", "2", process=True)
    assert f"published  {s3_conditional}/public/small/" in done.stdout
    assert digests(fetched(f"{s3_conditional}/public/small", tmp_path / "release")) == digests(base.release)
    assert sum(bool(fault) for _, _, fault in proxy.seen) >= 15
    assert set(stage_lines(setup.run().stdout).values()) == {("up-to-date", 0)}
    done = dataengine("verify", f"{s3_conditional}/public/small")
    assert re.search(r"errors +0", done.stdout)


def test_sources_and_workspace_on_s3_give_the_same_shards_and_are_published_with_a_warning(
    base: Setup, s3: str, tmp_path: Path
) -> None:
    """nanio checks credentials, and ignores conditions: the workspace is fine, publishing must be asked for twice."""
    corpus = Store(f"{s3}/corpus")
    for path in Path(base.corpus).rglob("*"):
        if path.is_file():
            corpus.put(path.relative_to(base.corpus).as_posix(), path.read_bytes())
    setup = Setup(tmp_path, f"{s3}/corpus", f"{s3}/ws").write()
    setup.run("--workers", "2", process=True)
    release = f"{s3}/ws/releases/{NAME}"
    assert digests(fetched(release, tmp_path / "release")) == digests(base.release)
    assert set(stage_lines(setup.run().stdout).values()) == {("up-to-date", 0)}
    assert not (tmp_path / "s3:").exists() and not Path("s3:").exists()

    assert re.search(r"errors +0", dataengine("verify", release).stdout)
    refused = dataengine("publish", release, f"{s3}/public", ok=False)
    assert refused.returncode == 1 and "ignores If-None-Match" in refused.stderr
    dataengine("publish", release, f"{s3}/public", "--unconditional", "--read-back")
    assert digests(fetched(f"{s3}/public", tmp_path / "public")) == digests(base.release)


@pytest.mark.parametrize("what", ["credentials", "bucket"])
def test_what_is_wrong_with_a_workspace_is_said_before_anything_runs(
    base: Setup, s3: str, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = f"{s3}/ws" if what == "credentials" else "s3://no-such-bucket/ws"
    setup = Setup(tmp_path, base.corpus, workspace).write()
    if what == "credentials":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = setup.run(ok=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert ("AWS_SECRET_ACCESS_KEY" if what == "credentials" else "no-such-bucket") in done.stderr


def test_a_source_whose_bucket_is_missing_is_named(base: Setup, tmp_path: Path, s3: str) -> None:
    sources = [{"type": "folder", "name": "far", "path": "s3://no-such-bucket/photos"}]
    done = Setup(tmp_path, base.corpus, str(tmp_path / "ws"), {"sources": sources}).write().run(ok=False)
    assert done.returncode == 1 and "s3://no-such-bucket/photos" in done.stderr and "NoSuchBucket" in done.stderr


def test_a_manifest_that_another_run_wrote_meanwhile_stays(copy: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release stage finds another manifest than that which was there when it began."""
    from dataengine.config import recipe
    from dataengine.errors import RunError
    from dataengine.pipeline import committed
    from dataengine.release import stage

    run = committed(recipe.load(copy.recipe))
    path = copy.release / "manifest.json"
    other = path.read_bytes()[:-1] + b',"other":1}'

    def meanwhile(_: object) -> str:
        path.write_bytes(other)
        return ""

    monkeypatch.setattr(stage, "card", meanwhile)
    with pytest.raises(RunError, match=r"manifest\.json: another run has published"):
        stage.ReleaseStage().compute(run, "key")
    assert json.loads(path.read_bytes())["other"] == 1
