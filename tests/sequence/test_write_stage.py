"""Packed sequences in the files of a release: every set in every format, the same bytes again, and only what changed anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.packed_sequences import same
from support.sequence_release import STAGES, recipe, run, write_release
from support.sequences import SIZES

from dataengine.errors import UsageError
from dataengine.pipeline import _Pass, open_run
from dataengine.progress import Silent
from dataengine.sequence.formats.check import check_set
from dataengine.sequence.formats.description import description_of, settings_of
from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.model import SEQUENCES, PackedSequence, Role, from_row
from dataengine.sequence.pack_stage import set_files
from dataengine.sequence.summary.packed import with_summaries, without_summaries
from dataengine.sequence.write_stage import SequenceWrite, SequenceWriter, files_of
from dataengine.stage import Part, Run
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output

FORMATS = ["webdataset", "energon", "parquet", "datasets"]
CODES = [*FORMATS, "megatron", "stream"]
SETS: list[dict[str, Any]] = [
    {"name": "rows", "length": 96, "layout": "blocks", "formats": FORMATS, "pool": 1},
    {
        "name": "flat",
        "length": 512,
        "layout": "codes",
        "formats": CODES,
        "summary": {"chunk": 8, "documents": "within"},
    },
    {"name": "keye", "length": 2048, "layout": "keye", "formats": ["webdataset"]},
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_release(tmp_path_factory.mktemp("release")))


def settings(release: str, sets: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"type": "samples", "name": "captions", "release": release}
    return {"tokenizer": {"vocab_size": 600}, "sources": [source], "sets": sets}


def written(folder: Path, release: str, sets: list[dict[str, Any]]) -> tuple[Run, Path]:
    """The run with its commits, and the folder in which its release is staged."""
    loaded = recipe(folder, settings(release, sets))
    run(loaded)
    run_ = open_run(loaded)
    _Pass(run_, None, True, Silent()).over([stage for stage in STAGES if stage.active(loaded)])
    return run_, folder / "ws" / ReleaseFolder(run_.workspace.store, loaded.name).staging / "sequences"


def packed(run_: Run, name: str) -> list[PackedSequence]:
    return [from_row(row) for row in run_.workspace.read_table(set_files(run_, name), SEQUENCES).to_pylist()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, release: str) -> tuple[Run, Path]:
    return written(tmp_path_factory.mktemp("made"), release, SETS)


@pytest.mark.parametrize("name", ["rows", "flat", "keye"])
def test_every_format_has_the_packed_sequences_in_order(made: tuple[Run, Path], name: str) -> None:
    run_, folder = made
    expected = packed(run_, name)
    assert expected
    for form in next(one["formats"] for one in SETS if one["name"] == name):
        store = Store(folder / name / form)
        about = description_of(store)
        assert check_set(store, about) == [] and about.sequences == len(expected), form
        assert about.codebook_sizes == ([] if name == "keye" else list(SIZES)) and store.exists("_tokenizer.json")
        if form in FORMATS:
            stored = list(open_set(str(folder / name / form)))
            layout = settings_of(about)
            wanted = [with_summaries(one, layout, about.eob) for one in expected] if layout else expected
            assert all(same(a, b) for a, b in zip(stored, wanted, strict=True))
            assert all(same(without_summaries(a), b) for a, b in zip(stored, expected, strict=True))
            assert any((one.roles == Role.SUMMARY).any() for one in stored) == (name == "flat")


def test_shards_of_a_set_are_its_pools(made: tuple[Run, Path]) -> None:
    run_, folder = made
    tars = sorted(path.name for path in (folder / "rows" / "webdataset").glob("*.tar"))
    assert tars == [f"rows-{n:05d}.tar" for n in range(len(set_files(run_, "rows")))] and len(tars) > 1
    keys = [file.key.removeprefix("releases/sequences/sequences/") for file in files_of(run_)]
    assert keys == sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_what_changed_is_written_again(tmp_path: Path, release: str) -> None:
    sets = [{**SETS[0], "formats": ["webdataset"]}]
    _, folder = written(tmp_path, release, sets)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.tar")}
    reports = {r.name: r for r in run(recipe(tmp_path, settings(release, sets)))}
    assert all(report.made == 0 for report in reports.values())
    more = [{**sets[0], "formats": ["webdataset", "parquet"]}]
    again = {r.name: r for r in run(recipe(tmp_path, settings(release, more)))}
    assert again["sequence.pack"].made == 0 and again["sequence.mix"].made == 0
    assert 0 < again["sequence.write"].made == len(before)
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.tar")}


def test_another_workspace_gives_the_same_bytes(made: tuple[Run, Path], tmp_path: Path, release: str) -> None:
    _, folder = made
    _, other = written(tmp_path, release, SETS)
    contents = [{str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (folder, other)]
    assert contents[0] == contents[1] and len(contents[0]) > 20


def test_rows_in_a_format_of_tokens_are_refused(tmp_path: Path) -> None:
    for form in ("megatron", "stream"):
        with pytest.raises(ValidationError, match="holds one token a position: take layout codes"):
            recipe(tmp_path, settings("x", [{"name": "s", "layout": "blocks", "formats": [form]}]))
    with pytest.raises(ValidationError, match="one is named twice"):
        recipe(tmp_path, settings("x", [{"name": "s", "formats": ["parquet", "parquet"]}]))
    with pytest.raises(UsageError, match="window pattern"):
        recipe(tmp_path, settings("x", [{"name": "s", "summary": {"windows": "8*8"}}]))


def test_summaries_whose_ids_text_or_codes_have_are_refused(tmp_path: Path, release: str) -> None:
    one = {**SETS[0], "summary": {"independent": False, "begin": 300}}
    with pytest.raises(UsageError, match=r"summary\.begin 300 collides with the \d+ ids"):
        written(tmp_path, release, [one])
    _, folder = written(tmp_path, release, [{**one, "summary": {"independent": False, "begin": 1000, "tokens": 2}}])
    first = next(iter(open_set(str(folder / "rows" / "webdataset"))))
    assert np.array_equal(first.tokens[first.roles == Role.SUMMARY][:2, 0], [1000, 1001])


def test_killed_and_in_another_order_the_bytes_are_the_same(
    made: tuple[Run, Path], tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, process = SequenceWrite.plan, SequenceWriter.process
    parts: list[str] = []

    def dying(self: SequenceWriter, part: Part) -> Output:
        if len(parts) == 5:
            raise KeyboardInterrupt
        parts.append(part.name)
        return process(self, part)

    monkeypatch.setattr(SequenceWrite, "plan", lambda self, run_: plan(self, run_)[::-1])
    monkeypatch.setattr(SequenceWriter, "process", dying)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, release, SETS)
    monkeypatch.setattr(SequenceWriter, "process", process)
    reports = {r.name: r for r in run(recipe(tmp_path, settings(release, SETS)))}
    assert reports["sequence.write"].made == reports["sequence.write"].parts - 5 > 0
    folders = (made[1], tmp_path / "ws" / "staging" / "sequences" / "sequences")
    contents = [{str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert contents[0] == contents[1]
