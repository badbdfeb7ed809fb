"""Takes samples out of a release and its workspace: tombstone, new release, workspace, scan; each step can be repeated.

A note of what has begun lies in the workspace until all is done. Runs refuse to start beside it, and the same command goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataengine.errors import RunError
from dataengine.ingest import tombstones
from dataengine.release.publish import MANIFEST
from dataengine.release.reader import Published, open_release
from dataengine.shards.read import read_members
from dataengine.shards.sample import FAMILIES
from dataengine.storage.lease import Lease
from dataengine.storage.store import Store
from dataengine.storage.workspace import Workspace
from dataengine.takedown import ingested, note, purge, rewrite, scan
from dataengine.takedown.asked import Asked
from dataengine.takedown.effects import Effects, effects
from dataengine.takedown.needles import Needles, pieces_of
from dataengine.takedown.places import Places, absolute
from dataengine.takedown.targets import Targets, find

Progress = Callable[[str, int, int], None]


@dataclass
class Plan:
    """What would go."""

    release: Published
    targets: Targets
    effects: Effects


@dataclass
class Done:
    """What was done, and what a scan has found afterwards. ``written``: None where no input is what was named, so that there are
    tombstones alone."""

    plan: Plan
    written: rewrite.Written | None
    tombstones: int = 0
    parts: int = 0
    purged: purge.Purged = field(default_factory=purge.Purged)
    deleted: int = 0
    places: list[scan.Place] = field(default_factory=list)
    """Of the scan, the new release first."""

    def left(self) -> list[str]:
        """Objects that still hold something and should not: of the new release, and of the workspace but for its releases."""
        return [
            key for n, place in enumerate(self.places) if n == 0 or not _is_release(place.name) for key in place.held
        ]

    def holding(self) -> list[str]:
        """Other releases that still hold something."""
        return [place.name for place in self.places[1:] if _is_release(place.name) and place.held]


def _is_release(name: str) -> bool:
    return name.startswith("releases/") or "/" in name


def plan(places: Places, asked: Asked) -> Plan:
    """What would go; nothing is written."""
    release = open_release(places.release)
    targets = find(asked, release, _workspace(places))
    return Plan(release, targets, effects(release, targets))


def apply(places: Places, asked: Asked, progress: Progress) -> Done:
    """Take it down. Raises HeldError where a run holds the workspace, UsageError where another take-down has begun there."""
    with _held(places) as check:
        release = open_release(places.release)
        begun = note.read(places, asked, release)
        planned = Plan(release, *begun) if begun else plan(places, asked)
        targets = planned.targets
        ids = frozenset(targets.ids | {sha256[:32] for sha256 in targets.whole})
        if not targets.ids:
            done = Done(planned, None, _bury(places, targets))
            _clean(places, Needles(ids), done, check)
            return done
        rewrite.require_free(release, places.to, planned.effects)
        _note(places, asked, planned)
        added = _bury(places, targets)
        needles = Needles(ids, pieces_of(_media(planned)))
        written = rewrite.rewrite(release, places.to, places.version, planned.effects, _named(progress, "release"))
        check()
        done = Done(planned, written, added)
        _clean(places, Needles(ids | planned.effects.gone), done, check)
        if places.delete_old:
            done.deleted = _delete_old(release, places)
        done.places = scanned(places, needles, progress)
        note.delete(places)
        if places.delete_old:
            release.store.delete([MANIFEST])
        return done


def _note(places: Places, asked: Asked, planned: Plan) -> None:
    note.write(places, asked, planned.targets, planned.effects)


def _clean(places: Places, needles: Needles, done: Done, check: Callable[[], object]) -> None:
    """Take the samples out of the workspace, if there is one: also what a killed run has stored, and no part names."""
    if places.workspace is None or not needles.ids:
        return
    workspace = Workspace(places.workspace)
    done.parts = ingested.apply(workspace, check)
    unneeded, _ = purge.find(workspace.store, needles)
    done.purged = purge.delete(workspace.store, unneeded, check)


def scanned(places: Places, needles: Needles, progress: Progress) -> list[scan.Place]:
    """The new release, then the workspace, then the release that it continues where that lies elsewhere."""
    result = [scan.release(Store(places.to), needles, places.to, _named(progress, "scan"))]
    if places.workspace is not None:
        within = scan.workspace(Store(places.workspace), needles, _named(progress, "scan"))
        result += [place for place in within if absolute(f"{places.workspace}/{place.name}") != absolute(places.to)]
    if places.workspace is None or not absolute(places.release).startswith(f"{absolute(places.workspace)}/"):
        result.append(scan.release(Store(places.release), needles, places.release, _named(progress, "scan")))
    return result


def _workspace(places: Places) -> Workspace | None:
    return None if places.workspace is None else Workspace(places.workspace)


@contextmanager
def _held(places: Places) -> Iterator[Callable[[], object]]:
    """The workspace's lease, as a call that checks that it is still held."""
    with ExitStack() as stack:
        if places.workspace is None:
            yield lambda: None
            return
        lease = stack.enter_context(closing(Lease(Store(places.workspace), "takedown", alone=True)))
        lease.take()
        yield lease.take


def _bury(places: Places, targets: Targets) -> int:
    """Add to the lists; how many hashes are new on the workspace's, or else on the file."""
    added = 0
    if places.tombstones is not None:
        added = tombstones.add(*places.list_place(), targets.tombstones())
    if places.workspace is not None:
        added = tombstones.add(Store(places.workspace), tombstones.LIST, targets.tombstones())
    return added


def _media(planned: Plan) -> Iterator[bytes]:
    """The media of the samples as they were released; of a shard that is gone already none."""
    for split in planned.release.splits:
        for tar in planned.release.shards(split):
            wanted = planned.effects.shards.get(Path(tar.path).stem, set())
            if wanted and planned.release.store.exists(tar.path):
                with planned.release.local(tar) as path:
                    for name, data in read_members(path):
                        key, _, ext = name.partition(".")
                        if key in wanted and ext in FAMILIES.values():
                            yield data


def _delete_old(release: Published, places: Places) -> int:
    """Delete the files of the old release that the new one has not, but those by which a call that is killed here finds its
    way again; how many. Its manifest goes when all else is done: what is left is no release."""
    kept = {(file.path, file.sha256) for file in open_release(places.to).manifest.files}
    gone = [path for path, sha256 in ((f.path, f.sha256) for f in release.manifest.files) if (path, sha256) not in kept]
    release.store.delete(gone := [path for path in gone if not path.startswith(("ledger", "assignment"))])
    return len(gone)


def _named(progress: Progress, name: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(name, done, total)


def require_nothing_left(done: Done) -> None:
    """Raises RunError that names what still holds something."""
    if left := done.left():
        now = done.written.url if done.written else done.plan.release.store.url
        more = f" and {len(left) - 5:,} more" if len(left) > 5 else ""
        raise RunError(
            f"something of it is left in {', '.join(left[:5])}{more}. A file with the same bytes but other metadata is another "
            f"sample: take it down, too, from {now}; the tombstones stand"
        )
