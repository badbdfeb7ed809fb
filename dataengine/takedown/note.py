"""The note of a take-down that has begun: what it is about, so that the same command goes on where it was interrupted.

It says all that could no longer be read once files of the old release are deleted.
"""

from __future__ import annotations

import json
from collections import Counter

from dataengine.errors import UsageError
from dataengine.release.reader import Published
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json
from dataengine.takedown import rewrite
from dataengine.takedown.asked import Asked
from dataengine.takedown.effects import Effects, effects
from dataengine.takedown.places import Places, absolute
from dataengine.takedown.targets import Targets


def read(places: Places, asked: Asked, release: Published) -> tuple[Targets, Effects] | None:
    """What an interrupted call was about, where it was this one. Raises UsageError where it was another."""
    store, key = places.note_place()
    try:
        note = json.loads(store.get(key))
    except FileNotFoundError:
        return None
    if note["call"] != _call(places, asked):
        raise UsageError(
            f"{store.url}: a take-down from {note['call'][0]} to {note['call'][1]} was interrupted: run that one again first, "
            "with the same ids and pictures"
        )
    targets = Targets.from_json(note["targets"])
    if not rewrite.finished(release, Store(places.to), frozenset(targets.ids)):
        return targets, effects(release, targets)
    shards, records = ({name: set(ids) for name, ids in note[part].items()} for part in ("shards", "records"))
    return targets, Effects(frozenset(targets.ids), shards, records, Counter(note["modes"]))


def write(places: Places, asked: Asked, targets: Targets, what: Effects) -> None:
    """Write it. ``what`` has the effects of the targets."""
    shards, records = ({name: sorted(ids) for name, ids in part.items()} for part in (what.shards, what.records))
    note = {"targets": targets.to_json(), "shards": shards, "records": records, "modes": what.modes}
    store, key = places.note_place()
    store.put(key, canonical_json({"call": _call(places, asked), **note}))


def delete(places: Places) -> None:
    """All is done."""
    store, key = places.note_place()
    store.delete([key])


def _call(places: Places, asked: Asked) -> list[object]:
    """What was asked for, as JSON."""
    pictures = sorted(picture.sha256 for picture in asked.pictures)
    return [absolute(places.release), absolute(places.to), sorted(asked.lines), pictures, asked.near]
