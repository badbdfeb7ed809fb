"""Tables that a search hands on to later ones in the same workspace, and finding those of an earlier search.

Pairs and verdicts do not depend on what else was searched, so which earlier search it is changes no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.dedup.confirmation_cache import CONFIRM_VERSION
from dataengine.dedup.kinds import ALIGNED, PIXELS, SEMANTIC, TEXT, VIDEO
from dataengine.dedup.search_result import Known, Searched
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.models.encoders import encoder_of
from dataengine.stage import Run
from dataengine.storage.workspace import File, Record, roles

_TEXT_VERSION = "shingles-char5"
#: Goes up when what is handed on would be otherwise.
_VERSION = "2"


def version_of(kind: str, recipe: Recipe) -> str:
    """Of what is measured for edges of a kind."""
    if kind == SEMANTIC and (how := recipe.dedup.semantic) is not None:
        return "/".join([encoder_of(recipe).version, *([CONFIRM_VERSION] if how.confirm else [])])
    others = {PIXELS: "rgb8", TEXT: _TEXT_VERSION, ALIGNED: f"{HASH_VERSION}/{CONFIRM_VERSION}"}
    return others.get(kind, HASH_VERSION)


def settings_of(kinds: Sequence[str], recipe: Recipe) -> dict[str, list[Any]]:
    """By kind, the settings that what is handed on depends on; a stage that hands on records them as its fact ``searched``."""
    dedup = recipe.dedup
    of: dict[str, tuple[Any, ...]] = {VIDEO: (dedup.video_overlap,), ALIGNED: (dedup.aligned_radius,)}
    return {kind: [_VERSION, version_of(kind, recipe), dedup.radius, *of.get(kind, ())] for kind in kinds}


def handed_on(run: Run, searched: Mapping[str, Searched], kind: str, key: str) -> dict[str, File]:
    """Publish what a later batch starts from."""
    files: dict[str, File] = {}
    for role, table in searched.items():
        base = f"dedup/{role}/{kind}-{key}"
        written = run.engine.write(run.workspace, base, table.frame, table.schema, table.order)
        files |= roles(f"{role}/{kind}", written)
    return files


def earlier(run: Run, stage: str, kind: str, schemas: Mapping[str, pa.Schema]) -> Known | None:
    """The tables, by role, of the largest search of the same settings that ``stage`` has committed in this workspace."""
    store, best, wanted = run.workspace.store, None, settings_of([kind], run.recipe)[kind]
    for entry in store.list(f"stages/{stage}"):
        record = run.workspace.record(entry.key)
        if record is not None and _recorded(record).get(kind) == wanted:
            rows = sum(f.rows for f in record.files(f"{next(iter(schemas))}/{kind}"))
            best = max(best or (0, "", record), (rows, entry.key, record), key=lambda r: r[:2])
    if best is None:
        return None
    files = {role: best[2].files(f"{role}/{kind}") for role in schemas}
    if not all(store.exists(f.key) for some in files.values() for f in some):
        return None  # tidied away by hand: search all again
    return {role: run.engine.scan(run.workspace, files[role], schema) for role, schema in schemas.items()}


def _recorded(record: Record) -> dict[str, Any]:
    searched = record.parts["all"].facts.get("searched")
    return searched if isinstance(searched, dict) else {}
