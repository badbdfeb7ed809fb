"""Made-up tables of a whole run, and what the table stages make of them by one engine, step by step."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.contamination.outcome import Contaminated
from dataengine.dedup import edges
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.policy.decide import decide
from dataengine.policy.model import Policy
from dataengine.policy.screen import screened
from dataengine.release.ledger import balance, build, tally
from dataengine.score.distribution import distributions
from dataengine.shards.assign_distributed import Rules as ShardRules
from dataengine.shards.assign_distributed import assigned
from dataengine.table_engine import Frame, TableEngine

WORDS = [
    "a",
    "red",
    "fox",
    "runs",
    "over",
    "the",
    "old",
    "stone",
    "bridge",
    "near",
    "two",
    "tall",
    "trees",
    "in",
    "rain",
]
NUMBERS = ("bytes", "width", "score", "match", "single", "mentions")


@dataclass(frozen=True)
class Made:
    """``unique`` has the columns of contracts.UNIQUE that are looked at, and those of policies."""

    unique: pa.Table
    mentions: pa.Table
    failures: pa.Table
    broken: pa.Table
    hits: pa.Table


def name(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32]


def made(count: int, seed: int) -> Made:
    """Near and equal hashes, captions and frames; scores that are missing, NaN, infinite or of both signs of zero."""
    rng = random.Random(seed)
    bases = [rng.getrandbits(63) for _ in range(max(1, count // 6))]
    rows = [_sample(name(seed, n), rng, bases) for n in range(count)]
    unique = pa.Table.from_pylist(rows, _UNIQUE)
    mentions = [
        {"input_id": name("in", r["id"], n), "source": f"s{n % 2}", "uri": f"{rng.randrange(10**6)}", "id": r["id"]}
        for r in rows
        for n in range(rng.choice((1, 1, 1, 2, 3)))
    ]
    failures = [
        {"input_id": name("bad", n), "source": "s", "uri": str(n), "failure": "empty", "message": "no bytes"}
        for n in range(count // 10)
    ]
    lost = [r["id"] for r in rows if rng.random() < 0.05]
    hit = [r["id"] for r in rows if rng.random() < 0.05]
    strings = contracts.columns(input_id=pa.string(), source=pa.string(), uri=pa.string(), id=pa.string())
    bad = contracts.columns(
        input_id=pa.string(), source=pa.string(), uri=pa.string(), failure=pa.string(), message=pa.string()
    )
    return Made(
        unique,
        pa.Table.from_pylist(mentions, strings),
        pa.Table.from_pylist(failures, bad),
        pa.table([lost, ["timeout"] * len(lost), ["slow"] * len(lost)], schema=_BROKEN),
        pa.table([hit, ["contamination:phash"] * len(hit), ["b/é"] * len(hit)], schema=_HITS),
    )


def _sample(id_: str, rng: random.Random, bases: list[int]) -> dict[str, Any]:
    def hashed() -> int:
        return rng.choice(bases) ^ sum(1 << b for b in rng.sample(range(60), rng.choice((0, 0, 1, 3, 9))))

    text = " ".join(rng.choice(WORDS) for _ in range(8)) if rng.random() < 0.5 else " ".join(WORDS)
    video = rng.random() < 0.2
    return {
        "id": id_,
        "kind": "video" if video else "image",
        "phash": None if video or rng.random() < 0.1 else hashed(),
        "frame_hashes": [hashed() for _ in range(rng.randrange(6))] if video else [],
        "captions": [{"text": text, "source": "s", "uri": "u"}] if rng.random() < 0.8 else [],
        "width": rng.choice((64, 320, 640)),
        "height": rng.choice((64, 480)),
        "bytes": rng.choice((0, 10, 1000, 10**6, 10**10)) + rng.randrange(3),
        "mentions": rng.randrange(1, 4),
        "score": rng.choice(
            (None, math.nan, math.inf, -math.inf, 0.0, -0.0, round(rng.random(), 4), rng.gauss(0, 1e3))
        ),
        "match": rng.choice((None, rng.random(), 0.3)),
        "single": rng.choice((None, 0.7, 0.25)),
        "offset": rng.choice((None, "", "é", "it's")),
        "audio": rng.choice((None, True, False)),
    }


_UNIQUE = pa.schema(
    [
        *(contracts.UNIQUE.field(n) for n in ("id", "kind", "phash", "frame_hashes", "captions", "width", "height")),
        *(contracts.UNIQUE.field(n) for n in ("bytes", "mentions")),
        *(("score", pa.float64()), ("match", pa.float64()), ("single", pa.float32())),
        *(("offset", pa.string()), ("audio", pa.bool_())),
    ]
)
_BROKEN = contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string())
_HITS = contracts.columns(id=pa.string(), rule=pa.string(), value=pa.string())


def outcomes(
    engine: TableEngine, run: Made, policy: Policy, order: random.Random, contaminated: bool = True
) -> dict[str, Any]:
    """Every row that the table stages make of a run whose rows come in some order: edges, groups, decisions and funnel,
    assignment, ledger, and the statistics."""

    def frame(table: pa.Table) -> Frame:
        return engine.frame(table.take(order.sample(range(len(table)), len(table))) if len(table) else table)

    unique = engine.kept(frame(run.unique))
    told: dict[str, Any] = {}
    kinds = {
        edges.PERCEPTUAL: edges.perceptual(engine, unique, 6),
        edges.VIDEO: edges.video(engine, unique, 6, 0.6),
        edges.TEXT: edges.text(engine, unique, 0.8),
    }
    every = " UNION ALL ".join(f"SELECT a, b, kind, distance FROM {kind}" for kind in kinds)
    told["edges"] = _rows(engine, engine.sql(every, {kind: found.edges for kind, found in kinds.items()}))
    rules = Rules(tuple(kinds), Bounds(6, 0.6, text=0.8), ("resolution", "caption_length"), 1.5)
    grouped = group(engine, unique, frame(told["edges"]), rules)
    told["groups"], told["facts"] = _rows(engine, grouped.groups), grouped.facts()
    groups = frame(told["groups"])  # as the next stage reads it
    alone = engine.sql(
        "SELECT u.* FROM u JOIN g ON u.id = g.id WHERE g.id = g.representative", {"u": unique, "g": groups}
    )
    broken = frame(run.broken)
    readable = engine.kept(
        engine.sql("SELECT a.* FROM a LEFT JOIN b ON a.id = b.id WHERE b.id IS NULL", {"a": alone, "b": broken})
    )
    if contaminated:
        decided = screened(engine, policy, readable, Contaminated(frame(run.hits), {"contamination:phash": "listed"}))
    else:
        decided = decide(engine, policy, "r", {"r": readable})
    told["decisions"], told["funnel"] = _rows(engine, decided.decisions), decided.funnel
    decisions = frame(told["decisions"])
    told["statistics"] = distributions(engine, readable, decisions, NUMBERS, decided.samples)
    sizes = engine.sql(
        'SELECT a.id, a.kind, a."bytes" FROM a JOIN d ON a.id = d.id WHERE d.kept', {"a": readable, "d": decisions}
    )
    told["assignment"] = _rows(engine, assigned(engine, sizes, ShardRules(5000, 7, {"train": 0.7, "test": 0.3})))
    frames = {"samples": frame(run.mentions), "failures": frame(run.failures), "groups": groups}
    lost = engine.sql("SELECT b.* FROM b JOIN a ON a.id = b.id", {"b": broken, "a": alone})
    told["ledger"] = _rows(engine, build(engine, {**frames, "decisions": decisions, "broken": lost}))
    ledger = frame(told["ledger"])
    told["tally"] = tally(engine, ledger)
    inputs = len(run.mentions) + len(run.failures)
    balance(engine, ledger, sum(int(r["n"] or 0) for r in told["tally"]), inputs, frame(told["assignment"]))
    return told


def _rows(engine: TableEngine, frame: Frame) -> pa.Table:
    table = engine.collect(frame)
    keys = [(n, "ascending") for n in table.schema.names if not pa.types.is_nested(table.schema.field(n).type)]
    return table.sort_by(keys)
