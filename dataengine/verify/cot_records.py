"""Verifies every chain-of-thought record of a release from its media alone: ``dataengine cot verify RELEASE``.

Facts are measured again from the media in the release's own shards, answers recomputed, replies parsed and tool calls run
again. The workspace is not needed, and no field of a record is trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataengine.cot.checks.verify import Verdict, verify_record
from dataengine.cot.core.decoded import decoded
from dataengine.cot.core.record import Record
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.shard_files import pictures_of
from dataengine.cot.tasks.plugin_tasks import use
from dataengine.cot.tasks.rendered import fonts
from dataengine.errors import InputError, UsageError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Sandbox
from dataengine.plugins.offers import Plugin
from dataengine.release.reader import Place, Published, open_release
from dataengine.shards.sample import FAMILIES


@dataclass(frozen=True)
class SampleInput:
    """A sample of the release, with all that a record about it is checked on."""

    id: str
    kind: str
    data: bytes
    captions: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class RecordInput:
    """A record's JSON, its images, and the samples that it is about; no samples where the JSON is not a record."""

    record: bytes
    images: dict[str, bytes]
    samples: tuple[SampleInput, ...]


#: Errors that are kept.
_SHOWN = 10
_BASIS = {
    "measured": "answer measured from the media",
    "constructed": "answer made together with the picture, which was made again",
    "caption": "answer looked up in the captions",
    "given": "answer given by the source, not measured",
    "agreed": "answer that models agree on, not measured",
}


@dataclass
class Rechecked:
    """``wrong``: records by the check that failed; ``errors`` names the first of them. Of the ``right`` ones, ``basis`` counts
    what their answers rest on, and ``judged`` those whose answer a judge model found equal in other words."""

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
        rows = [("records", f"{self.records:,}"), ("right", f"{self.right:,}{share}")]
        rows += [(f"- {_BASIS[basis]}", f"{count:,}") for basis, count in sorted(self.basis.items())]
        rows += [("- equal in other words, by a judge", f"{self.judged:,}")] if self.judged else []
        return rows + [(f"- wrong: {step}", f"{count:,}") for step, count in sorted(self.wrong.items())]


def recheck(
    release: str,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
    plugins: tuple[Plugin, ...] = (),
) -> Rechecked:
    """Check every record of the release at this folder or s3:// prefix; ``plugins``: those with its task families. Raises
    UsageError where it has none."""
    published = open_release(release)
    total = sum(shard.records for shard in published.manifest.cot.shards)
    if not total:
        raise UsageError(f"{release} has no chain-of-thought records")
    fonts.prepare()
    result, names = Rechecked(), list[str]()
    progress(0, total)
    limits, answer = Limits(), tuple[Verdict, str, bool]
    with Sandbox(
        "dataengine.verify.cot_records:check", (limits, plugins), workers=workers, limits=limits, answer=answer
    ) as sandbox:
        for at, outcome in enumerate(sandbox.map(_items(published, names)), 1):
            progress(at, total)
            if isinstance(outcome, Failed):
                step, reason = outcome.failure, outcome.message
            else:
                verdict, basis, judged = outcome.value
                if verdict.passed:
                    result.right += 1
                    result.basis[basis] += 1
                    result.judged += judged
                    continue
                step, reason = verdict.step, verdict.reason
            result.wrong[step] += 1
            if len(result.errors) < _SHOWN:
                result.errors.append(f"{names[at - 1]}: {step}: {reason}")
    return result


def check(context: tuple[Limits, tuple[Plugin, ...]], item: RecordInput) -> tuple[Verdict, str, bool]:
    """One record, in the decode child: the verdict, what the answer rests on, and whether a judge found it equal."""
    limits, plugins = context
    use(plugins)
    samples = {s.id: s for s in item.samples}

    def load(id_: str) -> CotInput:
        sample = samples[id_]
        return decoded(sample.id, sample.kind, sample.data, limits, sample.captions, sample.facts)

    verdict = verify_record(item.record, load, item.images)
    if not verdict.passed:
        return verdict, "", False
    record = Record.from_bytes(item.record)
    return verdict, record.basis, record.judged


def _items(published: Published, names: list[str]) -> Iterator[RecordInput]:
    places = published.cot_places(published.splits, _parents)
    for split in published.splits:
        for tar in published.cot(split):
            for key, members in published.read(tar):
                names.append(f"{tar.path}: {key}")
                yield _item(published, places, members.get("json", b""), pictures_of(members))


def _parents(record: bytes) -> tuple[str, ...]:
    """The samples that a record is about; none where the JSON is not a record, which the check reports."""
    try:
        return Record.from_bytes(record).parents
    except InputError:
        return ()


def _item(published: Published, places: dict[str, Place], record: bytes, images: dict[str, bytes]) -> RecordInput:
    return RecordInput(record, images, tuple(_sample(published, id_, places[id_]) for id_ in _needed(record)))


def _needed(record: bytes) -> tuple[str, ...]:
    """Samples whose media are needed: all parents where the answer was measured, else only the first."""
    parents = _parents(record)
    made_of = parents and Record.from_bytes(record).basis in ("measured", "constructed")
    return parents if made_of else parents[:1]


def _sample(published: Published, id_: str, place: Place) -> SampleInput:
    sample = place.metadata
    captions = tuple(caption.text for caption in sample.captions if caption.text)
    data = published.member(place, FAMILIES[sample.kind])
    return SampleInput(id_, sample.kind, data, captions, {"duration": sample.duration})
