"""Hostile tars: odd names, duplicates, dots, sizes that lie, headers of other programs, links, cuts."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable

from dataengine.testing.hostile_corpus import Corpus

BLOCK = 512
Members = Iterable[tuple[str | bytes, bytes]]


def write(corpus: Corpus) -> None:
    """Tars below ``tars/``."""
    _pairs(corpus)
    _texts(corpus)
    _headers(corpus)
    _others(corpus)
    _whole(corpus)


def _pairs(corpus: Corpus) -> None:
    """Which caption belongs to which picture."""
    jpeg = corpus.jpeg
    corpus.write("tars/twice.tar", _tar([("x.jpg", jpeg()), ("x.txt", b"x"), ("x.jpg", jpeg())]))
    corpus.kept("tars", "twice.tar#x.jpg", "the first of two members of one name")
    corpus.kept("tars", "twice.tar#x.jpg#2", "the second of two members of one name")
    dots: list[tuple[str, str, str]] = [
        ("date.tar", "22.05", "png"),
        ("track.tar", "Track 2.0 (x)", "jpg"),
        ("path.tar", "a.b/c.d.e", "jpg"),
    ]
    for tar, stem, ext in dots:
        data = corpus.image("PNG" if ext == "png" else "JPEG")
        corpus.write(f"tars/{tar}", _tar([(f"{stem}.{ext}", data), (f"{stem}.txt", b"dotted")]))
        corpus.kept("tars", f"{tar}#{stem}.{ext}", "dots in a member's name", ["dotted"])
    info = _tar([("v.jpg", jpeg()), ("v.info.json", b'{"caption": "from info"}')])
    corpus.write("tars/info.tar", info)
    corpus.kept("tars", "info.tar#v.jpg", "picture beside .info.json", ["from info"])
    corpus.write("tars/apart.tar", _tar([("a.jpg", jpeg()), ("b.jpg", jpeg()), ("b.txt", b"of b"), ("a.txt", b"of a")]))
    corpus.kept("tars", "apart.tar#a.jpg", "caption that does not follow its picture", ["of a"])
    corpus.kept("tars", "apart.tar#b.jpg", "caption that follows its picture", ["of b"])
    corpus.write("tars/upper.tar", _tar([("U.JPG", jpeg()), ("U.TXT", b"upper")]))
    corpus.kept("tars", "upper.tar#U.JPG", "extensions in capitals", ["upper"])
    corpus.write("tars/alone.tar", _tar([("only.txt", b"no picture")]))
    corpus.failed("tars", "alone.tar#only", "caption without a picture", "missing")


def _texts(corpus: Corpus) -> None:
    jpeg = corpus.jpeg
    deep = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    sidecars: list[tuple[str, str, bytes, list[str] | None]] = [
        ("surrogate", "json", rb'{"caption":"a \ud83d cat"}', ["a  cat"]),
        ("nan", "json", b'{"caption":NaN,"score":Infinity}', []),
        ("utf16", "txt", "wide".encode("utf-16"), ["wide"]),
        ("deep", "json", deep, None),
    ]
    for name, ext, data, captions in sidecars:
        corpus.write(f"tars/{name}.tar", _tar([("s.jpg", jpeg()), (f"s.{ext}", data)]))
        corpus.kept("tars", f"{name}.tar#s.jpg", f"picture beside .{ext}: {name}", captions)
    corpus.failed("tars", "deep.tar#s.json", ".json of 100,000 levels", "bad_value", "bad_json")
    corpus.write("tars/latin.tar", _tar([(b"caf\xe9.jpg", jpeg()), (b"caf\xe9.txt", b"latin")]))
    corpus.kept("tars", r"latin.tar#caf\xe9.jpg", "Latin-1 byte in a member's name", ["latin"])


def _headers(corpus: Corpus) -> None:
    """Headers whose sizes lie, and extended headers that are too long."""
    for size in (-512, -1):
        first = _member("good.jpg", corpus.jpeg())
        number = (256**12 + size).to_bytes(12, "big")
        corpus.write(f"tars/size{size}.tar", first + _header("x.jpg", number) + corpus.jpeg() + bytes(2 * BLOCK))
        corpus.kept("tars", f"size{size}.tar#good.jpg", f"member before one of {size} bytes")
        corpus.failed("tars", f"size{size}.tar#", f"member of {size} bytes", "corrupt", "truncated")
    endless = _header("x.jpg", (1 << 62).to_bytes(12, "big").replace(b"\0", b"\x80", 1))
    corpus.write("tars/endless.tar", _member("good.jpg", corpus.jpeg()) + endless + bytes(1024))
    corpus.kept("tars", "endless.tar#good.jpg", "member before one of 4 EiB")
    corpus.failed("tars", "endless.tar#", "member of 4 EiB", "corrupt", "truncated")
    for name, record in (
        ("digits", b"9" * 80_000 + b" size=1\n"),
        ("size", _pax(b"size", b"9" * 80_000)),
        ("negative", _pax(b"size", b"-1024")),
    ):
        tar = _member("x", record, b"x") + _member("x.jpg", corpus.jpeg()) + _member("y.jpg", corpus.jpeg())
        corpus.write(f"tars/pax-{name}.tar", tar + bytes(2 * BLOCK))
        corpus.failed("tars", f"pax-{name}.tar#x.jpg", f"pax header: {name}", "corrupt", "unreadable", "not_supported")
        corpus.kept("tars", f"pax-{name}.tar#y.jpg", "member after that")
    long = "n" * 3000
    with_name = _member("././@LongLink", f"{long}.jpg\0".encode(), b"L") + _member("short", corpus.jpeg())
    corpus.write("tars/long-name.tar", with_name + bytes(2 * BLOCK))
    corpus.kept("tars", f"long-name.tar#{long}.jpg", "name of 3,000 bytes")


def _others(corpus: Corpus) -> None:
    """Members that are no plain files, and names that lead elsewhere."""
    good = _member("good.jpg", corpus.jpeg())
    links = _header("l.jpg", b"0" * 11 + b"\0", b"2", b"/etc/hostname") + _header(
        "h.jpg", b"0" * 11 + b"\0", b"1", b"good.jpg"
    )
    devices = _header("d.jpg", b"0" * 11 + b"\0", b"3") + _header("p.jpg", b"0" * 11 + b"\0", b"6")
    corpus.write("tars/links.tar", good + links + devices + bytes(2 * BLOCK))
    corpus.kept("tars", "links.tar#good.jpg", "picture beside links")
    corpus.failed("tars", "links.tar#l.jpg", "symbolic link", "not_a_file", "unreadable", "not_supported")
    corpus.failed("tars", "links.tar#h.jpg", "hard link", "not_a_file", "unreadable", "not_supported")
    for name in ("../../out.jpg", "/tmp/absolute.jpg"):
        tar = name.strip("./").replace("/", "-").removesuffix(".jpg")
        corpus.write(f"tars/{tar}.tar", _tar([(name, corpus.jpeg())]))
        corpus.kept("tars", f"{tar}.tar#{name}", "name that leads out of the folder: it is only a name")
    corpus.write("tars/large.tar", _tar([("large.jpg", corpus.jpeg() + bytes(5_000_000)), ("z.jpg", corpus.jpeg())]))
    corpus.failed("tars", "large.tar#large.jpg", "member of more bytes than the limit", "too_many_bytes")
    corpus.kept("tars", "large.tar#z.jpg", "member after that")
    corpus.write("tars/none.tar", _tar([("empty.jpg", b"")]))
    corpus.failed("tars", "none.tar#empty.jpg", "member of no bytes", "empty")


def _whole(corpus: Corpus) -> None:
    """Files that are no tars, or only the beginning of one."""
    whole = _tar([("a.jpg", corpus.jpeg()), ("b.jpg", corpus.jpeg())])
    corpus.write("tars/packed.tar.gz", gzip.compress(whole, mtime=0))
    corpus.failed("tars", "packed.tar.gz#", "compressed tar", "compressed")
    second = BLOCK + -(-len(_payload(whole)) // BLOCK) * BLOCK
    cut = second + corpus.random.randrange(BLOCK + 1, BLOCK + 400)
    corpus.write("tars/cut.tar", _tar([("a.jpg", corpus.jpeg()), ("b.jpg", corpus.jpeg())])[:cut])
    corpus.kept("tars", "cut.tar#a.jpg", "member before the cut")
    corpus.failed("tars", "cut.tar#", "tar cut off inside a member", "truncated")
    corpus.write("tars/zero.tar", b"")
    corpus.failed("tars", "zero.tar#", "tar of no bytes", "truncated", "empty")
    corpus.write("tars/noise.tar", corpus.random.randbytes(4096))
    corpus.failed("tars", "noise.tar#", "random bytes", "corrupt", "truncated")
    corpus.write("tars/text.tar", b"<html>404 Not Found</html>\n" * 100)
    corpus.failed("tars", "text.tar#", "a page of HTML", "corrupt", "truncated")
    joined = _tar([("c.jpg", corpus.jpeg())]) + _tar([("d.jpg", corpus.jpeg())])
    corpus.write("tars/joined.tar", joined)
    corpus.kept("tars", "joined.tar#c.jpg", "first of two joined tars")
    corpus.failed("tars", "joined.tar#", "second of two joined tars", "corrupt")


def _tar(members: Members) -> bytes:
    """As ``tarfile`` writes it; names may be bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _payload(tar: bytes) -> bytes:
    return tar[BLOCK : BLOCK + int(tar[124:135], 8)]


def _member(name: str, data: bytes, kind: bytes = b"0") -> bytes:
    return _header(name, b"%011o\0" % len(data), kind) + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def _header(name: str, size: bytes, kind: bytes = b"0", link: bytes = b"") -> bytes:
    """One block, with a right checksum."""
    start = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"00000000000\0"
    end = kind + link.ljust(100, b"\0") + b"ustar\x0000" + bytes(32 + 32 + 16 + 155 + 12)
    total = sum(start) + sum(end) + 8 * ord(" ")
    return start + b"%06o\0 " % total + end


def _pax(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body
