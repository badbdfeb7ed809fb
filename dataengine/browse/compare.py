"""Compares two releases: kept samples added and removed, and why; rules that changed; scores whose distribution shifted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, cast

from msgspec import UNSET

from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine
from dataengine.release.difference import difference
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import FilterStep, Quantiles
from dataengine.release.reader import Published, open_release
from dataengine.shards.json_types import known
from dataengine.table_engine import Frame

_QUANTILES = ("p10", "p50", "p90")
#: A shift of a quantile, in widths from p10 to p90, from which a score is listed.
_SHIFTED = 0.01
_WHY = """CASE WHEN o.outcome IS NULL THEN 'absent' WHEN o.outcome = 'filtered' THEN 'filtered: ' || o.rule
  WHEN o.outcome = 'duplicate' THEN 'duplicate: ' || o.kind WHEN o.outcome = 'failed' THEN 'failed: ' || o.failure
  ELSE o.outcome END"""
#: Kept in ``k`` and not in ``o``, with their fate there; of the same bytes twice the outcome of the first.
_FIRST = "SELECT * FROM {l} QUALIFY row_number() OVER (PARTITION BY id ORDER BY coalesce(kind, '') = 'exact', source, uri) = 1"
_CAME = f"""
SELECT k.id, k.uri, k.source, {_WHY} AS why FROM {{k}} AS k LEFT JOIN ({_FIRST.format(l="{o}")}) AS o ON k.id = o.id
WHERE k.outcome = 'kept' AND coalesce(o.outcome, '') <> 'kept' ORDER BY k.id LIMIT {{most}}
"""


@dataclass(frozen=True)
class RuleChange:
    """A rule as it was and is, "" where there was none."""

    rule: str
    old: str
    new: str


@dataclass(frozen=True)
class Shift:
    """Quantiles of a score over kept samples; ``size``: the largest move of one, in widths from p10 to p90."""

    score: str
    old: dict[str, float]
    new: dict[str, float]
    size: float

    def row(self) -> tuple[str, ...]:
        return (self.score, *(f"{q[name]:g}" for q in (self.old, self.new) for name in _QUANTILES))


@dataclass(frozen=True)
class Comparison:
    """``added_from``: what the added samples were in the old release; ``removed_because``: what the removed ones are now.
    ``settings``: what, old, new."""

    same: int
    added: int
    removed: int
    added_from: dict[str, int]
    removed_because: dict[str, int]
    rules: list[RuleChange]
    settings: list[tuple[str, str, str]]
    scores: list[Shift]
    shown_added: list[tuple[str, str, str, str]]
    shown_removed: list[tuple[str, str, str, str]]

    def is_same(self) -> bool:
        return not (self.added or self.removed or self.rules)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(old: str, new: str, most: int) -> Comparison:
    """Raises UsageError where one of them is no release, RunError where it is damaged."""
    before, after = open_release(old), open_release(new)
    with closing(ViewEngine()) as engine:
        ledgers = [Session(engine, published=one).ledger for one in (before, after)]
        forward = difference(engine.table_engine(), cast(Frame, ledgers[1]), before)
        backward = difference(engine.table_engine(), cast(Frame, ledgers[0]), after)
        return Comparison(
            forward.same,
            forward.added,
            forward.removed,
            dict(backward.removed_because),
            dict(forward.removed_because),
            _rules(before.manifest, after.manifest),
            _settings(before, after),
            _shifts(before.manifest, after.manifest),
            _shown(engine, ledgers[1], ledgers[0], most),
            _shown(engine, ledgers[0], ledgers[1], most),
        )


def _shown(engine: ViewEngine, kept: str, other: str, most: int) -> list[tuple[str, str, str, str]]:
    rows = engine.rows(_CAME.format(k=kept, o=other, most=most)).to_pylist()
    return [(row["id"], row["uri"], row["source"], row["why"]) for row in rows]


def _rules(before: Manifest, after: Manifest) -> list[RuleChange]:
    """Rules whose condition is another, in the order of the new policy."""
    old, new = ({step.rule: _condition(step) for step in one.funnel} for one in (before, after))
    return [
        RuleChange(name, old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys((*new, *old))
        if old.get(name) != new.get(name)
    ]


def _condition(step: FilterStep) -> str:
    if step.keep is UNSET:
        return step.reason
    when = known(step.when, "")
    return f"{step.keep}{f', of those with {when}' if when else ''}"


def _settings(before: Published, after: Published) -> list[tuple[str, str, str]]:
    """What was done otherwise, in one line each."""
    rows = []
    for name, old, new in zip(_NAMES, _made(before.manifest), _made(after.manifest), strict=True):
        if old != new:
            rows.append((name, old, new))
    return rows


_NAMES = ("policy", "tokenizer", "scorers", "duplicates", "seed", "code", "inputs by source")


def _made(manifest: Manifest) -> tuple[str, ...]:
    dedup = manifest.dedup
    semantic = f", semantic {dedup.semantic.threshold:g}" if dedup.semantic is not None else ""
    return (
        f"{manifest.policy.name} version {manifest.policy.version}",
        manifest.tokenizer.id if manifest.tokenizer else "none",
        ", ".join(f"{one.name} {one.version}" for one in manifest.scorers),
        f"radius {dedup.radius}, video {dedup.video_overlap:g}{semantic}",
        str(manifest.seed),
        manifest.code_version,
        ", ".join(f"{one.name} {one.inputs:,}" for one in manifest.sources),
    )


def _shifts(before: Manifest, after: Manifest) -> list[Shift]:
    """Scores of kept samples that shifted, the most first."""
    shifts = []
    for name in sorted(before.scores.keys() & after.scores.keys()):
        old, new = _quantiles(before.scores[name].after), _quantiles(after.scores[name].after)
        if old and new:
            width = max(old["p90"] - old["p10"], new["p90"] - new["p10"]) or 1.0
            size = max(abs(new[q] - old[q]) for q in _QUANTILES) / width
            shifts.append(Shift(name, dict(old), dict(new), round(size, 4)))
    return sorted((s for s in shifts if s.size >= _SHIFTED), key=lambda s: (-s.size, s.score))


def _quantiles(quantiles: Quantiles) -> Mapping[str, float]:
    values = [getattr(quantiles, name, UNSET) for name in _QUANTILES]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return dict(zip(_QUANTILES, numbers, strict=True)) if len(numbers) == len(values) else {}
