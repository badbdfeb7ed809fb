"""One shard of an earlier release as it goes into the next: whole, without some samples, with a table of where its media lie."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.errors import RunError
from dataengine.shards.continued import Carried, carry
from dataengine.shards.places import MEDIA_PLACES, members_of
from dataengine.shards.read import read_shard
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import Workspace

IDS = [f"{n:032x}" for n in range(5)]
NAME = "train-image-00004"


def written(folder: Path) -> Carried:
    """A shard of IDS in a release at ``folder``."""
    path = folder / "shards" / f"{NAME}.tar"
    path.parent.mkdir(parents=True)
    with path.open("wb") as out:
        info = write_tar(
            out, ((f"{id_}.{ext}", id_.encode() * (n + 1)) for n, id_ in enumerate(IDS) for ext in ("jpg", "txt"))
        )
    assert [*members_of(path)] == [*info.members]
    return Carried(str(folder), NAME, info.sha256, info.bytes, len(IDS))


@pytest.mark.parametrize("lost", [[], IDS[1:3]])
@pytest.mark.parametrize("own", [False, True])
def test_a_shard_goes_on(tmp_path: Path, lost: list[str], own: bool) -> None:
    workspace = Workspace(str(tmp_path / "ws"))
    release = ReleaseFolder(workspace.store, "r")
    shard = written(tmp_path / "ws/releases/r" if own else tmp_path / "old")
    if lost:
        file = workspace.write_table("lost.parquet", pa.table({"id": lost}))
        shard = Carried(shard.url, NAME, shard.sha256, shard.bytes, len(IDS), file.key)
    whole = Path(shard.url, f"shards/{NAME}.tar").read_bytes()
    for places in ("", "f" * 32):
        output = carry(workspace, release, shard, places)
        staged = tmp_path / "ws" / release.staged(output.files["tar"].key)
        assert output.counts["samples"] == output.files["tar"].rows == len(IDS) - len(lost)
        data = staged.read_bytes() if staged.exists() else whole
        assert staged.exists() or (own and not lost), "of the same release it is where it was"
        assert hashlib.sha256(data).hexdigest() == output.facts["sha256"] == output.files["tar"].sha256
        assert (data == whole) == (not lost)
        assert dict(read_shard(data)) == {k: v for k, v in read_shard(whole) if k not in lost}
    rows = workspace.read_table([output.files["places"]], MEDIA_PLACES).to_pylist()
    assert {r["id"]: data[r["offset"] : r["offset"] + r["bytes"]] for r in rows} == {
        id_: id_.encode() * (n + 1) for n, id_ in enumerate(IDS) if id_ not in lost
    }


@pytest.mark.parametrize("damage", ["missing", "other bytes", "shorter"])
@pytest.mark.parametrize("own", [False, True])
def test_a_shard_that_is_not_what_its_manifest_says(tmp_path: Path, damage: str, own: bool) -> None:
    workspace = Workspace(str(tmp_path / "ws"))
    shard = written(tmp_path / "ws/releases/r" if own else tmp_path / "old")
    path = Path(shard.url, f"shards/{NAME}.tar")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-512] if damage == "shorter" else path.read_bytes().replace(b"0", b"1"))
    places = "f" * 32 if damage == "other bytes" else ""  # a whole shard of the same release is read only for these
    with pytest.raises(RunError, match=r"is not what its release's manifest says, so|tar ends after"):
        carry(workspace, ReleaseFolder(workspace.store, "r"), shard, places)
