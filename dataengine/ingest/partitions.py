"""Partitions of a corpus: those that a workspace has taken up, and readers of sources whose parts belong to one each.

A partition is taken up once its ingest is committed: ``partitions/RECIPE/VALUE.json`` lists its parts. From then on it belongs to
the corpus of every run, and is not listed again, so that late files change nothing until somebody names it once more.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dataengine.config.partitions import at, is_partitioned
from dataengine.config.recipe import Recipe
from dataengine.config.sources import RowsSource, Source
from dataengine.errors import RunError, UsageError
from dataengine.ingest.columns import check_columns, named_columns
from dataengine.ingest.occurrence import Occurrence, SourceReader
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace, canonical_json

#: Of a partition, by source: ``[name, key]`` of each of its parts, as its reader gives them.
Listing = Mapping[str, Sequence[Sequence[str]]]
#: Partitions that a message names at either end.
_NAMED = 3


@dataclass(frozen=True)
class PartitionSpec:
    """Where a part of a partition lies. ``key``: as its reader gives it; ``listed``: False where the commit alone is known."""

    partition: str
    key: str
    listed: bool = False
    spec: Any = field(repr=False, default=None)


@dataclass(frozen=True)
class PartitionedReader:
    """Reads partitions of one source; their names stand before the uris."""

    source: Source
    reader: Callable[[Source], SourceReader]
    _readers: dict[str, SourceReader] = field(default_factory=dict, init=False, repr=False, compare=False)

    def parts(self, partition: str) -> list[Part]:
        """Raises UsageError where there is nothing, or a table lacks a column."""
        parts = self._of(partition).parts()
        if isinstance(self.source, RowsSource):
            check_columns(at(self.source, partition).path, named_columns(self.source))
        return [replace(part, spec=PartitionSpec(partition, part.key, True, part.spec)) for part in parts]

    def occurrences(self, spec: PartitionSpec) -> Iterator[Occurrence]:
        for occurrence in self._of(spec.partition).occurrences(spec.spec):
            yield replace(occurrence, uri=f"{spec.partition}/{occurrence.uri}")

    def _of(self, partition: str) -> SourceReader:
        if partition not in self._readers:
            self._readers[partition] = self.reader(at(self.source, partition))
        return self._readers[partition]


class TakenUp:
    """The partitions that a recipe's workspace has taken up."""

    def __init__(self, recipe: Recipe) -> None:
        self._workspace, self._prefix = Workspace(recipe.workspace), f"partitions/{recipe.name}/"

    def names(self) -> list[str]:
        keys = [entry.key.removeprefix(self._prefix) for entry in self._workspace.store.list(self._prefix)]
        return [key.removesuffix(".json") for key in keys if key.endswith(".json") and "/" not in key]

    def listings(self, names: Sequence[str]) -> dict[str, Listing]:
        """Raises RunError for a damaged one."""
        return dict(zip(names, self._workspace.each(self._listing, names), strict=True))

    def add(self, name: str, listing: Listing) -> bool:
        """Whether that was new."""
        store, data = self._workspace.store, canonical_json(listing)
        if store.exists(self._key(name)) and store.get(self._key(name)) == data:
            return False
        store.put(self._key(name), data)
        return True

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}.json"

    def _listing(self, name: str) -> Listing:
        try:
            listing: Listing = json.loads(self._workspace.store.get(self._key(name)))
            return {source: [(part, key) for part, key in parts] for source, parts in listing.items()}
        except (ValueError, AttributeError, TypeError):
            place = self._workspace.store.uri(self._key(name))
            raise RunError(f"{place} is damaged: delete it, and name the partition again with --partition") from None


def partitioned(recipe: Recipe) -> list[Source]:
    """The sources that have partitions. Raises UsageError where partitions are named for none."""
    sources = [source for source in recipe.sources if is_partitioned(source.path)]
    if recipe.partitions and not sources:
        raise UsageError(
            f"partition {recipe.partitions[0]} is named, but no source has partitions: write {{date}} or {{partition}} into "
            "the path of one"
        )
    return sources


