"""Planning a record stage: seconds and memory of the driver, over made-up tables of samples.

    python -m benchmarks plan --rows 10000000 --engines duckdb,spark

Each engine plans in a process of its own: all distinct samples (as ``embed``), and the kept ones, which
joins two tables. *Driver* is the peak resident memory of that process; Spark's tables are in a JVM and in Python workers.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import harness
import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contracts import DECISIONS, UNIQUE
from dataengine.engines.tables import prefix_digits
from dataengine.pipeline import open_run
from dataengine.samples.selection import distinct, kept
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record, Workspace, roles

#: Samples of a media tar.
_A_PART = 1000
_MADE = """
SELECT printf('%0{digits}x', {prefix}) || substr(md5(i::VARCHAR), {digits} + 1) AS id,
       sha256(i::VARCHAR) AS sha256, 60000 AS bytes,
       'image' AS kind, 'jpeg' AS format, 'jpg' AS ext, 640 AS width, 480 AS height, 1 AS orientation, 'RGB' AS mode, 1 AS frames,
       NULL AS fps, NULL AS duration, NULL AS codec, false AS audio, (hash(i) >> 1)::BIGINT AS phash, [] AS frame_hashes,
       'p1' AS hash_version, NULL AS parent, NULL AS clip_start, NULL AS clip_end, NULL AS faces, NULL AS media_sha256,
       [{{'text': 'what is in picture ' || i, 'source': 'web', 'uri': 'https://example.org/' || i}}] AS captions,
       'CC0-1.0' AS license,
       'media/' || md5((hash(i) % {parts})::VARCHAR) || '.tar' AS media, i * 61440 AS "offset", 1 AS mentions,
       i % 10 > 1 AS kept
FROM (SELECT range * {files} + {prefix} AS i FROM range({rows} // {files})) ORDER BY id
"""


def make(folder: Path, rows: int) -> None:
    """Tables of ``rows`` samples in ``folder``, cut into files as the table engines cut them."""
    import duckdb

    workspace, digits = Workspace(str(folder / "workspace")), prefix_digits(rows)
    files: dict[str, list[File]] = {"unique": [], "decisions": []}
    for prefix in range(16**digits):
        sql = _MADE.format(digits=digits, prefix=prefix, files=16**digits, rows=rows, parts=max(1, rows // _A_PART))
        table = duckdb.sql(sql.replace("printf('%00x', 0)", "''")).to_arrow_table()
        absent = {f.name: pa.nulls(len(table), f.type) for f in DECISIONS if f.name not in table.column_names}
        decisions = pa.table({**{n: table[n] for n in ("id", "kept")}, **absent}).select(DECISIONS.names)
        files["unique"].append(workspace.write_table(f"unique/{prefix:x}.parquet", table.select(UNIQUE.names), UNIQUE))
        files["decisions"].append(workspace.write_table(f"decisions/{prefix:x}.parquet", decisions, DECISIONS))
    listed = {role: {name: vars(file) for name, file in roles(role, some).items()} for role, some in files.items()}
    (folder / "files.json").write_text(json.dumps(listed))


def opened(folder: Path, engine: str) -> Run:
    """A run whose earlier stages have made these tables."""
    fields = {"name": "plan", "workspace": str(folder / "workspace"), "engine": engine, "filter": {"policy": "none"}}
    fields["sources"] = [{"name": "made", "type": "folder", "path": str(folder)}]
    fields["release"] = {"title": "-", "description": "-", "license": "CC0-1.0"}
    run = open_run(Recipe.model_validate(fields))
    listed = json.loads((folder / "files.json").read_text())
    files = {role: {name: File(**file) for name, file in some.items()} for role, some in listed.items()}
    for stage, role in (("dedup.unique", "unique"), ("dedup", "unique"), ("filter", "decisions")):
        run.records[stage] = Record(stage, "", {"all": Output(files[role])})
    return run


def plan(folder: Path, engine: str) -> None:
    """Print seconds, CPU seconds, peak memory and parts of each plan as JSON."""
    run = opened(folder, engine)
    run.workspace.store.delete([entry.key for entry in run.workspace.store.list("plans")])
    _ = run.engine
    for name, select in (("distinct", distinct), ("kept", kept)):
        cpu, begun = harness.cpu_seconds(), time.perf_counter()
        parts = select(run).plan(run)
        rows = sum(part.rows.rows for part in parts)
        seconds, used = time.perf_counter() - begun, harness.cpu_seconds() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("#" + json.dumps([engine, name, rows, len(parts), seconds, used, peak]), flush=True)
    run.close()


def main() -> None:
    options = harness.parser(__doc__, rounds=1)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--engines", default="duckdb", help="duckdb, spark, or both with a comma")
    options.add_argument("--one", nargs=2, metavar=("STEP", "FOLDER"), help="make tables, or plan by one engine")
    given = options.parse_args()
    if given.one:
        step, folder = given.one
        make(Path(folder), given.rows) if step == "make" else plan(Path(folder), step)
        return
    report = harness.Report("plan", given)
    with tempfile.TemporaryDirectory() as folder:
        steps = ["make", *given.engines.split(",")]
        rows = [row for step in steps for row in _child(step, folder, given.rows)]
    columns = ["engine", "samples", "planned", "parts", "seconds", "CPU s of the driver", "driver, MB"]
    report.table(f"Planning {given.rows:,} samples", columns, rows)
    report.write()


def _child(step: str, folder: str, rows: int) -> list[list[object]]:
    done = harness.command([sys.executable, __file__, "--rows", str(rows), "--one", step, folder])
    if done.code:
        sys.exit(done.output)
    return [json.loads(line[1:]) for line in done.output.splitlines() if line.startswith("#")]


if __name__ == "__main__":
    main()
