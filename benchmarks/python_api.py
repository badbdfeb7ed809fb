"""Tables of a million inputs from Python, loaded and lazily read, each in a process of its own; and lookups in a release by id.

    python -m benchmarks python_api [--rows 1000000] [--images 240]

The tables are made up (``browse_corpus.py``), files and joins are those of a run; seconds and memory are of the whole process,
so ``nothing`` is what the interpreter, the imports and opening the run take. The release is of a real run over N pictures in one
shard; its requests and bytes are counted in the storage client, in a folder as on S3.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import browse_corpus
import harness
from ingest import written
from scaling import pictures
from storage_requests import counting

import dataengine
from dataengine.api.tables import Tables, tables_of_run
from dataengine.testing import InProcess, write_recipe

_BY_OUTCOME = "SELECT source, outcome, count(*) FROM ledger GROUP BY ALL"
_TOKENIZER = {"name": "product", "codebooks": 2, "entries": 16, "max_tokens": 64}


def streamed(tables: Tables) -> int:
    return sum(batch.num_rows for batch in tables.scan("samples").to_arrow_reader(10_000))


WAYS: dict[str, Callable[[Tables], Any]] = {
    "nothing": lambda tables: tables.names,
    "run.samples()": lambda tables: tables.table("samples").num_rows,
    "run.scan('samples') in batches": streamed,
    "run.scores()": lambda tables: tables.table("scores").num_rows,
    "run.scan('scores').filter('blur < 20').limit(10)": lambda tables: (
        tables.scan("scores").filter("blur < 20").limit(10).fetchall()
    ),
    "run.ledger()": lambda tables: tables.table("ledger").num_rows,
    "run.sql(outcomes by source)": lambda tables: tables.sql(_BY_OUTCOME).fetchall(),
}


def child(way: str, folder: str) -> None:
    """One way, in a process of its own."""
    recipe, records = pickle.loads(Path(folder, "run.pickle").read_bytes())
    WAYS[way](tables_of_run(recipe, records))


def tables(report: harness.Report, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = browse_corpus.made(Path(folder), rows)
        Path(folder, "run.pickle").write_bytes(pickle.dumps((run.recipe, run.records)))
        took = []
        for way in WAYS:
            code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import python_api"
            one = harness.command([sys.executable, "-c", f"{code}; python_api.child({way!r}, {folder!r})"])
            if one.code:
                sys.exit(one.output)
            took.append([way, round(one.cpu, 2), round(one.peak, 2)])
    report.table(f"{rows:,} inputs", ["way", "CPU s", "peak GB"], took)


def lookups(report: harness.Report, images: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder, "in"), list(pictures(images)))
        recipe = write_recipe(folder, tokenize={"tokenizer": _TOKENIZER}, dedup={"radius": 0})
        run = dataengine.run(recipe, record_engine=InProcess(), progress=False)
        ids = sorted(row[0] for row in run.sql("SELECT id FROM ledger WHERE outcome = 'kept'").fetchall())
        place = f"{folder}/ws/releases/test"
        with counting() as counted:
            rows = []

            def took(what: str, count: int, work: Callable[[], Any]) -> Any:
                cpu = harness.cpu_seconds()
                value = work()
                spent = (harness.cpu_seconds() - cpu) * 1000 / count
                rows.append([what, *(round(counted.now[n] / count, 2) for n in ("get", "read")), round(spent, 2)])
                counted.now.clear()
                return value

            release = took("open", 1, lambda: dataengine.open(place))
            sample = took("the place of the first sample", 1, lambda: release.sample(ids[0]))
            took("its codes", 1, lambda: sample.codes)
            took("its media, checked", 1, lambda: sample.media)
            took("places of all others, each", len(ids) - 1, lambda: [release.sample(one) for one in ids[1:]])
        size = sum(path.stat().st_size for path in Path(place, "shards").glob("*.tar"))
    note = f"The shard has {size:,} bytes."
    report.table(f"A release of {len(ids):,} samples", ["what", "requests", "bytes read", "CPU ms"], rows, note)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=240)
    options = parser.parse_args()
    report = harness.Report("python_api", options)
    tables(report, options.rows)
    lookups(report, options.images)
    report.write()


if __name__ == "__main__":
    main()
