"""The ledger over made tables: every input one outcome on both engines, and every kind of imbalance refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataengine import contracts
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.errors import BalanceError
from dataengine.release.ledger import balance, build, counts, is_ledger, tally
from dataengine.table_engine import TableEngine
from dataengine.verify import ledger_audit

SAMPLES = pa.schema([contracts.SAMPLES.field(n) for n in ("input_id", "source", "uri", "id")])
BROKEN = pa.schema([(n, pa.string()) for n in ("id", "failure", "message")])


@dataclass
class Made:
    """Tables with the outcome that each input must have."""

    samples: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    broken: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def mention(self, id_: str, n: int, outcome: tuple[Any, ...]) -> None:
        input_ = f"i{len(self.expected):04d}"
        self.samples.append({"input_id": input_, "source": "s", "uri": f"{n}/{input_}", "id": id_})
        self.expected[input_] = outcome

    def sample(self, fate: str, mentions: int, best: str | None) -> None:
        """``fate`` of a sample, seen ``mentions`` times; near-duplicates stand behind ``best``."""
        id_ = f"s{len(self.groups):04d}"
        outcome: tuple[Any, ...] = (fate,)
        far = fate == "duplicate"
        told = {"representative": best, "kind": "perceptual", "distance": 3.0} if far else {"representative": id_}
        self.groups.append({"id": id_, "size": 1, "kind": None, "distance": None, **told})
        if far:
            outcome = ("duplicate", best, "perceptual", 3.0)
        elif fate == "failed":
            self.broken.append({"id": id_, "failure": "timeout", "message": "too slow"})
            outcome = ("failed", "timeout")
        else:
            dropped = {"rule": "blur", "column": "blur", "value": "3.5"} if fate == "filtered" else {}
            empty = {"rule": None, "column": None, "value": None}
            self.decisions.append({"id": id_, "kept": fate == "kept", **empty, **dropped})
            outcome = ("filtered", "blur", "3.5") if dropped else ("kept",)
        self.mention(id_, 0, outcome)
        for n in range(1, mentions):
            self.mention(id_, n, ("duplicate", id_, "exact", 0.0))

    def unread(self) -> None:
        input_ = f"i{len(self.expected):04d}"
        row = {"input_id": input_, "source": "s", "uri": input_, "failure": "empty", "message": "no bytes", "bytes": 0}
        self.failures.append(row)
        self.expected[input_] = ("failed", "empty")

    def tables(self) -> dict[str, pa.Table]:
        return {
            "samples": pa.Table.from_pylist(self.samples, SAMPLES),
            "failures": pa.Table.from_pylist(self.failures, contracts.FAILURES),
            "groups": pa.Table.from_pylist(self.groups, contracts.GROUPS),
            "decisions": pa.Table.from_pylist(self.decisions, contracts.DECISIONS),
            "broken": pa.Table.from_pylist(self.broken, BROKEN),
        }

    @property
    def kept(self) -> list[str]:
        return [d["id"] for d in self.decisions if d["kept"]]


@st.composite
def fates(draw: st.DrawFn) -> Made:
    made = Made()
    for fate, mentions in draw(
        st.lists(
            st.tuples(st.sampled_from(["kept", "filtered", "failed", "duplicate", "unread"]), st.integers(1, 3)),
            max_size=25,
        )
    ):
        if fate == "unread":
            made.unread()
        elif fate == "duplicate" and not made.groups:
            made.sample("kept", mentions, None)
        else:
            made.sample(fate, mentions, made.groups[0]["id"] if made.groups else None)
    return made


def outcome(row: dict[str, Any]) -> tuple[Any, ...]:
    told = {
        "duplicate": ("representative", "kind", "distance"),
        "filtered": ("rule", "value"),
        "failed": ("failure",),
        "kept": (),
    }[row["outcome"]]
    others = {"representative", "kind", "distance", "rule", "value", "failure", "message"} - set(told) - {"message"}
    assert all(row[name] is None for name in others), row
    assert (row["message"] is not None) == (row["outcome"] == "failed")
    return (row["outcome"], *(row[name] for name in told))


def built(engine: TableEngine, made: Made) -> pa.Table:
    frames = {name: engine.frame(table) for name, table in made.tables().items()}
    return engine.collect(build(engine, frames)).sort_by("input_id")


def balanced(engine: TableEngine, ledger: pa.Table, inputs: int, released: list[str]) -> None:
    """By the engine's SQL; what the auditor says of the same ledger must be the same."""
    there = engine.frame(pa.table({"id": pa.array(released, pa.string())}))
    audited = ledger_audit.unbalanced(ledger, inputs, released)
    try:
        balance(engine, engine.frame(ledger), ledger.num_rows, inputs, there)
    except BalanceError as error:
        assert str(error) == audited
        raise
    assert audited == ""


