"""What ``--json`` prints of a run: its stages, and the release with its ledger; of a dry run what it would read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataengine.stage_groups import group_of

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.progress import StageReport


def run_json(recipe: Recipe, reports: Sequence[StageReport], dry_run: bool) -> dict[str, Any]:
    """One object for programs. Of each stage ``state`` (up to date, done, pending, waiting, partly done), parts, seconds and
    counts; ``release`` where the run has come to it."""
    stages = [
        {
            "name": one.name,
            "state": one.state,
            "parts": one.parts,
            "made": one.made,
            "seconds": round(one.seconds, 2),
            "counts": one.counts,
            "note": one.note,
        }
        for one in reports
    ]
    facts: dict[str, Any] = {"recipe": recipe.name, "workspace": recipe.workspace, "dry_run": dry_run, "stages": stages}
    if dry_run:
        from dataengine.cli.dry_run import outlook

        return facts | outlook(recipe, reports)
    at_its_end = bool(reports) and group_of(reports[-1].name) == "release"
    return facts | ({"release": _release(recipe)} if at_its_end else {})


def _release(recipe: Recipe) -> dict[str, Any]:
    from dataengine.release.card_text import unstated
    from dataengine.release.funnel import read_manifest
    from dataengine.storage.workspace import Workspace

    workspace = Workspace(recipe.workspace)
    manifest = read_manifest(workspace, recipe.name)
    ledger = manifest.ledger
    return {
        "place": workspace.store.uri(f"releases/{recipe.name}"),
        "published": recipe.release.publish,
        "inputs": sum(ledger.outcome.values()),
        "outcome": dict(ledger.outcome),
        "failed": dict(ledger.failure),
        "duplicate": dict(ledger.kind),
        "filtered": dict(ledger.rule),
        "samples": manifest.samples,
        "shards": len(manifest.shards),
        "bytes": sum(shard.bytes for shard in manifest.shards),
        "cot_records": dict(manifest.cot.modes),
        "card_gaps": unstated(manifest),
    }
