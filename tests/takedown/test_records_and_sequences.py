"""A take-down in a release with codes, CoT records and packed sequences in every format."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command import dataengine
from support.photo_set import photo_sequences, photo_set
from support.spoil import edit, manifest

from dataengine.release.manifest_sequences import SequenceSet as Section
from dataengine.release.reader import open_release
from dataengine.sequence.formats import megatron
from dataengine.sequence.formats.description import Format
from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.ledger_stage import SEQUENCE_LEDGER
from dataengine.sequence.model import PackedSequence
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.shards.read import read_shard
from dataengine.takedown import takedown
from dataengine.takedown.sequence_sets import Change, Rewritten, _ledger, sections
from dataengine.verify.verify import verify

GONE, OTHER = "a" * 32, "b" * 32


def parents(release: Path) -> dict[str, dict[str, list[str]]]:
    """By CoT shard the samples that each record is about."""
    return {
        path.name: {key: json.loads(bytes(members["json"]))["parents"] for key, members in read_shard(path)}
        for path in sorted((release / "cot").glob("*.tar"))
    }


def relist(release: Path) -> None:
    """Let the manifest list the sequences that were written beside it."""
    paths = [path for path in sorted((release / "sequences").rglob("*")) if path.is_file()]
    files = [
        {
            "path": str(p.relative_to(release)),
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
            "bytes": p.stat().st_size,
        }
        for p in paths
    ]
    edit(release, lambda stated: stated["files"].extend(files))


def named(sequences: list[PackedSequence], id_: str) -> list[PackedSequence]:
    """The sequences, of which the first document of the first one is of this sample."""
    first = sequences[0]
    spans = (replace(first.documents[0], id=id_), *first.documents[1:])
    return [replace(first, documents=spans), *sequences[1:]]


@pytest.fixture
def release(small: Path, tmp_path: Path) -> tuple[Path, str]:
    """A copy with sets of sequences, and a sample that several records are about."""
    copy = tmp_path / "releases" / "demo"
    shutil.copytree(small, copy)
    about = [one for records in parents(copy).values() for record in records.values() for one in record]
    id_ = max(sorted(set(about)), key=about.count)
    for form in (Format.parquet, Format.energon, Format.webdataset):
        photo_set(tmp_path, named(photo_sequences(3), id_), format=form, name="rows")
    flat = named(photo_sequences(3, 900, flat=True), id_)
    for form in (Format.datasets, Format.megatron):
        photo_set(tmp_path, flat, format=form, name="flat")
    photo_set(tmp_path, flat, SummarySettings(), format=Format.parquet, name="summaries")
    photo_set(tmp_path, photo_sequences(2), format=Format.parquet, name="others")
    relist(copy)
    assert not verify(str(copy)).errors
    return copy, id_


@pytest.mark.slow
def test_records_and_documents_go(release: tuple[Path, str], tmp_path: Path) -> None:
    old, id_ = release
    (tmp_path / "ids").write_text(id_)
    done = dataengine(
        "takedown", str(old), "--ids", str(tmp_path / "ids"), "--tombstones", str(tmp_path / "list"), "--apply"
    )
    new = Path(f"{old}-0.1.1")
    result = verify(str(new))
    assert result.errors == [] and result.sequences == 3 * 2 + 2 * 2 + 2 + 2, "of each set the first sequence goes"
    before, after = parents(old), parents(new)
    assert {key for records in after.values() for key in records} == {
        key for records in before.values() for key, of in records.items() if id_ not in of
    }
    untouched = [name for name, records in before.items() if not any(id_ in of for of in records.values())]
    assert all((new / "cot" / name).read_bytes() == (old / "cot" / name).read_bytes() for name in untouched)
    stated = manifest(new)
    assert stated["cot"]["modes"] == {
        mode: n for mode, n in _modes(new).items() if n or mode in manifest(old)["cot"]["modes"]
    } | {mode: 0 for mode in manifest(old)["cot"]["modes"] if mode not in _modes(new)}
    assert (
        stated["taken_down"]["records"] == sum(id_ in of for records in before.values() for of in records.values()) > 0
    )
    tokens = sum(json_of_codes(old, id_))
    assert stated["tokenizer"]["tokens"] == manifest(old)["tokenizer"]["tokens"] - tokens
    for name, form in (("rows", "parquet"), ("rows", "energon"), ("flat", "datasets"), ("summaries", "parquet")):
        one, other = (list(open_set(str(place / "sequences" / name / form))) for place in (old, new))
        assert [s.documents for s in other] == [s.documents for s in one[1:]], "its one document was the sample"
        assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(one[1:], other, strict=True))
    flat = [open_set(str(new / "sequences/flat/datasets")), new / "sequences/flat/megatron"]
    assert [s.tokens.tolist() for s in flat[0]] == [
        tokens.tolist() for shard in ("train-00000", "train-00001") for tokens, _ in megatron.read(flat[1], shard)
    ]
    same = old / "sequences/others/parquet", new / "sequences/others/parquet"
    assert {p.name: p.read_bytes() for p in same[0].iterdir()} == {p.name: p.read_bytes() for p in same[1].iterdir()}
    assert "scan of every byte" in done.stdout and "still holds it" in done.stdout


def _modes(release: Path) -> dict[str, int]:
    modes: dict[str, int] = {}
    for path in (release / "cot").glob("*.tar"):
        for _, members in read_shard(path):
            mode = json.loads(bytes(members["json"]))["mode"]
            modes[mode] = modes.get(mode, 0) + 1
    return modes


def json_of_codes(release: Path, id_: str) -> list[int]:
    """Tokens of a sample, by the grid in its JSON."""
    published = open_release(str(release))
    place = published.locate([t for s in published.splits for t in published.shards(s)], [id_])[id_]
    return [len(np.load(__import__("io").BytesIO(published.member(place, "codes.npy"))))]


@pytest.mark.slow
def test_a_set_of_bare_tokens_is_left_out_where_its_ledger_has_it(
    release: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once files of the old release are deleted, too: the note says all that could no longer be read."""
    old, id_ = release
    edit(old, lambda stated: stated.update(files=[f for f in stated["files"] if "/flat/datasets/" not in f["path"]]))
    shutil.rmtree(old / "sequences/flat/datasets")
    row = {"set": "flat", "source": "s", "id": id_, "modality": "image", "outcome": "packed", "reason": ""}
    numbers = {"n": 1, "weight": 1.0, "occurrences": 1, "tokens": 9}
    pq.write_table(pa.Table.from_pylist([row | numbers], SEQUENCE_LEDGER), old / "sequences/flat/ledger.parquet")
    edit(
        old, lambda stated: stated.update(files=[f for f in stated["files"] if not f["path"].startswith("sequences/")])
    )
    relist(old)
    (tmp_path / "ids").write_text(id_)
    lists = ("--ids", str(tmp_path / "ids"), "--tombstones", str(tmp_path / "lists/gone.txt"))
    words = ("takedown", str(old), *lists, "--delete-old", "--apply")
    planned = dataengine("takedown", str(old), *lists)
    assert "sequences/flat/megatron" in planned.stdout
    with monkeypatch.context() as patch:
        patch.setattr(takedown, "scanned", _killed)
        assert dataengine(*words, ok=False).returncode == 130
    assert not any(path.is_file() for path in (old / "sequences/flat").rglob("*"))
    assert len(list((tmp_path / "lists").iterdir())) == 2, "the list, and the note"
    dataengine(*words)
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["gone.txt"]
    new = Path(f"{old}-0.1.1")
    assert not (new / "sequences/flat").exists() and (new / "sequences/rows").exists() and not verify(str(new)).errors


