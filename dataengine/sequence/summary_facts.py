"""Facts of the sequences for manifest, card and the command line, from the commits of the stages."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dataengine.sequence.base import CORPORA, MIX, PACK, VOCABULARY
from dataengine.sequence.ledger_stage import outcomes_of
from dataengine.stage import Run

Json = dict[str, Any]


def summary(run: Run) -> Json:
    """The section ``sequences`` of the manifest."""
    tokenizer = run.records[VOCABULARY].parts["all"].facts
    return {"tokenizer": dict(tokenizer), "sets": [_set(run, one) for one in _sets(run)], "texts": _texts(run)}


def _sets(run: Run) -> list[Any]:
    return list(run.recipe.sequence.sets) if run.recipe.sequence else []


def _set(run: Run, one: Any) -> Json:
    parts = [out for _, out in sorted(run.records[PACK].parts.items()) if out.facts["set"] == one.name]
    total: Counter[str] = Counter()
    for out in parts:
        total.update(out.counts)
    whole = [out for out in parts if out.facts["balanced"]]
    return {
        **{name: getattr(one, name) for name in ("name", "layout", "length", "positions", "packing")},
        **{name: total[name] for name in ("sequences", "tokens", "padding")},
        "formats": list(one.formats),
        "summary": one.summary and one.summary.model_dump(),
        "ranks": one.balance.ranks if one.balance and whole else 0,
        "imbalance": _mean([out.facts["imbalance"] for out in whole]),
        "imbalance_before": _mean([out.facts["imbalance_before"] for out in whole]),
        "outcomes": outcomes_of(run, one.name),
        **run.records[MIX].parts["all"].facts[one.name],
    }


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 6) if values else 0.0


def _texts(run: Run) -> dict[str, int]:
    """Rows of text corpora by outcome, and within it by reason."""
    if CORPORA not in run.records:
        return {}
    total: Counter[str] = Counter()
    for out in run.records[CORPORA].parts.values():
        total["kept"] += out.counts.get("kept", 0)
        total.update(out.facts["reasons"])
    return dict(sorted(total.items()))
