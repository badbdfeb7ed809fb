"""Planning each record stage: seconds and memory of the driver, over made-up tables of samples, and over a folder of files.

    python -m benchmarks plan --rows 10000000 --engines duckdb,spark --files 1000000

Each stage is planned in a process of its own, with nothing planned before. *Driver* is the peak resident memory of that process;
Spark's tables are in a JVM and in Python workers. *Plan* is what the parts hold, pickled: it grows with parts, not with samples.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.catalog import STAGES
from dataengine.config.recipe import Recipe
from dataengine.config.sources import FolderSource
from dataengine.contracts import DECISIONS, EDGES, GROUPS, UNIQUE
from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.dedup.confirmation_cache import PAIRS
from dataengine.dedup.thumbnails import PLACES
from dataengine.engines.tables import prefix_digits
from dataengine.index.vectors_stage import IndexVectors
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.listing_stage import ListingStage
from dataengine.pipeline import open_run
from dataengine.samples.locate import READ, locations
from dataengine.samples.stage import part_name
from dataengine.stage import Part, RecordStage, Run
from dataengine.storage.workspace import File, Output, Record, Workspace, roles

#: Samples of a media tar.
_A_PART = 1000
_MADE = """
SELECT printf('%0{digits}x', {prefix}) || substr(md5(i::VARCHAR), {digits} + 1) AS id, id AS representative, 1 AS size,
       id AS a, id AS b, 0.0::DOUBLE AS distance, 8.0::DOUBLE AS bits, 'p' AS pack, i AS starts, '1' AS version,
       'train' AS split, '[]' AS pairs, '[]' AS distractors,
       [] AS partners, [] AS videos,
       sha256(i::VARCHAR) AS sha256, 60000 AS bytes,
       CASE WHEN i % 10 = 0 THEN 'video' ELSE 'image' END AS kind,
       'jpeg' AS format, 'jpg' AS ext, 640 AS width, 480 AS height, 1 AS orientation, 'RGB' AS mode, 1 AS frames,
       NULL AS fps, NULL AS duration, NULL AS codec, i % 10 = 0 AS audio, (hash(i) >> 1)::BIGINT AS phash, [] AS frame_hashes,
       'p1' AS hash_version, NULL AS parent, NULL AS clip_start, NULL AS clip_end, NULL AS faces, NULL AS media_sha256,
       [{{'text': 'what is in picture ' || i, 'source': 'web', 'uri': 'https://example.org/' || i}}] AS captions,
       'CC0-1.0' AS license,
       'media/' || md5((hash(i) % {parts})::VARCHAR) || '.tar' AS media, i * 61440 AS "offset", 1 AS mentions,
       i % 10 > 1 AS kept
