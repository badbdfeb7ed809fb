"""Sets of sequences in every format: read by the format's own reader, the same bytes again, damage found."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.packed_sequences import described, packed, same

from dataengine.errors import RunError, UsageError
from dataengine.sequence.formats import megatron, reader, token_stream
from dataengine.sequence.formats.description import FILE, Format, SetDescription, description_of
from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.formats.writer import check_file, write_set
from dataengine.sequence.model import PackedSequence, Role
from dataengine.sequence.summary.packed import with_summaries
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.storage.store import Store

WHOLE = (Format.webdataset, Format.energon, Format.parquet, Format.datasets)
SHAPES = ((1, 1), (9, 1), (1, 3))


def written(folder: Path, form: Format, width: int = 1, axes: int = 1) -> tuple[SetDescription, list[PackedSequence]]:
    """Two shards of 3 and 2 sequences."""
    rows = [packed(seed, width=width, axes=axes, padding=5 * (seed % 2)) for seed in range(5)]
    shards = {"train-00001": rows[3:], "train-00000": rows[:3]}
    return write_set(described(form, width=width), folder, shards), rows


@pytest.mark.parametrize(("width", "axes"), SHAPES)
@pytest.mark.parametrize("form", WHOLE)
def test_what_was_written_is_read(tmp_path: Path, form: Format, width: int, axes: int) -> None:
    about, rows = written(tmp_path, form, width, axes)
    stored = open_set(str(tmp_path))
    assert stored.about == about and len(stored) == 5
    assert all(same(a, b) for a, b in zip(stored, rows, strict=True))
    key, fourth = stored.at(3)
    assert key == "train-00001-000000" and same(fourth, rows[3])
    assert [s.padding for s in about.shards] == [5, 5] and about.shards[0].documents == sum(
        len(r.documents) for r in rows[:3]
    )
    with pytest.raises(UsageError, match="there is no 5"):
        stored.at(5)


@pytest.mark.parametrize("form", Format)
def test_equal_sequences_give_equal_bytes(tmp_path: Path, form: Format) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, form)
    contents = [
        {str(p.relative_to(f)): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in tmp_path.iterdir()
    ]
    assert contents[0] == contents[1] and len(contents[0]) >= 3
    about = description_of(Store(tmp_path / "a"))
    for file in (f for shard in about.shards for f in shard.files):
        assert hashlib.sha256(contents[0][file.path]).hexdigest() == file.sha256


@pytest.mark.parametrize("width", [1, 9])
def test_webdataset_reads_the_tars(tmp_path: Path, width: int) -> None:
    import webdataset

    _, rows = written(tmp_path, Format.webdataset, width)
    urls = sorted(map(str, tmp_path.glob("*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    assert [s["__key__"] for s in samples][::4] == ["train-00000-000000", "train-00001-000001"]
    for sample, row in zip(samples, rows, strict=True):
        assert np.array_equal(sample["tokens.npy"], row.tokens) and np.array_equal(
            sample["loss_mask.npy"], row.loss_mask
        )
        assert np.array_equal(sample["cu_seqlens.npy"], row.cu_seqlens)
        assert [d["id"] for d in sample["json"]["documents"]] == [d.id for d in row.documents]


def test_pyarrow_reads_the_parquet_files(tmp_path: Path) -> None:
    _, rows = written(tmp_path, Format.parquet)
    table = pq.read_table(tmp_path, columns=["id", "tokens", "loss_mask", "documents"])
    assert table["tokens"].to_pylist() == [row.tokens.tolist() for row in rows]
    assert [d["source"] for d in table["documents"][0].as_py()] == ["captions"] * len(rows[0].documents)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 9])
def test_hugging_face_datasets_loads_the_set(tmp_path: Path, width: int) -> None:
    import datasets

    _, rows = written(tmp_path, Format.datasets, width)
    loaded = datasets.load_from_disk(str(tmp_path))
    assert loaded.split == "train" and len(loaded) == 5
    assert loaded["tokens"][:] == [row.tokens.tolist() for row in rows]
    assert loaded.with_format("numpy")[4]["positions"].tolist() == rows[4].positions.tolist()


@pytest.mark.slow
def test_energon_loads_the_set_as_it_is(tmp_path: Path) -> None:
    """Without ``energon prepare``: the metadata is ours. Its loader and the reader of its index take it."""
    from megatron.energon import Cooker, DefaultTaskEncoder, WorkerConfig, get_loader, get_train_dataset, stateless
    from megatron.energon.flavors.webdataset.itar import TarIndexReader

    @stateless
    def cook(sample: dict[str, Any]) -> dict[str, Any]:
        return {"__key__": sample["__key__"], "tokens": sample["tokens.npy"], "about": sample["json"]}

    class Encoder(DefaultTaskEncoder):  # type: ignore[misc]
        cookers = [Cooker(cook)]  # noqa: RUF012

        def batch(self, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return samples

    _, rows = written(tmp_path, Format.energon)
    alone = WorkerConfig(rank=0, world_size=1, num_workers=0)
    dataset = get_train_dataset(
        str(tmp_path),
        worker_config=alone,
        batch_size=1,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        task_encoder=Encoder(),
        repeat=False,
    )
    samples = {s["__key__"]: s for batch in get_loader(dataset) for s in batch}
    expected = {f"train-0000{n // 3}-00000{n % 3}": row for n, row in enumerate(rows)}
    assert samples.keys() == expected.keys()
    for key, row in expected.items():
        assert np.array_equal(np.asarray(samples[key]["tokens"]), row.tokens)
    with TarIndexReader(tmp_path / "train-00000.tar") as index:
        places = list(index)
    data = (tmp_path / "train-00000.tar").read_bytes()
    assert len(places) == 4 and [data[p : p + 25] for p in places[:3]] == [
        f"train-00000-00000{n}.tokens"[:25].encode() for n in range(3)
    ]
    assert not any(data[places[3] :])


def test_an_independent_reader_of_megatrons_index_finds_every_document(tmp_path: Path) -> None:
    """Megatron-LM is no package that is installed here: the index is parsed as its documentation describes it."""
    _, rows = written(tmp_path, Format.megatron)
    for shard, expected in (("train-00000", rows[:3]), ("train-00001", rows[3:])):
        for suffix, dtype, code in (("", np.int32, 4), ("_loss_mask", np.uint8, 1)):
            stream = io.BytesIO((tmp_path / f"{shard}{suffix}.idx").read_bytes())
            assert stream.read(9) == b"MMIDIDX\x00\x00" and struct.unpack("<Q", stream.read(8)) == (1,)
            assert struct.unpack("<B", stream.read(1)) == (code,)
            sequences, entries = struct.unpack("<QQ", stream.read(16))
            lengths = np.frombuffer(stream.read(4 * sequences), np.int32)
            offsets = np.frombuffer(stream.read(8 * sequences), np.int64)
            documents = np.frombuffer(stream.read(8 * entries), np.int64)
            assert stream.read() == b"" and entries == len(expected) + 1 and documents[-1] == sequences
            data = (tmp_path / f"{shard}{suffix}.bin").read_bytes()
            for row, first, last in zip(expected, documents, documents[1:], strict=False):
                values = row.tokens if not suffix else row.loss_mask
                pieces = [np.frombuffer(data, dtype, lengths[s], offsets[s]) for s in range(first, last)]
                cut = np.split(values, row.cu_seqlens[1:-1])
                assert all(np.array_equal(a, b) for a, b in zip(pieces, cut, strict=True))
        own = list(megatron.read(tmp_path, shard))
        assert all(
            np.array_equal(t, r.tokens) and np.array_equal(b, r.cu_seqlens)
            for (t, b), r in zip(own, expected, strict=True)
        )


def test_the_published_trainers_slices_are_our_sequences(tmp_path: Path) -> None:
    """Read as its code does: type from the .meta, slices of ``seq_length`` by offset, and the mask in the tokens' type."""
    rows = [packed(seed, length=40) for seed in range(3)]
    layout = SummarySettings()
    stored = [with_summaries(row, layout) for row in rows[:2]]
    about = write_set(described(Format.stream, length=48), tmp_path, {"a": stored, "b": rows[2:]})
    for name, expected in (("a", rows[:2]), ("b", rows[2:])):
        dtype = getattr(np, (tmp_path / f"{name}.bin.meta").read_text())
        size = (tmp_path / f"{name}.bin").stat().st_size
        assert size // (48 * dtype().itemsize) == len(expected) and size % (48 * dtype().itemsize) == 0
        for number, row in enumerate(expected):
            offset = number * 48 * dtype().itemsize
            tokens, losses = (
                np.frombuffer((tmp_path / f"{name}{s}").read_bytes(), dtype, 48, offset)
                for s in (".bin", "_loss_mask.bin")
            )
            assert tokens.tolist() == [*row.tokens.tolist(), *[1] * 8] and losses.tolist() == [*row.loss_mask, *[0] * 8]
        assert len(list(token_stream.read(tmp_path, name, 48))) == len(expected)
    lines = [line.split(None, 2) for line in (tmp_path / "mixture.txt").read_text().splitlines()]
    assert [(c, float(w), p) for c, w, p in lines] == [("demo-8k", 0.666667, "a"), ("demo-8k", 0.333333, "b")]
    assert about.sequences == 3


