"""A set is checked sequence by sequence: a good one has no errors, and each kind of fault is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.packed_sequences import described, packed

from dataengine.sequence.formats.check import check_set, faults
from dataengine.sequence.formats.description import Format, SetDescription, description_of
from dataengine.sequence.formats.writer import write_set
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.summary.packed import with_summaries
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.storage.store import Store

SIZES = [128]


def errors(folder: Path, change: Callable[[SetDescription], SetDescription] = lambda about: about) -> list[str]:
    store = Store(folder)
    return check_set(store, change(description_of(store)))


@pytest.mark.parametrize("form", Format)
def test_a_good_set_has_no_errors_and_a_wrong_count_is_named(tmp_path: Path, form: Format) -> None:
    rows = [packed(seed) for seed in range(3)]
    write_set(described(form, codebook_sizes=SIZES), tmp_path, {"a": rows[:2], "b": rows[2:]})
    assert errors(tmp_path) == []

    def other(about: SetDescription) -> SetDescription:
        one = msgspec.structs.replace(about.shards[1], sequences=4)
        return msgspec.structs.replace(about, shards=[about.shards[0], one])

    assert "b: 1 sequences, 4 are listed" in errors(tmp_path, other)
    assert any(error.endswith("does not agree with the list of shards") for error in errors(tmp_path, other))


@pytest.mark.parametrize("form", Format)
def test_a_damaged_or_missing_file_is_named(tmp_path: Path, form: Format) -> None:
    about = write_set(described(form, codebook_sizes=SIZES), tmp_path, {"a": [packed(1)], "b": [packed(2)]})
    path = tmp_path / about.shards[0].files[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    [error] = errors(tmp_path)
    assert error.startswith("a: checksum mismatch")
    path.unlink()
    [error] = errors(tmp_path)
    assert error.startswith("a: ") and "does not exist" in error


def test_metadata_that_is_missing_is_named(tmp_path: Path) -> None:
    write_set(described(Format.energon, codebook_sizes=SIZES, text_tokenizer="_t.json"), tmp_path, {"a": [packed(1)]})
    (tmp_path / ".nv-meta" / "split.yaml").unlink()
    assert errors(tmp_path) == [".nv-meta/split.yaml: does not exist", "_t.json: does not exist"]


def changed(field: str, value: Callable[[PackedSequence], Any]) -> Callable[[PackedSequence], PackedSequence]:
    return lambda one: replace(one, **{field: value(one)})


def spans(one: PackedSequence) -> tuple[DocumentSpan, ...]:
    return (*one.documents[:-1], replace(one.documents[-1], stop=one.documents[-1].stop - 1))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (changed("tokens", lambda one: np.stack([one.tokens] * 2, axis=1)), "2 tokens a position, the set has 1"),
        (changed("tokens", lambda one: one.tokens + 200), "token id"),
        (changed("tokens", lambda one: one.tokens - 100), "token id"),
        (changed("roles", lambda one: np.full_like(one.roles, 77)), "roles or losses that there are not"),
        (changed("loss_mask", lambda one: np.ones_like(one.loss_mask)), "summaries or padding are targets"),
        (changed("documents", spans), "borders are not those of its documents"),
        (changed("documents", lambda one: one.documents[1:]), "documents do not follow one another"),
        (lambda one: with_summaries(one, SummarySettings()), "8 summaries in a set without them"),
        (lambda one: packed(1, 80), "80 positions, the set has at most 64"),
    ],
)
def test_each_fault_of_a_sequence_is_named(change: Callable[[PackedSequence], PackedSequence], fault: str) -> None:
    one, about = packed(1), described(Format.parquet, codebook_sizes=SIZES)
    assert list(faults(one, about)) == []
    assert any(fault in text for text in faults(change(one), about))


def test_faults_are_named_with_their_sequence(tmp_path: Path) -> None:
    bad = replace(packed(1), roles=np.full(64, Role.TEXT, np.uint8), loss_mask=np.ones(64, np.uint8))
    bad.tokens[3] = 5000
    write_set(described(Format.webdataset, codebook_sizes=SIZES), tmp_path, {"a": [packed(2), bad]})
    assert errors(tmp_path) == ["a-000001: token id 5,000 of 228"]
