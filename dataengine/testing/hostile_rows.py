"""Hostile tables: rows of JSONL, CSV and Parquet whose paths, captions and metadata are not what they should be."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.testing.hostile_corpus import Corpus
from dataengine.text.uris import without_secrets

DEPTH = 100_000
ROW, TABLE = "bad_row", "bad_table"


def write(corpus: Corpus) -> None:
    """Tables below ``rows/`` and ``urls/``, with the pictures that they name below ``images/``."""
    _json(corpus)
    _places(corpus)
    _lines(corpus)
    _csv(corpus)
    _parquet(corpus)
    _urls(corpus)


def _picture(corpus: Corpus, name: str) -> str:
    """Writes a good picture, whose path in a row is returned."""
    corpus.write(f"rows/images/{name}", corpus.jpeg())
    return f"images/{name}"


def _json(corpus: Corpus) -> None:
    """One JSONL of rows whose values are odd; ``%`` stands for the path of a good picture."""
    rows: list[tuple[str, str, list[str] | None]] = [
        ("lone surrogate in a caption", r'{"path":"%","caption":"a \ud83d cat"}', ["a  cat"]),
        ("surrogate pair in a caption", r'{"path":"%","caption":"a \ud83d\ude00 cat"}', ["a 😀 cat"]),
        ("NUL in a caption", r'{"path":"%","caption":"a\u0000cat"}', ["acat"]),
        ("BOM in a caption", r'{"path":"%","caption":"\ufeffa cat"}', ["a cat"]),
        ("lone surrogate in the licence", r'{"path":"%","license":"mit\udc00","caption":"x"}', ["x"]),
        ("lone surrogate in metadata", r'{"path":"%","m":{"\ud800":["\udfff"]},"caption":"x"}', ["x"]),
        ("NaN as a caption", '{"path":"%","caption":NaN}', []),
        ("Infinity in metadata", '{"path":"%","score":Infinity,"other":-Infinity,"caption":"x"}', ["x"]),
        ("float of 400 digits", '{"path":"%","score":' + "9" * 400 + 'e400,"caption":"x"}', ["x"]),
        ("null captions", '{"path":"%","caption":null,"captions":[null,null]}', []),
        ("captions in nested lists", '{"path":"%","captions":["one",["two",["three"]]]}', ["one", "two", "three"]),
        ("number as a caption", '{"path":"%","caption":7}', ["7"]),
        ("many equal captions", json.dumps({"path": "%", "captions": ["same"] * 1000}), ["same"]),
        ("caption of 200,000 characters", json.dumps({"path": "%", "caption": "ab " * 66_666 + "ab"}), None),
        ("key twice", '{"path":"no-such.jpg","path":"%","caption":"x"}', ["x"]),
    ]
    failing = [
        ("object as a caption", '{"path":"%","caption":{"text":"a"}}', "bad_caption"),
        ("objects in a list of captions", '{"path":"%","captions":[{"a":1}]}', "bad_caption"),
        ("true as a caption", '{"path":"%","caption":true}', "bad_caption"),
    ]
    lines = []
    for n, (what, row, captions) in enumerate(rows):
        name = _picture(corpus, f"row-{n:02d}.jpg")
        lines.append(row.replace("%", name))
        corpus.kept("rows", f"values.jsonl#{name}", what, captions)
    for n, (what, row, failure) in enumerate(failing):
        name = _picture(corpus, f"bad-{n:02d}.jpg")
        lines.append(row.replace("%", name))
        corpus.failed("rows", f"values.jsonl#{name}", what, failure)
    corpus.write("rows/values.jsonl", "\n".join(lines) + "\n")


def _places(corpus: Corpus) -> None:
    """A JSONL of rows that lead elsewhere."""
    corpus.write("secret.jpg", corpus.jpeg())
    (corpus.folder / "rows" / "images" / "link.jpg").symlink_to(corpus.folder / "secret.jpg")
    (corpus.folder / "rows" / "images" / "folder.jpg").mkdir()
    denied, url = ("not_allowed",), ("bad_url",)
    places: list[tuple[str, str, tuple[str, ...]]] = [
        ("absolute path of a system file", "/etc/hostname", denied),
        ("endless device", "/dev/zero", denied),
        ("path out of the table's folder", "../secret.jpg", denied),
        ("path out of it by a detour", "images/../../secret.jpg", denied),
        ("link out of it", "images/link.jpg", denied),
        ("file:// of a system file", "file:///etc/hostname", denied),
        ("file:// of another machine", "file://far/etc/hostname", url),
        ("bucket that the recipe does not name", "s3://other-bucket/x.jpg", denied),
        ("gs://", "gs://b/x.jpg", url),
        ("ftp://", "ftp://localhost/x.jpg", url),
        ("HTTP:// in capitals, of a private address", "HTTP://127.0.0.1:9/x.jpg", ("http_blocked",)),
        ("private address in decimal", "http://2130706433/x.jpg", ("http_blocked", "bad_url")),
        ("metadata server of a cloud", "http://169.254.169.254/latest/", ("http_blocked",)),
        ("IPv4-compatible IPv6 address", "http://[::7f00:1]/x.jpg", ("http_blocked",)),
        ("host that is no IDNA", "http://xn--a/x.jpg", url),
        ("broken IPv6 address", "http://[::1/x.jpg", url),
        ("port out of range", "http://example.com:99999/x.jpg", url),
        ("no host", "http:///x.jpg", url),
        ("folder", "images/folder.jpg", ("not_a_file", "unreadable")),
        ("path with NUL", "images/a\0.jpg", ("missing", "unreadable", "bad_row")),
        ("file that does not exist", "images/none.jpg", ("missing",)),
        ("path of 5,000 characters", "x" * 5000, ("missing", "unreadable", "bad_row")),
    ]
    for what, place, failures in places:
        name = place.replace("\0", "")
        corpus.failed("rows", f"places.jsonl#{name}", what, *failures)
    corpus.write("rows/places.jsonl", "".join(json.dumps({"path": place}) + "\n" for _, place, _ in places))


def _lines(corpus: Corpus) -> None:
    """A JSONL of lines that are no rows."""
    good = json.dumps({"path": _picture(corpus, "after-bom.jpg"), "caption": "first"}).encode()
    lines: list[tuple[str, bytes]] = [
        ("row of 100,000 levels", b'{"path":"a.jpg","x":' + b"[" * DEPTH + b"]" * DEPTH + b"}"),
        ("100,000 open objects", b'{"a":' * DEPTH),
        ("number of 100,000 digits", b'{"path":"a.jpg","x":' + b"9" * DEPTH + b"}"),
        ("no JSON", b"{this is no row"),
        ("cut off", b'{"path": "a.j'),
        ("a list", b'["a.jpg"]'),
        ("a number", b"7"),
        ("no path", b'{"caption": "x"}'),
        ("empty path", b'{"path": ""}'),
        ("a list as a path", b'{"path": ["a.jpg"]}'),
        ("an object as a path", b'{"path": {"a": 1}}'),
        ("random bytes", bytes(corpus.random.randrange(11, 256) for _ in range(200)).replace(b"\r", b"x")),
    ]
    corpus.kept("rows", "lines.jsonl#images/after-bom.jpg", "first row after a BOM", ["first"])
    for number, (what, _) in enumerate(lines, 2):
        corpus.failed("rows", f"lines.jsonl#row {number}", what, ROW)
    name = _picture(corpus, "bad-utf8.jpg")
    corpus.kept("rows", f"lines.jsonl#{name}", "invalid UTF-8 in a caption", ["caf\ufffd"])
    last = f'{{"path":"{name}","caption":"caf'.encode() + b'\xe9"}'
    corpus.write("rows/lines.jsonl", b"\xef\xbb\xbf" + b"\n".join([good, *(line for _, line in lines), last]))
    corpus.write("rows/empty.jsonl", b"")
    wide = _picture(corpus, "utf16.jpg")
    corpus.write("rows/utf16.jsonl", json.dumps({"path": wide, "caption": "wide"}).encode("utf-16"))
    corpus.kept("rows", f"utf16.jsonl#{wide}", "table in UTF-16", ["wide"])


def _csv(corpus: Corpus) -> None:
    long = _picture(corpus, "long.jpg")
    corpus.write("rows/long.csv", f"path,caption\n{long},{'x' * 131_073}\n")
    corpus.kept("rows", f"long.csv#{long}", "field of 131,073 characters", ["x" * 131_073])
    names = [_picture(corpus, f"csv-{n}.jpg") for n in range(4)]
    corpus.write("rows/more.csv", f"path,caption,lang\n{names[0]},red, green,en\n{names[1]},blue,en\n")
    corpus.failed("rows", "more.csv#row 2", "more fields than the header", ROW)
    corpus.kept("rows", f"more.csv#{names[1]}", "row after one with more fields", ["blue"])
    corpus.write("rows/comma.csv", f"path,caption\n{names[2]},red, green\n{names[3]}\n")
    corpus.failed("rows", "comma.csv#row 2", "comma in a caption that is not quoted", ROW)
    corpus.failed("rows", "comma.csv#row 3", "fewer fields than the header", ROW)
    corpus.write("rows/header.csv", "x\na,b\n")
    corpus.failed("rows", "header.csv#", "table without the column of paths", TABLE)
    corpus.write("rows/none.csv", "")
    corpus.failed("rows", "none.csv#", "empty CSV", TABLE)
    corpus.write("rows/twice.csv", "path,path\na.jpg,b.jpg\n")
    corpus.failed("rows", "twice.csv#", "column twice", TABLE)
    quoted = _picture(corpus, "quoted.jpg")
    corpus.write("rows/quote.csv", f'path,caption\n{quoted},"two\nlines"\nimages/q.jpg,"never closed\n')
    corpus.kept("rows", f"quote.csv#{quoted}", "line break in a quoted caption", None)
    corpus.failed("rows", "quote.csv#row 3", "quote that is never closed", ROW)
    nul = _picture(corpus, "nul.jpg")
    corpus.write("rows/nul.csv", f"path,caption\n{nul},a\0b\n".encode("utf-16"))
    corpus.kept("rows", f"nul.csv#{nul}", "NUL in a CSV in UTF-16", ["ab"])


def _parquet(corpus: Corpus) -> None:
    good = _picture(corpus, "parquet.jpg")
    whole = _table({"path": [good], "caption": ["good"]})
    corpus.write("rows/good.parquet", whole)
    corpus.kept("rows", f"good.parquet#{good}", "good table among damaged ones", ["good"])
    place = corpus.random.randrange(4, len(whole) // 2)
    for name, data, what in (
        ("zero", b"", "table of no bytes"),
        ("cut", whole[: len(whole) // 2], "table cut off"),
        ("footer", whole[:-20] + b"\xff" * 12 + whole[-8:], "damaged footer"),
        ("text", b"path,caption\na,b\n", "CSV called .parquet"),
        ("length", b"PAR1" + bytes(place) + b"\xff\xff\xff\x7fPAR1", "footer longer than the file"),
    ):
        corpus.write(f"rows/{name}.parquet", data)
        corpus.failed("rows", f"{name}.parquet#", what, TABLE)
    same = pa.DictionaryArray.from_arrays(np.zeros(2_000_000, np.int32), pa.array(["x.jpg"]))
    corpus.write("rows/many.parquet", _table({"path": same}))
    corpus.failed("rows", "many.parquet#", "two million equal rows in a few kilobytes", TABLE)
    corpus.write("rows/columns.parquet", _table({"file": ["a.jpg"], "text": ["x"]}))
    corpus.failed("rows", "columns.parquet#", "table without the column of paths", TABLE)
    _cells(corpus)


def _cells(corpus: Corpus) -> None:
    """Parquet tables with cells that Python or Arrow cannot take."""
    latin, late, nan, nested, object_ = (
        _picture(corpus, f"{name}.jpg") for name in ("latin", "late", "nan", "nested", "object")
    )
    corpus.write("rows/latin.parquet", _table({"path": [latin], "caption": _invalid_text(b"caf\xe9")}))
    corpus.kept("rows", f"latin.parquet#{latin}", "string with byte e9", ["caf\ufffd"])
    far = pa.array([2**62], pa.int64()).cast(pa.timestamp("us"))
    corpus.write("rows/late.parquet", _table({"path": [late], "caption": ["x"], "taken": far}))
    corpus.kept("rows", f"late.parquet#{late}", "time out of range", ["x"])
    corpus.write("rows/nan.parquet", _table({"path": [nan], "caption": [float("nan")], "score": [float("inf")]}))
    corpus.kept("rows", f"nan.parquet#{nan}", "NaN as a caption", [])
    corpus.write("rows/nested.parquet", _table({"path": [nested], "captions": [[["one"], ["two", None]]]}))
    corpus.kept("rows", f"nested.parquet#{nested}", "captions in nested lists", ["one", "two"])
    corpus.write("rows/object.parquet", _table({"path": [object_], "caption": [{"text": "a"}]}))
    corpus.failed("rows", f"object.parquet#{object_}", "object as a caption", "bad_caption")
    corpus.write("rows/path.parquet", _table({"path": pa.array([None, 7], pa.int64())}))
    for number in (1, 2):
        corpus.failed("rows", f"path.parquet#row {number}", "numbers as paths", ROW)


def _table(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _invalid_text(data: bytes) -> pa.Array[Any]:
    """A column of one string, whose bytes are not checked."""
    return pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0" + len(data).to_bytes(4, "little")), pa.py_buffer(data)
    )


def _urls(corpus: Corpus) -> None:
    """A list of URLs that are none, or of places that nobody may read. None of them is requested."""
    url = "bad_url"
    rows: list[tuple[str, str, tuple[str, ...]]] = [
        ("path in a list of URLs", "/etc/hostname", (url,)),
        ("file://", "file:///etc/hostname", (url,)),
        ("s3://", "s3://bucket/x.jpg", (url,)),
        ("scheme within", "x http://example.com/", (url,)),
        ("javascript:", "javascript:alert(1)", (url,)),
        ("loopback", "http://localhost:1/x.jpg", ("http_blocked",)),
        ("private network", "https://10.0.0.1/x.jpg", ("http_blocked",)),
        ("mapped loopback", "http://[::ffff:127.0.0.1]/x.jpg", ("http_blocked",)),
        ("backslash in the host", "http://example.com\\@127.0.0.1/", (url, "http_blocked")),
        ("credentials", "http://user:sesame@127.0.0.1/y.jpg?token=sesame", ("http_blocked",)),
        ("label of 70 characters", f"http://{'a' * 70}.com/x.jpg", (url, "http_dns")),
        ("line break in a URL", "http://127.0.0.1/a\r\nHost: b", (url, "http_blocked")),
    ]
    for what, place, failures in rows:
        corpus.failed("urls", f"urls.jsonl#{without_secrets(place)}", what, *failures)
    corpus.write("urls/urls.jsonl", "".join(json.dumps({"url": place}) + "\n" for _, place, _ in rows))
