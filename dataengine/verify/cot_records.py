"""Checks every chain-of-thought record of a release from its media alone: ``dataengine cot verify RELEASE``.

Facts are measured again from the pictures in the release's own shards, answers decided again, replies read again, tool calls
run again. Nothing of the workspace is needed, and nothing in a record is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataengine.cot.checks.verify import Verdict, verify_record
from dataengine.cot.core.record import Record
from dataengine.cot.core.sample import CotInput, decoded
from dataengine.errors import InputError, UsageError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Sandbox
from dataengine.release.reader import Place, Published, open_release
from dataengine.shards.sample import FAMILIES


@dataclass(frozen=True)
class Seen:
    """A sample of the release: what a record about it, or beside it, is checked on."""

    id: str
    kind: str
    data: bytes
    captions: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Item:
    """A record's JSON, its pictures, and the samples that it is about; none where it is no record."""

    record: bytes
    images: dict[str, bytes]
    samples: tuple[Seen, ...]


_WORST = 10
_TOLD = {
    "measured": "answer measured again",
    "caption": "answer looked up in the captions",
    "given": "answer given by the source, not measured",
}


@dataclass
class Rechecked:
    """``wrong``: records that do not hold, by the check that failed; ``errors`` names the first of them. ``basis``: of the right
    ones, what their answers rest on; ``judged``: how many say the given answer in other words, by a judge."""

    right: int = 0
    basis: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        return self.right + self.wrong.total()

    def rows(self) -> list[tuple[str, str]]:
        share = f" ({self.right / self.records:.2%})" if self.records else ""
        told = [("records", f"{self.records:,}"), ("right", f"{self.right:,}{share}")]
        told += [(f"- {_TOLD[basis]}", f"{count:,}") for basis, count in sorted(self.basis.items())]
        told += [("- right in other words, by a judge", f"{self.judged:,}")] if self.judged else []
        return told + [(f"- wrong: {step}", f"{count:,}") for step, count in sorted(self.wrong.items())]


def recheck(release: str, workers: int = 1, progress: Callable[[int, int], None] = lambda *_: None) -> Rechecked:
    """Every record of the release at this folder or s3:// prefix. Raises UsageError where it has none."""
    published = open_release(release)
    total = sum(shard.records for shard in published.manifest.cot.shards)
    if not total:
        raise UsageError(f"{release} has no chain-of-thought records")
    found, names = Rechecked(), list[str]()
    progress(0, total)
    with Sandbox("dataengine.verify.cot_records:check", Limits(), workers=workers, limits=Limits()) as sandbox:
        for at, outcome in enumerate(sandbox.map(_items(published, names)), 1):
            progress(at, total)
            if isinstance(outcome, Failed):
                step, reason = outcome.failure, outcome.message
            else:
                verdict, basis, judged = outcome.value
                if verdict.passed:
                    found.right += 1
                    found.basis[basis] += 1
                    found.judged += judged
                    continue
                step, reason = verdict.step, verdict.reason
            found.wrong[step] += 1
            if len(found.errors) < _WORST:
                found.errors.append(f"{names[at - 1]}: {step}: {reason}")
    return found


def check(limits: Limits, item: Item) -> tuple[Verdict, str, bool]:
    """One record, in the decode child: the verdict, what the answer rests on, and whether a judge found it equal."""
    known = {s.id: s for s in item.samples}

    def load(id_: str) -> CotInput:
        one = known[id_]
        return decoded(one.id, one.kind, one.data, limits, one.captions, one.facts)

    verdict = verify_record(item.record, load, item.images)
    if not verdict.passed:
        return verdict, "", False
    record = Record.from_bytes(item.record)
    return verdict, record.basis, record.judged


def _items(published: Published, names: list[str]) -> Iterator[Item]:
    places = published.cot_places(published.splits, _parents)
    for split in published.splits:
        for tar in published.cot(split):
            for key, members in published.read(tar):
                names.append(f"{tar.path}: {key}")
                images = {ext: data for ext, data in members.items() if ext != "json"}
                yield _item(published, places, members.get("json", b""), images)


def _parents(record: bytes) -> tuple[str, ...]:
    """The samples that a record is about; none for what is no record, which the check will say."""
    try:
        return Record.from_bytes(record).parents
    except InputError:
        return ()


def _item(published: Published, places: dict[str, Place], record: bytes, images: dict[str, bytes]) -> Item:
    return Item(record, images, tuple(_seen(published, id_, places[id_]) for id_ in _wanted(record)))


def _wanted(record: bytes) -> tuple[str, ...]:
    """Of these samples the media are needed: of captions that are quoted, only whose they are is told."""
    parents = _parents(record)
    return parents if parents and Record.from_bytes(record).basis == "measured" else parents[:1]


def _seen(published: Published, id_: str, place: Place) -> Seen:
    sample = place.metadata
    captions = tuple(caption.text for caption in sample.captions if caption.text)
    data = published.member(place, FAMILIES[sample.kind])
    return Seen(id_, sample.kind, data, captions, {"duration": sample.duration})
