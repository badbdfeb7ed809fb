"""Writes the dataset card: README.md in Hugging Face's form, from the manifest alone."""

from __future__ import annotations

from typing import Any

import yaml

from dataengine.release import privacy_section
from dataengine.release.card_processing import PROCESSING, difference
from dataengine.release.card_text import plural, stated, table, under
from dataengine.release.deltas import on_card
from dataengine.release.manifest import Manifest
from dataengine.shards.json_types import known
from dataengine.text.display import visible_lines

_SIZES = (
    *((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")),
    *((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B")),
    *((10**11, "10B<n<100B"), (10**12, "100B<n<1T")),
)


def card(m: Manifest) -> str:
    """README.md of a release: a YAML header, then what is in it and how it was made."""
    sections = [
        f"# {m.title}",
        _details(m),
        _uses(m),
        "## Dataset Structure",
        *under(_contents(m), on_card(m), _loading(m)),
        "## Dataset Creation",
        "### Curation Rationale\n\nSee the description above. What was kept was decided by the filter policy below.",
        "### Source Data\n\n#### Data Collection and Processing",
        *under(*(section(m) for section in PROCESSING), levels=3),
        _annotations(m),
        _people(m),
        difference(m),
    ]
    header = yaml.safe_dump(_header(m), sort_keys=False, allow_unicode=True, width=100)
    return visible_lines(f"---\n{header}---\n\n" + "\n\n".join(s for s in sections if s) + "\n")


def size_category(samples: int) -> str:
    """Hugging Face's name for a number of samples."""
    return next((name for limit, name in _SIZES if samples < limit), "n>1T")


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
    """Hugging Face's ``configs``: one a family of shards, with a glob for each split, one for the CoT shards, and one for
    each set of sequences in Parquet."""
    globs: dict[str, dict[str, str]] = {}
    for shard in m.shards:
        globs.setdefault(shard.family, {})[shard.split] = f"shards/{shard.split}-{shard.family}-*.tar"
    for records in m.cot.shards:
        name = f"cot-{records.family}"
        globs.setdefault(name, {})[records.split] = f"cot/{records.split}-{records.family}-*.tar"
    sections = known(m.sequences, None)
    for one in sections.sets if sections else []:
        if "parquet" in one.formats:
            globs[f"sequences-{one.name}"] = {"train": f"sequences/{one.name}/parquet/*.parquet"}
    default = max(globs, key=lambda f: sum(s.samples for s in m.shards if s.family == f), default="")
    return [
        {
            "config_name": name,
            **({"default": True} if name == default else {}),
            "data_files": [{"split": split, "path": path} for split, path in sorted(splits.items())],
        }
        for name, splits in sorted(globs.items())
    ]


def _details(m: Manifest) -> str:
    rows = [
        ("Curated by", stated(m, "contact")),
        ("Language", ", ".join(m.language)),
        ("License", m.license),
        ("Version", f"{m.version}{f' ({m.date})' if m.date else ''}"),
        ("Home", stated(m, "url")),
    ]
    about = "\n".join(f"- **{name}:** {value}" for name, value in rows)
    return f"## Dataset Details\n\n### Dataset Description\n\n{m.description}\n\n{about}"


def _uses(m: Manifest) -> str:
    return (
        f"## Uses\n\n### Direct Use\n\n{stated(m, 'intended_use')}\n\n"
        f"### Out-of-Scope Use\n\n{stated(m, 'out_of_scope_use')}"
    )


def _contents(m: Manifest) -> str:
    rows = [(s.name, s.samples, s.bytes) for s in m.shards]
    text = (
        f"{plural(m.samples, 'sample')} in {plural(len(rows), 'WebDataset shard')}, schema version {m.schema_version}."
    )
    as_is = (
        "changed only as stated under Personal and Sensitive Information" if privacy_section.private(m) else "unchanged"
    )
    members = (
        "Each sample is a run of adjacent members that share its id (128 bits of the SHA-256 of its original media): the "
        f"media ({as_is}; `.jpg` and `.mp4` name the family, not the format), `.txt` (the chosen caption), `.json` (metadata, "
        "all captions, scores) and `.codes.npy` (visual codes)."
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


def _annotations(m: Manifest) -> str:
    scorers = ", ".join(f"{s.name} ({s.version})" for s in m.scorers)
    reviewed = sum(n for action, n in known(m.cot.reviewed, {}).items() if action != "waiting")
    people = f" By people: {reviewed:,} chain-of-thought replies were reviewed." if reviewed else ""
    tracks = (
        f" Tracks by models: {', '.join(t.name for t in known(m.annotations, []))}." if known(m.annotations, []) else ""
    )
    return f"### Annotations\n\nBy machine: scores by {scorers}.{tracks}{people}"


def _people(m: Manifest) -> str:
    biases = f"{stated(m, 'biases')}\n\n{stated(m, 'limitations')}"
    private = " ".join([stated(m, "personal_information"), *privacy_section.private(m)])
    return (
        f"### Personal and Sensitive Information\n\n{private}\n\n"
        f"## Bias, Risks, and Limitations\n\n{biases}\n\n"
        f"## Citation\n\n{stated(m, 'citation')}\n\n## Dataset Card Contact\n\n{stated(m, 'contact')}"
    )
