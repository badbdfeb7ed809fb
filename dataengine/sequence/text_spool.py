"""Texts with their outcomes on this machine's disk, between two passes over a corpus: memory holds some hundred of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine.contracts import columns
from dataengine.sequence.corpus import Text

_AT_ONCE = 256
_SCHEMA = columns(
    id=pa.string(),
    text=pa.large_string(),
    weight=pa.float64(),
    failure=pa.string(),
    message=pa.string(),
    outcome=pa.string(),
)


@dataclass(frozen=True)
class TextSpool:
    """A file that is written once and then read in the same order."""

    path: Path

    def written(self, outcomes: Iterable[tuple[Text, str]]) -> Iterator[tuple[Text, str]]:
        """The same texts, each of them written as it goes by; the file is whole once all have."""
        every = iter(outcomes)
        with pa.OSFile(str(self.path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
            while some := list(islice(every, _AT_ONCE)):
                writer.write_batch(pa.RecordBatch.from_pylist([_row(*one) for one in some], _SCHEMA))
                yield from some

    def __iter__(self) -> Iterator[tuple[Text, str]]:
        with pa.OSFile(str(self.path), "rb") as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                for row in batch.to_pylist():
                    outcome = row.pop("outcome")
                    yield Text(**row), outcome


def _row(text: Text, outcome: str) -> dict[str, Any]:
    return {**asdict(text), "outcome": outcome}
