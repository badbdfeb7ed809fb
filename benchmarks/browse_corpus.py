"""A workspace of made-up tables, as large as wished: the real contracts, partitions and commits, without a byte of media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.pipeline import open_run
from dataengine.policy.stage import Filter
from dataengine.release import ledger
from dataengine.samples.stage import part_name
from dataengine.score.factory import build
from dataengine.score.worker import annotation_schema
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record, roles

#: Inputs of a media tar, and so of a part.
PART = 8192
RULES = (
    ("side", "width >= 256 and height >= 256", "drop", "smaller than 256 pixels on a side"),
    ("blur", "blur >= 20", "drop", "blurred"),
    ("entropy", "entropy >= 2", "drop", "nearly flat"),
    ("nsfw", "nsfw <= 0.8", "drop", "probably not safe for work"),
)
_WORDS = np.array("a red old small fox runs over the stone bridge near two tall trees in rain at night".split())  # noqa: SIM905


def recipe(folder: Path, **changes: Any) -> Recipe:
    """Over sources that nobody reads."""
    policy = folder / "made-v1.yaml"
    rules = [dict(zip(("name", "keep", "on_missing", "reason"), rule, strict=True)) for rule in RULES]
    policy.write_text(yaml.safe_dump({"name": "made", "version": "1", "rules": rules}, sort_keys=False))
    sources = [{"type": "folder", "name": name, "path": str(folder / name)} for name in ("photos", "films")]
    fields = {
        "name": "made",
        "workspace": str(folder / "workspace"),
        "sources": sources,
        "score": {"scorers": [{"name": "technical"}, {"name": "nsfw"}]},
        "filter": {"policy": str(policy)},
        "tokenize": None,
        "cot": None,
        "release": {"title": "Made", "license": "cc0-1.0", "description": "Made up."},
    }
    return Recipe.model_validate({**fields, **changes})


def made(folder: Path, count: int, seed: int = 0, **changes: Any) -> Run:
    """A run of ``count`` inputs with the commits from ingest to filter, and the ledger as the release would write it."""
    run = open_run(recipe(folder, **changes))
    rng = np.random.default_rng(seed)
    distinct = max(1, int(count * 0.82))
    failed, mentions = count // 33, 0
    mentions = count - failed - distinct
    ids = np.array([f"{n:032x}" for n in _scattered(rng, distinct)])
    media = np.array([f"media/{n // PART:032x}.tar" for n in range(distinct)])
    facts = _facts(rng, distinct)
    _ingest(run, rng, ids, media, facts, mentions, failed)
    _dedup(run, rng, ids, media, facts)
    _score(run, rng, ids, media)
    run.records["filter"] = Record("filter", "0", {"all": Filter().compute(run, "0")})
    return run


def with_ledger(run: Run) -> Run:
    """The same with the ledger of a release."""
    frames = {
        "samples": run.frame("ingest", "samples", contracts.SAMPLES, ["input_id", "source", "uri", "id"]),
        "failures": run.frame("ingest", "failures", contracts.FAILURES),
        "groups": run.frame("dedup", "groups", contracts.GROUPS),
        "decisions": run.frame("filter", "decisions", contracts.DECISIONS),
        "broken": run.engine.frame(
            contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string()).empty_table()
        ),
    }
    built = ledger.build(run.engine, frames)
    files = run.engine.write(run.workspace, "releases/made/ledger", built, contracts.LEDGER, ("input_id",))
    run.records["release"] = Record("release", "0", {"all": Output(roles("ledger", files))})
    return run


def _scattered(rng: Any, count: int) -> Any:
    """So many different numbers of 63 bits."""
    return np.unique(rng.integers(0, 1 << 63, size=count + count // 10 + 8, dtype=np.int64))[:count]


def _facts(rng: Any, count: int) -> dict[str, Any]:
    video = rng.random(count) < 0.15
    seconds = np.round(rng.exponential(20, count), 2)
    return {
        "kind": np.where(video, "video", "image"),
        "format": np.where(video, "mp4", rng.choice(["jpeg", "png", "webp"], count)),
        "ext": np.where(video, "mp4", "jpg"),
        "width": rng.choice([64, 240, 320, 640, 1280, 1920], count),
        "height": rng.choice([64, 200, 240, 480, 720, 1080], count),
        "orientation": np.ones(count, np.int8),
        "mode": np.full(count, "RGB"),
        "frames": np.where(video, (seconds * 25).astype(int) + 1, 1),
        "fps": pa.array(np.full(count, 25.0), mask=~video),
        "duration": pa.array(seconds, mask=~video),
        "audio": video & (rng.random(count) < 0.5),
        "hash_version": np.full(count, "made"),
        "bytes": rng.integers(1000, 1 << 20, count),
    }


def _captions(rng: Any, count: int) -> Any:
    words = _WORDS[rng.integers(0, len(_WORDS), (count, 9))]
    return [" ".join(row) for row in words]


def _table(schema: pa.Schema, count: int, columns: dict[str, Any]) -> pa.Table:
    """Columns that are not named are null, or empty lists."""
    arrays = []
    for field in schema:
        value = columns.get(field.name)
        if value is not None:
            arrays.append(pa.array(value).cast(field.type))
        elif pa.types.is_list(field.type) and not field.nullable:
            arrays.append(pa.array([[]] * count, field.type))
        else:
            arrays.append(pa.array([""] * count, field.type) if not field.nullable else pa.nulls(count, field.type))
    return pa.table(arrays, schema=schema)


def _write(run: Run, key: str, rows: pa.Table) -> File:
    return run.workspace.write_table(key, rows)


def _ingest(run: Run, rng: Any, ids: Any, media: Any, facts: dict[str, Any], mentions: int, failed: int) -> None:
    again = rng.integers(0, len(ids), mentions)
    of = np.r_[np.arange(len(ids)), again]
    sources = rng.choice(["photos", "films"], len(of))
    uris = [f"{n % 977:03d}/{'copy-of-' if n >= len(ids) else ''}{n:07d}.{facts['ext'][i]}" for n, i in enumerate(of)]
    columns = {name: pa.array(values).take(pa.array(of)) for name, values in facts.items()}
    captions = pa.array(_captions(rng, len(of)))
    one_each = pa.ListArray.from_arrays(pa.array(np.arange(len(of) + 1), pa.int32()), captions)
    columns |= {"input_id": [f"{n:032x}" for n in range(len(of))], "source": sources, "uri": uris, "captions": one_each}
    columns |= {"id": ids[of], "sha256": ids[of], "media": media[of], "offset": np.arange(len(of)) * 1024}
    rows = _table(contracts.SAMPLES, len(of), columns)
    parts = {}
    for n, start in enumerate(range(0, len(of), PART)):
        file = _write(run, f"samples/made-{n:05d}.parquet", rows.slice(start, PART))
        parts[f"made-{n:05d}"] = Output({"samples": file})
    numbers = range(len(of), len(of) + failed)
    bad = {"input_id": [f"{n:032x}" for n in numbers], "uri": [f"broken/{n}.jpg" for n in numbers]}
    bad |= {"source": np.full(failed, "photos"), "message": np.full(failed, "ends early")}
    bad |= {"failure": rng.choice(["truncated", "not_media", "empty"], failed)}
    file = _write(run, "failures/made.parquet", _table(contracts.FAILURES, failed, bad))
    parts["failed"] = Output({"failures": file})
    counts = {"inputs": len(of) + failed, "samples": len(of), "failed": failed}
    parts["failed"] = Output({"failures": file}, counts)
    run.records["ingest"] = Record("ingest", "0", parts)


def _dedup(run: Run, rng: Any, ids: Any, media: Any, facts: dict[str, Any]) -> None:
    count = len(ids)
    texts = pa.array(_captions(rng, count))
    blank = pa.array(np.full(count, "made"))
    captions = pa.StructArray.from_arrays([texts, blank, blank], fields=list(contracts.CAPTION))
    lists = pa.ListArray.from_arrays(pa.array(np.arange(count + 1), pa.int32()), captions)
    columns = {**facts, "id": ids, "sha256": ids, "captions": lists, "media": media}
    columns |= {"offset": np.arange(count) * 1024, "mentions": np.ones(count, np.int32)}
    columns |= {"license": rng.choice(["cc0-1.0", "cc-by-4.0"], count)}
    unique = _table(contracts.UNIQUE, count, columns)
    stands = np.arange(count)
    other = rng.random(count) < 0.2
    other[0] = False
    stands[other] = 0
    stands = np.maximum.accumulate(np.where(other, 0, stands))  # a duplicate of the last one that is none
    sizes = np.bincount(stands, minlength=count)[stands]
    kinds = pa.array(rng.choice(["perceptual", "semantic"], count), mask=~other)
    distance = pa.array(np.round(rng.random(count) * 6, 2), mask=~other)
    groups = {"id": ids, "representative": ids[stands], "size": sizes, "kind": kinds, "distance": distance}
    files = {
        "unique": _write(run, "dedup/unique.parquet", unique),
        "groups": _write(run, "dedup/groups.parquet", _table(contracts.GROUPS, count, groups)),
    }
    run.records["dedup.unique"] = Record("dedup.unique", "0", {"all": Output({"unique": files["unique"]})})
    run.records["dedup"] = Record("dedup", "0", {"all": Output(files)})


def _score(run: Run, rng: Any, ids: Any, media: Any) -> None:
    """Of every sample: that duplicates have scores, too, changes nothing."""
    parts: dict[str, dict[str, File]] = {}
    for scorer in build(run.recipe.score.scorers):
        values = {f.name: _values(rng, f, len(ids)) for f in scorer.fields}
        rows = _table(annotation_schema(scorer), len(ids), {"id": ids, **values})
        for start in range(0, len(ids), PART):
            part = part_name(str(media[start]))
            key = f"annotations/{scorer.name}/{part}.parquet"
            parts.setdefault(part, {})[scorer.name] = _write(run, key, rows.slice(start, PART))
    run.records["score"] = Record("score", "0", {name: Output(files) for name, files in parts.items()})


def _values(rng: Any, field: pa.Field[Any], count: int) -> Any:
    if pa.types.is_integer(field.type):
        return rng.integers(0, 30, count)
    spread = {"blur": 100.0, "entropy": 7.5, "nsfw": 1.0}.get(field.name, 1.0)
    values = rng.exponential(spread, count) if field.name == "blur" else rng.random(count) ** 3 * spread
    return pa.array(np.round(values, 4), mask=rng.random(count) < 0.01)
