"""Tars from elsewhere: every member of a picture, video or sidecar ends as an input or a failure, whatever the headers say."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dataengine.config.sources import WebDatasetSource
from dataengine.errors import InputError
from dataengine.ingest import tar_index
from dataengine.ingest.occurrence import Occurrence
from dataengine.ingest.webdataset import WebDatasetReader
from dataengine.media.limits import Limits
from dataengine.storage.store import Store

LIMITS = Limits(bytes=1000)
END = bytes(1024)


def read(path: Path | str) -> dict[str, Occurrence]:
    reader = WebDatasetReader(WebDatasetSource(type="webdataset", name="w", path=str(path)), LIMITS)
    listed = [item for part in reader.parts() for item in reader.occurrences(part.spec)]
    assert len({item.uri for item in listed}) == len(listed)
    return {item.uri.partition("#")[2]: item for item in listed}


def outcome(item: Occurrence) -> str:
    """The bytes as text, or the class of failure."""
    try:
        return item.read(LIMITS).decode()
    except InputError as error:
        return error.failure


def member(name: bytes, data: bytes = b"", *, kind: bytes = b"0", size: bytes | None = None) -> bytes:
    """One member with any name, type and size field, its checksum right."""
    head = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2
    head += (b"%011o\0" % len(data) if size is None else size.ljust(12, b"\0")) + b"00000000000\0" + b" " * 8
    head = (head + kind + bytes(100) + b"ustar\x0000").ljust(512, b"\0")
    checksum = b"%06o\0 " % sum(head)
    return head[:148] + checksum + head[156:] + data + bytes(-len(data) % 512)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    data = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while len(b"%d" % length) + len(key) + len(value) + 3 != length:
            length = len(b"%d" % length) + len(key) + len(value) + 3
        data += b"%d %b=%b\n" % (length, key, value)
    return member(b"pax", data, kind=kind)


def tar(path: Path, *members: bytes, end: bytes = END) -> Path:
    path.write_bytes(b"".join(members) + end)
    return path


A, B, TEXT = member(b"a.jpg", b"A"), member(b"b.jpg", b"B"), member(b"a.txt", b"words")

HOSTILE: dict[str, tuple[bytes, dict[str, str]]] = {
    "no name": (A + member(b"", b"B") + member(b"./"), {"a.jpg": "A", "(byte 1536)": "unreadable"}),
    "size of -512": (A + member(b"b.jpg", size=b"-0000001000") + B, {"a.jpg": "A", "": "corrupt"}),
    "size of -1": (A + member(b"b.jpg", size=b"-1") + B, {"a.jpg": "A", "": "corrupt"}),
    "size of -512 in base 256": (A + member(b"b.jpg", size=b"\xff" * 10 + b"\xfe\0"), {"a.jpg": "A", "": "corrupt"}),
    "size of 2 ** 80": (A + member(b"b.jpg", size=b"\x80\1" + bytes(10)), {"a.jpg": "A", "": "truncated"}),
    "size with underscores": (A + member(b"b.jpg", size=b"1_0"), {"a.jpg": "A", "": "corrupt"}),
    "pax size of 80,000 digits": (pax((b"size", b"9" * 80_000)) + A + B, {"a.jpg": "unreadable", "b.jpg": "B"}),
    "pax size below zero": (pax((b"size", b"-512")) + A + B, {"a.jpg": "unreadable", "b.jpg": "B"}),
    "pax size beyond the end": (A + pax((b"size", b"9" * 19)) + B, {"a.jpg": "A", "": "truncated"}),
    "pax length of 80,000 digits": (member(b"p", b"7" * 80_000, kind=b"x") + A, {"a.jpg": "unreadable"}),
    "pax length of 0": (member(b"p", b"0 path=b.jpg\n", kind=b"x") + A, {"a.jpg": "unreadable"}),
    "pax header of 2 MiB": (pax((b"comment", b"x" * (2 << 20))) + A + B, {"a.jpg": "unreadable", "b.jpg": "B"}),
    "pax name": (pax((b"path", "d/ü.jpg".encode())) + A, {"d/ü.jpg": "A"}),
    "pax name of no text": (pax((b"path", b"d/\xff.jpg")) + A, {"d/\\xff.jpg": "A"}),
    "global pax header": (pax((b"comment", b"x"), kind=b"g") + A, {"a.jpg": "A"}),
    "long GNU name": (member(b"L", b"d/" + b"n" * 200 + b".jpg\0", kind=b"L") + A, {f"d/{'n' * 200}.jpg": "A"}),
    "GNU name of 5,000 bytes": (
        member(b"L", b"n" * 5000 + b".jpg\0", kind=b"L") + A + B,
        {"n" * 2048 + "..." + "n" * 2044 + ".jpg": "unreadable", "b.jpg": "B"},
    ),
    "old sparse member": (member(b"a.jpg", b"A", kind=b"S") + B, {"a.jpg": "unreadable", "b.jpg": "B"}),
    "pax sparse member": (pax((b"GNU.sparse.major", b"1")) + A + B, {"a.jpg": "unreadable", "b.jpg": "B"}),
    "links": (
        A + member(b"h.jpg", kind=b"1") + member(b"s.jpg", kind=b"2") + B,
        {"a.jpg": "A", "h.jpg": "unreadable", "s.jpg": "unreadable", "b.jpg": "B"},
    ),
    "other entries": (member(b"d/", kind=b"5") + member(b"f.jpg", kind=b"6") + member(b"V", kind=b"V") + A, {"a.jpg": "A"}),
    "name of Latin-1": (member(b"caf\xe9.jpg", b"A") + member(b"caf\xe9.txt", b"t"), {"caf\\xe9.jpg": "A"}),
    "empty and large": (member(b"a.jpg") + member(b"b.jpg", bytes(1001)), {"a.jpg": "empty", "b.jpg": "too_many_bytes"}),
    "damaged header": (A + B[:130] + b"7" + B[131:], {"a.jpg": "A", "": "corrupt"}),
    "no tar": (b"<html>" * 100, {"": "corrupt"}),
    "joined tars": (A + END + B, {"a.jpg": "A", "": "corrupt"}),
    "same name twice": (A + TEXT + member(b"a.jpg", b"A2"), {"a.jpg": "A", "a.jpg#2": "A2"}),
    "sidecar that cannot be read": (A + member(b"a.json", b"{no"), {"a.jpg": "A", "a.json": "bad_json"}),
    "same sidecar twice": (A + TEXT + TEXT, {"a.jpg": "A", "a.txt": "duplicate_member"}),
    "sidecars that cannot be used": (
        A + member(b"a.json", b"[" * 100_000) + member(b"a.txt", kind=b"2") + member(b"a.seg.jpg", b"S"),
        {"a.jpg": "A", "a.seg.jpg": "S", "a.json": "bad_json", "a.txt": "unreadable"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_every_member_is_an_input_or_a_failure(case: str, tmp_path: Path) -> None:
    data, expected = HOSTILE[case]
    listed = read(tar(tmp_path / "0.tar", data))
    assert {name: outcome(item) for name, item in listed.items()} == expected
    for name, item in listed.items():
        assert "\0" not in name and len(item.error.message if item.error else "") < 500


@pytest.mark.parametrize(
    ("end", "failure"),
    [(b"", "truncated"), (bytes(512), ""), (bytes(10240), ""), (bytes(100), "truncated"), (B[:512], "truncated")],
)
def test_how_a_tar_ends(end: bytes, failure: str, tmp_path: Path) -> None:
    listed = {name: outcome(item) for name, item in read(tar(tmp_path / "0.tar", A, end=end)).items()}
    assert listed == {"a.jpg": "A"} | ({"": failure} if failure else {})


@pytest.mark.parametrize("suffix", ["tar.gz", "tgz", "tar"])
def test_a_compressed_tar_is_said_to_be_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"0.{suffix}"
    path.write_bytes(gzip.compress(A + END))
    [item] = read(path).values()
    assert item.error and str(item.error).startswith("compressed: ") and "gzip" in item.error.message


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tarfile_writes_is_read(form: int, tmp_path: Path) -> None:
    names = ["a.jpg", "ü" * 30 + "/x.png", "d" * 60 + "/" + "e" * 60 + "/b.jpg"]
    with tarfile.open(tmp_path / "0.tar", "w", format=form) as out:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 600, 1.5 if form == tarfile.PAX_FORMAT else 1
            out.addfile(info, io.BytesIO(b"%d" % number * 600))
    assert {name: outcome(item) for name, item in read(tmp_path / "0.tar").items()} == {
        name: str(number) * 600 for number, name in enumerate(names)
    }


PAIRS: dict[str, tuple[list[str], dict[str, str]]] = {
    "dots in names": (["22.05.png", "22.05.txt", "22.06.png", "22.06.txt"], {"22.05.png": "22.05.txt", "22.06.png": "22.06.txt"}),
    "spaces": (["Track 2.0 (x).jpg", "Track 2.0 (x).txt"], {"Track 2.0 (x).jpg": "Track 2.0 (x).txt"}),
    "info.json": (["v.mp4", "v.info.json"], {"v.mp4": "v.info.json"}),
    "whole name": (["a.jpg", "a.jpg.txt"], {"a.jpg": "a.jpg.txt"}),
    "upper case": (["a.JPG", "a.TXT"], {"a.JPG": "a.TXT"}),
    "key": (["000.seg.png", "000.jpg", "000.txt"], {"000.seg.png": "000.txt", "000.jpg": "000.txt"}),
    "key alone": (["000.seg.png", "000.txt"], {"000.seg.png": "000.txt"}),
    "text and json": (["a.jpg", "a.txt", "a.json"], {"a.jpg": "a.txt a.json"}),
    "other fields": (["a.jpg", "a.caption.txt", "a.cls", "a.meta.json"], {"a.jpg": ""}),
    "no media": (["22.05.txt"], {"22": "missing"}),
    "one without media": (["22.05.png", "22.07.txt"], {"22.05.png": "", "22.07.txt": "missing"}),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS)
def test_sidecars_are_paired_whatever_the_dots(case: str, tmp_path: Path) -> None:
    names, expected = PAIRS[case]
    captions: Callable[[str], bytes] = lambda n: f'{{"caption": "{n}"}}'.encode() if n[-4:] == "json" else n.encode()  # noqa: E731
    listed = read(tar(tmp_path / "0.tar", *(member(n.encode(), captions(n)) for n in names)))
    assert {n: i.error.failure if i.error else " ".join(i.captions) for n, i in listed.items()} == expected


def test_long_headers_cost_linear_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "MAX_MEMBERS", 500)
    path = tar(tmp_path / "0.tar", *[pax((b"comment", b"7" * 80_000))] * 20, A * 501)
    assert {outcome(item) for item in read(path).values()} == {"A", "too_many_members"}


def test_a_tar_on_s3_is_copied_in_chunks(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(s3).put("in/0.tar", A + TEXT + END)
    monkeypatch.setattr(Store, "get", None)
    assert read(f"{s3}/in/0.tar")["a.jpg"].captions == ("words",)
    monkeypatch.setattr("dataengine.ingest.webdataset._MAX_REMOTE", 1000)
    assert outcome(read(f"{s3}/in/0.tar")[""]) == "too_many_bytes"
