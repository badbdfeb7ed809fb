from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import RunError
from dataengine.shards.read import read_members
from dataengine.storage import tar
from dataengine.storage.tar import Member, TarWriter, header, member_size, write_tar

Members = list[tuple[str, bytes]]

_char = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/")
names = st.text(_char, min_size=1, max_size=100).filter(lambda n: len(n.encode()) <= 100)
payloads = st.one_of(st.binary(max_size=1500), st.integers(510, 514).map(bytes), st.integers(65_500, 65_600).map(bytes))
archives = st.lists(st.tuples(names, payloads), max_size=8, unique_by=lambda m: m[0])


def _with_tarfile(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _with_ours(members: Members) -> tuple[bytes, tar.TarInfo]:
    out = io.BytesIO()
    info = write_tar(out, iter(members))
    return out.getvalue(), info


@given(archives)
def test_bytes_are_those_of_tarfile(members: Members) -> None:
    assert _with_ours(members)[0] == _with_tarfile(members)


@given(archives)
def test_what_was_written_is_told(members: Members) -> None:
    data, info = _with_ours(members)
    assert info.sha256 == hashlib.sha256(data).hexdigest() and info.bytes == len(data)
    assert [(m.name, data[m.offset : m.offset + m.size]) for m in info.members] == members
    blocks = sum(member_size(len(d)) for _, d in members) + 1024
    assert len(data) == -(-blocks // tar.RECORD) * tar.RECORD


@given(archives)
def test_our_reader_gives_the_members_back(members: Members) -> None:
    assert list(read_members(_with_ours(members)[0])) == members


def test_writing_one_by_one_to_a_pipe_is_the_same(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    pipe = Pipe()
    writer = TarWriter(pipe)  # type: ignore[arg-type]
    assert writer.add("a.txt", b"x" * 600) == Member("a.txt", 512, 600)
    assert writer.add("b.txt", b"") == Member("b.txt", 2048, 0)
    writer.finish()
    assert bytes(pipe.data) == _with_tarfile([("a.txt", b"x" * 600), ("b.txt", b"")])


@pytest.mark.parametrize("name", ["", "é" * 51, "x" * 101, "a\0b"])
def test_names_that_ustar_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(RunError, match="100 bytes"):
        write_tar(io.BytesIO(), [(name, b"")])


def test_eight_gibibytes_are_refused_and_one_byte_less_is_not() -> None:
    with pytest.raises(RunError, match="8,589,934,591"):
        header("clip.mp4", 8 << 30)
    info = tarfile.TarInfo("clip.mp4")
    info.size = (8 << 30) - 1
    assert header("clip.mp4", info.size) == info.tobuf(tarfile.USTAR_FORMAT)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(RunError, match="duplicate"):
        write_tar(io.BytesIO(), [("a.txt", b""), ("b.txt", b""), ("a.txt", b"")])
