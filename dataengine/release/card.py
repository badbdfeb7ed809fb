"""The dataset card: README.md in Hugging Face form, filled from the manifest alone."""

from __future__ import annotations

from typing import Any

import yaml

from dataengine.cot.mix import summary
from dataengine.release import privacy_section
from dataengine.release.card_text import stated, table, under
from dataengine.release.duplicates_section import duplicates
from dataengine.release.manifest import Manifest
from dataengine.score.distribution import QUANTILES
from dataengine.shards.json_types import known, plain

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGER = (
    *((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B")),
    *((10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)


def card(manifest: Manifest) -> str:
    """README.md of a release: YAML header, then what is in it and how it came to be."""
    process = (
        _sources,
        _ledger,
        _opt_outs,
        duplicates,
        _contamination,
        _filters,
        _scores,
        _codes,
        _cot,
        _making,
        _cost,
    )
    sections = [
        f"# {manifest.title}",
        _details(manifest),
        _uses(manifest),
        "## Dataset Structure",
        *under(_contents(manifest), _loading(manifest)),
        "## Dataset Creation",
        "### Curation Rationale\n\nWhat the description above says; what was kept was decided by the policy below.",
        "### Source Data\n\n#### Data Collection and Processing",
        *under(*(section(manifest) for section in process), levels=3),
        _annotations(manifest),
        _people(manifest),
        _difference(manifest),
    ]
    header = yaml.safe_dump(_header(manifest), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{header}---\n\n" + "\n\n".join(s for s in sections if s) + "\n"


def size_category(samples: int) -> str:
    """Hugging Face's name for a number of samples."""
    return next((name for limit, name in (*_SIZES, *_LARGER) if samples < limit), "n>1T")


def _header(m: Manifest) -> dict[str, Any]:
    return {
        "license": m.license,
        "pretty_name": m.title,
        "language": m.language,
        "size_categories": [size_category(m.samples)],
        "task_categories": ["image-to-text", "image-text-to-text"],
        "tags": ["webdataset", "multimodal", "image", "video", "visual-codes", "dataengine"],
        "configs": configs(m),
    }


def configs(m: Manifest) -> list[dict[str, Any]]:
    """Hugging Face's ``configs``: one a family of shards, with a glob for each split, and one for the CoT shards."""
    found: dict[str, dict[str, str]] = {}
    for shard in m.shards:
        found.setdefault(shard.family, {})[shard.split] = f"shards/{shard.split}-{shard.family}-*.tar"
    for records in m.cot.shards:
        name = f"cot-{records.family}"
        found.setdefault(name, {})[records.split] = f"cot/{records.split}-{records.family}-*.tar"
    default = max(found, key=lambda f: sum(s.samples for s in m.shards if s.family == f), default="")
    return [
        {
            "config_name": name,
            **({"default": True} if name == default else {}),
            "data_files": [{"split": split, "path": path} for split, path in sorted(splits.items())],
        }
        for name, splits in sorted(found.items())
    ]


def _contents(m: Manifest) -> str:
    rows = [(s.name, s.samples, s.bytes) for s in m.shards]
    text = f"{m.samples:,} samples in {len(rows):,} WebDataset shards, schema version {m.schema_version}."
    as_is = "without what is told below" if privacy_section.private(m) else "in original bytes"
    members = (
        "Each sample is a run of adjacent members that share its id (128 bits of the SHA-256 of its original media): the "
        f"media {as_is}, `.txt` (the chosen caption), `.json` (facts, all captions, scores) and `.codes.npy` (visual codes)."
    )
    return f"## Contents\n\n{text} {members}\n\n{table(('shard', 'samples', 'bytes'), rows)}"


def _loading(m: Manifest) -> str:
    if not m.shards:
        return ""
    first = m.shards[0]
    return (
        "## Loading\n\n```python\nimport webdataset as wds\n\n"
        f'samples = wds.WebDataset("shards/{first.name}.tar", shardshuffle=False)\n```\n\n'
        "```python\nimport datasets\n\n"
        f'samples = datasets.load_dataset("path/to/release", "{first.family}", split="{first.split}")\n```'
    )


def _sources(m: Manifest) -> str:
    rows = [(s.name, s.type, s.license, s.inputs) for s in m.sources]
    cut = [
        f"Of the inputs of `{s.name}`, {s.clips:,} are clips. The longer videos that they were cut out of "
        f"({s.videos_cut:,}) do not count as inputs themselves."
        for s in m.sources
        if s.clips
    ]
    return "\n\n".join([f"## Sources\n\n{table(('source', 'type', 'licence', 'inputs'), rows)}", *cut])


def _ledger(m: Manifest) -> str:
    counts = m.ledger.outcome
    text = "Every input ends as exactly one of these; `ledger.parquet` has a row for each."
    parts = [f"## Ledger\n\n{text}\n\n{table(('outcome', 'inputs'), counts.items())}"]
    failed = m.ledger.failure
    if failed:
        parts.append(table(("failed because", "inputs"), failed.items()))
    return "\n\n".join(parts)


def _opt_outs(m: Manifest) -> str:
    text, counts = privacy_section.heeded(m), m.opt_outs
    listed = f"\n\n{table(('signal', 'inputs'), counts.items())}" if counts else ""
    return f"## Opt-outs\n\n{text}{listed}" if text else ""


def _contamination(m: Manifest) -> str:
    found = m.contamination
    if found is None:
        return ""
    rows = [
        (
            b.name,
            b.items,
            b.unreadable,
            ", ".join(f"{preset}: {n:,}" for preset, n in b.hits.items()),
            ", ".join(f"{preset}: {n:,}" for preset, n in b.not_compared.items() if n) or "none",
        )
        for b in found.benchmarks
    ]
    text = "Samples like an item of these benchmarks were dropped, with their groups, before the filters were asked."
    head = ("benchmark", "items", "unreadable", "samples that hit", "items that could not be compared")
    return f"## Decontamination\n\n{text}\n\n{table(head, rows)}"


def _filters(m: Manifest) -> str:
    policy = m.policy
    rows = [(r.rule, r.reason, r.entering, r.dropped) for r in m.funnel]
    scorers = ", ".join(f"{s.name} ({s.version})" for s in m.scorers)
    head = f"Policy `{policy.name}` version {policy.version} (digest `{policy.digest}`), over scores by {scorers}."
    return f"## Filters\n\n{head}\n\n{table(('rule', 'reason', 'entering', 'dropped'), rows)}"


def _codes(m: Manifest) -> str:
    t = m.tokenizer
    if not t:
        return ""
    sizes = ", ".join(f"{s:,}" for s in sorted(set(t.codebook_sizes)))
    low, high = t.picture_tokens
    v = t.video
    text = (
        f"Tokenizer `{t.name}`, id `{t.id}`: {len(t.codebook_sizes)} codes a token of 28 x 28 px from "
        f"sub-codebooks of {sizes} entries; {t.tokens:,} tokens in all. Codes are local (each codebook counts from 0), "
        "`(tokens, codebooks)`, with the patch grid in the sample's `.json`. A picture has "
        f"{low:,} to {high:,} tokens. Videos are sampled Slow-Fast at {v.fps:g} frames a second: a frame whose "
        f"similarity to the last slow one reaches {v.threshold:g} is fast and has at most {v.fast_ratio:.0%} of its "
        f"tokens; at most {v.budget:,} tokens a video."
    )
    return f"## Visual codes\n\n{text}\n\n{table(('how it was made', ''), t.made.items())}"


def _cot(m: Manifest) -> str:
    cot = m.cot
    if not cot.shards:
        return ""
    text = (
        "Records in `cot/` point at samples of this release by id; every answer was measured from the media, every reply was "
        "checked against the measurements (`dataengine cot verify` does it again). Each question is kept, rejected or failed."
    )
    parts = [f"## Chain-of-thought data\n\n{text}", table(("mode", "records"), cot.modes.items())]
    parts += [f"**{title}**\n\n{table(columns, rows)}" for title, columns, rows in summary.tables(plain(cot))]
    for one in known(cot.examples, []):
        parts.append(f"**{one.mode}**, record `{one.id}`\n\n````text\n{one.question}\n\n{one.reply}\n````")
    return "\n\n".join(parts)


def _details(m: Manifest) -> str:
    rows = [
        ("Curated by", stated(m, "contact")),
        ("Language", ", ".join(m.language)),
        ("License", m.license),
        ("Version", f"{m.version}{' of ' + m.date if m.date else ''}"),
        ("Home", stated(m, "url")),
    ]
    about = "\n".join(f"- **{name}:** {value}" for name, value in rows)
    return f"## Dataset Details\n\n### Dataset Description\n\n{m.description}\n\n{about}"


def _uses(m: Manifest) -> str:
    return (
        f"## Uses\n\n### Direct Use\n\n{stated(m, 'intended_use')}\n\n"
        f"### Out-of-Scope Use\n\n{stated(m, 'out_of_scope_use')}"
    )


def _scores(m: Manifest) -> str:
    """Quantiles of each score among the samples that were asked, and among those that were kept."""
    rows = [
        (name, when, spread["count"], *(f"{spread[q]:g}" if q in spread else "" for q in QUANTILES))
        for name, both in plain(m.scores).items()
        for when, spread in both.items()
    ]
    head = ("score", "filter", "samples", *QUANTILES)
    return f"## Scores before and after filtering\n\n{table(head, rows)}" if rows else ""


def _annotations(m: Manifest) -> str:
    scorers = ", ".join(f"{s.name} ({s.version})" for s in m.scorers)
    people = sum(n for action, n in known(m.cot.reviewed, {}).items() if action != "waiting")
    review = f" People have decided about {people:,} replies of the chain-of-thought data." if people else ""
    return f"### Annotations\n\nBy machine: scores by {scorers}.{review}"


def _people(m: Manifest) -> str:
    biases = f"{stated(m, 'biases')}\n\n{stated(m, 'limitations')}"
    private = " ".join([stated(m, "personal_information"), *privacy_section.private(m)])
    return (
        f"### Personal and Sensitive Information\n\n{private}\n\n"
        f"## Bias, Risks, and Limitations\n\n{biases}\n\n"
        f"## Citation\n\n{stated(m, 'citation')}\n\n## Dataset Card Contact\n\n{stated(m, 'contact')}"
    )


def _difference(m: Manifest) -> str:
    d = m.difference
    if d is None:
        return ""
    before, rows = d.previous, [("added", d.added), ("removed", d.removed), ("kept in both", d.same)]
    rows += [(f"removed, now {why}", n) for why, n in d.removed_because.items()]
    changed = [
        f"The filter policy was `{d.policy_before.name}` version {d.policy_before.version}."
        if d.policy_before != m.policy
        else "The filter policy is the same.",
        "The tokenizer is another." if m.tokenizer and d.tokenizer_before != m.tokenizer.id else "",
    ]
    since = f"Since `{before.name}` {before.version} (recipe digest `{before.recipe_digest}`)."
    text = " ".join([since, *filter(None, changed)])
    return f"## Changes\n\n{text}\n\n{table(('samples', 'count'), rows)}"


def _making(m: Manifest) -> str:
    return (
        f"## How it was made\n\ndataengine {m.code_version}, recipe digest `{m.recipe_digest}`, seed {m.seed}. The same "
        "inputs and recipe give the same bytes; `manifest.json` has the SHA-256 of every file. "
        "`report.html` shows what was kept, what duplicates it and what was lost."
    )


def _cost(m: Manifest) -> str:
    """Bytes by stage; time is a person's to state, for a clock in the card would make equal runs differ."""
    rows = [(s.stage, s.parts, s.files, s.bytes) for s in m.cost.stages]
    text = (
        "Time differs from run to run, and is no part of a release: `dataengine cost RECIPE` tells it. Read were "
        f"{m.cost.inputs:,} inputs of {m.cost.bytes:,} bytes, and written on the way to this release:"
    )
    return f"## Cost\n\n{stated(m, 'compute')}\n\n{text}\n\n{table(('stage', 'parts', 'files', 'bytes'), rows)}"
