"""sequence.ledger: what became of each document of a set, and how often it is used; a part a part of sequence.draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.errors import BalanceError
from dataengine.sequence.base import DRAW, LEDGER, MIX, Sequencing
from dataengine.sequence.decision import Decision
from dataengine.sequence.draw_stage import DOCUMENTS_OF, LISTED, OCCURRENCES_OF, drawn
from dataengine.sequence.mix_stage import decision_file
from dataengine.sequence.occurrences import OCCURRENCES
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest

_FIELDS: list[pa.Field[Any]] = [
    *(pa.field(name, pa.string(), False) for name in ("set", "source", "id", "modality", "outcome", "reason")),
    pa.field("n", pa.int64(), False),
    pa.field("weight", pa.float64(), False),
    pa.field("occurrences", pa.int64(), False),
    pa.field("tokens", pa.int64(), False),
]
#: One row a document and set: exactly one of packed, too long, weight 0, filtered, duplicate, failed, no share, not chosen.
SEQUENCE_LEDGER = pa.schema(_FIELDS)
PACKED, NOT_CHOSEN = "packed", "not chosen"
_KEY = ("source", "id", "occurrence")


class SequenceLedger(Sequencing, RecordStage):
    """A file a source, so that one set's ledger is their rows one after the other."""

    name = LEDGER
    version = "1"
    needs = (DRAW, MIX)

    def plan(self, run: Run) -> list[Part]:
        parts = []
        for one in self.config(run.recipe).sets:
            decided = decision_file(run, one)
            for name, out in drawn(run, one).items():
                listed, occurrences = out.files[DOCUMENTS_OF], out.files[OCCURRENCES_OF]
                key = digest(self.version, decided.sha256, listed.sha256, occurrences.sha256)
                parts.append(Part(name, key, (one.name, decided, listed, occurrences)))
        return parts

    def worker(self, run: Run) -> Worker:
        return LedgerWorker(run.workspace)


@dataclass
class LedgerWorker:
    """Holds the documents of a part."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        name, decided, listed, occurrences = part.spec
        decision = Decision.from_bytes(self.workspace.store.get(decided.key, decided.sha256))
        documents = self.workspace.read_table([listed], LISTED)
        rows = ledger_rows(name, documents, self._uses(decision, occurrences))
        listed_outcomes: list[Any] = rows["outcome"].to_pylist()
        outcomes: Counter[str] = Counter(listed_outcomes)
        if outcomes.total() != listed.rows:
            raise BalanceError(f"set {name}: {listed.rows:,} documents, but outcomes of {outcomes.total():,}")
        files = {}
        sources: list[Any] = rows["source"].to_pylist()
        for number, source in enumerate(sorted(set(sources))):
            some = rows.filter(pc.equal(rows["source"], pa.scalar(source)))
            key = f"sequence/ledger/{part.name}-{part.key[:16]}-{number}.parquet"
            files[f"ledger/{source}"] = self.workspace.write_table(key, some, SEQUENCE_LEDGER)
        counts = {outcome: n for outcome, n in sorted(outcomes.items()) if n}
        return Output(files, counts, {"set": name})

    def _uses(self, decision: Decision, file: File) -> dict[tuple[str, str], tuple[int, int]]:
        """Occurrences and tokens of each document that is used, by source and id."""
        uses: dict[tuple[str, str], tuple[int, int]] = {}
        last: Any = None
        for table in self.workspace.batches([file], OCCURRENCES):
            some = table.filter(pa.array(decision.chosen(table))).select([*_KEY, "length"])
            if not len(some):
                continue
            keys = list(zip(*(some[name].to_pylist() for name in _KEY), strict=True))
            lengths: list[Any] = some["length"].to_pylist()
            for key, length in zip(keys, lengths, strict=True):
                occurrences, tokens = uses.get(key[:2], (0, 0))
                uses[key[:2]] = occurrences + (key != last), tokens + length
                last = key
        return uses


def ledger_rows(name: str, documents: pa.Table, uses: dict[tuple[str, str], tuple[int, int]]) -> pa.Table:
    """SEQUENCE_LEDGER of the rows of LISTED, by source, id and number."""
    ordered = documents.sort_by([(column, "ascending") for column in ("source", "id", "n")])
    known: list[Any] = ordered["outcome"].to_pylist()
    sources: list[Any] = ordered["source"].to_pylist()
    ids: list[Any] = ordered["id"].to_pylist()
    keys = zip(sources, ids, strict=True)
    used = [(0, 0) if outcome else uses.get(key, (0, 0)) for outcome, key in zip(known, keys, strict=True)]
    outcomes = [outcome or (PACKED if n else NOT_CHOSEN) for outcome, (n, _) in zip(known, used, strict=True)]
    counts = np.array(used, np.int64).reshape(-1, 2)
    computed = {
        "set": pa.array([name] * len(ordered), pa.string()),
        "outcome": pa.array(outcomes, pa.string()),
        "occurrences": pa.array(counts[:, 0]),
        "tokens": pa.array(counts[:, 1]),
    }
    return pa.table(
        [computed[n] if n in computed else ordered[n] for n in SEQUENCE_LEDGER.names], names=SEQUENCE_LEDGER.names
    ).cast(SEQUENCE_LEDGER)


def outcomes_of(run: Run, name: str) -> dict[str, int]:
    """Documents of a set by what became of them."""
    total: Counter[str] = Counter()
    for out in run.records[LEDGER].parts.values():
        if out.facts["set"] == name:
            total.update(out.counts)
    return dict(sorted(total.items()))


def ledger_files(run: Run, name: str) -> Iterator[File]:
    """Files of a set's ledger in the order of its rows: source by source, then by the beginning of the id."""
    outputs = [out for _, out in sorted(run.records[LEDGER].parts.items()) if out.facts["set"] == name]
    for role in sorted({role for out in outputs for role in out.files}):
        yield from (out.files[role] for out in outputs if role in out.files)
