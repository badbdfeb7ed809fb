"""sequence.pack: packs the documents of each pool into sequences, in the order of the shuffle and balanced over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import SetConfig
from dataengine.samples.draws import draws
from dataengine.sequence.base import (
    AS_WRITTEN,
    DRAW,
    ENCODE,
    MIX,
    PACK,
    VOCABULARY,
    Sequencing,
    codebook_sizes,
    releases,
)
from dataengine.sequence.decision import PLAN, POOLED, Decision
from dataengine.sequence.document import Document, Expanded, expand, piece
from dataengine.sequence.draw_stage import OCCURRENCES_OF, drawn, encoded
from dataengine.sequence.encoded import Place, media_of, read
from dataengine.sequence.mix_stage import decision_file
from dataengine.sequence.model import SEQUENCES, to_row
from dataengine.sequence.occurrences import OCCURRENCES
from dataengine.sequence.packed import Piece, packed
from dataengine.sequence.special import family_of
from dataengine.sequence.tables import write_rows
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.row_packs import PARTS, PackedRows, places
from dataengine.storage.workspace import File, Output, Workspace, digest
from dataengine.table_engine import Packing, Source

_ROWS = 16
_BYTES = 64 << 20
"""Of documents' arrays that are read at once: what a worker holds beside a plan."""
_VERSION = "1"
"""Of the plan."""
_NO_BALANCE = 4096
"""Hidden size for costs where the recipe balances nothing."""


class SequencePack(Sequencing, RecordStage):
    name = PACK
    version = "3"
    needs = (VOCABULARY, ENCODE, DRAW, MIX)

    def settings(self, recipe: Recipe) -> Any:
        return [[one.model_dump(mode="json", exclude=AS_WRITTEN) for one in self.config(recipe).sets], recipe.seed]

    def plan(self, run: Run) -> list[Part]:
        """A part a pool; ``spec`` is (set, place of the rows of PLAN)."""
        facts = run.records[VOCABULARY].parts["all"].facts
        parts = []
        for one in self.config(run.recipe).sets:
            tokens = [out.files["tokens"].sha256 for out in encoded(run, self, one).values()]
            settings = one.model_dump(mode="json", exclude=AS_WRITTEN)
            base = digest(self.version, settings, facts["id"], run.recipe.seed, tokens)
            parts += [Part(name, digest(base, of_rows), (one, rows)) for name, of_rows, rows in _pooled(run, one)]
        return sorted(parts, key=lambda part: part.name)

    def is_planned(self, run: Run) -> bool:
        return all(run.workspace.store.exists(_plan_key(run, one)) for one in self.config(run.recipe).sets)

    def worker(self, run: Run) -> Worker:
        facts = run.records[VOCABULARY].parts["all"].facts
        sizes = codebook_sizes(releases(run, self.config(run.recipe)))
        special = facts["special"]
        packs = {name: out.files["tokens"].key for name, out in run.records[ENCODE].parts.items()}
        return PackWorker(
            run.workspace, max(1, len(sizes)), special["end_of_text"], special.get("eob", 0), run.recipe.seed, packs
        )


def _plan_key(run: Run, one: SetConfig) -> str:
    occurrences = [out.files[OCCURRENCES_OF].sha256 for out in drawn(run, one).values()]
    return f"plans/{digest('sequence.pack', _VERSION, one.name, decision_file(run, one).sha256, occurrences)}.parquet"


def _pooled(run: Run, one: SetConfig) -> Iterator[tuple[str, list[str], PackedRows]]:
    """Each pool of a set: its name, digests of its rows, and their place. Publishes the plan where there is none."""
    workspace, key = run.workspace, _plan_key(run, one)
    if not workspace.store.exists(key):
        file = decision_file(run, one)
        decision = Decision.from_bytes(workspace.store.get(file.key, file.sha256))
        files = [out.files[OCCURRENCES_OF] for out in drawn(run, one).values()]
        source = Source(file.sha256, files, OCCURRENCES, partial(decision.pooled, one.name), POOLED)
        packing = Packing(key.removesuffix(".parquet"), ("place",), ("place", "pack"))
        workspace.write_table(key, run.engine.parts(workspace, {"o": source}, "SELECT * FROM o", (), packing))
    parts = workspace.read_table([File(key, "", 0, 1)], PARTS)
    yield from zip(parts["part"].to_pylist(), parts["digests"].to_pylist(), places(parts), strict=True)