@pytest.mark.parametrize("form", [Format.megatron, Format.stream])
def test_formats_of_single_tokens_refuse_rows(tmp_path: Path, form: Format) -> None:
    with pytest.raises(UsageError, match="choose layout `codes`"):
        write_set(described(form, width=9), tmp_path, {"a": [packed(0, width=9)]})


def test_a_stream_refuses_a_sequence_longer_than_its_slices(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 64 tokens, the stream's slices 48"):
        write_set(described(Format.stream, length=48), tmp_path, {"a": [packed(0)]})


@pytest.mark.parametrize("form", WHOLE)
def test_an_empty_shard_is_written_and_read(tmp_path: Path, form: Format) -> None:
    write_set(described(form), tmp_path, {"train-00000": []})
    assert list(open_set(str(tmp_path))) == []


@pytest.mark.parametrize("form", WHOLE)
def test_a_changed_file_is_refused(tmp_path: Path, form: Format) -> None:
    about, _ = written(tmp_path, form)
    path = tmp_path / about.shards[0].files[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match="checksum mismatch"):
        list(open_set(str(tmp_path)))
    path.unlink()
    with pytest.raises(RunError, match="does not exist"):
        list(open_set(str(tmp_path)))


def test_files_are_hashed_once_unless_they_are_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about, rows = written(tmp_path, Format.webdataset)
    hashed, stored = list[str](), open_set(str(tmp_path))
    monkeypatch.setattr(reader, "check_file", lambda path, file: hashed.append(path.name) or check_file(path, file))
    for _ in range(3):
        assert all(same(a, b) for a, b in zip(stored, rows, strict=True))
        stored.at(1)
    assert hashed == [shard.files[0].path for shard in about.shards]
    path = tmp_path / about.shards[0].files[0].path
    data = bytearray(path.read_bytes())
    data[512 + 128] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(RunError, match="checksum mismatch"):
            list(stored)


def test_unchecked_a_changed_token_is_read_as_it_is(tmp_path: Path) -> None:
    about, rows = written(tmp_path, Format.webdataset)
    path = tmp_path / about.shards[0].files[0].path
    data = bytearray(path.read_bytes())
    data[512 + 128] ^= 1  # behind the headers of tar and .npy
    path.write_bytes(data)
    first, *others = open_set(str(tmp_path), checked=False)
    assert np.flatnonzero(first.tokens != rows[0].tokens).tolist() == [0]
    assert all(same(a, b) for a, b in zip(others, rows[1:], strict=True))


def test_folders_that_hold_no_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no set of sequences"):
        open_set(str(tmp_path))
    written(tmp_path / "sequences" / "demo" / "parquet", Format.parquet)
    with pytest.raises(UsageError, match=r"has sets of sequences, name one: .*sequences/demo/parquet"):
        open_set(str(tmp_path))
    written(tmp_path / "m", Format.megatron)
    with pytest.raises(UsageError, match="keeps tokens and losses alone"):
        open_set(str(tmp_path / "m"))
    (tmp_path / "m" / FILE).write_bytes(b'{"schema_version": "9"}')
    with pytest.raises(RunError, match="schema_version is 9"):
        open_set(str(tmp_path / "m"))
    (tmp_path / "m" / FILE).write_bytes(b"{")
    with pytest.raises(RunError, match="does not describe a set"):
        open_set(str(tmp_path / "m"))


def test_summaries_are_stored_like_any_position(tmp_path: Path) -> None:
    rows = [with_summaries(packed(1), SummarySettings())]
    write_set(described(Format.webdataset), tmp_path, {"a": rows})
    [row] = open_set(str(tmp_path))
    assert same(row, rows[0]) and (row.roles == Role.SUMMARY).sum() == 8
