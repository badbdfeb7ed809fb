"""The scanner of passing tars takes what ``dataengine.storage.tar`` writes, in pieces of any length, and not one byte else."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import RunError
from dataengine.storage.tar import BLOCK, header, write_tar
from dataengine.verify.tar_scanner import Scanner

MEMBERS = [("ab.jpg", b"p" * 700), ("ab.json", b"{}"), ("ab.txt", b""), ("c.json", b"x" * 1500), ("d.jpg", b"")]


def scanned(data: bytes, piece: int) -> list[tuple[str, int, bytes | None]]:
    scan = Scanner(lambda name: name.endswith((".json", ".txt")))
    found = [m for at in range(0, len(data), piece) for m in scan.feed(memoryview(data[at : at + piece]))]
    scan.finish()
    return found


@given(st.integers(1, 12_000))
def test_members_come_out_whatever_the_pieces(piece: int) -> None:
    out = io.BytesIO()
    write_tar(out, MEMBERS)
    wanted = [(name, len(data), None if name.endswith(".jpg") else data) for name, data in MEMBERS]
    assert scanned(out.getvalue(), piece) == wanted


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=25),
    st.integers(0, 8**11 - 1),
)
def test_every_header_that_the_writer_makes_is_read(name: str, size: int) -> None:
    scan = Scanner(lambda _: False)
    assert list(scan.feed(memoryview(header(name, size)))) == [(name, size, None)]


@pytest.mark.parametrize("bit", [1, 32, 128])
def test_one_changed_bit_anywhere_is_refused(bit: int) -> None:
    whole = header("0123456789abcdef.json", 1234)
    assert len(whole) == BLOCK > 0
    for at in range(BLOCK):
        damaged = bytearray(whole)
        damaged[at] ^= bit
        with pytest.raises(RunError, match="damaged or foreign header at byte 0"):
            list(Scanner(lambda _: True).feed(memoryview(damaged)))


def test_a_needed_payload_has_a_limit() -> None:
    with pytest.raises(RunError, match=r"a\.json at byte 0 has 8,589,934,591 bytes, limit"):
        list(Scanner(lambda _: True).feed(memoryview(header("a.json", 8**11 - 1))))