def check(engine: TableEngine, ledger: pa.Table, made: Made) -> None:
    assert ledger.schema.names == contracts.LEDGER.names
    rows = ledger.to_pylist()
    assert [r["input_id"] for r in rows] == sorted(made.expected)
    assert {r["input_id"]: outcome(r) for r in rows} == made.expected
    balanced(engine, ledger, len(made.expected), made.kept)
    assert counts(tally(engine, engine.frame(ledger))) == counts(ledger_audit.tally(ledger))
    told = counts(ledger_audit.tally(ledger))["outcome"]
    assert sum(told.values()) == len(made.expected)
    assert told == {**dict.fromkeys(told, 0), **Counter(o[0] for o in made.expected.values())}


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(made=fates())
def test_in_is_kept_plus_duplicate_plus_filtered_plus_failed(duck: DuckDBEngine, made: Made) -> None:
    check(duck, built(duck, made), made)


def _mixed() -> Made:
    made = Made()
    for fate, mentions in (("kept", 3), ("filtered", 2), ("duplicate", 2), ("failed", 2), ("kept", 1)):
        made.sample(fate, mentions, "s0000")
    made.unread()
    return made


def _unread() -> Made:
    made = Made()
    made.unread()
    return made


@pytest.mark.parametrize("make", [_mixed, _unread, Made])
def test_spark_gives_the_ledger_of_duckdb(duck: DuckDBEngine, spark: SparkEngine, make: Callable[[], Made]) -> None:
    made = make()
    check(spark, built(spark, made), made)
    assert built(spark, made).equals(built(duck, made))


def _ledger(**changes: Any) -> pa.Table:
    row = {**dict.fromkeys(contracts.LEDGER.names), "source": "s"}
    rows = [
        {**row, "input_id": "1", "uri": "a", "id": "A", "outcome": "kept"},
        {**row, "input_id": "2", "uri": "b", "id": "B", "outcome": "duplicate", "representative": "A"},
    ]
    rows[1] |= changes
    return pa.Table.from_pylist(rows, pa.schema([f.with_nullable(True) for f in contracts.LEDGER]))


@pytest.mark.parametrize(
    ("changes", "inputs", "released", "said"),
    [
        ({}, 3, ["A"], "3 inputs were read, the ledger has 2 rows"),
        ({}, 1, ["A"], "1 inputs were read, the ledger has 2 rows"),
        ({"input_id": "1"}, 2, ["A"], r"1 duplicate input ids in the ledger \(1\)"),
        ({"outcome": None}, 2, ["A"], r"1 inputs without an outcome \(b\)"),
        ({}, 2, [], r"1 kept samples missing from the release \(A\)"),
        ({}, 2, ["A", "C"], r"1 released samples that were not kept \(C\)"),
        ({}, 2, ["A", "A"], r"1 duplicate sample ids in the release \(A\)"),
        ({"outcome": "kept", "id": None}, 2, ["A"], r"1 kept samples missing from the release \(None\)"),
        ({"representative": "Z"}, 2, ["A"], r"1 representatives that are not samples of the ledger \(Z\)"),
    ],
)
@pytest.mark.parametrize("name", ["duck", "spark"])
def test_every_imbalance_is_refused(
    name: str,
    request: pytest.FixtureRequest,
    changes: dict[str, Any],
    inputs: int,
    released: list[str],
    said: str,
) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    if name == "duck":
        balanced(engine, _ledger(), 2, ["A"])
    with pytest.raises(BalanceError, match=f"the ledger does not balance: .*{said}"):
        balanced(engine, _ledger(**changes), inputs, released)


def test_a_sample_shipped_twice_is_refused(duck: DuckDBEngine) -> None:
    with pytest.raises(BalanceError, match=r"1 duplicate sample ids in the release \(A\)"):
        balanced(duck, _ledger(), 2, ["A", "A"])


def test_all_mistakes_are_told_with_three_examples(duck: DuckDBEngine) -> None:
    with pytest.raises(BalanceError, match=r"9 inputs were read.*5 released samples .* \(V, W, X, …\)"):
        balanced(duck, _ledger(), 9, ["A", *"VWXYZ"])


def test_names_of_the_ledgers_files() -> None:
    assert is_ledger("ledger.parquet") and is_ledger("ledger/0f.parquet")
    assert (
        not is_ledger("shards/ledger.parquet") and not is_ledger("ledger/x.parquet") and not is_ledger("ledgerxparquet")
    )
