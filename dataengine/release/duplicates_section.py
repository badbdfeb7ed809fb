"""What a release tells of duplicates: which kinds of likeness counted, how sure their searches are, and the groups they made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest


def duplicates(m: Manifest) -> str:
    """The section of the card: kinds of likeness, groups, and how far groups reach."""
    d = m.dedup
    text = (
        f"Exact by SHA-256; pictures by 64-bit DCT perceptual hash ({d.hash_version}) within {d.radius} bits, all pairs; "
        f"videos by frame hashes with an overlap of at least {d.video_overlap:g}. The best of each group stands for it, by "
        f"{', '.join(d.keep)}, then id."
    )
    if d.pixels:
        text += " Pictures with equal pixels, whatever file they came in, are duplicates."
    if d.aligned:
        text += f" Pictures up to {d.aligned} bits apart are near-duplicates where one can be laid on the other."
    if d.semantic:
        text += (
            f" Pictures whose embeddings have a cosine of {d.semantic.threshold:g} or more"
            f"{' and of which one can be laid on the other' if d.semantic.confirm else ''} are near-duplicates."
        )
    if d.text:
        text += f" Captions whose shingles have a Jaccard similarity of {d.text.threshold:g} are told as edges, too."
    text += _search(d.search)
    kinds = table(("kind", "inputs"), m.ledger.kind.items())
    sizes = table(("samples in a group", "groups"), [(s, d.group_sizes[s]) for s in sorted(d.group_sizes, key=int)])
    far = (
        f"Of the members, {d.chained:,} are farther from the one that stands for them than two samples with an edge, and "
        f"{d.cut:,} samples were cut off groups that had chained too far."
    )
    return "\n\n".join([f"## Duplicates\n\n{text}", kinds, *([sizes, far] if d.group_sizes else [])])


def _search(search: Mapping[str, Mapping[str, Any]]) -> str:
    """What searches that may miss something tell of themselves."""
    text = ""
    if near := search.get("semantic"):
        text += f" The search by embeddings compared {near['comparisons']:,} of {near['brute_force']:,} pairs"
        if near["recall"] is not None:
            text += f" and found {near['recall']:.1%} of the {near['recall_of']:,} that it was tested on"
        text += f"; {near['left_out']:,} vectors could not be compared."
    if said := search.get("text"):
        text += f" In crowded places {said['skipped']:,} pairs of captions were not looked at."
    return text
