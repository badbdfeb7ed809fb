"""The whole way without models, start included, beside a plain Daft script over the same pictures.

    python -m benchmarks whole_way [--images 10000] [--rounds 1] [--peer-python PATH]

Ours is one command, ``dataengine run``: ingest, near-duplicates by hash within a radius, technical scores, a policy, shards,
ledger, card. The pictures are those of ``scaling.py``: one of ten is a copy of another, and the rest are kept.
The script decodes each picture once, takes imagehash's pHash and a measure of blur, keeps one picture of each hash and those
that are not blurred, and writes a Parquet table: no shards, no ledger, nothing to resume. Both are whole commands; CPU is that
of all their processes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness
from ingest import SIZE, written
from scaling import pictures

from dataengine.testing import write_recipe

COMMAND = Path(sys.executable).with_name("dataengine")
_DAFT = """
import io, sys
import daft, imagehash, numpy as np
from PIL import Image

pictures, out = sys.argv[1:]


@daft.func.batch(return_dtype=daft.DataType.struct({"hash": daft.DataType.string(), "blur": daft.DataType.float64()}))
def measured(column):
    rows = []
    for data in column.to_pylist():
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        gray = np.asarray(picture.convert("L"), np.float32)
        edges = 4 * gray[1:-1, 1:-1] - gray[:-2, 1:-1] - gray[2:, 1:-1] - gray[1:-1, :-2] - gray[1:-1, 2:]
        rows.append({"hash": str(imagehash.phash(picture)), "blur": float(edges.var())})
    return rows


files = daft.from_glob_path(pictures + "/*.jpg").select("path")
rows = files.with_column("m", measured(daft.col("path").download()))
rows = rows.select("path", daft.col("m").get("hash").alias("hash"), daft.col("m").get("blur").alias("blur"))
kept = rows.where(daft.col("blur") >= 5).groupby("hash").agg(daft.col("path").min(), daft.col("blur").max())
kept.write_parquet(out)

"""


def ours(folder: Path) -> list[Any]:
    """A recipe over ``folder/in``, run from nothing."""
    shutil.rmtree(folder / "ws", ignore_errors=True)
    sources = [{"type": "folder", "name": "in", "path": str(folder / "in")}]
    recipe = write_recipe(folder, workers="auto", sources=sources)
    rule = {"name": "blur", "keep": "blur >= 5", "on_missing": "drop", "reason": "blurred, or without detail"}
    (folder / "policy.yaml").write_text(json.dumps({"name": "sharp", "version": "1", "rules": [rule]}))
    return [str(COMMAND), "run", str(recipe)]


def daft(folder: Path, python: Path) -> list[Any]:
    shutil.rmtree(folder / "daft", ignore_errors=True)
    return [str(python), "-c", _DAFT, str(folder / "in"), str(folder / "daft")]


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--peer-python", type=Path, help="Python of an environment with daft, imagehash and pillow")
    options = parser.parse_args()
    report = harness.Report("whole_way", options)
    python = options.peer_python or harness.peer("daft")
    runs: dict[str, list[harness.Command]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder / "in", pictures(options.images))
        for _ in range(options.rounds):
            commands = {"dataengine run": ours(folder)} | ({"Daft script": daft(folder, python)} if python else {})
            for way, command in commands.items():
                run = harness.command(command)
                if run.code:
                    sys.exit(f"{way}: {run.output[-2000:]}")
                runs.setdefault(way, []).append(run)
    rows = []
    for way, done in runs.items():
        best = sorted(done, key=lambda run: run.seconds)[len(done) // 2]
        rows.append(
            [
                way,
                best.seconds,
                best.cpu,
                best.cpu / options.images * 1e3,
                best.peak,
                round(options.images / best.seconds),
            ]
        )
    columns = ["way", "seconds", "CPU s", "CPU ms a picture", "peak GB", "pictures/s"]
    title = f"{options.images:,} JPEG {SIZE[0]}×{SIZE[1]}, whole commands"
    report.table(title, columns, rows, "" if python else "No Daft here: give --peer-python or run make bench-peers.")
    report.write()


if __name__ == "__main__":
    main()
