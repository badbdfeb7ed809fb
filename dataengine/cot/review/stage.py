"""cot.review: chooses the reply of each question, and takes in what people have decided about the doubtful ones.

Flawed replies (B), sound ones that their model was unsure of and redundant ones go to people (``dataengine cot review RECIPE``).
Until somebody has looked, the last stay as they are, the others are left out. A decision counts only for the item as it was
shown. The driver reads people's decisions; questions, paths and checks stay in the table engine.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.cot.core.schemas import CHECKS, ITEMS, PATHS, QUESTIONS, REVIEWED
from dataengine.cot.core.stage import TEXTS, Cot, every
from dataengine.cot.review.base import ReviewItem, ReviewPath
from dataengine.cot.review.decisions import read_decisions
from dataengine.cot.review.verdicts import WITH_ITEMS, Rules, by_checks, by_people
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, canonical_json, digest, roles
from dataengine.table_engine import Frame

_DECISIONS = columns(rid=pa.string(), decision=pa.string())
_SHOWN = """
SELECT c.*, p."text", p."members", q."question", d."decision"
FROM c INNER JOIN (SELECT "rid" FROM r WHERE "why" <> ?) AS w ON c."rid" = w."rid"
INNER JOIN p ON c."rid" = p."rid" AND c."kind" = p."kind" AND c."index" = p."index"
INNER JOIN q ON c."rid" = q."rid" LEFT JOIN d ON c."rid" = d."rid"
"""
_COLUMNS = ", ".join(f'"{name}"' for name in REVIEWED.names)
_ALL = f'SELECT {_COLUMNS} FROM r WHERE "why" = ? UNION ALL SELECT {_COLUMNS} FROM i'
_COUNTS = (
    'SELECT "why", "action", CAST(count(*) AS BIGINT) AS n FROM i GROUP BY "why", "action" ORDER BY "why", "action"'
)


class CotReview(Cot, TableStage):
    name = "cot.review"
    version = "7"
    needs = ("cot.questions", "cot.paths", "cot.check", TEXTS)

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [config.review.model_dump(), config.confidence.model_dump()]

    def key(self, run: Run) -> str:
        """A new decision is a new input."""
        entries = [e.key for e in run.workspace.store.list(base(run.recipe))]
        return digest(super().key(run), sorted(entries))

    def compute(self, run: Run, key: str) -> Output:
        engine, config, write = run.engine, self.config(run.recipe), run.engine.write
        rules = Rules(config.review.max_length_ratio, config.confidence.min_step_logprob)
        checks = every(run, "cot.check", "checks", CHECKS)
        chosen = engine.kept(engine.local(checks, ("rid",), partial(by_checks, rules), REVIEWED))
        shown = engine.sql(_SHOWN, _frames(run, checks, chosen), ("",))
        items = engine.kept(engine.local(shown, ("rid",), partial(by_people, rules), WITH_ITEMS))
        reviewed = engine.sql(_ALL, {"r": chosen, "i": items}, ("",))
        files = roles("reviewed", write(run.workspace, f"cot/reviewed-{key}", reviewed, REVIEWED, ["rid"]))
        files |= roles("items", write(run.workspace, f"cot/items-{key}", items, ITEMS, ["rid"]))
        counts = engine.collect(engine.sql(_COUNTS, {"i": items})).to_pylist()
        facts = {role: _summed(counts, name) for role, name in (("why", "why"), ("actions", "action"))}
        return Output(files, {"items": sum(row["n"] for row in counts)}, facts)


def base(recipe: Recipe) -> str:
    """Where the decisions about a release lie."""
    return f"cot/decisions/{recipe.name}"


def _frames(run: Run, checks: Frame, chosen: Frame) -> dict[str, Frame]:
    decided = read_decisions(run.workspace.store, base(run.recipe))
    rows = [{"rid": rid, "decision": canonical_json(asdict(one)).decode()} for rid, one in sorted(decided.items())]
    return {
        "c": checks,
        "r": chosen,
        "p": every(run, "cot.paths", "paths", PATHS, ["rid", "kind", "index", "text", "members"]),
        "q": every(run, "cot.questions", "questions", QUESTIONS, ["rid", "question"]),
        "d": run.engine.frame(pa.Table.from_pylist(rows, _DECISIONS)),
    }


def _summed(counts: list[dict[str, Any]], name: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in counts:
        total[row[name]] = total.get(row[name], 0) + row["n"]
    return dict(sorted(total.items()))


def items_of(run: Run) -> list[ReviewItem]:
    """The items of a committed run, in order of their ids."""
    items = []
    for row in run.table("cot.review", "items", ITEMS).to_pylist():
        fields = json.loads(row["item"])
        paths = tuple(ReviewPath(**{**p, "reasons": tuple(p["reasons"])}) for p in fields.pop("paths"))
        fields |= {name: tuple(fields[name]) for name in ("media", "images")}
        items.append(ReviewItem(**fields, paths=paths))
    return items
