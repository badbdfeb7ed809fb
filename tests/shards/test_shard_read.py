from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import RunError
from dataengine.shards.read import read_members, read_shard, read_shards
from dataengine.storage.tar import write_tar

MEMBERS = [("a.txt", b"one"), ("a.json", b"{}"), ("b.txt", b""), ("b.json", b"x" * 700)]


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    write_tar(out, members)
    return out.getvalue()


def test_samples_are_runs_of_members() -> None:
    expected = [("a", {"txt": b"one", "json": b"{}"}), ("b", {"txt": b"", "json": b"x" * 700})]
    assert list(read_shard(_tar(MEMBERS))) == expected
    assert list(read_shard(_tar([]))) == []


def test_a_path_reads_as_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(_tar(MEMBERS))
    assert list(read_shard(path)) == list(read_shard(_tar(MEMBERS)))
    path.write_bytes(b"")
    with pytest.raises(RunError, match="empty"):
        list(read_shard(path))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.txt", "b.txt", "a.json"], "not adjacent"),
        (["a.txt", "b"], "no key and extension"),
        (["a.txt", ".txt"], "no key and extension"),
    ],
)
def test_broken_groups_are_found(names: list[str], message: str) -> None:
    with pytest.raises(RunError, match=message):
        list(read_shard(_tar([(n, b"x") for n in names])))


def test_a_member_given_twice_is_found() -> None:
    one = _tar([("a.txt", b"x")])
    with pytest.raises(RunError, match="duplicate member"):
        list(read_shard(one[:1024] + one))


def test_a_key_in_two_shards_is_found() -> None:
    shards = [_tar(MEMBERS[:2]), _tar(MEMBERS[2:])]
    assert [k for k, _ in read_shards(shards)] == ["a", "b"]
    with pytest.raises(RunError, match="two shards"):
        list(read_shards([*shards, _tar(MEMBERS[:2])]))


@given(st.integers(0, 10_239))
def test_a_cut_archive_is_found(length: int) -> None:
    whole = _tar(MEMBERS)
    used = 512 * 9  # members and one zero block; the second must be there too
    with pytest.raises(RunError):
        list(read_members(whole[: min(length, used)]))


@given(st.integers(0, 511), st.integers(1, 255))
def test_a_changed_header_byte_is_found(place: int, change: int) -> None:
    whole = bytearray(_tar(MEMBERS))
    whole[512 * 2 + place] ^= change
    try:
        names = [name for name, _ in read_members(bytes(whole))]
    except RunError:
        return
    assert names == [n for n, _ in MEMBERS]
    assert place in range(148, 156)  # the checksum's own closing bytes


def test_rubbish_after_the_end_is_found() -> None:
    whole = _tar(MEMBERS)
    with pytest.raises(RunError, match="zero blocks"):
        list(read_members(whole[:-1] + b"x"))


def test_links_and_long_names_are_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        link = tarfile.TarInfo("a.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(RunError, match="not a plain"):
        list(read_members(out.getvalue()))


@pytest.mark.parametrize("size", [b"-0000001000", b"-0000000001", b"+0000000001", b"0000000_001", b" 0000000001"])
def test_a_size_is_digits(size: bytes) -> None:
    """At a size of -512 bytes a reader that adds it up stays at the same header for ever."""
    data = bytearray(_tar(MEMBERS))
    data[124:135] = size
    data[148:154] = b"%06o" % (sum(data[:512]) - sum(data[148:156]) + 8 * ord(" "))
    with pytest.raises(RunError, match="damaged header at byte 0"):
        list(read_members(bytes(data)))
