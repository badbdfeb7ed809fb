"""Browsing a million inputs: the table of them all, the page, ``filter --try``, ``explain`` and ``stats``, from the real tables.

``python -m benchmarks browse [--rows N] [--rounds N]``. The rows are made up (``browse_corpus.py``), the files, joins and queries
are those of a run. Each way opens a database of its own, as a command does; the interpreter's start is not in it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import browse_corpus
import browse_questions
import browse_shard
import harness

from dataengine.browse.explain import explain
from dataengine.browse.inputs import inputs
from dataengine.browse.page.filters import Filters
from dataengine.browse.page.inputs_table import InputsTable
from dataengine.browse.session import Session
from dataengine.browse.stats import query, tables
from dataengine.browse.view_engine import ViewEngine
from dataengine.browse.what_if import compare, moved
from dataengine.policy.annotated import known_columns
from dataengine.policy.load import load
from dataengine.policy.trial import tried
from dataengine.stage import Run


def opened(run: Run) -> Session:
    engine = ViewEngine()
    browsed = Run(run.recipe, engine.table_engine)
    browsed.records = run.records
    return Session(engine, browsed, place="made")


def whole_table(run: Run) -> None:
    session = opened(run)
    inputs(session)
    session.engine.close()


def what_if(run: Run) -> None:
    session = opened(run)
    known = known_columns(run.recipe)
    before = load(run.recipe.filter.policy, known)
    after, _ = tried(before, ["blur >= 40"], [], known)
    compare(session, before, after)
    moved(session, before, after, ["blur"], 20)
    session.engine.close()


def explained(run: Run) -> None:
    session = opened(run)
    explain(session, "0000005.jpg")
    session.engine.close()


def counted(run: Run) -> None:
    session = opened(run)
    with tables(session):
        query(session, "SELECT format, count(*), avg(width) FROM unique_samples GROUP BY ALL")
    session.engine.close()


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--searched", type=int, default=200, help="samples that are looked for in a shard")
    options = parser.parse_args()
    report = harness.Report("browse", options)
    with tempfile.TemporaryDirectory() as folder:
        run = browse_corpus.with_ledger(browse_corpus.made(Path(folder), options.rows))
        run.close()
        ways: dict[str, Callable[[], object]] = {
            "table of all inputs": lambda: whole_table(run),
            "filter --try": lambda: what_if(run),
            "explain": lambda: explained(run),
            "stats --sql": lambda: counted(run),
        }
        session = opened(run)
        page = InputsTable(session)
        every, some = Filters(), Filters({"outcome": ("filtered",)}, {"blur": (10.0, 200.0)}, "red fox")
        first = page.page(every, "", False, 0, 1)["rows"][0]["input_id"]
        ways |= {
            "page: counts of all facets": lambda: page.counts(every),
            "page: the same under three conditions": lambda: page.counts(some),
            "page: histogram of a score": lambda: page.histogram("blur", every),
            "page: 60 rows": lambda: page.page(every, "", False, 0, 60),
            "page: 60 rows by a score, from the middle": lambda: page.page(every, "blur", True, options.rows // 2, 60),
            "page: 60 rows with words": lambda: page.page(some, "", False, 0, 60),
            "page: all that is known of an input": lambda: page.life(first),
            "page: a rule is tried": lambda: page.attempt("blur >= 40"),
        }
        timings = harness.rounds(ways, options.rounds)
        rows = [[name, t.wall, t.cpu, t.spread] for name, t in timings.items()]
        report.table(f"{options.rows:,} inputs", ["what", "seconds", "CPU seconds", "spread"], rows)
        session.engine.close()
        session = opened(browse_questions.with_questions(run, options.rows))
        asked = harness.rounds(browse_questions.ways(session), options.rounds)
        rows = [[name, t.wall, t.cpu, t.spread] for name, t in asked.items()]
        report.table(f"{options.rows:,} CoT questions", ["what", "seconds", "CPU seconds", "spread"], rows)
        session.engine.close()
        searches = []
        for kind, shape in browse_shard.KINDS.items():
            opened_shard = browse_shard.made(Path(folder, kind.replace(" ", "-")), *shape)
            searches.append([kind, shape[0], *browse_shard.searched(opened_shard, options.searched)])
        columns = ["shard of", "samples", "GB", "reads a sample", "most reads", "MB read a sample"]
        report.table("finding a sample in a shard by ranged reads", columns, searches)
    report.write()


if __name__ == "__main__":
    main()
