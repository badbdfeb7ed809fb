"""``dataengine verify`` reads the packed sequences of a release, and ``publish`` sends them with what their readers need."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.photo_set import photo_sequences, photo_set
from support.spoil import edit, manifest

from dataengine.release.publish import publish
from dataengine.sequence.formats.description import FILE, Format, description_of
from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.storage.store import Store
from dataengine.verify.verify import verify


@pytest.fixture
def release(small: Path, tmp_path: Path) -> Path:
    """A release with a set for Energon and one with summaries in Parquet."""
    copy = tmp_path / "releases" / "demo"
    shutil.copytree(small, copy)
    photo_set(tmp_path, photo_sequences(3), format=Format.energon, name="rows")
    photo_set(tmp_path, photo_sequences(2, 900, flat=True), SummarySettings(), format=Format.parquet, name="flat")
    relist(copy)
    return copy


def relist(release: Path) -> None:
    """Let the manifest list the sequences as they are."""
    files = [
        {
            "path": path.relative_to(release).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted((release / "sequences").rglob("*"))
        if path.is_file()
    ]

    def change(stated: dict[str, Any]) -> None:
        stated["files"] = [f for f in stated["files"] if not f["path"].startswith("sequences/")] + files

    edit(release, change)


@pytest.mark.slow
def test_sequences_are_counted_and_published_with_all_their_files(release: Path, tmp_path: Path) -> None:
    result = verify(str(release))
    assert (result.errors, result.warnings, result.sequences) == ([], [], 5)
    assert ("sequences", "5") in result.rows()
    there = tmp_path / "published"
    publish(str(release), str(there))
    assert verify(str(there)).errors == []
    rows = there / "sequences" / "rows" / "energon"
    assert (rows / ".nv-meta" / "split.yaml").exists() and len(list(rows.glob("*.tar.idx"))) == 2
    assert len(list(open_set(str(rows)))) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (
            lambda folder: (folder / "train-00000.tar.idx").unlink(),
            "train-00000.tar.idx: is in the manifest, but does not exist",
        ),
        (lambda folder: (folder / FILE).write_bytes(b"{}"), f"{FILE}: "),
        (lambda folder: (folder / ".nv-meta" / "dataset.yaml").write_text("x"), "dataset.yaml: checksum mismatch"),
    ],
)
def test_what_is_wrong_with_a_set_is_named(release: Path, spoil: Callable[[Path], Any], error: str) -> None:
    folder = release / "sequences" / "rows" / "energon"
    spoil(folder)
    assert any(text.startswith("sequences/rows/energon/") and error in text for text in verify(str(release)).errors)


@pytest.mark.slow
def test_a_sequence_that_is_wrong_inside_is_found_where_all_checksums_agree(release: Path) -> None:
    import msgspec

    folder = release / "sequences" / "flat" / "parquet"
    about = description_of(Store(folder))
    (folder / FILE).write_bytes(msgspec.structs.replace(about, codebook_sizes=[], first_code=300).to_bytes())
    relist(release)
    errors = verify(str(release)).errors
    assert errors and all(text.startswith("sequences/flat/parquet/train-0000") for text in errors)
    assert "token id" in errors[0]
    assert len(manifest(release)["files"]) > 10