def _killed(*arguments: Any) -> Any:
    raise KeyboardInterrupt


def test_a_ledger_of_sequences_says_what_was_taken_down() -> None:
    fields: dict[str, Any] = {"set": "s", "source": "x", "modality": "image", "reason": "", "weight": 1.0}
    rows = [
        {**fields, "id": id_, "n": n, "outcome": outcome, "occurrences": 2, "tokens": 5}
        for id_, n, outcome in ((GONE, 1, "packed"), (GONE, 2, "not chosen"), (OTHER, 1, "packed"))
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, SEQUENCE_LEDGER), sink)
    change = Change(sequences=-1, tokens=-5, padding=3)
    data = _ledger(sink.getvalue().to_pybytes(), frozenset({GONE}), change)
    now = pq.read_table(pa.BufferReader(data)).to_pylist()
    assert [(r["id"], r["outcome"], r["occurrences"], r["tokens"]) for r in now] == [
        (GONE, "taken down", 0, 0),
        (GONE, "taken down", 0, 0),
        (OTHER, "packed", 2, 5),
    ]
    assert _ledger(data, frozenset({"c" * 32}), Change()) == b""
    stated: dict[str, Any] = dict.fromkeys(("name", "layout", "positions", "packing"), "s")
    stated |= {
        "length": 8,
        "sequences": 4,
        "tokens": 25,
        "padding": 7,
        "ranks": 0,
        "imbalance": 0.0,
        "imbalance_before": 0.0,
    }
    section = msgspec.convert(
        {**stated, "cells": [], "formats": ["parquet"], "summary": None, "outcomes": {"packed": 2, "not chosen": 1}},
        Section,
    )
    [left] = sections([section], Rewritten(changes={"s": change}))
    assert (left.sequences, left.tokens, left.padding) == (3, 20, 10)
    assert left.outcomes == {"packed": 1, "taken down": 2}
    assert sections([section], Rewritten(dropped={"sequences/s/parquet"})) == []
