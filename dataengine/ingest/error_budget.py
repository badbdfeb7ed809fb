"""The error budget: the share of inputs that may fail before a run stops, and the commonest failures as examples.

A source has one, and of a source with partitions each partition that has enough inputs: else a day of which nothing could be read
would not show beside a year of good ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dataengine import contracts
from dataengine.ingest.hash_lists import TAKEN_DOWN
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record

#: Fewer inputs have no budget: one bad file of three is no sign of a mistake. Smaller partitions of a source have one together.
SMALLEST = 50
_EXAMPLES, _CLASSES = 2, 3
#: Batches of inputs over their budget that are shown with examples, at most.
_SHOWN = 5
_COLUMNS = ("source", "uri", "failure", "message")
_COMMONEST = f"""
SELECT source, failure, message, uri, n FROM (
  SELECT source, failure, message, uri, CAST(count(*) OVER (PARTITION BY source, failure) AS BIGINT) AS n,
         CAST(row_number() OVER (PARTITION BY source, failure ORDER BY uri) AS BIGINT) AS place FROM f
) AS numbered WHERE place <= {_EXAMPLES} ORDER BY source, n DESC, failure, place
"""


@dataclass(frozen=True)
class Batch:
    """Inputs that have one budget: ``name`` says which, ``record`` has the parts of ingest that they are in."""

    name: str
    source: str
    record: Record

    @property
    def inputs(self) -> int:
        return self.record.counts.get("inputs", 0)

    @property
    def failed(self) -> int:
        """Inputs that failed for another reason than an opt-out or a take-down."""
        facts = [part.facts for part in self.record.parts.values()]
        excused: int = sum(sum(one.get("opt_outs", {}).values()) + one.get(TAKEN_DOWN, 0) for one in facts)
        return self.record.counts.get("failed", 0) - excused


@dataclass(frozen=True)
class FailureClass:
    """A class of failures of one source: how many inputs, and ``(uri, message)`` of the first of them."""

    failure: str
    inputs: int
    examples: tuple[tuple[str, str], ...]


def batches(ingest: Record, places: Mapping[str, tuple[str, str]]) -> list[Batch]:
    """The inputs of each source, of each of its partitions where it has any, and of its small partitions together. ``places``:
    source and partition of each part, "" for none."""
    outputs: dict[tuple[str, str], dict[str, Output]] = {}
    for name, output in ingest.parts.items():
        outputs.setdefault(places[name], {})[name] = output
    several, small = list[Batch](), dict[str, dict[str, Output]]()
    for (source, partition), parts in sorted(outputs.items()):
        label = f"source `{source}`, partition {partition}" if partition else f"source `{source}`"
        batch = Batch(label, source, Record(ingest.stage, ingest.key, parts))
        if partition and batch.inputs < SMALLEST:
            small.setdefault(source, {}).update(parts)
        else:
            several.append(batch)
    for source, parts in small.items():
        label = f"source `{source}`, partitions of fewer than {SMALLEST} inputs"
        several.append(Batch(label, source, Record(ingest.stage, ingest.key, parts)))
    return several


def over_budget(run: Run, places: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Which batches have more failures than ``limits.failed`` allows, with the commonest as examples, by the digest of their
    parts; ``places`` as of ``batches``."""
    budget = run.recipe.limits.failed
    over = [
        batch
        for batch in batches(run.records["ingest"], places)
        if batch.inputs >= SMALLEST and batch.failed > budget * batch.inputs
    ]
    texts = {}
    for number, batch in enumerate(over):
        lines = [f"{batch.name}: {batch.failed:,} of {batch.inputs:,} inputs failed; limits.failed allows {budget:.0%}"]
        classes = commonest(run, batch.record) if number < _SHOWN else {}
        for kind in classes.get(batch.source, [])[:_CLASSES]:
            lines.append(f"  {kind.inputs:,} {kind.failure}, for example")
            lines += [f"    {uri}: {message}" for uri, message in kind.examples]
        texts[batch.record.digest] = "\n".join(lines)
    return texts


def commonest(run: Run, ingest: Record | None = None) -> dict[str, list[FailureClass]]:
    """Classes of failures at ingest by source, the commonest first; of the parts of ``ingest``, by default of all."""
    files = (ingest or run.records["ingest"]).files("failures")
    schema = pa.schema([contracts.FAILURES.field(name) for name in _COLUMNS])
    frame = run.engine.scan(run.workspace, files, schema)
    classes: dict[tuple[str, str], FailureClass] = {}
    for row in run.engine.collect(run.engine.sql(_COMMONEST, {"f": frame})).to_pylist():
        key = (row["source"], row["failure"])
        before = classes.get(key, FailureClass(row["failure"], row["n"], ()))
        classes[key] = FailureClass(before.failure, before.inputs, (*before.examples, (row["uri"], row["message"])))
    by_source: dict[str, list[FailureClass]] = {}
    for (source, _), kind in classes.items():
        by_source.setdefault(source, []).append(kind)
    return by_source
