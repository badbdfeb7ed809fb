"""Sentences shared by a release's descriptions (card, Croissant, SPDX, report), from the manifest alone; Markdown tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dataengine.release import privacy_section
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import Dedup

NOT_STATED = "Not stated: the recipe's `release.{}` is empty."

#: Fields of the recipe's `release:` that only its author can fill.
AUTHOR_FIELDS = (
    *("intended_use", "out_of_scope_use", "biases", "limitations", "personal_information", "compute", "citation"),
    *("contact", "url", "date"),
)

_MARKUP = re.compile(r"[\\|`\[\]]")
_FENCE = re.compile("`+")


def unstated(m: Manifest) -> list[str]:
    """Author's fields of the recipe that are empty, and sources without a licence."""
    fields = [f"release.{name}" for name in AUTHOR_FIELDS if not getattr(m, name)]
    return fields + [f"license of source {s.name}" for s in m.sources if not s.license]


def stated(m: Manifest, name: str) -> str:
    """What the recipe's author wrote, or that the field is empty."""
    return str(getattr(m, name) or NOT_STATED.format(name))


def kinds(m: Manifest) -> list[str]:
    """Families of media in the shards: image, video."""
    return sorted({str(shard.family) for shard in m.shards})


def collection(m: Manifest) -> str:
    """The sources, with their type, number of inputs and licence."""
    sources = ", ".join(
        f"{s.name} ({s.type}, {s.inputs:,} inputs, licence {s.license or 'not stated'})" for s in m.sources
    )
    return f"Sources: {sources}."


def missing(m: Manifest) -> str:
    """Inputs by outcome, and those that were excluded because of opt-outs."""
    counts = m.ledger.outcome
    outcomes = ", ".join(f"{n:,} {outcome}" for outcome, n in counts.items())
    text = f"Of {sum(counts.values()):,} inputs: {outcomes}. ledger.parquet has a row and a reason for each."
    return text + privacy_section.opted_out(m)


def steps(m: Manifest) -> list[str]:
    """What was done to the data, a sentence a step."""
    sentences = [_deduplication(m.dedup)]
    scorers = ", ".join(s.name for s in m.scorers)
    sentences.append(f"Filters: policy {m.policy.name} version {m.policy.version} over scores by {scorers}.")
    sentences += [f"Filter {r.rule} ({r.reason}) dropped {r.dropped:,} of {r.entering:,}." for r in m.funnel]
    sentences += privacy_section.private(m)
    if m.contamination:
        names = ", ".join(b.name for b in m.contamination.benchmarks)
        sentences.append(f"Decontamination: samples that match items of these benchmarks were dropped: {names}.")
    if m.tokenizer:
        sentences.append(f"Visual codes by {m.tokenizer.name} ({m.tokenizer.id}), {m.tokenizer.tokens:,} tokens.")
    if m.cot.shards:
        records = sum(s.records for s in m.cot.shards)
        sentences.append(f"{records:,} chain-of-thought records about the samples, with checked answers.")
    return sentences


def _deduplication(dedup: Dedup) -> str:
    optional = {
        "images by equal pixels": dedup.pixels,
        "images by alignment": dedup.aligned_radius,
        "images by embeddings": dedup.semantic,
        "captions by shingles": dedup.text,
    }
    return (
        f"Deduplication: exact by SHA-256; images by perceptual hash within {dedup.radius} of 64 bits; videos by frame hashes "
        f"with an overlap of {dedup.video_overlap:g}"
        + "".join(f"; {words}" for words, setting in optional.items() if setting)
        + f". The representative of each group is its best member by {', '.join(dedup.keep)}."
    )


def plural(number: int, noun: str) -> str:
    """``1 shard``, ``2 shards``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def maker(m: Manifest) -> str:
    """The version of dataengine, the recipe and the seed."""
    return f"dataengine {m.code_version}, recipe {m.recipe_digest}, seed {m.seed}"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; numbers get thousands separators."""
    lines = [list(head), *([_cell(c) for c in row] for row in rows)]
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([body[0], "|" + " --- |" * len(lines[0]), *body[1:]])


def _cell(value: Any) -> str:
    """Text alone: no links, pictures, code or HTML of a name or message from data."""
    text = f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.splitlines())).replace("<", "&lt;")


def fenced(text: str) -> str:
    """A block of code with a fence that the text cannot end."""
    longest = max((len(run) for run in _FENCE.findall(text)), default=0)
    fence = "`" * max(4, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def under(*sections: str, levels: int = 1) -> list[str]:
    """Sections with their first heading so many levels further down."""
    return [re.sub(r"^(?=#+ )", "#" * levels, section, count=1) for section in sections if section]
