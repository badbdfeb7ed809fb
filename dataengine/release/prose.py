"""Sentences about a release that more than one of its descriptions needs, from the manifest alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_STATED = "Not stated: the recipe's `release.{}` is empty."


def stated(m: Mapping[str, Any], name: str) -> str:
    """What the recipe's author wrote, or that nothing was."""
    return str(m.get(name) or NOT_STATED.format(name))


def kinds(m: Mapping[str, Any]) -> list[str]:
    """image, video: what the shards hold."""
    return sorted({str(shard["family"]) for shard in m["shards"]})


def collection(m: Mapping[str, Any]) -> str:
    told = ", ".join(
        f"{s['name']} ({s['type']}, {s['inputs']:,} inputs, licence {s['license'] or 'not stated'})"
        for s in m["sources"]
    )
    return f"Read from {len(m['sources'])} sources: {told}."


def missing(m: Mapping[str, Any]) -> str:
    """What became of the inputs that are not in the release."""
    counts = m["ledger"]["outcome"]
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items())
    return f"Of {sum(counts.values()):,} inputs: {told}. ledger.parquet has a row and a reason for each."


def _also(dedup: Mapping[str, Any]) -> str:
    asked = {
        "pixels": "pictures by equal pixels",
        "aligned": "pictures by alignment",
        "semantic": "pictures by embeddings",
        "text": "captions by shingles",
    }
    return "".join(f"; {words}" for kind, words in asked.items() if dedup.get(kind))


def steps(m: Mapping[str, Any]) -> list[str]:
    """What was done to the data, a sentence a step."""
    dedup, policy = m["dedup"], m["policy"]
    found = [
        f"Duplicates: exact by SHA-256; pictures by perceptual hash within {dedup['radius']} of 64 bits; videos by frame hashes "
        f"with an overlap of {dedup['video_overlap']:g}{_also(dedup)}; of each group the best by "
        f"{', '.join(dedup['keep'])} is kept.",
        f"Filters: policy {policy['name']} version {policy['version']} over scores by "
        f"{', '.join(s['name'] for s in m['scorers'])}.",
    ]
    found += [f"Filter {r['rule']} ({r['reason']}) dropped {r['dropped']:,} of {r['entering']:,}." for r in m["funnel"]]
    if m["contamination"]:
        names = ", ".join(b["name"] for b in m["contamination"]["benchmarks"])
        found.append(f"Samples like items of these benchmarks were dropped: {names}.")
    if m["tokenizer"]:
        found.append(
            f"Visual codes by {m['tokenizer']['name']} ({m['tokenizer']['id']}), {m['tokenizer']['tokens']:,} tokens."
        )
    if m["cot"]["shards"]:
        records = sum(s["records"] for s in m["cot"]["shards"])
        found.append(f"{records:,} chain-of-thought records on top, each answer measured from the media.")
    return found


def maker(m: Mapping[str, Any]) -> str:
    return f"dataengine {m['code_version']}, recipe {m['recipe_digest']}, seed {m['seed']}"