def parts_of(recipe: Recipe, reader: Callable[[Source], SourceReader]) -> Iterator[tuple[Source, list[Part]]]:
    """The parts of each partitioned source: those of partitions that the run names are listed, others are as they were taken up.
    Raises UsageError naming every mistake."""
    sources, mistakes = partitioned(recipe), []
    if not sources:
        return
    taken_up = TakenUp(recipe)
    known = taken_up.names()
    listings = taken_up.listings([name for name in known if name not in recipe.partitions])
    if not known and not recipe.partitions:
        raise UsageError(
            f"source `{sources[0].name}` has partitions, and the corpus has none yet: name one to run, as --partition 2026-11-28"
        )
    for source in sources:
        each, parts = PartitionedReader(source, reader), list[Part]()
        for partition in sorted({*recipe.partitions, *listings}):
            earlier = listings.get(partition, {}).get(source.name)
            try:
                parts += _as_taken_up(partition, earlier) if earlier is not None else each.parts(partition)
            except UsageError as error:
                line = recipe.line("sources", recipe.sources.index(source), "path")
                mistakes.append(f"{line}source `{source.name}`, partition {partition}: {error}{_others(known)}")
        yield source, parts
    if mistakes:
        raise UsageError("\n".join(mistakes))


def settled(
    parts: Sequence[Part], committed: Callable[[Part], bool], listed: Callable[[str, str], Sequence[Part]]
) -> list[Part]:
    """The parts, with those of a source and partition ``listed`` anew where a commit is gone or was made by other settings."""
    lost = {(p.spec[0], p.spec[1].partition) for p in parts if not is_listed(p) and not committed(p)}
    if not lost:
        return list(parts)
    kept = [
        p for p in parts if not isinstance(p.spec[1], PartitionSpec) or (p.spec[0], p.spec[1].partition) not in lost
    ]
    anew = [part for source, partition in sorted(lost) for part in listed(source, partition)]
    return sorted([*kept, *anew], key=lambda p: p.name)


def is_listed(part: Part) -> bool:
    """False for a part of ingest of which the commit alone is known."""
    spec = part.spec[1]
    return not isinstance(spec, PartitionSpec) or spec.listed


def keep(recipe: Recipe, parts: Sequence[Part]) -> str:
    """Take up the listed partitions, now that their ``parts`` are committed. Returns a sentence about it, "" where nothing is
    new. Raises RunError where another run has taken up others meanwhile."""
    if not partitioned(recipe):
        return ""
    taken_up, listings, listed = TakenUp(recipe), defaultdict[str, dict[str, list[list[str]]]](dict), set[str]()
    for part in parts:
        source, spec = part.spec
        if isinstance(spec, PartitionSpec):
            listings[spec.partition].setdefault(source, []).append([part.name, spec.key])
            listed |= {spec.partition} if spec.listed else set()
    known = taken_up.names()
    if missed := sorted({*known} - listings.keys()):
        raise RunError(
            f"another run has taken up partition {missed[0]} meanwhile. All work is committed; rerun to go on"
        )
    changed = [name for name in sorted(listed) if taken_up.add(name, listings[name])]
    return f"took up {', '.join(changed)}" if changed else ""


def without_taken_up(recipe: Recipe) -> Recipe:
    """The recipe for a stage after ingest: partitions that were taken up are not listed again."""
    if not recipe.partitions or not partitioned(recipe):
        return recipe
    known = set(TakenUp(recipe).names())
    return recipe.model_copy(update={"partitions": tuple(name for name in recipe.partitions if name not in known)})


def _as_taken_up(partition: str, listing: Sequence[Sequence[str]]) -> list[Part]:
    return [Part(name, key, PartitionSpec(partition, key)) for name, key in listing]


def _others(known: Sequence[str]) -> str:
    if not known:
        return ""
    some = [*known[:_NAMED], "…", *known[-_NAMED:]] if len(known) > 2 * _NAMED else known
    return f"; this corpus has {', '.join(some)}"
