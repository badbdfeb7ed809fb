"""Rates behind the estimate of ``--dry-run``: what each stage takes for a picture, and what the estimate says of the same run.

    python -m benchmarks estimate [--images 900] [--fewer 300] [--scorers technical nsfw conse] [--tokenizer kelix]

All stages run over JPEGs of 500 × 375 twice, over fewer and over more of them, in workspaces of their own, with one worker.
A stage's rate is the difference of its CPU seconds (workers and decode children; of table stages, which have no workers, the
seconds) over the difference of pictures; what is left of the smaller run is what it takes once.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from ingest import SIZE, crops, written

from dataengine.browse.estimate import Estimate, estimate
from dataengine.browse.preview import preview
from dataengine.config.recipe import Recipe
from dataengine.pipeline import execute
from dataengine.storage.store import Store
from dataengine.timings import costs


@dataclass
class Measured:
    """CPU seconds by stage, bytes, and what was estimated before."""

    stages: dict[str, float]
    workspace: int
    release: int
    estimate: Estimate


def measured(folder: Path, pictures: list[bytes], scorers: list[str], tokenizer: str) -> Measured:
    written(folder / "in", pictures)
    harness.keep_all(folder / "policy.yaml", 16)
    fields: dict[str, Any] = {
        "name": "bench",
        "workspace": str(folder / "ws"),
        "workers": 1,
        "sources": [{"type": "folder", "name": "in", "path": str(folder / "in"), "buckets": 4}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": name} for name in scorers], "device": "cpu"},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": {"tokenizer": {"name": tokenizer}, "device": "cpu"},
        "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
    }
    recipe = Recipe.model_validate(fields)
    before = estimate(recipe, preview(recipe), execute(recipe, dry_run=True), 1)
    execute(recipe)
    spent = costs(Store(recipe.workspace), recipe.name)
    by_stage = {name: one.cpu + one.decode_cpu or one.seconds for name, one in spent.items()}
    return Measured(by_stage, _bytes(folder / "ws"), _bytes(folder / "ws/releases"), before)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--images", type=int, default=900)
    parser.add_argument("--fewer", type=int, default=300)
    parser.add_argument("--scorers", nargs="*", default=["technical", "nsfw", "conse"])
    parser.add_argument("--tokenizer", default="kelix", choices=["kelix", "product"])
    options = parser.parse_args()
    if not 0 < options.fewer < options.images:
        sys.exit("--fewer must be less than --images")
    report = harness.Report("estimate", options)
    pictures = crops(options.images)
    with tempfile.TemporaryDirectory() as few, tempfile.TemporaryDirectory() as many:
        small = measured(Path(few), pictures[: options.fewer], options.scorers, options.tokenizer)
        large = measured(Path(many), pictures, options.scorers, options.tokenizer)
    rows = []
    for stage, cost in large.stages.items():
        each = (cost - small.stages.get(stage, 0.0)) / (options.images - options.fewer)
        rows.append([stage, each * 1e3, max(small.stages.get(stage, 0.0) - each * options.fewer, 0.0)])
    rows.sort(key=lambda row: -row[1])
    report.table(f"JPEG {SIZE[0]}×{SIZE[1]}, one worker", ["stage", "CPU ms a picture", "once, s"], rows)
    compared = [
        ["CPU s", large.estimate.cpu, sum(large.stages.values())],
        ["workspace, MB", large.estimate.workspace / 1e6, large.workspace / 1e6],
        ["release, MB", large.estimate.release / 1e6, large.release / 1e6],
    ]
    title = f"What the dry run said of {options.images:,} pictures of {sum(map(len, pictures)) / len(pictures) / 1e3:.0f} kB"
    report.table(title, ["", "estimate", "run", "estimate ÷ run"], [[*row, row[1] / row[2]] for row in compared])
    report.write()


if __name__ == "__main__":
    main()
