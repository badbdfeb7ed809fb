"""What a change of the filter policy would do, without writing anything: rule by rule before and after, and which samples change
sides. Both policies are evaluated in one scan of the columns that their rules name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataengine.browse.inputs import is_scored
from dataengine.browse.session import Session
from dataengine.browse.stats import json_value
from dataengine.browse.view_engine import literal, quoted, with_values
from dataengine.contamination.outcome import contaminated
from dataengine.contracts import SAMPLES, UNIQUE
from dataengine.errors import UsageError
from dataengine.policy.annotated import annotated
from dataengine.policy.evaluate import Verdict
from dataengine.policy.model import Policy, Rule
from dataengine.policy.sql import rule_case
from dataengine.samples.locate import Located, locate
from dataengine.stage import Run

KEPT = "kept"
_CAPTION = """list_extract("captions", 1)."text\""""


@dataclass(frozen=True)
class Step:
    """Samples that a rule drops; None where the policy does not have it."""

    rule: str
    reason: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Moved:
    """A sample that changes sides: what decides about it before and after (KEPT, or the name of a rule), and its values of the
    columns that changed rules name."""

    id: str
    uri: str
    source: str
    caption: str | None
    before: str
    after: str
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {name: json_value(value) for name, value in self.__dict__.items()}


@dataclass(frozen=True)
class Trial:
    """``steps`` in the order of the policies, those of contamination first; ``moves`` counts the samples that are kept by one of
    them alone, by what decides before and after."""

    samples: int
    kept_before: int
    kept_after: int
    steps: list[Step]
    moves: dict[tuple[str, str], int]


def compare(session: Session, before: Policy, after: Policy) -> Trial:
    """Makes the temporary table ``judged`` (id, before, after) of the session. Raises UsageError where scores are missing."""
    run = session.needed("dedup", "score")
    if not is_scored(run):
        raise UsageError(f"annotations are not up to date: run `dataengine run {session.place}` first")
    columns = tuple(dict.fromkeys((*before.columns, *after.columns)))
    rows, dropped = f"SELECT * FROM {annotated(run, columns)}", dict[str, int]()
    screen = _screened(session, run)
    if screen is not None:
        rows += f' AS a WHERE NOT EXISTS (SELECT 1 FROM {screen[0]} AS c WHERE c."id" = a."id")'
        dropped = screen[1]
    rules = list(dict.fromkeys((*before.rules, *after.rules)))
    cases = [rule_case(rule, {**before.kinds, **after.kinds}) for rule in rules]
    results = ", ".join(['"id"', *(f"{with_values(c.text, c.parameters)} AS r{n}" for n, c in enumerate(cases))])
    verdicts = f'"id", {_verdict(before, rules)} AS "before", {_verdict(after, rules)} AS "after"'
    session.engine.execute(
        f"CREATE OR REPLACE TEMP TABLE judged AS SELECT {verdicts} FROM (SELECT {results} FROM ({rows}))"
    )
    counted = session.engine.rows('SELECT "before", "after", count(*) AS n FROM judged GROUP BY ALL').to_pylist()
    return _trial(before, after, counted, dropped)


def _screened(session: Session, run: Run) -> tuple[str, dict[str, int]] | None:
    """Samples that are in a benchmark, and how many by rule: they are dropped before the policy is asked."""
    if run.recipe.contamination is None:
        return None
    session.needed("contamination.find")
    hits = contaminated(run)
    assert hits is not None
    listed = session.engine.kept(str(hits.table))
    readable = f'SELECT h."rule" FROM {listed} AS h INNER JOIN {annotated(run, ())} AS a ON h."id" = a."id"'
    counts = session.engine.rows(f'SELECT "rule", count(*) AS n FROM ({readable}) GROUP BY "rule"').to_pylist()
    return listed, {rule: next((r["n"] for r in counts if r["rule"] == rule), 0) for rule in hits.rules}


def _verdict(policy: Policy, rules: Sequence[Rule]) -> str:
    """0: kept; n: dropped by the n-th rule; -n: a value is missing that its rule insists on."""
    steps = []
    for n, rule in enumerate(policy.rules, 1):
        result = f"r{rules.index(rule)}"
        steps.append(f"WHEN {result} = {Verdict.DROP:d} THEN {n} WHEN {result} = {Verdict.ERROR:d} THEN -{n}")
    return f"CASE {' '.join(steps)} ELSE 0 END" if steps else "0"