FROM (SELECT range * {files} + {prefix} AS i FROM range({rows} // {files})) ORDER BY id
"""
_TABLES = {
    "unique": UNIQUE,
    "decisions": DECISIONS,
    "groups": GROUPS,
    "edges": EDGES,
    "fresh": PAIRS,
    "places": PLACES,
    "material": SOURCE_MATERIAL,
}
_PHASE = {"steps": 1}
_KELIX = {
    "name": "kelix",
    "objective": {"kind": "causal_lm", "path": "none"},
    "training": {"curriculum": {"align": _PHASE, "pretrain": _PHASE, "anneal": _PHASE}},
}
#: Recipes that have the stages to plan.
_RECIPES: tuple[dict[str, Any], ...] = (
    {
        "annotate": {"ocr": {}, "asr": {}, "text": {}},
        "contamination": {"benchmarks": [{"name": "listed", "type": "folder", "path": "none"}]},
        "cot": {"questions": {"ask": {"model": {"type": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}}}},
        "dedup": {"pixels": True, "semantic": {}},
        "index": {},
        "tokenize": {"tokenizer": {"name": "product"}},
    },
    {"tokenize": {"tokenizer": _KELIX, "fit_samples": 1 << 40}},
    {"tokenize": {"tokenizer": {"name": "kelix"}}},
)


def make(folder: Path, rows: int, parts: int) -> None:
    """Tables of ``rows`` samples in ``folder``, cut into files as the table engines cut them."""
    import duckdb

    workspace, digits = Workspace(str(folder / "workspace")), prefix_digits(rows)
    files: dict[str, list[File]] = {name: [] for name in _TABLES}
    tars = set()
    for prefix in range(16**digits):
        sql = _MADE.format(digits=digits, prefix=prefix, files=16**digits, rows=rows, parts=parts)
        table = duckdb.sql(sql.replace("printf('%00x', 0)", "''")).to_arrow_table()
        tars |= set(table["media"].unique().to_pylist())
        for name, schema in _TABLES.items():
            absent = {f.name: pa.nulls(len(table), f.type) for f in schema if f.name not in table.column_names}
            some = pa.table({**{n: table[n] for n in table.column_names}, **absent}).select(schema.names)
            if name in ("edges", "fresh"):
                some = some.filter(pc.invert(table["kept"]))
            if name == "material":
                texts = locations(table.select(READ.names))["captions"]
                some = some.set_column(schema.names.index("captions"), "captions", texts)
            files[name].append(workspace.write_table(f"{name}/{prefix:x}.parquet", some, schema))
    listed = {role: {name: vars(file) for name, file in roles(role, some).items()} for role, some in files.items()}
    (folder / "files.json").write_text(json.dumps({"tables": listed, "tars": sorted(tars)}))


def planned() -> list[RecordStage]:
    """The stages whose parts are made of samples or of files of earlier stages."""
    record = [s for s in STAGES if isinstance(s, RecordStage) and not isinstance(s, ListingStage)]
    return [s for s in record if s.name != "contamination.embed" and not of_branches(s)]


def of_branches(stage: RecordStage) -> bool:
    """Whether a stage of the index is planned by the branches of its tree or by row groups of a table, not by samples."""
    return stage.name.startswith(("index.", "release.index")) and not isinstance(stage, IndexVectors)


def recipes(folder: Path, engine: str) -> list[Recipe]:
    fields = {
        "name": "plan",
        "workspace": str(folder / "workspace"),
        "engine": engine,
        "filter": {"policy": "none"},
        "sources": [{"name": "made", "type": "folder", "path": str(folder)}],
        "release": {"title": "-", "description": "-", "license": "CC0-1.0"},
    }
    return [Recipe.model_validate({**fields, **own}) for own in _RECIPES]


class _Files(dict[str, File]):
    """Files of a part that nobody reads, by role."""

    def __missing__(self, role: str) -> File:
        return File(role, role, 1, 1)


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return name


def opened(folder: Path, recipe: Recipe) -> Run:
    """A run whose earlier stages have made these tables, and something of each tar."""
    run = open_run(recipe)
    listed = json.loads((folder / "files.json").read_text())
    tables = {role: {name: File(**file) for name, file in some.items()} for role, some in listed["tables"].items()}
    kept = sum(file.rows for file in tables["decisions"].values()) * 8 // 10
    tars = {
        part_name(tar): Output(_Files(media=File(tar, "", 1), samples=File(f"{tar}.parquet", "", 1)))
        for tar in listed["tars"]
    }
    shards = {f"plan/train-image-{n:05d}": File("", "", 1) for n in range(len(tars))}
    made = {
        "dedup.unique": {"all": Output(tables["unique"])},
        "dedup": {"all": Output(tables["unique"] | tables["groups"])},
        "filter": {"all": Output(tables["decisions"], {"kept": kept})},
        "dedup.edges": {"all": Output(tables["edges"])},
        "dedup.candidates": {"all": Output(tables["fresh"])},
        "dedup.fingerprint": {"all": Output(tables["places"])},
        "shard.assign": {"all": Output(shards)},
        "contamination.pictures": {"all": Output({"pictures": File("pictures", "", 1, 1)})},
        "cot.material": {"all": Output(tables["material"])},
        "cot.mix": {"all": Output(shards)},
    }
    for stage in STAGES:
        parts = made.get(stage.name) or (tars if isinstance(stage, RecordStage) else {})
        own = stage.name.rpartition(".")[2]
        whole = {"all": Output(_Files({own: File(own, own, 1)}), facts=_Facts())} if "tokenize." in stage.name else {}
        run.records[stage.name] = Record(stage.name, "", {**parts, **whole})
    return run


def plan(run: Run, stage: RecordStage) -> list[Part]:
    """The stage's parts, planned anew."""
    run.workspace.store.delete([entry.key for entry in run.workspace.store.list("plans")])
    return stage.plan(run)


def _measured(stage: RecordStage, folder: Path, engine: str) -> list[Any]:
    recipe = next(r for r in recipes(folder, engine) if stage.active(r))
    run = opened(folder, recipe)
    _ = run.engine
    cpu, begun = harness.cpu_seconds(), time.perf_counter()
    parts = plan(run, stage)
    seconds, used = time.perf_counter() - begun, harness.cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    run.close()
    return [engine, _name(stage), len(parts), seconds, used, peak, len(pickle.dumps(parts)) / 1e6]


def _name(stage: RecordStage) -> str:
    return f"{stage.name} ({type(stage).__name__})"


def _listed(folder: Path, files: int) -> list[Any]:
    """A folder of so many files, half of them sidecars, a thousand a folder."""
    for n in range(files):
        below = folder / "files" / f"{n // 1000:06d}"
        if n % 1000 == 0:
            below.mkdir(parents=True)
        (below / f"{n // 2:09d}.{'txt' if n % 2 else 'jpg'}").touch()
    reader = FolderReader(FolderSource(type="folder", name="f", path=str(folder / "files"), buckets=256))
    cpu, begun = harness.cpu_seconds(), time.perf_counter()
    parts = reader.parts()
    seconds, used = time.perf_counter() - begun, harness.cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return ["-", f"ingest ({files:,} files of a folder)", len(parts), seconds, used, peak, "on disk"]


def main() -> None:
    options = harness.parser(__doc__, rounds=1)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--files", type=int, default=100_000, help="of a folder that is listed")
    options.add_argument("--engines", default="duckdb", help="duckdb, spark, or both with a comma")
    options.add_argument("--stages", nargs="+", default=[], help="names of stages (default: all)")
    options.add_argument(
        "--one", nargs=3, metavar=("STEP", "ENGINE", "FOLDER"), help="make tables, list, or plan one stage"
    )
    arguments = options.parse_args()
    if arguments.one:
        step, engine, folder = arguments.one
        _one(step, engine, Path(folder), arguments)
        return
    report = harness.Report("plan", arguments)
    stages = [_name(stage) for stage in planned() if stage.name in (arguments.stages or [stage.name])]
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        steps = [("make", "-"), ("list", "-"), *((name, e) for e in arguments.engines.split(",") for name in stages)]
        for step, engine in steps:
            rows += _child(step, engine, folder, arguments)
    columns = ["engine", "stage", "parts", "seconds", "CPU s of the driver", "driver, MB", "plan, MB"]
    report.table(f"Planning {arguments.rows:,} samples", columns, rows)
    report.write()


def _one(step: str, engine: str, folder: Path, arguments: Any) -> None:
    if step == "make":
        make(folder, arguments.rows, max(1, arguments.rows // _A_PART))
        return
    if step == "list":
        row = _listed(folder, arguments.files)
    else:
        [stage] = [stage for stage in planned() if _name(stage) == step]
        if not any(stage.active(recipe) for recipe in recipes(folder, engine)):
            return
        row = _measured(stage, folder, engine)
    print("#" + json.dumps(row), flush=True)


def _child(step: str, engine: str, folder: str, arguments: Any) -> list[list[object]]:
    sizes = ["--rows", str(arguments.rows), "--files", str(arguments.files)]
    done = harness.command([sys.executable, __file__, *sizes, "--one", step, engine, folder])
    if done.code:
        sys.exit(done.output)
    return [json.loads(line[1:]) for line in done.output.splitlines() if line.startswith("#")]


if __name__ == "__main__":
    main()
