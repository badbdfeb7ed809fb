"""A bad row, cell or sidecar costs one row: nothing that a table or folder holds ends the reading, and nothing is lost."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.source_readers import ends, failure, folder, items, table


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "a.jpg").write_bytes(b"A")
    (tmp_path / "b.jpg").write_bytes(b"B")
    return tmp_path


GOOD = '{"path": "b.jpg", "caption": "good"}'
NESTED = '{"path": "a.jpg", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (r'{"path": "a.jpg", "caption": "\ud83d"}', ()),
        (r'{"path": "a.jpg", "caption": "red \ud83d\u0000"}', ("red",)),
        (r'{"path": "a.jpg", "license": "\ud83d", "\udc00": {"\ud83d": ["\ud83d"]}}', ()),
        ('{"path": "a.jpg", "caption": NaN, "score": Infinity, "x": [1e999]}', ()),
        ('{"path": "a.jpg", "caption": ["x", ["y", null], 3]}', ("x", "y", "3")),
        ('{"path": "a.jpg", "caption": {"en": "x"}}', "bad_caption"),
        ('{"path": "a.jpg", "text": [{"en": "x"}]}', "bad_caption"),
        ('{"path": "a.jpg", "caption": true}', "bad_caption"),
        (NESTED, "bad_row"),
        ('{"path": "a.jpg", "x": ' + "9" * 5000 + "}", "bad_row"),
        ('{"path": ["a.jpg"]}', "bad_row"),
        ('{"path": "' + "a" * 9000 + '"}', "bad_row"),
        ('{"path": "' + "a" * 3000 + '"}', "unreadable"),
        (r'{"path": "\u0000"}', "bad_row"),
        ('{"path": "gs://b/x.jpg"}', "bad_url"),
        ('{"path": "ftp://b/x.jpg"}', "bad_url"),
        ('{"path": "S3://bucket/x.jpg"}', "not_allowed"),
        ('{"path": "file:///etc/passwd"}', "not_allowed"),
        ('{"path": "file://host/etc/passwd"}', "bad_url"),
        ('{"path": "file://[/etc/passwd"}', "unreadable"),
        ('{"path": "/etc/passwd"}', "not_allowed"),
        ('{"path": "../../../../etc/passwd"}', "not_allowed"),
        ('{"path": "x/../../outside.jpg"}', "not_allowed"),
        ('{"path": "/dev/zero"}', "not_allowed"),
        ('{"path": "HTTP://xn--a/"}', "bad_url"),
        ('{"path": "."}', "not_a_file"),
        ('{"path": "x/../a.jpg"}', ()),
    ],
)
def test_a_row_of_json(pictures: Path, row: str, outcome: object) -> None:
    (pictures / "t.jsonl").write_text(f"{GOOD}\n{row}\n{GOOD}\n")
    outcomes = ends(table(pictures / "t.jsonl"))
    assert outcomes.pop("t.jsonl#b.jpg") == outcomes.pop("t.jsonl#b.jpg#2") == ("good",)
    assert list(outcomes.values()) == [outcome]


def test_what_was_repaired_is_counted_in_the_facts(pictures: Path) -> None:
    row = r'{"path": "a.jpg", "caption": "\ud83d", "score": Infinity, "x": {"y": NaN}, "w": 1}'
    (pictures / "t.jsonl").write_text(row)
    (pictures / "a.json").write_text(row)
    for reader, uri in ((table(pictures / "t.jsonl"), "t.jsonl#a.jpg"), (folder(pictures), "a.jpg")):
        facts = json.loads(items(reader)[uri].meta or "")
        assert facts.items() >= {"w": 1, "x": {}, "text_cleaned": 1, "values_dropped": 2}.items()
        assert "score" not in facts


def test_lines_that_are_too_long_and_marks_of_encodings(pictures: Path) -> None:
    (pictures / "long.jsonl").write_text(f'{GOOD}\n{{"path": "a.jpg", "x": "{"x" * (17 << 20)}"}}\n{GOOD}\n')
    assert list(ends(table(pictures / "long.jsonl")).values()) == [("good",), ("good",), "bad_row"]
    rows = '{"path": "a.jpg", "caption": "Käse"}\n'
    for encoding in ("utf-16", "utf-8-sig", "utf-32"):
        (pictures / "t.jsonl").write_text(rows, encoding)
        (pictures / "t.csv").write_text("path,caption\na.jpg,Käse\n", encoding)
        assert ends(table(pictures / "t.*")) == {"t.jsonl#a.jpg": ("Käse",), "t.csv#a.jpg": ("Käse",)}
    (pictures / "t.jsonl").write_bytes(b'{"path": "a.jpg", "caption": "caf\xe9"}')
    assert ends(table(pictures / "t.jsonl")) == {"t.jsonl#a.jpg": ("caf\ufffd",)}


@pytest.mark.parametrize(
    ("text", "outcomes", "message"),
    [
        ("path,caption,lang\na.jpg,red, green,en\nb.jpg,x,en\n", ["bad_row", ("x",)], "it has 4 fields, the header 3"),
        ("path,caption\na.jpg,red, green\nb.jpg,x\n", ["bad_row", ("x",)], "row 2 of t.csv: it has 3 fields"),
        ("path,caption\na.jpg\nb.jpg,x\n", ["bad_row", ("x",)], "it has 1 fields"),
        ("x\na,b\n", ["bad_table"], "t.csv: no column `path` in its header: x"),
        ("", ["bad_table"], "no header: it is empty"),
        ("path,path\na.jpg,b.jpg\n", ["bad_table"], "has the column `path` twice"),
        (f"path,caption\na.jpg,{'x' * 131_073}\n", [("x" * 131_073,)], None),
        (f'path,caption\na.jpg,"{"x" * (17 << 20)}"\nb.jpg,x\n', ["bad_row", ("x",)], "a line of more than 16,777,216"),
        ('path,caption\na.jpg,"red\nb.jpg,x\n', ["bad_row", ("x",)], "row 2 of t.csv: not CSV: unexpected end of data"),
        ('path,caption\na.jpg,"red"s\nb.jpg,x\n', ["bad_row", ("x",)], "not CSV: ',' expected"),
        (
            "path,caption\na.jpg,re\x00d\n\nb.jpg,\ud83d".encode("utf-8", "surrogatepass"),
            [("red",), ("\ufffd" * 3,)],
            None,
        ),
    ],
)
def test_a_row_of_csv(pictures: Path, text: str | bytes, outcomes: list[object], message: str | None) -> None:
    (pictures / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    reader = table(pictures / "t.csv", buckets=1)
    assert sorted(map(str, ends(reader).values())) == sorted(map(str, outcomes))
    messages = [item.error.message for item in items(reader).values() if item.error]
    assert message is None or message in messages[0]


def test_damaged_parquet_files_cost_one_row_each(pictures: Path) -> None:
    pq.write_table(pa.table({"path": ["a.jpg", "b.jpg"], "caption": ["x", "y"]}), pictures / "good.parquet")
    whole = (pictures / "good.parquet").read_bytes()
    (pictures / "cut.parquet").write_bytes(whole[:-20])
    (pictures / "empty.parquet").touch()
    (pictures / "noise.parquet").write_bytes(b"PAR1" + bytes(range(256)) * 20 + b"PAR1")
    (pictures / "spoilt.parquet").write_bytes(whole[:30] + bytes(40) + whole[70:])
    pq.write_table(pa.table({"file": ["a.jpg"]}), pictures / "other.parquet")
    outcomes = ends(table(pictures / "*.parquet", buckets=3))
    damaged = ("cut", "empty", "noise", "spoilt", "other")
    assert outcomes == {"good.parquet#a.jpg": ("x",), "good.parquet#b.jpg": ("y",)} | {
        f"{name}.parquet#": "bad_table" for name in damaged
    }
    message = failure(items(table(pictures / "*.parquet"))["other.parquet#"]).message
    assert message == "other.parquet: no column `path`; its columns: file"


def test_cells_of_parquet_that_have_no_python_value(pictures: Path) -> None:
    invalid = pa.Array.from_buffers(pa.string(), 2, pa.array([b"caf\xe9", b"tea"], pa.binary()).buffers())
    columns = {
        "path": ["a.jpg", "b.jpg"],
        "caption": invalid,
        "score": [math.inf, 1.5],
        "when": pa.array([2**52, 0], pa.timestamp("ms")),
        "day": pa.array([datetime(2020, 1, 1)] * 2, pa.timestamp("us")),
        "text": [math.nan, None],
        "nested": pa.array([{"x": math.nan, "y": [math.inf]}, None]),
    }
    pq.write_table(pa.table(columns), pictures / "t.parquet")
    found = items(table(pictures / "t.parquet"))
    assert found["t.parquet#a.jpg"].captions == ("caf\ufffd",) and found["t.parquet#b.jpg"].captions == ("tea",)
    facts = json.loads(found["t.parquet#a.jpg"].meta or "")
    assert facts == {
        "day": "2020-01-01 00:00:00",
        "nested": {"y": [None]},
        "text_cleaned": 1,
        "values_dropped": 5,
    }
    assert json.loads(found["t.parquet#b.jpg"].meta or "")["when"] == "1970-01-01 00:00:00"


def test_a_small_parquet_file_of_millions_of_rows_is_refused(pictures: Path) -> None:
    pq.write_table(pa.table({"path": pa.array(["a.jpg"] * 2_000_000)}), pictures / "t.parquet")
    assert (pictures / "t.parquet").stat().st_size < 20_000
    [(uri, item)] = items(table(pictures / "t.parquet", buckets=16)).items()
    assert uri == "t.parquet#" and "2,000,000 rows" in failure(item).message


def test_a_long_text_in_every_row_is_held_once(pictures: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int32()), pa.array(["y" * 20_000_000]))
    columns = pa.table({"path": ["a.jpg"] * 100, "caption": long})
    pq.write_table(
        columns, pictures / "t.parquet", compression="zstd", dictionary_pagesize_limit=1 << 30, store_schema=False
    )
    found = list(items(table(pictures / "t.parquet", buckets=1)).values())
    assert len(found) == 100 and {failure(item).failure for item in found} == {"bad_row"}
