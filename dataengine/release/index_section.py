"""What manifest and card say of the index over embeddings."""

from __future__ import annotations

from typing import Any

from dataengine.index.vectors_stage import listed, reasons
from dataengine.release.card_text import plural
from dataengine.release.index_stages import DESCRIBE
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known
from dataengine.stage import Run


def of_run(run: Run) -> dict[str, Any]:
    """The manifest's section ``index``; nothing where the recipe has no index."""
    config = run.recipe.index
    if config is None or "index.nodes" not in run.records:
        return {}
    nodes, tree = (run.records[name].parts["all"] for name in ("index.nodes", "index.tree"))
    section = {
        "manifest": nodes.facts["manifest"],
        "kind": config.kind,
        "of": config.of,
        "model": tree.facts["model"],
        "tree": tree.facts["id"],
        "samples": nodes.counts["samples"],
        "left_out": reasons(run),
        "leaves": tree.facts["leaves"],
        "leaf_size": config.leaf_size,
        "fullest": nodes.facts["drift"]["fullest"],
        "joined": nodes.facts["drift"]["joined"],
        "drift": nodes.facts["drift"]["distance"],
    }
    if DESCRIBE in run.records:
        section["released"] = run.records[DESCRIBE].counts["samples"]
    return {"index": section}


_WHAT = {
    "image": "pictures and videos",
    "caption": "captions",
    "both": "pictures and captions together",
    "items": "a table of items",
}


def _searched(released: int | None) -> str:
    if released is None:
        return "`dataengine search` asks it while the release lies in its workspace."
    return (
        f"The same tree over the {plural(released, 'vector')} of what was released is in `index/`: `dataengine search` asks it "
        "wherever a copy of the release lies."
    )


def sentences(m: Manifest) -> list[str]:
    """What there is, as plain sentences; none where there is no index."""
    section = known(m.index, None)
    if section is None:
        return []
    left_out = listed(section.left_out)
    lines = [
        f"The embeddings ({_WHAT[section.of]}, by `{section.model}`) are in a tree of recursive balanced 2-means (MISS, arXiv "
        f"2508.14515): {plural(section.samples, 'vector')} in {section.leaves:,} leaves of about {section.leaf_size}, the "
        f"fullest with {section.fullest:,}. {_searched(known(section.released, None))}",
        f"Left out: {left_out}." if left_out else "",
        f"{section.joined:,} have joined the tree since it was fitted, {section.drift:g} times as far from the centres of their "
        "leaves as those before."
        if section.joined
        else "",
    ]
    return [*filter(None, lines)]


def index(m: Manifest) -> str:
    """Section of the card; "" where there is no index."""
    lines = sentences(m)
    return f"## Index\n\n{' '.join(lines)}" if lines else ""


def steps(m: Manifest) -> list[str]:
    """What was done, for Croissant and the report."""
    return [sentence.replace("`", "") for sentence in sentences(m)]
