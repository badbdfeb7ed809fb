"""Card section on deduplication: kinds of duplicates, the recall of approximate searches, and the groups found."""

from __future__ import annotations

from collections.abc import Mapping

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import Dedup, Number
from dataengine.shards.json_types import known


def duplicates(m: Manifest) -> str:
    """The section, from the manifest alone."""
    parts = [
        f"## Duplicates\n\n{_kinds(m.dedup)}{_search(m.dedup.search)}",
        table(("kind", "inputs"), m.ledger.kind.items()),
    ]
    parts += _groups(m.dedup) if m.dedup.group_sizes else []
    return "\n\n".join(filter(None, [*parts, siblings(m.dedup)]))


def _kinds(d: Dedup) -> str:
    text = (
        f"Exact duplicates by SHA-256. Near-duplicate images by 64-bit DCT perceptual hash ({d.hash_version}) within "
        f"{d.radius} bits, over all pairs; videos by an overlap of frame hashes of at least {d.video_overlap:g}. The "
        f"representative of each group is its best member by {', '.join(d.keep)}, then id."
    )
    if d.pixels:
        text += " Images with equal pixels are duplicates, whatever their file format."
    if d.aligned_radius:
        bits = f"at most {d.aligned_radius} bits"
        text += f" Images that differ in {bits} are near-duplicates where one can be aligned with the other."
    if d.semantic:
        aligned = " and that can be aligned" if d.semantic.confirm else ""
        text += (
            f" Images whose embeddings have a cosine similarity of at least {d.semantic.threshold:g}{aligned} are "
            "near-duplicates."
        )
    if d.text:
        text += f" Captions whose shingles have a Jaccard similarity of at least {d.text.threshold:g} are recorded as edges."
    return text


def _search(search: Mapping[str, Mapping[str, Number | None]]) -> str:
    """What approximate searches may have missed."""
    text = ""
    if near := search.get("semantic"):
        text += f" The embedding search compared {near['comparisons']:,} of {near['brute_force']:,} pairs"
        if near["recall"] is not None:
            text += (
                f" and found {near['recall']:.1%} of the {near['recall_of']:,} near-duplicates that it was tested on"
            )
        text += f"; {near['left_out']:,} vectors could not be compared."
    if captions := search.get("text"):
        text += f" The caption search skipped {captions['skipped']:,} caption pairs in crowded hash buckets."
    return text


def _groups(d: Dedup) -> list[str]:
    sizes = table(("group size", "groups"), [(size, d.group_sizes[size]) for size in sorted(d.group_sizes, key=int)])
    chained = (
        f"{d.chained:,} members are farther from their representative than the bound of one edge, and {d.cut:,} samples were "
        "split from groups that had chained too far."
    )
    return [sizes, chained]


def siblings(d: Dedup) -> str:
    """Clips of one video that resemble each other, and are kept all the same; "" where there are none."""
    if not (count := known(d.siblings, 0)):
        return ""
    return (
        f"Clips of one video are no duplicates of each other; {count:,} stand for themselves beside another clip of their "
        "video that they resemble."
    )
