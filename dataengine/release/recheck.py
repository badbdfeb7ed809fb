"""Checks every chain-of-thought record of a release from its media alone: ``dataengine cot verify RELEASE``.

Facts are measured again from the pictures in the release's own shards, answers decided again, replies read again, tool calls
run again. Nothing of the workspace is needed, and nothing in a record is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataengine.cot.record import Record
from dataengine.cot.source import decoded
from dataengine.cot.verify import Verdict, verify_record
from dataengine.errors import InputError, UsageError
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Failed, Sandbox
from dataengine.release.published import Place, Published, open_release
from dataengine.shards.sample import FAMILIES

Item = tuple[str, str, bytes, dict[str, Any], bytes, dict[str, bytes]]
"""Sample id, kind, media, facts, the record's JSON, its pictures."""
_WORST = 10


@dataclass
class Rechecked:
    """``wrong``: records that do not hold, by the check that failed; ``errors`` names the first of them."""

    right: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        return self.right + self.wrong.total()

    def rows(self) -> list[tuple[str, str]]:
        share = f" ({self.right / self.records:.2%})" if self.records else ""
        told = [("records", f"{self.records:,}"), ("right", f"{self.right:,}{share}")]
        return told + [(f"- wrong: {step}", f"{count:,}") for step, count in sorted(self.wrong.items())]


def recheck(release: str, workers: int = 1, progress: Callable[[int, int], None] = lambda *_: None) -> Rechecked:
    """Every record of the release at this folder or s3:// prefix. Raises UsageError where it has none."""
    published = open_release(release)
    total = sum(shard["records"] for shard in published.manifest["cot"]["shards"])
    if not total:
        raise UsageError(f"{release} has no chain-of-thought records")
    found, names = Rechecked(), list[str]()
    progress(0, total)
    with Sandbox("dataengine.release.recheck:check", Limits(), workers=workers, limits=Limits()) as sandbox:
        for at, outcome in enumerate(sandbox.map(_items(published, names)), 1):
            progress(at, total)
            if isinstance(outcome, Failed):
                step, reason = outcome.failure, outcome.message
            elif outcome.value.passed:
                found.right += 1
                continue
            else:
                step, reason = outcome.value.step, outcome.value.reason
            found.wrong[step] += 1
            if len(found.errors) < _WORST:
                found.errors.append(f"{names[at - 1]}: {step}: {reason}")
    return found


def check(limits: Limits, item: Item) -> Verdict:
    """One record, in the decode child."""
    id_, kind, data, facts, record, images = item
    return verify_record(record, lambda _: decoded(id_, kind, data, limits, (), facts), images)


def _items(published: Published, names: list[str]) -> Iterator[Item]:
    places = published.cot_places(published.splits, _parent)
    for split in published.splits:
        for tar in published.cot(split):
            for key, members in published.read(tar):
                names.append(f"{tar.path}: {key}")
                images = {ext: data for ext, data in members.items() if ext != "json"}
                yield _item(published, places, members.get("json", b""), images)


def _parent(record: bytes) -> tuple[str, ...]:
    """The sample that a record is about; none for what is no record, which the check will say."""
    try:
        return Record.from_bytes(record).parents[:1]
    except InputError:
        return ()


def _item(published: Published, places: dict[str, Place], record: bytes, images: dict[str, bytes]) -> Item:
    parents = _parent(record)
    if not parents:
        return "", "image", b"", {}, record, images
    place = places[parents[0]]
    data = published.member(place, FAMILIES[place.told["kind"]])
    return parents[0], place.told["kind"], data, {"duration": place.told["duration"]}, record, images
