"""Folders by ``include`` and ``exclude``, and what a text beside a file holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.source_readers import ends, folder

from dataengine.config.selection import Selection, compiled
from dataengine.errors import UsageError
from dataengine.storage.store import Store

FILES = [
    "a.jpg",
    "a.txt",
    "b.png",
    "b.json",
    "c.JPG",
    "thumbs/a.jpg",
    "thumbs/a.txt",
    "2024/may/d.jpg",
    "2024/e.gif",
    "README.md",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith(".json") else f"it is {name}")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.jpg", {"a.jpg", "thumbs/a.jpg", "2024/may/d.jpg"}),
        ("/*.jpg", {"a.jpg"}),
        ("thumbs", {"thumbs/a.jpg", "thumbs/a.txt"}),
        ("thumbs/", {"thumbs/a.jpg", "thumbs/a.txt"}),
        ("a.jpg/", set()),
        ("2024/*", {"2024/may/d.jpg", "2024/e.gif"}),
        ("2024/**/*.jpg", {"2024/may/d.jpg"}),
        ("**/*.jpg", {"a.jpg", "thumbs/a.jpg", "2024/may/d.jpg"}),
        ("2024/**", {"2024/may/d.jpg", "2024/e.gif"}),
        ("*/may", {"2024/may/d.jpg"}),
        ("may", {"2024/may/d.jpg"}),
        ("[ab].*", {"a.jpg", "a.txt", "b.png", "b.json", "thumbs/a.jpg", "thumbs/a.txt"}),
        ("[!ab].jpg", {"2024/may/d.jpg"}),
        ("?.[jJ][pP][gG]", {"a.jpg", "c.JPG", "thumbs/a.jpg", "2024/may/d.jpg"}),
        ("[", set()),
        ("[z-a]", set()),
        ("README.md", {"README.md"}),
        ("*.*g", {"a.jpg", "b.png", "thumbs/a.jpg", "2024/may/d.jpg"}),
        ("**", set(FILES)),
        ("\\*", set()),
    ],
)
def test_patterns(pattern: str, names: set[str]) -> None:
    assert {name for name in FILES if compiled(pattern).fullmatch(name)} == names


def test_a_pattern_finds_folders_by_their_slash() -> None:
    for pattern in ("private", "private/", "private/**", "*/", "**"):
        assert Selection((), (pattern,)).excludes("private/"), pattern
    assert Selection(("*.jpg",)).takes("private/") and not Selection(("*.jpg",)).takes("private")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"include": ["*.jpg"]},
            {"a.jpg": ("it is a.txt",), "thumbs/a.jpg": ("it is thumbs/a.txt",), "2024/may/d.jpg": ()},
        ),
        (
            {"include": ["*.jpg", "*.gif"], "exclude": ["thumbs/"]},
            {"a.jpg": ("it is a.txt",), "2024/may/d.jpg": (), "2024/e.gif": ()},
        ),
        ({"include": ["a.*"], "exclude": ["*.txt"]}, {"a.jpg": (), "thumbs/a.jpg": ()}),
        ({"exclude": ["*.jpg", "*.JPG", "2024", "*.md"]}, {"b.png": ()}),
        ({"include": ["thumbs/*.txt"]}, "leave no file"),
        ({"include": ["*.jpgg"]}, "include: the patterns leave no file of"),
        ({"exclude": ["**"]}, "leave no file"),
    ],
)
def test_a_folder_by_patterns(root: Path, fields: dict[str, Any], expected: Any) -> None:
    """Sidecars go with their media: that of one which is not taken is no orphan."""
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            folder(root, **fields).parts()
    else:
        assert ends(folder(root, **fields)) == expected


def test_patterns_hold_on_s3(s3: str) -> None:
    for name in FILES:
        Store(s3).put(f"in/{name}", f"it is {name}".encode())
    reader = folder(f"{s3}/in", include=["*.jpg"], exclude=["thumbs"])
    assert ends(reader) == {"a.jpg": ("it is a.txt",), "2024/may/d.jpg": ()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_an_excluded_folder_is_not_looked_into(root: Path) -> None:
    (root / "private").mkdir(mode=0)
    assert ends(folder(root))["private/"] == "unreadable"
    assert "private/" not in ends(folder(root, exclude=["private"])) and "private/" in ends(
        folder(root, include=["*.jpg"])
    )


def test_parts_change_only_with_what_they_hold(root: Path) -> None:
    """A pattern that leaves a part's files as they are leaves its key; a sidecar that is left out does not."""

    def keys(**fields: Any) -> dict[str, str]:
        return {part.name: part.key for part in folder(root, buckets=64, **fields).parts()}

    everything = keys()
    assert keys(exclude=["nothing*"]) == everything == keys(include=["**"])
    some = keys(exclude=["thumbs"])
    assert some.items() < everything.items()
    without = keys(exclude=["*.txt"])
    assert len(without.items() ^ everything.items()) == 2 * 2, "those of the two files with captions"
    assert keys(captions="whole").items().isdisjoint(everything.items())


TEXT = "\n A cat sits on\nthe wall.\n\n It is grey. \n"


@pytest.mark.parametrize(
    ("form", "captions"),
    [
        ("lines", ("A cat sits on", "the wall.", "It is grey.")),
        ("first-line", ("A cat sits on",)),
        ("whole", ("A cat sits on the wall. It is grey.",)),
    ],
)
def test_captions_of_a_text(tmp_path: Path, form: str, captions: tuple[str, ...]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.jpg").write_bytes(b"x")
    (tmp_path / "b.txt").write_text("\n \n")
    assert ends(folder(tmp_path, captions=form)) == {"a.jpg": captions, "b.jpg": ()}


def test_mistakes_in_patterns(root: Path) -> None:
    for fields in ({"include": [""]}, {"exclude": ["/"]}, {"captions": "first"}):
        with pytest.raises(ValidationError):
            folder(root, **fields)
