"""The boundary of an input in ingest: what reading it raises, Arrow does not take, or is known to be bad, is a failure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sklearn

from dataengine import contracts
from dataengine.config.recipe import HashListConfig
from dataengine.errors import PartitionError, UsageError
from dataengine.ingest import hash_lists
from dataengine.ingest.hash_lists import HashLists
from dataengine.ingest.occurrence import Occurrence
from dataengine.ingest.worker import IngestWorker
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace

PICTURES = Path(sklearn.__file__).parent / "datasets" / "images"
CHINA, FLOWER = ((PICTURES / name).read_bytes() for name in ("china.jpg", "flower.jpg"))


class Odd(Occurrence):
    """An occurrence whose reading raises what nobody foresaw."""

    def read(self, limits: Limits) -> bytes:
        raise {"key": KeyError("hunter2"), "memory": MemoryError(), "lost": PartitionError("lost")}[self.location]


@dataclass
class Reader:
    """Gives the occurrences that it holds."""

    held: list[Occurrence]

    def parts(self) -> list[Part]:
        return [Part("p", "k", ("s", None))]

    def occurrences(self, spec: Any) -> Iterator[Occurrence]:
        yield from self.held


def ingest(folder: Path, *held: Occurrence, known_bad: HashLists | None = None) -> tuple[dict[str, str], list[str]]:
    """The failure class of each input, "" of those that can be used; the ids of the bytes that are stored."""
    workspace = Workspace(str(folder / "ws"))
    worker = IngestWorker({"s": Reader(list(held))}, Limits(), workspace, known_bad=known_bad or HashLists(()))
    try:
        output = worker.process(Part("p", "k" * 32, ("s", None)))
    finally:
        worker.close()
    outcomes = {}
    for role, schema in (("samples", contracts.SAMPLES), ("failures", contracts.FAILURES)):
        if role in output.files:
            rows = workspace.read_table([output.files[role]], schema).to_pylist()
            outcomes |= {row["uri"]: row.get("failure", "") for row in rows}
            assert not any("hunter2" in str(row) for row in rows)
    assert output.counts["inputs"] == len(held) == len(outcomes)
    stored = b"".join(workspace.store.get(e.key) for e in workspace.store.list("media"))
    return outcomes, [name for name, data in (("china", CHINA), ("flower", FLOWER)) if data in stored]


def test_one_bad_input_costs_one_row(tmp_path: Path) -> None:
    outcomes, stored = ingest(
        tmp_path,
        Occurrence("good", data=CHINA),
        Occurrence("odd \ud800 name", data=CHINA),
        Occurrence("bad meta", data=FLOWER, meta='"\ud800"'),
        Occurrence("bad caption", data=FLOWER, captions=("\udfff",)),
        Occurrence("bad path", "\0"),
        Odd("unforeseen", "key"),
    )
    assert outcomes == {
        "good": "",
        "odd  name": "",
        "bad meta": "bad_row",
        "bad caption": "bad_row",
        "bad path": "unreadable",
        "unforeseen": "unreadable",
    }
    assert "china" in stored


def test_what_is_no_input_s_fault_ends_the_part(tmp_path: Path) -> None:
    for what, error in (("memory", MemoryError), ("lost", PartitionError)):
        with pytest.raises(error):
            ingest(tmp_path, Odd("x", what))


def lists(folder: Path, text: str, radius: int = 4) -> HashLists:
    (folder / "list.txt").write_text(text)
    return hash_lists.load([HashListConfig(path=str(folder / "list.txt"), radius=radius)])


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_known_files_are_refused_and_not_stored(tmp_path: Path, kind: str) -> None:
    others = "".join(f"{hashlib.new(kind, bytes([n])).hexdigest()}  {n}.jpg\n" for n in range(200))
    known = lists(tmp_path, f"# known\n\n{others}{hashlib.new(kind, FLOWER).hexdigest().upper()} *flower.jpg\n{others}")
    outcomes, stored = ingest(tmp_path, Occurrence("a", data=CHINA), Occurrence("b", data=FLOWER), known_bad=known)
    assert (outcomes, stored) == ({"a": "", "b": "known_bad"}, ["china"])


def test_pictures_like_known_ones_are_refused(tmp_path: Path) -> None:
    from dataengine.media.inspect import inspect

    value = inspect(Limits(), FLOWER)["phash"] & (1 << 64) - 1
    for flipped, radius, outcome in (
        (0, 0, "known_bad"),
        (0b111, 3, "known_bad"),
        (0b1111, 3, ""),
        (0, 16, "known_bad"),
    ):
        known = lists(tmp_path, f"{'0' * 16}\n{value ^ flipped:016x}\n", radius)
        outcomes, stored = ingest(tmp_path / f"{flipped}-{radius}", Occurrence("b", data=FLOWER), known_bad=known)
        assert outcomes == {"b": outcome} and ("flower" in stored) == (not outcome)


def test_lists_that_are_none(tmp_path: Path) -> None:
    for text in ("zz", "0" * 31, "f" * 64 + "\n" + "f" * 40):
        with pytest.raises(UsageError, match=r"list\.txt, line [12]: no MD5, SHA-256 or perceptual hash"):
            lists(tmp_path, text)
    with pytest.raises(UsageError, match=r"media\.known_bad: .*none: no such file"):
        hash_lists.digest_of(HashListConfig(path=str(tmp_path / "none")))
    before = hash_lists.digest_of(HashListConfig(path=str(tmp_path / "list.txt")))
    assert hash_lists.digest_of(HashListConfig(path=str(tmp_path / "list.txt"), radius=5)) != before
