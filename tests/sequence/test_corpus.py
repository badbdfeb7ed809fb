"""Reading of text corpora and segments: a bad row is one failed row."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataengine.config.sequence import SegmentsSource, TextSource
from dataengine.errors import InputError
from dataengine.sequence.corpus import files, texts
from dataengine.sequence.segments import documents
from dataengine.storage.store import Store
from dataengine.text.bounded_json import SIZE


def outcomes(path: Path, **settings: Any) -> list[str]:
    """Of each row its text, or why there is none."""
    source = TextSource(type="text", name="t", path=str(path), **settings)
    return [text.failure or text.text for file in files(source) for text in texts(file, source)]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.jsonl", b'{"text":"a"}\n{"text"\n[1]\n{"text":1}\n{"text":" "}\n', ["a", *["bad_row"] * 3, "empty"]),
        ("long.jsonl", b'{"text":"' + b"x" * (2 * SIZE) + b'"}\n{"text":"after"}\n', ["bad_row", "after"]),
        ("unpacked.jsonl.gz", b"\x1f\x8b\x08\x00" + b"\x00" * 6 + b"\xff" * 30, ["damaged_file"]),
        ("cut.jsonl.gz", gzip.compress(b'{"text":"a"}\n', mtime=0)[:-6], ["a", "damaged_file"]),
        ("marked.txt", "hello".encode("utf-16"), ["hello"]),
    ],
)
def test_bad_rows(tmp_path: Path, name: str, data: bytes, expected: list[str]) -> None:
    (tmp_path / name).write_bytes(data)
    assert outcomes(tmp_path / name) == expected


def test_files_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f'{{"text":"text {n} {"x" * 900}"}}\n' for n in range(3000)).encode()
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines, 1, mtime=0))
    pq.write_table(pa.table({"text": [f"text {n} {'x' * 900}" for n in range(3000)]}), tmp_path / "c.parquet")
    (tmp_path / "d.txt").write_bytes(b"x" * (SIZE + 1))
    largest, get_range = [0], Store.get_range

    def counted(store: Store, key: str, start: int, length: int) -> bytes:
        largest[0] = max(largest[0], length)
        return get_range(store, key, start, length)

    monkeypatch.setattr(Store, "get_range", counted)
    monkeypatch.setattr(Store, "get", None)
    assert [len(one) for one in outcomes(tmp_path)[:-1]] == [len(f"text {n} ") + 900 for n in range(3000)] * 3
    assert outcomes(tmp_path / "d.txt") == ["too_large"] and 0 < largest[0] <= 1 << 20 < len(lines)


@pytest.mark.parametrize("weight", ["-1", "true", '"2"', "null", "1001", "1e300", "1" + "0" * 400, "NaN"])
def test_bad_weights(tmp_path: Path, weight: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text":"a","w":{weight}}}\n{{"text":"b","w":1000}}\n')
    bad, good = outcomes(tmp_path / "a.jsonl", weight_column="w")
    assert bad in ("bad_weight", "bad_row") and good == "b"


def test_strings_of_parquet_that_are_not_utf8(tmp_path: Path) -> None:
    values = pa.array([b"a", b"b\xff", b"c"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, values.buffers())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert outcomes(tmp_path / "a.parquet") == ["a", "bad_row", "c"]


def test_segments_have_only_what_counts(tmp_path: Path) -> None:
    """Fields beside it may be of any type, and text of any code points."""
    segment = {"type": "text", "text": "a", "when": datetime.date(2020, 1, 1)}
    pq.write_table(pa.table({"segments": pa.array([[segment]])}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text('{"segments":"[{\\"type\\":\\"image\\",\\"image\\":\\"\\\\ud800x\\"}]"}\n')
    source = SegmentsSource(type="segments", name="s", path=str(tmp_path))
    listed = [one for file in files(source) for _, one in documents(file, source)]
    assert not any(isinstance(one, InputError) for one in listed)
    assert listed == [[{"type": "text", "text": "a"}], [{"type": "image", "image": "x"}]]