def _trial(before: Policy, after: Policy, counted: Sequence[Mapping[str, int]], screened: Mapping[str, int]) -> Trial:
    for policy, side in ((before, "before"), (after, "after")):
        if lacking := [row[side] for row in counted if row[side] < 0]:
            rule = policy.rules[-max(lacking) - 1]
            raise UsageError(
                f"rule `{rule.name}` has on_missing: error, and some samples lack a value; score them again, or set it to "
                "drop or keep"
            )
    drops = [
        {n: sum(row["n"] for row in counted if row[side] == n) for n in range(len(policy.rules) + 1)}
        for policy, side in ((before, "before"), (after, "after"))
    ]
    moves = {
        (_name(before, row["before"]), _name(after, row["after"])): row["n"]
        for row in sorted(counted, key=lambda row: (row["before"], row["after"]))
        if (row["before"] == 0) != (row["after"] == 0)
    }
    steps = [Step(rule, "in a benchmark", n, n) for rule, n in screened.items()]
    total = sum(row["n"] for row in counted) + sum(screened.values())
    return Trial(total, drops[0][0], drops[1][0], steps + _steps(before, after, drops), moves)


def _steps(before: Policy, after: Policy, drops: Sequence[Mapping[int, int]]) -> list[Step]:
    """Each rule once, in the order of the new policy; one that it does not have where the old one had it."""
    old = {rule.name: drops[0][n] for n, rule in enumerate(before.rules, 1)}
    new = {rule.name: drops[1][n] for n, rule in enumerate(after.rules, 1)}
    reasons = {rule.name: rule.reason for rule in (*before.rules, *after.rules)}
    order = list(new)
    for place, name in enumerate(old):
        if name not in new:
            order.insert(place, name)
    return [Step(name, reasons[name], old.get(name), new.get(name)) for name in order]


def _name(policy: Policy, verdict: int) -> str:
    return policy.rules[verdict - 1].name if verdict else KEPT


def moved(session: Session, before: Policy, after: Policy, columns: Sequence[str], most: int) -> list[Moved]:
    """At most so many samples that change sides, those that are lost first, by their value of the first of ``columns``."""
    run = session.needed("dedup", "score")
    columns = tuple(dict.fromkeys(columns))
    values = ", ".join(f"v.{quoted(name)}" for name in columns)
    sql = f"""
    SELECT j.*{", " if values else ""}{values} FROM judged AS j INNER JOIN {annotated(run, columns)} AS v ON j."id" = v."id"
    WHERE (j."before" = 0) <> (j."after" = 0)
    ORDER BY j."before" = 0 DESC, {f"v.{quoted(columns[0])}, " if columns else ""}j."id" LIMIT {most}
    """
    rows = session.engine.rows(sql).to_pylist()
    named = _names(session, run, [row["id"] for row in rows])
    return [
        Moved(
            row["id"],
            *named[row["id"]],
            _name(before, row["before"]),
            _name(after, row["after"]),
            {name: row[name] for name in columns},
        )
        for row in rows
    ]


def _names(session: Session, run: Run, ids: Sequence[str]) -> dict[str, tuple[str, str, str | None]]:
    """Of each sample the uri and source of its first mention, and a caption."""
    if not ids:
        return {}
    listed = ", ".join(map(literal, ids))
    samples = run.frame("ingest", "samples", SAMPLES, ["id", "source", "uri"])
    unique = run.frame("dedup.unique", "unique", UNIQUE, ["id", "captions"])
    sql = f"""
    SELECT m."id", m."uri", m."source", {_CAPTION} AS "caption" FROM {unique} AS u INNER JOIN (
      SELECT "id", arg_min("uri", struct_pack(s := "source", u := "uri")) AS "uri", min("source") AS "source"
      FROM {samples} WHERE "id" IN ({listed}) GROUP BY "id"
    ) AS m ON m."id" = u."id"
    """
    return {row["id"]: (row["uri"], row["source"], row["caption"]) for row in session.engine.rows(sql).to_pylist()}


def places(run: Run, ids: Sequence[str]) -> dict[str, Located]:
    """Where the media of a few samples lie."""
    return {row.id: row for row in locate(run.rows_of("dedup.unique", "unique", UNIQUE, ids))}
