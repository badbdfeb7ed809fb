"""The whole way with sources and workspace on S3."""

from __future__ import annotations

from pathlib import Path

from support.small_corpus import NAME, Setup, digests, stage_lines

from dataengine.storage.store import Store


def test_sources_and_workspace_on_s3_give_the_same_shards(base: Setup, s3: str, tmp_path: Path) -> None:
    corpus = Store(f"{s3}/corpus")
    for path in Path(base.corpus).rglob("*"):
        if path.is_file():
            corpus.put(path.relative_to(base.corpus).as_posix(), path.read_bytes())
    setup = Setup(tmp_path, f"{s3}/corpus", f"{s3}/ws").write()
    setup.run("--workers", "2")
    store = Store(f"{s3}/ws/releases/{NAME}")
    for entry in store.list():
        to = tmp_path / "release" / entry.key
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(store.get(entry.key))
    assert digests(tmp_path / "release") == digests(base.release)
    assert set(stage_lines(setup.run().stdout).values()) == {("up-to-date", 0)}
    assert not (tmp_path / "s3:").exists() and not Path("s3:").exists()