@dataclass
class PackWorker:
    """Packs a pool, whose rows it holds. Lengths alone decide what goes where; tokens of some sequences are held at a time."""

    workspace: Workspace
    codebooks: int
    padding: int
    eob: int
    seed: int
    packs: Mapping[str, str]
    """Key of the file of tokens of each part of sequence.encode."""

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        one, place = part.spec
        plan = place.read(self.workspace.store).select(PLAN.names)
        arranged = arrange(plan, one, self.seed, part.name)
        rows = self._rows(plan, one, arranged)
        table = write_rows(self.workspace, f"sequence/packed/{part.name}-{part.key}.parquet", rows, SEQUENCES, _ROWS)
        tokens = sum(stop - start for pieces in arranged.sequences for _, start, stop in pieces)
        counts = {"sequences": len(arranged.sequences), "tokens": tokens, "pieces": sum(map(len, arranged.sequences))}
        counts["padding"] = len(arranged.sequences) * one.length - tokens
        facts = {
            "set": one.name,
            "balanced": one.balance is not None and len(arranged.sequences) >= one.balance.batch,
            "imbalance": arranged.imbalance,
            "imbalance_before": arranged.imbalance_before,
        }
        return Output({"sequences": table}, counts, facts)

    def _rows(self, plan: pa.Table, one: SetConfig, arranged: Arranged) -> Iterator[dict[str, Any]]:
        codebooks = self.codebooks if family_of(one.layout) == "discrete" else 1
        each = max(1, _BYTES // (one.length * (6 + (4 * codebooks if one.layout == "blocks" else 0))))
        for start in range(0, len(arranged.sequences), each):
            group = arranged.sequences[start : start + each]
            rows = _Rows(plan.take([n for pieces in group for n, _, _ in pieces]), self.packs)
            documents = read(self.workspace.store, rows.places(), codebooks)
            numbers = count()
            for number, pieces in enumerate(group, start):
                parts = [rows.piece(next(numbers), next(documents), one, self.eob, a, b) for _, a, b in pieces]
                yield to_row(packed(parts, one, self.padding, self.eob, codebooks), arranged.costs[number])


#: Columns with few values, of each of which one string is held.
_FEW = ("source", "modality", "pack")


def _shared(column: Any) -> list[Any]:
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return [values[n] for n in encoded.indices.to_pylist()]


class _Rows:
    """The columns of some rows of a plan as lists."""

    def __init__(self, plan: pa.Table, packs: Mapping[str, str]) -> None:
        self._packs = packs
        self._columns: dict[str, list[Any]] = {
            name: _shared(plan[name]) if name in _FEW else plan[name].to_pylist()
            for name in PLAN.names
            if name not in ("media", "place")
        }
        self._media = plan["media"]
        self._has_media = np.array(pc.list_value_length(self._media).to_numpy()) > 0

    def places(self) -> list[Place]:
        columns = (self._columns[name] for name in ("pack", "offset", "rows", "visual"))
        return [Place(self._packs[pack], *rest) for pack, *rest in zip(*columns, strict=True)]

    def piece(self, n: int, document: Document, one: SetConfig, eob: int, start: int, stop: int) -> Piece:
        """Piece ``n`` of the rows; of ``concatenate`` its positions from ``start`` to ``stop``."""
        row = {name: column[n] for name, column in self._columns.items()}
        if self._has_media[n]:
            document = replace(document, media=media_of(self._media[n].as_py()))
        if row["stop"] - row["start"] < row["rows"]:
            document = piece(document, row["start"], row["stop"])
        arrays, media = expand(document, one.layout, eob), document.media
        if stop - start < row["length"]:
            arrays = Expanded(arrays.tokens[start:stop], arrays.roles[start:stop], arrays.loss[start:stop])
            media = piece(document, start, stop).media if media else ()
        return Piece(row["id"], row["source"], row["piece"], row["occurrence"], arrays, media)


@dataclass(frozen=True)
class Arranged:
    """Of each sequence the (row of the plan, start, stop) of its pieces, and its cost; imbalance over ranks after and before."""

    sequences: list[list[tuple[int, int, int]]]
    costs: list[float]
    imbalance: float
    imbalance_before: float


def arrange(plan: pa.Table, one: SetConfig, seed: int, name: str) -> Arranged:
    """Sequences of a pool whose pieces are in the order of the shuffle: packed, shuffled anew, and balanced over ranks."""
    from dataengine.sequence.packing import balance

    lengths = plan["length"].to_numpy().astype(np.int64)
    sequences = _sequences(lengths, one)
    if one.packing != "concatenate":
        order = np.argsort(
            draws(seed, [f"{name}\0{n}" for n in range(len(sequences))], "sequence order"), kind="stable"
        )
        sequences = [sequences[n] for n in order]
    hidden = one.balance.hidden_size if one.balance else _NO_BALANCE
    costs = np.array([balance.flops([stop - start for _, start, stop in pieces], hidden) for pieces in sequences])
    if one.balance is None or not len(costs):
        return Arranged(sequences, costs.tolist(), 0.0, 0.0)
    ranks, batch = one.balance.ranks, one.balance.batch
    order = balance.balanced(costs, ranks, batch)
    before, after = (round(balance.imbalance(c, ranks, batch), 6) for c in (costs, costs[order]))
    return Arranged([sequences[n] for n in order], costs[order].tolist(), after, before)


def _sequences(lengths: Any, one: SetConfig) -> list[list[tuple[int, int, int]]]:
    from dataengine.sequence.packing import bins

    if one.packing == "concatenate":
        return bins.cuts(lengths, one.length)
    groups: Sequence[Any] = bins.sequences_of(bins.METHODS[one.packing](lengths, one.length))
    return [[(int(n), 0, int(lengths[n])) for n in group] for group in groups]


def set_files(run: Run, name: str) -> list[File]:
    """Tables of a set's sequences, in order."""
    parts = run.records[PACK].parts
    return [out.files["sequences"] for _, out in sorted(parts.items()) if out.facts["set"] == name]
