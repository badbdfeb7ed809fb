"""A ledger of many rows lies in several files: whoever reads a release reads all of them, and ``verify`` finds what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import mlcroissant
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.spoil import edit, manifest, relist

from dataengine.contracts import LEDGER
from dataengine.engines import tables
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.release.croissant import croissant
from dataengine.release.difference import difference
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import open_release
from dataengine.release.spdx import spdx
from dataengine.storage.workspace import File, Workspace
from dataengine.verify.verify import verify


@pytest.fixture
def parts(copy: Path, duck: DuckDBEngine, monkeypatch: pytest.MonkeyPatch) -> list[File]:
    """The ledger of the small release cut into files, and the manifest with it."""
    rows = pq.read_table(copy / "ledger.parquet")
    monkeypatch.setattr(tables, "ROWS_A_FILE", 1)
    made = duck.write(Workspace(str(copy)), "ledger", duck.frame(rows), LEDGER, ("input_id",))
    (copy / "ledger.parquet").unlink()
    listed = [{"path": f.key, "sha256": f.sha256, "bytes": f.bytes} for f in made]
    edit(copy, lambda m: m.update(files=[*listed, *(f for f in m["files"] if f["path"] != "ledger.parquet")]))
    return made


def test_all_of_it_is_verified(copy: Path, parts: list[File]) -> None:
    assert len(parts) > 3
    found = verify(str(copy))
    assert found.errors == [] and found.inputs == sum(f.rows for f in parts)
    lost = parts[0].key
    (copy / lost).unlink()
    edit(copy, lambda m: m.update(files=[f for f in m["files"] if f["path"] != lost]))
    assert any("the ledger does not balance" in error for error in verify(str(copy)).errors)


def test_a_later_release_is_compared_with_all_of_it(copy: Path, parts: list[File], duck: DuckDBEngine) -> None:
    ledger = duck.scan(Workspace(str(copy)), parts, LEDGER)
    found = difference(duck, ledger, open_release(str(copy)))
    assert (found.added, found.removed) == (0, 0) and found.same == manifest(copy)["samples"]


def test_croissant_and_spdx_name_each_file(copy: Path, parts: list[File], caplog: pytest.LogCaptureFixture) -> None:
    listed = open_release(str(copy)).manifest
    released = [ReleaseFile(f.key, f.sha256, f.bytes) for f in parts]
    released += [f for f in listed.files if f.path.endswith(".tar")]
    (copy / "croissant.json").write_bytes(croissant(listed, released))
    dataset = mlcroissant.Dataset(copy / "croissant.json")
    assert dataset.metadata.ctx.issues.errors == set()
    first = parts[0].key.removesuffix(".parquet").replace("ledger", "inputs")
    assert len(list(dataset.records(first))) == parts[0].rows
    assert all(f.key.encode() in spdx(listed, released) for f in parts)


def test_a_ledger_that_has_lost_a_row(copy: Path) -> None:
    path = copy / "ledger.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    relist(path)
    assert any(
        re.search(r"ledger.parquet: the ledger does not balance: .*inputs were read", e)
        for e in verify(str(copy)).errors
    )


def test_a_ledger_of_other_outcomes_and_one_that_is_no_table(copy: Path) -> None:
    path = copy / "ledger.parquet"
    edit(copy, lambda m: m["ledger"]["outcome"].update(kept=0))
    assert any(e.startswith("ledger.parquet: outcome") for e in verify(str(copy)).errors)
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "input_id", pa.array([[1]] * len(table))), path)
    relist(path)
    assert any(re.match("ledger.parquet: .*cast", e) for e in verify(str(copy)).errors)
    path.write_bytes(b"no table")
    relist(path)
    assert any(e.startswith("ledger.parquet: ") for e in verify(str(copy)).errors)


def test_an_unknown_input_outcome_is_no_ledger(copy: Path) -> None:
    path = copy / "ledger.parquet"
    table = pq.read_table(path)
    outcome = pa.array([None, *table["outcome"].to_pylist()[1:]], pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("outcome"), "outcome", outcome), path)
    relist(path)
    assert any("without an outcome" in e for e in verify(str(copy)).errors)
