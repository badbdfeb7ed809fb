"""Makes thumbnails of a few samples for the report, decoded in a killable child like all media.

They are made from the media that ingest stored, as the shards are: where the recipe blurs faces, these never had them.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataengine import contracts
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.samples.locate import by_media, locate, payloads
from dataengine.stage import Run


def thumbnails(run: Run, ids: Sequence[str]) -> dict[str, bytes]:
    """JPEGs by sample id; a sample that cannot be decoded has none."""
    if not ids:
        return {}
    unique = run.rows_of("dedup", "unique", contracts.UNIQUE, ids)
    rows = [r for group in by_media(locate(unique)).values() for r in group]
    limits = run.recipe.limits.to_limits()
    with Sandbox("dataengine.media.thumbnail:thumbnail", limits, workers=1, limits=limits, answer=bytes) as sandbox:
        items = ((data, row.kind) for row, data in payloads(run.workspace.store, rows))
        outcomes = zip(rows, sandbox.map(items), strict=True)
        return {row.id: outcome.value for row, outcome in outcomes if isinstance(outcome, Ok)}
