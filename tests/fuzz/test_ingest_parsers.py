"""Fuzzing of what reads sources and the decode child's answers: rows, sidecars, tars, addresses, headers, messages."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import PIECES, anything, fuzz, only, text_of

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError
from dataengine.ingest import optout, robots
from dataengine.ingest.addresses import is_public
from dataengine.ingest.occurrence import read_sidecars
from dataengine.ingest.rows import Row
from dataengine.ingest.tar_index import entries
from dataengine.ingest.text_rows import csv_rows, json_rows
from dataengine.media.sandbox.answers import AnswerReader, InvalidAnswerError, encode
from dataengine.media.sandbox.wire import Failed, Ok, Ready
from dataengine.text.uris import without_secrets, without_secrets_inside


def loaded(row: Row) -> None:
    columns, _ = row.load()
    assert json.dumps(columns, ensure_ascii=False, allow_nan=False).encode()


@fuzz
@given(anything(b'{"path": "a.jpg", "caption": "x"}\n{"path": "b.jpg"}\n', b"\xff\xfe{\x00}\x00\n\x00"))
def test_lines_of_json(data: bytes) -> None:
    for row in json_rows(io.BufferedReader(io.BytesIO(data)), "path", True):  # type: ignore[arg-type]
        only(InputError, lambda r=row: loaded(r))


@fuzz
@given(anything(b'path,caption\na.jpg,red\nb.jpg,"a, b"\n', b'path\n"a\n'))
def test_records_of_csv(data: bytes) -> None:
    rows = only(InputError, lambda: list(csv_rows(io.BufferedReader(io.BytesIO(data)), "path", True)))  # type: ignore[arg-type]
    for row in rows or ():
        only(InputError, lambda r=row: loaded(r))


@fuzz
@given(st.none() | anything(b"a caption\n"), st.none() | anything(b'{"caption": ["x"], "license": "cc0", "n": 1}'))
def test_sidecars(text: bytes | None, data: bytes | None) -> None:
    side = read_sidecars(text, data)
    assert "".join([*side.captions, side.license or "", side.meta or ""]).encode() is not None
    assert side.meta is None or json.loads(side.meta)


def tar(format_: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as file:
        for name, size in (("a.jpg", 10), ("d" * 60 + "/" + "n" * 90 + ".png", 600), ("ü.txt", 0)):
            member = tarfile.TarInfo(name)
            member.size = size
            file.addfile(member, io.BytesIO(bytes(size)))
    return out.getvalue()


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A tar with fields of its headers overwritten, at the places of names, sizes, checksums and types."""
    data = bytearray(
        draw(st.sampled_from([tar(f) for f in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]))
    )
    for _ in range(draw(st.integers(1, 4))):
        at = 512 * draw(st.integers(0, len(data) // 512)) + draw(
            st.sampled_from([0, 100, 124, 148, 156, 257, 345, 482])
        )
        piece = draw(
            st.sampled_from([b"x", b"L", b"S", b"g", b"5", b"-1", b"\xff" * 12, b"\x80" + b"\xff" * 11, *PIECES])
        )
        data[at : at + len(piece)] = piece
    block = 512 * draw(st.integers(0, len(data) // 512 - 1))
    if draw(st.booleans()):  # with the checksum that fits
        data[block + 148 : block + 156] = b" " * 8
        data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    return bytes(data[: draw(st.integers(0, len(data)))])


@fuzz
@given(spoiled())
def test_tars_of_a_source(data: bytes) -> None:
    for entry in only(InputError, lambda: list(entries(io.BytesIO(data)))) or ():
        assert entry.offset >= 0 and entry.size >= 0 and entry.name.encode() is not None
        assert entry.refused or entry.offset + entry.size <= len(data)


@fuzz
@given(anything(b"https://u:p@h.example/a?token=x&b=1#sig=y", b"http://[::1]/%", b"s3://b/k"))
def test_addresses(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    once = without_secrets(text)
    assert without_secrets(once) == once
    without_secrets_inside({"a": [text, 1, None], text: text})
    only(ValueError, lambda: is_public(text))


@fuzz
@given(
    anything(b"User-agent: *\nDisallow: /a*b$\nCrawl-delay: 1\n"), anything(b"noindex, bot: noai, unavailable_after: x")
)
def test_opt_outs(text: bytes, value: bytes) -> None:
    robots.parse(text_of(text).encode("utf-8", "replace").decode(), "dataengine").allows("https://h.example/a%b?c")
    only(
        optout.OptedOutError,
        lambda: optout.check([(b"X-Robots-Tag", value), (b"TDM-Reservation", value)], HttpConfig()),
    )


VALUE = tuple[str, npt.NDArray[Any], dict[str, int]]
SENT = tuple(
    b"".join(bytes(part) for part in encode(answer, 1 << 20))
    for answer in (
        Ok(("x", np.arange(6, dtype=np.int32).reshape(2, 3), {"a": 1})),
        Failed("timeout", "x"),
        Ready({"a": "b"}),
    )
)


@fuzz
@given(anything(*SENT))
def test_answers_of_a_decode_child(data: bytes) -> None:
    reader, (out, into) = AnswerReader(VALUE, 1 << 16), os.pipe()
    try:
        os.set_blocking(out, False)
        os.write(into, data[:60_000])
        os.close(into)

        def read() -> list[Any]:
            received = []
            while not reader.ended:
                received += list(reader.read(out))
            return received

        only(InvalidAnswerError, read)
    finally:
        os.close(out)
