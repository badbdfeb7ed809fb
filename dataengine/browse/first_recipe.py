"""Writes a first recipe and filter policy for data that was looked at: commented, and right as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.browse.look_at_data import Looked, look, name_of
from dataengine.config import recipe as recipes
from dataengine.errors import UsageError
from dataengine.pipeline import stages
from dataengine.policy.edit import yaml_string
from dataengine.text.display import visible

_SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 16)
#: Share of the files that were decoded which a first threshold of the shorter side may drop.
_DROPPED = 0.1


@dataclass(frozen=True)
class Written:
    """``seen``: what was found in the data, a line each."""

    recipe: Path
    policy: Path
    seen: list[str]


def first_recipe(data: Sequence[str], out: Path) -> Written:
    """Look at ``data`` and write ``out`` and its policy beside it. Raises UsageError where something cannot be used, or is there
    already."""
    if out.suffix not in (".yaml", ".yml"):
        raise UsageError(f"--out {out}: a recipe ends in .yaml")
    name = name_of(out.name) if out.stem != "recipe" else name_of(data[0])
    policy = out.with_name(f"{name}-v1.yaml" if f"{name}-v1.yaml" != out.name else f"{name}-policy-v1.yaml")
    for path in (out, policy):
        if path.exists():
            raise UsageError(f"{path} exists: name another place with --out")
    looked = [look(one) for one in data]
    _distinct(looked)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text(_policy(name, looked), encoding="utf-8")
        out.write_text(_recipe(name, str(policy), looked), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}; name another place with --out") from None
    stages(recipes.load(out))
    return Written(out, policy, [line for one in looked for line in [*one.sentences, *_decoded(one)]])


def _distinct(looked: Sequence[Looked]) -> None:
    """Names of sources, each once."""
    names: set[str] = set()
    for one in looked:
        name, n = one.source["name"], 1
        while one.source["name"] in names:
            n += 1
            one.source["name"] = f"{name}-{n}"
        names.add(one.source["name"])


def _decoded(one: Looked) -> list[str]:
    sides = sorted(min(f["width"], f["height"]) for f in one.facts if f)
    if not one.facts:
        return []
    bad = sum(not f for f in one.facts)
    spread = (
        f"; shorter sides from {sides[0]:,} to {sides[-1]:,} pixels, median {sides[len(sides) // 2]:,}" if sides else ""
    )
    return [f"  {len(one.facts):,} files decoded to see: {bad:,} cannot be read{spread}"]


def _recipe(name: str, policy: str, looked: Sequence[Looked]) -> str:
    captions = any(one.captions for one in looked)
    lines = [
        "# A first recipe. Every field: docs/recipe.md; check it with `dataengine validate`, see what would run with",
        "# `dataengine run --dry-run`. Relative paths start at the working directory.",
        f"name: {yaml_string(name)}",
        "workspace: workspace  # tables, media and releases; or s3://bucket/prefix",
        "",
        "sources:",
        *(line for one in looked for line in _source(one)),
        "",
        "# Near-duplicates by perceptual hash; also edited and cropped copies with: aligned_radius: 12, semantic: {}",
        "dedup: {radius: 6}",
        "",
        "score:",
        "  scorers:",
        "    - {name: technical}  # size, blur, entropy, brightness",
        "    - {name: nsfw}",
        f"    {'' if captions else '# '}- {{name: conse}}  # whether captions fit their pictures; a clip scorer is better",
        "",
        f"filter: {{policy: {yaml_string(policy)}}}",
        "",
        "# Discrete visual codes by a small tokenizer that is trained on the samples, and chain-of-thought records about them:",
        "# tokenize: {}",
        "# cot: {}",
        "",
        "shard: {target_bytes: 500 MB, splits: {train: 1.0}}",
        "",
        "release:",
        f"  title: {yaml_string(name.replace('-', ' ').replace('_', ' ').capitalize() or name)}",
        "  license: other  # of the collection, as an SPDX id: cc-by-4.0, cc0-1.0, …",
        f"  description: {yaml_string(_description(looked))}",
        "  # intended_use, biases, limitations, personal_information: what only a person can say, for the card",
    ]
    return "\n".join(lines) + "\n"


def _description(looked: Sequence[Looked]) -> str:
    return f"Pictures and videos from {', '.join(str(one.source['name']) for one in looked)}."


def _source(one: Looked) -> list[str]:
    lines = [f"  # {visible(line.strip())}" for line in one.sentences]
    fields = [f"{key}: {_scalar(value)}" for key, value in one.source.items()]
    lines.append(f"  - {fields[0]}")
    lines += [f"    {field}" for field in fields[1:]]
    if one.source["type"] == "folder":
        lines.append(
            '    # include: ["*.jpg"], exclude: [thumbs/], captions: lines, first-line or whole: docs/recipe.md'
        )
    if any(f and f["kind"] == "video" for f in one.facts):
        lines.append("    # clips: {}  # cut videos at their shots, each clip a sample: docs/recipe.md")
    if one.source["type"] == "urls":
        lines.append(
            "    # http: {user_agent: mybot/1.0}  # who asks; opt-outs (X-Robots-Tag, TDM-Reservation) are respected"
        )
    if usable := {name: type_ for name, type_ in one.columns.items() if _is_column(name)}:
        listed = ", ".join(f"{name}: {type_}" for name, type_ in list(usable.items())[:8])
        lines.append(f"    # columns: {{{listed}}}  # of the table, for the policy and the card")
    return lines


def _is_column(name: str) -> bool:
    return name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and name[0].isalpha()


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(json.dumps(one, ensure_ascii=False) for one in value)}]"
    return "null" if value is None else yaml_string(str(value))


def _policy(name: str, looked: Sequence[Looked]) -> str:
    facts = [f for one in looked for f in one.facts if f]
    captions = any(one.captions for one in looked)
    videos = not facts or any(f["kind"] == "video" for f in facts)
    side, note = _side(facts)
    rules = [
        _rule("side", f"width >= {side} and height >= {side}", "drop", f"smaller than {side} pixels on a side", note),
        _rule(
            "aspect",
            "aspect between 0.3333 and 3",
            "drop",
            "a banner or a strip, more than three times as long as wide",
        ),
    ]
    if videos:
        reason = "a clip shorter than 1 s or longer than 5 min"
        rules.append(_rule("duration", "duration between 1 and 300", "drop", reason, when="kind = 'video'"))
    rules += [
        _rule("blur", "blur >= 20", "drop", "blurred, or without detail"),
        _rule("entropy", "entropy >= 2", "drop", "nearly flat, so little to see"),
        _rule("nsfw", "nsfw <= 0.5", "drop", "probably not safe for work"),
    ]
    if captions:
        note = "depends on the scorer: look at what it drops before trusting it"
        rules.append(_rule("match", "match >= 0.02", "keep", "no caption has to do with the picture", note))
    head = [
        "# Rules over columns, in this order: the first that a sample does not pass drops it. The grammar: filters/README.md.",
        "# Try another threshold without running anything: dataengine filter RECIPE --try 'blur >= 40'",
        f"name: {yaml_string(name)}",
        'version: "1"',
        f"description: {yaml_string(f'A first policy for {name}.')}",
        "rules:",
    ]
    return "\n".join(head) + "\n" + "\n\n".join(rules) + "\n"


def _side(facts: Sequence[dict[str, Any]]) -> tuple[int, str]:
    """The largest usual threshold that drops at most a tenth of what was decoded."""
    sides = [min(f["width"], f["height"]) for f in facts]
    for side in _SIDES if len(sides) >= 5 else ():
        dropped = sum(one < side for one in sides)
        if dropped <= _DROPPED * len(sides) and side <= 256:
            return side, f"{dropped} of {len(sides)} files that were looked at are smaller"
    return (256, "") if len(sides) < 5 else (_SIDES[-1], "most files that were looked at are very small")


def _rule(name: str, keep: str, on_missing: str, reason: str, note: str = "", when: str = "") -> str:
    lines = [f"  - name: {name}{f'  # {note}' if note else ''}"]
    lines += [f"    when: {yaml_string(when)}"] if when else []
    return "\n".join(
        [*lines, f"    keep: {keep}", f"    on_missing: {on_missing}", f"    reason: {yaml_string(reason)}"]
    )
