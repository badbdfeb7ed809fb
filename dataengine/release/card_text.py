"""Sentences about a release that more than one of its descriptions needs, from the manifest alone; and how tables are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dataengine.release import privacy_section
from dataengine.release.manifest import Dedup, Manifest

NOT_STATED = "Not stated: the recipe's `release.{}` is empty."


#: What the recipe's `release:` asks a person for.
ASKED = (
    *("intended_use", "out_of_scope_use", "biases", "limitations", "personal_information", "compute", "citation"),
    *("contact", "url", "date"),
)


def unsaid(m: Manifest) -> list[str]:
    """Fields of the recipe that a person has left empty, and sources without a licence."""
    lost = [f"release.{name}" for name in ASKED if not getattr(m, name)]
    return lost + [f"license of source {s.name}" for s in m.sources if not s.license]


def stated(m: Manifest, name: str) -> str:
    """What the recipe's author wrote, or that nothing was."""
    return str(getattr(m, name) or NOT_STATED.format(name))


def kinds(m: Manifest) -> list[str]:
    """image, video: what the shards hold."""
    return sorted({str(shard.family) for shard in m.shards})


def collection(m: Manifest) -> str:
    told = ", ".join(
        f"{s.name} ({s.type}, {s.inputs:,} inputs, licence {s.license or 'not stated'})" for s in m.sources
    )
    return f"Read from {len(m.sources)} sources: {told}."


def missing(m: Manifest) -> str:
    """What became of the inputs that are not in the release."""
    counts = m.ledger.outcome
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items())
    rows = f"Of {sum(counts.values()):,} inputs: {told}. ledger.parquet has a row and a reason for each."
    return rows + privacy_section.opted_out(m)


def _also(dedup: Dedup) -> str:
    asked = {
        "pixels": "pictures by equal pixels",
        "aligned": "pictures by alignment",
        "semantic": "pictures by embeddings",
        "text": "captions by shingles",
    }
    return "".join(f"; {words}" for kind, words in asked.items() if getattr(dedup, kind))


def steps(m: Manifest) -> list[str]:
    """What was done to the data, a sentence a step."""
    dedup, policy = m.dedup, m.policy
    found = [
        f"Duplicates: exact by SHA-256; pictures by perceptual hash within {dedup.radius} of 64 bits; videos by frame hashes "
        f"with an overlap of {dedup.video_overlap:g}{_also(dedup)}; of each group the best by "
        f"{', '.join(dedup.keep)} is kept.",
        f"Filters: policy {policy.name} version {policy.version} over scores by "
        f"{', '.join(s.name for s in m.scorers)}.",
    ]
    found += [f"Filter {r.rule} ({r.reason}) dropped {r.dropped:,} of {r.entering:,}." for r in m.funnel]
    found += privacy_section.private(m)
    if m.contamination:
        names = ", ".join(b.name for b in m.contamination.benchmarks)
        found.append(f"Samples like items of these benchmarks were dropped: {names}.")
    if m.tokenizer:
        found.append(f"Visual codes by {m.tokenizer.name} ({m.tokenizer.id}), {m.tokenizer.tokens:,} tokens.")
    if m.cot.shards:
        records = sum(s.records for s in m.cot.shards)
        found.append(f"{records:,} chain-of-thought records on top, each answer measured from the media.")
    return found


def maker(m: Manifest) -> str:
    return f"dataengine {m.code_version}, recipe {m.recipe_digest}, seed {m.seed}"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; numbers get thousands separators."""
    lines = [list(head), *([_cell(c) for c in row] for row in rows)]
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([body[0], "|" + " --- |" * len(lines[0]), *body[1:]])


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def under(*sections: str, levels: int = 1) -> list[str]:
    """Sections with their headings so many levels further down."""
    return [re.sub(r"^(?=#+ )", "#" * levels, section, count=1) for section in sections if section]
