"""The samples that a tokenizer is fitted on and those held out: drawn by the table engine as by ``tokenize.sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.planned import Tables, sample

from dataengine.config.lock import FittedOn
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.errors import RunError
from dataengine.samples.draws import draw
from dataengine.samples.locate import unpacked
from dataengine.samples.selection import Selection
from dataengine.storage.workspace import Output, Record, digest
from dataengine.tokenize import decision
from dataengine.tokenize.sample import chosen
from dataengine.tokenize.training_set import drawn, fitted_on, held_out, is_planned, to_fit

ROWS = [sample(n, f"{n % 7:02d}") for n in range(200)]


class Corpus(Tables):
    """Of 200 samples every third is a copy, and of the others every fifth is dropped by the policy."""

    def __init__(self, folder: Path, engine: Any, **tokenize: Any) -> None:
        super().__init__(folder, engine, ROWS, **tokenize)
        numbers = {row["id"]: row["offset"] // 512 for row in self.rows}
        ids = {number: id_ for id_, number in numbers.items()}
        self.group({id_: ids[n - 1] for id_, n in numbers.items() if n % 3 == 1})
        self.keep(lambda n: n % 3 != 1 and n % 5)

    def keep(self, kept: Any) -> None:
        self.decide(lambda row: kept(row["offset"] // 512))
        self.kept = {row["id"] for row in self.rows if kept(row["offset"] // 512)}

    def expected(self, below: int | None = None) -> tuple[list[str], list[str]]:
        """Ids to fit on and ids held out, as lists of all kept ids give them."""
        tokenize, seed = self.run.recipe.tokenize, self.run.recipe.seed
        assert tokenize is not None
        if below is None:
            held = chosen(self.kept, seed=seed, count=round(len(self.kept) * tokenize.held_out), use="held out")
        else:
            held = sorted(i for i in self.kept if draw(seed, i, "held out") <= below)
        return chosen(self.kept - set(held), seed=seed, count=tokenize.fit_samples), held

    def selected(self, selection: Selection) -> list[str]:
        rows = list(unpacked(self.run.workspace.store, [part.rows for part in selection.plan(self.run)]))
        assert rows == sorted(rows, key=lambda row: (row.media, row.offset))
        return sorted(row.id for row in rows)

    def lock(self) -> FittedOn:
        """Keep a tokenizer as fitted on these samples."""
        facts = fitted_on(self.run)
        self.run.records["tokenize.fit"] = Record("tokenize.fit", "", {"all": Output(facts={"id": "t"})})
        decision.keep(self.run, facts)
        return facts


@pytest.mark.parametrize(
    ("engine", "tokenize"),
    [
        ("duck", {}),
        ("duck", {"held_out": 0.0}),
        ("duck", {"fit_samples": 1000}),
        ("duck", {"held_out": 0.5}),
        pytest.param("spark", {}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_table_engine_draws_what_lists_of_all_ids_give(
    engine: str, tokenize: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    corpus = Corpus(tmp_path, request.getfixturevalue(engine), **tokenize)
    fit, held = corpus.expected()
    assert corpus.selected(to_fit(corpus.run)) == fit
    assert corpus.selected(held_out(corpus.run)) == held
    below = max((draw(corpus.run.recipe.seed, i, "held out") for i in held), default=None)
    shown = None if below is None else f"{below:016x}"
    assert fitted_on(corpus.run) == FittedOn(samples=len(fit), digest=digest(fit), held_out_below=shown)


def test_none_is_held_out_that_the_locked_tokenizer_was_fitted_on(duck: DuckDBEngine, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, duck, fit_samples=1000)
    fitted = corpus.expected()[0]
    facts = corpus.lock()
    below = int(str(facts.held_out_below), 16)
    assert corpus.selected(held_out(corpus.run)) == corpus.expected(below)[1] == corpus.expected()[1]
    corpus.keep(lambda n: n % 2)
    fit, held = corpus.expected(below)
    assert corpus.selected(to_fit(corpus.run)) == fit
    assert corpus.selected(held_out(corpus.run)) == held != corpus.expected()[1]
    assert held and not set(held) & set(fitted)


def test_all_that_a_locked_tokenizer_may_know_is_fit_to_fit_on(duck: DuckDBEngine, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, duck, held_out=0.0)
    assert corpus.lock().held_out_below is None
    assert corpus.selected(held_out(corpus.run)) == []
    assert corpus.selected(to_fit(corpus.run)) == corpus.expected()[0]


def test_samples_of_a_locked_tokenizer_are_checked_by_their_digest(duck: DuckDBEngine, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, duck)
    corpus.lock()
    decision.check_samples(corpus.run, fitted_on)
    corpus.keep(lambda n: n % 2)
    with pytest.raises(RunError, match="its 7 samples were others"):
        decision.check_samples(corpus.run, fitted_on)


def test_a_dry_run_draws_nothing(duck: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(tmp_path, duck)
    with monkeypatch.context() as without:
        without.setattr(corpus.run, "_open_engine", None)
        assert not is_planned(corpus.run)
    plan = to_fit(corpus.run).plan(corpus.run)
    monkeypatch.setattr(corpus.run, "_open_engine", None)
    monkeypatch.setattr(corpus.run, "_engine", None)
    assert is_planned(corpus.run) and to_fit(corpus.run).plan(corpus.run) == plan


def test_nothing_kept_is_nothing_to_fit_on(duck: DuckDBEngine, tmp_path: Path) -> None:
    corpus = Corpus(tmp_path, duck)
    corpus.keep(lambda n: False)
    assert (corpus.selected(to_fit(corpus.run)), corpus.selected(held_out(corpus.run))) == ([], [])
    assert fitted_on(corpus.run) == FittedOn(samples=0, digest=digest([]))


def test_bounds_of_a_draw_are_exclusive_below_and_inclusive_above() -> None:
    ids = sorted(row["id"] for row in ROWS)
    decisions = pa.table({"id": ids, "kept": [True] * len(ids)})
    draws = {draw(3, id_, "held out"): id_ for id_ in ids}
    first, second, *_, last = sorted(draws)
    cases = {
        (-1, first): {first},
        (first, second): {second},
        (first, 2**64 - 1): set(draws) - {first},
        (last, last): set(),
    }
    for (above, most), expected in cases.items():
        rows = drawn(3, "fit", above, most, decisions)
        assert set(rows["id"].to_pylist()) == {draws[word] for word in expected}
        assert rows["draw"].to_pylist() == [draw(3, id_, "fit") - 2**63 for id_ in rows["id"].to_pylist()]


@pytest.mark.slow
def test_no_sample_passes_through_the_driver_of_a_cluster(
    spark: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, collected = Corpus(tmp_path, spark, fit_samples=1000), list[int]()

    def counted(frame: Any) -> pa.Table:
        table = SparkEngine.collect(spark, frame)
        collected.append(table.num_rows)
        return table

    monkeypatch.setattr(spark, "collect", counted)
    assert len(to_fit(corpus.run).plan(corpus.run)) == 7
    fitted_on(corpus.run)
    assert collected == [1, 7, 1], "a bound, a row a part, a digest"
