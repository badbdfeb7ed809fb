"""The samples that a tokenizer is fitted on, and those held out from it: shares by id and seed, drawn where the tables are read.

Held out is what draws no more than a bound, so that none is that the tokenizer of the recipe's lock was fitted on.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.config.lock import FittedOn
from dataengine.config.recipe import TokenizeConfig
from dataengine.samples.draws import draws
from dataengine.samples.selection import Planned, Selection, distinct, source
from dataengine.stage import Run
from dataengine.storage.row_packs import PLACES, places
from dataengine.storage.workspace import File, Workspace, canonical_json, digest
from dataengine.table_engine import Source
from dataengine.tokenize import decision

_LEAST, _MOST = -1, (1 << 64) - 1
"""Bounds outside of which no draw lies, exclusive and inclusive."""
_SIGN = 1 << 63
_ROWS_AT_ONCE = 1 << 16
_IDS = contracts.columns(id=pa.string())
_DIGEST = contracts.columns(digest=pa.string())
_DRAW = contracts.columns(draw=pa.int64())


def to_fit(run: Run) -> Selection:
    """Kept samples that the tokenizer is fitted on: at most ``tokenize.fit_samples`` of those that are not held out."""
    chosen, most = 'SELECT d."id" FROM d', _config(run).fit_samples
    if most < run.records["filter"].counts["kept"]:
        chosen += f' ORDER BY d."draw", d."id" LIMIT {most}'
    return distinct(run, "dedup").that(f'u."id" IN ({chosen})', d=_drawn(run, "fit", _bound(run), _MOST))


def held_out(run: Run) -> Selection:
    """Kept samples that the tokenizer is not fitted on."""
    held = _drawn(run, decision.HELD_OUT, _LEAST, _bound(run))
    return distinct(run, "dedup").that('u."id" IN (SELECT h."id" FROM h)', h=held)


def is_planned(run: Run) -> bool:
    """Whether a plan of ``to_fit`` would only read."""
    known = decision.held_out_bound(run) is not None or not _held_samples(run)
    return (known or run.workspace.store.exists(_key(run))) and to_fit(run).is_planned(run)


def fitted_on(run: Run) -> FittedOn:
    """What the lock says of the samples of ``to_fit`` and ``held_out``."""
    parts, bound = to_fit(run).plan(run), _bound(run)
    return FittedOn(
        samples=sum(part.rows.rows for part in parts),
        digest=_digest(run, parts),
        held_out_below=None if bound == _LEAST else f"{bound:016x}",
    )


def _bound(run: Run) -> int:
    """The largest draw of a sample that is held out, of the lock or of so many samples as the recipe says; kept with plans."""
    locked, held = decision.held_out_bound(run), _held_samples(run)
    if locked is not None or not held:
        return _LEAST if locked is None else locked
    workspace, key = run.workspace, _key(run)
    if not workspace.store.exists(key):
        first = f'SELECT h."draw" FROM h ORDER BY h."draw" LIMIT {held}'
        sql = f'SELECT x."draw" AS "draw" FROM ({first}) AS x ORDER BY x."draw" DESC LIMIT 1'
        workspace.write_table(key, run.engine.select(workspace, {"h": _drawn(run, decision.HELD_OUT)}, sql), _DRAW)
    return int(workspace.read_table([File(key, "", 0, 1)], _DRAW)["draw"][0].as_py()) + _SIGN


def _key(run: Run) -> str:
    files = [file.sha256 for file in run.records["filter"].files("decisions")]
    return f"plans/{digest('held out', files, run.recipe.seed, _held_samples(run))}.parquet"


def _digest(run: Run, parts: list[Planned]) -> str:
    """Digest of the parts' ids in their order, made where the engine's workers are: as ``digest`` of one list of them."""
    engine = run.engine
    rows = engine.frame(pa.Table.from_pylist([vars(part.rows) for part in parts], PLACES))
    ids = engine.local(rows, (), partial(ids_of, run.workspace), _IDS)
    return str([*engine.collect(engine.whole(ids, digest_of, _DIGEST))["digest"].to_pylist(), digest([])][0])


def ids_of(workspace: Workspace, parts: pa.Table) -> pa.Table:
    """The ids of the samples of parts, given as rows of PLACES."""
    tables = [place.read(workspace.store).select(_IDS.names) for place in places(parts)]
    return pa.concat_tables([_IDS.empty_table(), *tables])


def digest_of(ids: pa.Table) -> pa.Table:
    """One row: ``storage.workspace.digest`` of the sorted ids."""
    hashed = hashlib.sha256(b"[[")
    for n, batch in enumerate(ids.sort_by("id").to_batches(max_chunksize=_ROWS_AT_ONCE)):
        hashed.update(b"," * bool(n) + canonical_json(batch["id"].to_pylist())[1:-1])
    hashed.update(b"]]")
    return pa.table({"digest": [hashed.hexdigest()[:32]]})


def _held_samples(run: Run) -> int:
    return round(run.records["filter"].counts["kept"] * _config(run).held_out)


def _drawn(run: Run, use: str, above: int = _LEAST, most: int = _MOST) -> Source:
    """The ids of kept samples, with a draw of each for ``use``: of those whose draw for being held out lies within bounds."""
    decisions, seed = source(run, "filter", "decisions", contracts.DECISIONS, ("id", "kept")), run.recipe.seed
    prepare = partial(drawn, seed, use, above, most)
    schema = contracts.columns(id=pa.string(), draw=pa.int64())
    return replace(decisions, name=f"{use} {seed} {above} {most}", prepare=prepare, schema=schema)


def drawn(seed: int, use: str, above: int, most: int, decisions: pa.Table) -> pa.Table:
    """Kept ids with ``samples.draws.draw`` of each, as signed integers of the same order."""
    ids: Any = decisions.filter(decisions["kept"])["id"]
    if above > _LEAST or most < _MOST:
        held: list[int] = draws(seed, ids.to_pylist(), decision.HELD_OUT).tolist()
        ids = pc.filter(ids, pa.array([above < word <= most for word in held], pa.bool_()))
    signed = (draws(seed, ids.to_pylist(), use) ^ np.uint64(_SIGN)).view(np.int64)
    return pa.table({"id": ids, "draw": pa.array(signed)})


def _config(run: Run) -> TokenizeConfig:
    if run.recipe.tokenize is None:
        raise ValueError("the recipe has no tokenizer")
    return run.recipe.tokenize
