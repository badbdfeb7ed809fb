"""A week that comes a day at a time: what each day reads, decodes, encodes and writes, beside one run over the whole week.

    python -m benchmarks increments [--images 300] [--days 7] [--again 0.1]

Every day brings made-up pictures, no two of them alike. A share of them (``--again``) are files of the day before once more, and
as many are pictures that the day before had at half the size, so that the representative changes, and a released sample leaves
its shard.
The recipe continues its own release. All of it runs in this process, so CPU seconds are those of the work and of its decode
children; no second process shares them.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import harness
from PIL import Image

from dataengine import contracts
from dataengine.config.recipe import load
from dataengine.pipeline import committed, execute
from dataengine.storage.store import Store
from dataengine.testing import InProcess, picture, write_recipe
from dataengine.timings import costs

_TABLES = {
    ("ingest", "samples"): contracts.SAMPLES,
    ("ingest", "failures"): contracts.FAILURES,
    ("dedup", "groups"): contracts.GROUPS,
    ("filter", "decisions"): contracts.DECISIONS,
}
_TOKENIZER = {"name": "product", "codebooks": 4, "entries": 32, "max_tokens": 256}
_BECAME = ("untouched", "changed", "added", "removed")


def days_of(folder: Path, days: int, images: int, again: float) -> list[str]:
    """Write the pictures of each day below ``folder/in``; the names of the days."""
    names, copies = [f"2026-11-{n + 1:02d}" for n in range(days)], int(images * again)
    data = [_jpeg(Image.fromarray(picture(seed, 500, 375)), 90) for seed in range(days * images)]
    for n, name in enumerate(names):
        place = folder / "in" / name
        place.mkdir(parents=True)
        own, before = data[n * images : (n + 1) * images], data[max(0, n - 1) * images : n * images]
        files = [*map(_half, own[:copies]), *own[copies : images - 2 * copies], *before[: 2 * copies]]
        for number, jpeg in enumerate(files):
            (place / f"{number:06d}.jpg").write_bytes(jpeg)
    return names


def _half(jpeg: bytes) -> bytes:
    large = Image.open(io.BytesIO(jpeg))
    return _jpeg(large.resize((large.width // 2, large.height // 2), Image.Resampling.LANCZOS), 90)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def run(recipe: Path, workspace: Path, days: list[str], **changes: Any) -> dict[str, Any]:
    """Take up days; what it took, by name."""
    loaded = load(recipe, days, workspace=str(workspace), **changes)
    store = Store(str(workspace))
    before, cpu, begun = costs(store, "bench"), harness.cpu_seconds(), time.perf_counter()
    reports = {report.name: report for report in execute(loaded, engine=InProcess())}
    took = {"cpu": harness.cpu_seconds() - cpu, "wall": time.perf_counter() - begun}
    after = costs(store, "bench")
    decoded = {name: cost.decoded - (before[name].decoded if name in before else 0) for name, cost in after.items()}
    parts = {name: (reports[name].made, reports[name].parts) for name in ("ingest", "score", "tokenize.encode")}
    return {**took, "decoded": decoded, "parts": parts}


def became(release: Path) -> Counter[str]:
    """Shards by what became of them, and their bytes."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    size, counted = {s["name"]: s["bytes"] for s in manifest["shards"]}, Counter[str]()
    for shard in (
        manifest["deltas"]["shards"] if "deltas" in manifest else [{"name": n, "change": "added"} for n in size]
    ):
        counted[shard["change"]] += 1
        counted["bytes to fetch"] += size.get(shard["name"], 0) if shard["change"] in ("added", "changed") else 0
    counted["bytes"] = sum(size.values())
    return counted


def digest_of(recipe: Path, workspace: Path, key: tuple[str, str]) -> str:
    table = committed(load(recipe, workspace=str(workspace)), "filter").table(*key, _TABLES[key])
    return hashlib.sha256(json.dumps(table.to_pylist(), sort_keys=True, default=str).encode()).hexdigest()[:16]


def shards_digest(release: Path) -> str:
    shards = json.loads((release / "manifest.json").read_bytes())["shards"]
    return hashlib.sha256(json.dumps([(s["name"], s["sha256"]) for s in shards]).encode()).hexdigest()[:16]


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--images", type=int, default=300, help="files a day")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--again", type=float, default=0.1)
    options = parser.parse_args()
    report = harness.Report("increments", options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        days = days_of(folder, options.days, options.images, options.again)
        source = {"type": "folder", "name": "crawl", "path": str(folder / "in" / "{date}"), "buckets": 4}
        blocks = {
            "name": "bench",
            "continues": "bench",
            "lock": "{workspace}/bench.lock",
            "sources": [source],
            "shard": {"target_bytes": "4 MB"},
        }
        recipe = write_recipe(folder, **blocks, tokenize={"tokenizer": _TOKENIZER, "fit_samples": 64, "device": "cpu"})
        chain, again, once = (folder / place for place in ("ws", "again", "once"))
        rows = [_row(day, run(recipe, chain, [day]), became(chain / "releases/bench")) for day in days]
        rows.append(_row("the last again", run(recipe, chain, days[-1:]), None))
        rows.append(_row("all at once", run(recipe, once, days), became(once / "releases/bench")))
        report.table("Work of each day", _COLUMNS, rows)
        for day in days:
            run(recipe, again, [day])
        tables = [
            [f"{stage}, {role}", *(digest_of(recipe, place, (stage, role)) for place in (chain, again, once))]
            for stage, role in _TABLES
        ]
        shards = ["shards", *(shards_digest(place / "releases/bench") for place in (chain, again, once))]
        report.table(
            "SHA-256 of rows and shards", ["", "days", "the same days again", "all at once"], [*tables, shards]
        )
    report.write()


_COLUMNS = [
    *("day", "decoded at ingest", "ingest parts", "score parts", "encoded", "CPU s", "wall s"),
    *(f"shards {change}" for change in _BECAME),
    *("MB to fetch", "MB in all"),
]


def _row(day: str, took: dict[str, Any], shards: Counter[str] | None) -> list[Any]:
    made = [f"{made} of {parts}" for made, parts in (took["parts"][name] for name in ("ingest", "score"))]
    counts = [shards[change] for change in _BECAME] if shards else ["", "", "", ""]
    sizes = [round(shards[name] / 1e6, 1) for name in ("bytes to fetch", "bytes")] if shards else ["", ""]
    decoded = took["decoded"]
    work = [decoded.get("ingest", 0), *made, decoded.get("tokenize.encode", 0), took["cpu"], took["wall"]]
    return [day, *work, *counts, *sizes]


if __name__ == "__main__":
    main()
