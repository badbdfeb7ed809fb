"""A release from elsewhere whose descriptions name files outside of it: refused, and nothing is read or written there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from dataengine.errors import RunError
from dataengine.readers.loaders import croissant, data_files
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.shards.json_types import RelativePath
from dataengine.verify.verify import verify

OUTSIDE = [
    "../x",
    "/etc/passwd",
    "a/../../x",
    "..\\x",
    "C:\\x",
    "a//x",
    "./x",
    "",
    "a/",
    ".hidden",
    "a/..x/../y",
    "a/..",
    "x\x00",
    "\u202ex",
    "~/x",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_outside_is_none_of_a_release(path: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(path).encode(), type=RelativePath)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps({"path": path, "sha256": "0" * 64, "bytes": 1}).encode(), type=ReleaseFile)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(name="../../x"),
        lambda m: m["shards"][0].update(name="../../../x"),
        lambda m: m["files"][0].update(path="/etc/passwd"),
    ],
)
def test_a_manifest_with_names_outside_is_none(copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((copy / "manifest.json").read_bytes())
    assert Manifest.from_bytes(json.dumps(manifest).encode())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="is not the manifest of a release"):
        open_release(str(copy))
    assert verify(str(copy)).errors


def spoiled(copy: Path, **fields: Any) -> Path:
    about = json.loads((copy / "croissant.json").read_bytes())
    files = [d for d in about["distribution"] if d["@type"] == "cr:FileObject"]
    for file in files:
        file.update(fields)
    (copy / "croissant.json").write_text(json.dumps(about))
    return copy


@pytest.mark.parametrize(
    "fields",
    [
        *({"contentUrl": path} for path in OUTSIDE),
        {"sha256": "../../x"},
        {"sha256": "/tmp/x"},
        {"sha256": 5},
        {"name": "a.tar/../../x"},
        {"name": "x.\\..\\y"},
        {"contentSize": "-1 B"},
        {"contentSize": "9" * 5000 + " B"},
        {"contentUrl": None},
    ],
)
def test_a_description_that_leads_outside_writes_nothing(copy: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    folder = tmp_path / "deep" / "cache"
    with pytest.raises(RunError, match=r"croissant\.json does not describe a release|does not exist"):
        croissant(str(spoiled(copy, **fields)), folder)
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("x*"))


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"[]", b'{"distribution": 5}', b'{"distribution": [{}]}', b"\xff", b"null"]
)
def test_what_is_no_description_is_named(copy: Path, tmp_path: Path, data: bytes) -> None:
    (copy / "croissant.json").write_bytes(data)
    with pytest.raises(RunError, match=r"croissant\.json does not describe a release"):
        croissant(str(copy), tmp_path / "cache")


def test_files_of_another_size_are_refused_and_no_link_is_written_through(
    small: Path, copy: Path, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="bytes, not 5"):
        croissant(str(spoiled(copy, contentSize="5 B")), tmp_path / "cache", "inputs")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    ledger = next(
        f for f in json.loads((small / "manifest.json").read_bytes())["files"] if f["path"] == "ledger.parquet"
    )
    place = tmp_path / "linked"
    place.mkdir()
    for name in (f"{ledger['sha256']}.parquet", f"{ledger['sha256']}.parquet.part"):
        (place / name).symlink_to(victim)
    croissant(str(small), place, "inputs")
    assert victim.read_text() == "mine"
    assert (place / f"{ledger['sha256']}.parquet").stat().st_size == ledger["bytes"]


@pytest.mark.parametrize(
    "header",
    [
        *(
            yaml.safe_dump({"configs": [{"config_name": "x", "data_files": [{"split": "train", "path": p}]}]})
            for p in OUTSIDE
        ),
        "configs: [{config_name: x, data_files: [{split: train, path: s3://other/x.tar}]}]",
        "configs: &a [*a]",
        "[" * 10_000,
        "configs: 5",
        "configs: [[x]]",
        "a: !!python/object/apply:os.system [id]",
    ],
)
def test_a_card_that_leads_outside_is_refused(copy: Path, header: str) -> None:
    (copy / "README.md").write_text(f"---\n{header}\n---\n")
    with pytest.raises(RunError, match=r"README\.md has no YAML header"):
        data_files(str(copy), "x")
