"""Base of the workers that annotate: the samples of a media tar to a track's table, which is kept where it exists."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.annotate.track import Track
from dataengine.media.sandbox.pool import Failed
from dataengine.samples.locate import Located
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part
from dataengine.storage.workspace import File, Output, digest

#: Role of the table among a part's files.
TABLE = "table"
#: Facts of a part, by track name: what the card sums up.
FAILURES, VALUES = "failures", "values"

Row = dict[str, Any]


@dataclass
class TrackWorker(DecodingWorker):
    """Subclasses make the rows; columns that a row lacks are null."""

    track: Track

    @abstractmethod
    def rows(self, samples: Sequence[Located]) -> list[Row]:
        """A row of the track's table for each sample, in any order."""

    @abstractmethod
    def counts(self, table: pa.Table) -> dict[str, int]:
        """What adds up over parts for the card; ``with`` is the number of samples that have something of the track."""

    def values(self, table: pa.Table) -> Mapping[str, int]:
        """Samples by a short value, such as a language."""
        return {}

    def content(self, samples: Sequence[Located]) -> Any:
        """What the rows depend on of the samples, as JSON."""
        return [sample.id for sample in samples]

    def process(self, part: Part) -> Output:
        samples = self.samples(part.spec)
        content = digest(self.content(samples), self.limits.bounds())
        key = f"annotations/{self.track.name}-{self.track.version}/{part.name}-{content[:16]}.parquet"
        if self.workspace.store.exists(key):
            data = self.workspace.store.get(key)
            file = File(key, hashlib.sha256(data).hexdigest(), len(data), len(samples))
            table = self.workspace.read_table([file], self.track.schema)
        else:
            rows = sorted(self.rows(samples), key=lambda row: str(row["id"]))
            table = pa.Table.from_pylist(rows, self.track.schema)
            file = self.workspace.write_table(key, table)
        failures = Counter(table["failure"].drop_null().to_pylist())
        counts = {"samples": len(samples), "failed": sum(failures.values()), **self.counts(table)}
        facts = {FAILURES: dict(sorted(failures.items())), VALUES: dict(sorted(self.values(table).items()))}
        return Output({TABLE: file}, counts, facts)


def failed(sample: Located, outcome: Failed) -> Row:
    """The row of a sample that could not be annotated."""
    return {"id": sample.id, "failure": outcome.failure, "message": outcome.message}
