"""What a line of --ids names, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import sklearn

from dataengine.contracts import sample_id
from dataengine.errors import UsageError
from dataengine.takedown.asked import Asked, InputsByPath, read

ID, SHA256 = "ab" * 16, "cd" * 32
CHINA = Path(sklearn.__file__).parent / "datasets" / "images" / "china.jpg"


def test_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(
        f"# why\n\n  {ID.upper()} \r\n{SHA256}\r\ncats/1.jpg\ncats/1.jpg\nhttps://u:p@h.org/x.jpg?token=s&a=1\n"
    )
    asked = read(str(tmp_path / "ids"), [], False)
    assert asked.digests == {ID, SHA256[:32]} and asked.sha256s == {SHA256}
    assert asked.names == {"cats/1.jpg", "https://h.org/x.jpg?a=1"}


@pytest.mark.parametrize(
    ("line", "uri", "expected"),
    [
        ("cats/1.jpg", "cats/1.jpg", True),
        ("1.jpg", "cats/1.jpg", False),
        ("/data/in/cats/1.jpg", "cats/1.jpg", True),
        ("/data/in/cats/1.jpg", "1.jpg", True),
        ("/data/in/cats/11.jpg", "1.jpg", False),
        ("s3://bucket/in/cats/1.jpg", "cats/1.jpg", True),
        ("https://h.org/1.jpg", "1.jpg", False),
        ("https://h.org/1.jpg", "https://h.org/1.jpg", True),
        ("film.mp4", "film.mp4#t=1.000,2.500", True),
        ("/data/film.mp4", "film.mp4#t=1.000,2.500", True),
        ("film.mp4#t=1.000,2.500", "film.mp4#t=1.000,2.500", True),
        ("film.mp4#t=0.000,1.000", "film.mp4#t=1.000,2.500", False),
        (".*", "1.jpg", False),
    ],
)
def test_a_line_names_a_uri(line: str, uri: str, expected: bool) -> None:
    asked = Asked((line,))
    assert asked.named(pa.chunked_array([pa.array([uri])])).to_pylist() == [expected]
    assert asked.unnamed([uri], []) == ([] if expected else [line])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([("a", "1.jpg", ID)], True),
        ([("a", "1.jpg", ID), ("b", "1.jpg", ID)], True),
        ([("a", "1.jpg", ID), ("a", "1.jpg", "e" * 32)], True),
        ([("a", "1.jpg#t=0.000,1.000", ID), ("a", "1.jpg#t=1.000,2.000", "e" * 32)], True),
        ([("a", "1.jpg", ID), ("b", "1.jpg", "e" * 32)], False),
        ([("a", "1.jpg", ID), ("a", "cats/1.jpg", "e" * 32)], False),
        ([("a", "1.jpg", ID), ("b", "2.jpg", "e" * 32)], True),
    ],
)
def test_an_absolute_path_names_one_input(inputs: list[tuple[str, str, str]], expected: bool) -> None:
    """Or several of one content; the contents that one input had; the clips of one video."""
    by_path = InputsByPath(["/data/cats/1.jpg"])
    for one in inputs:
        by_path.add(*one)
    if expected:
        by_path.require_one_each()
    else:
        with pytest.raises(UsageError, match=r"could be any of 2 inputs.*Name it by its id"):
            by_path.require_one_each()


def test_a_picture_is_known_by_its_bytes_and_its_looks() -> None:
    asked = read(None, [str(CHINA)], False)
    assert asked.pictured == asked.digests == {sample_id(CHINA.read_bytes())[0]} and len(asked.hashes) == 1


@pytest.mark.parametrize(
    ("ids", "image", "message"),
    [
        (None, [], "--ids FILE"),
        ("none", [], "no such file"),
        (None, ["none"], "no such file"),
        (None, ["bad"], "--image .*bad: "),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, ids: str | None, image: list[str], message: str) -> None:
    (tmp_path / "bad").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=message):
        read(ids and str(tmp_path / ids), [str(tmp_path / one) for one in image], False)
