"""Small JPEGs of a few samples for the report, decoded in a killable child as all media are."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.locate import by_media, locate, payloads
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Ok, Sandbox
from dataengine.recipe import Recipe
from dataengine.stage import Run

#: What `media:` may ask for that leaves the pixels as they came; after anything else the originals must not be shown.
_HARMLESS = ("exif", "c2pa")


def altered(recipe: Recipe) -> str:
    """The field of `media:` that changes the pixels of a release, "" where none does."""
    told = recipe.media.model_dump(mode="json")
    asked = (
        name for name, value in told.items() if name not in _HARMLESS and value not in (None, False, "keep", "none")
    )
    return next(asked, "")


def thumbnails(run: Run, ids: Sequence[str]) -> dict[str, bytes]:
    """A JPEG by sample id; a sample that cannot be decoded after all has none."""
    if not ids:
        return {}
    unique = run.table("dedup", "unique", contracts.UNIQUE)
    rows = [
        r for group in by_media(locate(unique.filter(pc.is_in(unique["id"], pa.array(ids))))).values() for r in group
    ]
    limits = Limits(**run.recipe.limits.model_dump())
    with Sandbox("dataengine.media.thumbnail:thumbnail", limits, workers=1, limits=limits) as sandbox:
        items = ((data, row.kind) for row, data in payloads(run.workspace.store, rows))
        outcomes = zip(rows, sandbox.map(items), strict=True)
        return {row.id: outcome.value for row, outcome in outcomes if isinstance(outcome, Ok)}
