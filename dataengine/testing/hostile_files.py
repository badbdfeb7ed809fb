"""Hostile folders: odd names, links, pipes, devices and sidecars."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from dataengine.testing.hostile_corpus import Corpus

DEPTH = 100_000
UNREADABLE = ("bad_json", "bad_value", "unreadable")


def write(corpus: Corpus) -> None:
    """A folder ``files/``."""
    _sidecars(corpus)
    _names(corpus)
    _places(corpus)


def _sidecars(corpus: Corpus) -> None:
    deep = b"[" * DEPTH + b"]" * DEPTH
    texts: list[tuple[str, bytes, list[str] | None]] = [
        ("UTF-8 with BOM", b"\xef\xbb\xbfa cat", ["a cat"]),
        ("UTF-16, little-endian", "a cat".encode("utf-16"), ["a cat"]),
        ("UTF-16, big-endian", b"\xfe\xff" + "a cat".encode("utf-16-be"), ["a cat"]),
        ("Latin-1", b"caf\xe9", ["caf\ufffd"]),
        ("NULs", b"a\0cat\0", ["acat"]),
        ("empty", b"", []),
        ("blank lines", b"\n \r\n\t\n", []),
        ("a line of 40 kB", b"w" * 40_000, ["w" * 40_000]),
    ]
    for n, (what, data, captions) in enumerate(texts):
        name = f"text-{n:02d}.jpg"
        corpus.write(f"files/{name}", corpus.jpeg())
        corpus.write(f"files/text-{n:02d}.txt", data)
        corpus.kept("files", name, f".txt: {what}", captions)
    documents: list[tuple[str, bytes, list[str] | None, bool]] = [
        ("lone surrogate", rb'{"caption":"a \ud83d cat"}', ["a  cat"], True),
        ("NaN and Infinity", b'{"caption":NaN,"score":Infinity}', [], True),
        ("UTF-16", '{"caption":"wide"}'.encode("utf-16"), ["wide"], True),
        ("a list", b'["a","b"]', [], True),
        ("100,000 levels", b'{"caption":"x","deep":' + deep + b"}", None, False),
        ("no JSON", b"{nonsense", None, False),
        ("number of 100,000 digits", b'{"n":' + b"9" * DEPTH + b"}", None, False),
        ("objects as captions", b'{"caption":{"a":"b"}}', None, False),
    ]
    for n, (what, data, captions, good) in enumerate(documents):
        name = f"json-{n:02d}"
        corpus.write(f"files/{name}.jpg", corpus.jpeg())
        corpus.write(f"files/{name}.json", data)
        corpus.kept("files", f"{name}.jpg", f"picture beside .json: {what}", captions)
        if not good:
            corpus.failed("files", f"{name}.json", f".json: {what}", *UNREADABLE, "bad_caption")
    for name in ("alone.txt", "alone.json"):
        corpus.write(f"files/{name}", "{}")
    corpus.failed("files", "alone.txt", "sidecar without a picture", "missing")
    corpus.failed("files", "alone.json", "sidecar without a picture", "missing")


def _names(corpus: Corpus) -> None:
    names: list[tuple[str, bytes, str]] = [
        ("Latin-1 byte in a name", b"caf\xe9.jpg", r"caf\xe9.jpg"),
        ("line break in a name", b"new\nline.jpg", "new\nline.jpg"),
        ("percent sign in a name", b"a%00b.jpg", "a%00b.jpg"),
        ("right-to-left override in a name", "gpj.\u202egpj.jpg".encode(), "gpj.\u202egpj.jpg"),
        ("name of 200 bytes", b"n" * 196 + b".jpg", "n" * 196 + ".jpg"),
        ("no extension", b"README", "README"),
        ("quotes and braces", b"'\"{x}$(y);.jpg", "'\"{x}$(y);.jpg"),
        ("hash sign in a name", b"a#t=1,2.jpg", "a#t=1,2.jpg"),
        ("many dots", b"22.05.2024.final.jpg", "22.05.2024.final.jpg"),
    ]
    for what, raw, shown in names:
        corpus.write(f"files/{os.fsdecode(raw)}", corpus.jpeg())
        corpus.kept("files", shown, what, ["dotted"] if b"22.05" in raw else [])
    corpus.write("files/22.05.2024.final.txt", "dotted")
    corpus.write("files/.hidden.jpg", corpus.jpeg())


def _places(corpus: Corpus) -> None:
    folder = corpus.folder / "files"
    corpus.write("outside/secret.jpg", corpus.jpeg())
    corpus.write("outside/secret.txt", "a secret")
    links = {"out.jpg": "outside/secret.jpg", "gone.jpg": "outside/none.jpg"}
    for name, target in links.items():
        (folder / name).symlink_to(corpus.folder / target)
    corpus.failed("files", "out.jpg", "link out of the folder", "not_allowed")
    corpus.failed("files", "gone.jpg", "link to nothing", "missing", "not_allowed")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    corpus.failed("files", "loop.jpg", "link to itself", "unreadable", "missing", "not_allowed", "not_a_file")
    (folder / "linked-folder").symlink_to(corpus.folder / "outside")
    corpus.write("files/told.jpg", corpus.jpeg())
    (folder / "told.txt").symlink_to(corpus.folder / "outside" / "secret.txt")
    corpus.kept("files", "told.jpg", "picture whose .txt is a link out of the folder", [])
    corpus.failed("files", "told.txt", ".txt that is a link out of the folder", "not_allowed")
    corpus.write("files/real/inside.jpg", corpus.jpeg())
    corpus.kept("files", "real/inside.jpg", "picture that a link leads to", [])
    _special(corpus, folder)
    corpus.write("files/empty.jpg", b"")
    corpus.failed("files", "empty.jpg", "file of no bytes", "empty")
    corpus.write("files/large.jpg", corpus.jpeg() + bytes(5_000_000))
    corpus.failed("files", "large.jpg", "file of more bytes than the limit", "too_many_bytes")


def _special(corpus: Corpus, folder: Path) -> None:
    """Pipes, sockets and, where the user may make them, devices."""
    os.mkfifo(folder / "pipe.jpg")
    corpus.failed("files", "pipe.jpg", "named pipe that nobody writes to", "not_a_file")
    corpus.write("files/piped.jpg", corpus.jpeg())
    os.mkfifo(folder / "piped.txt")
    corpus.kept("files", "piped.jpg", "picture whose .txt is a named pipe", [])
    corpus.failed("files", "piped.txt", ".txt that is a named pipe", "not_a_file")
    with socket.socket(socket.AF_UNIX) as unix:
        here = Path.cwd()
        os.chdir(folder)
        try:
            unix.bind("socket.jpg")
        finally:
            os.chdir(here)
    corpus.failed("files", "socket.jpg", "socket", "not_a_file", "unreadable")
    try:
        os.mknod(folder / "zero.jpg", stat.S_IFCHR | 0o644, os.makedev(1, 5))
    except OSError:
        return
    corpus.failed("files", "zero.jpg", "endless device", "not_a_file")
