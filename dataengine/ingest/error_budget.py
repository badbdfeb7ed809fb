"""The error budget: the share of a source's inputs that may fail before a run stops, and the commonest failures as examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dataengine import contracts
from dataengine.stage import Run

#: Sources with fewer inputs have no budget: one bad file of three is no sign of a mistake.
SMALLEST = 50
_EXAMPLES, _CLASSES = 2, 3
_COMMONEST = f"""
SELECT source, failure, message, uri, n FROM (
  SELECT source, failure, message, uri, CAST(count(*) OVER (PARTITION BY source, failure) AS BIGINT) AS n,
         CAST(row_number() OVER (PARTITION BY source, failure ORDER BY uri) AS BIGINT) AS place FROM f
) AS numbered WHERE place <= {_EXAMPLES} ORDER BY source, n DESC, failure, place
"""


@dataclass(frozen=True)
class Share:
    """Inputs of a source, and how many of them failed for another reason than an opt-out."""

    inputs: int = 0
    failed: int = 0


@dataclass(frozen=True)
class FailureClass:
    """A class of failures of one source: how many inputs, and ``(uri, message)`` of the first of them."""

    failure: str
    inputs: int
    examples: tuple[tuple[str, str], ...]


def shares(run: Run, sources: Mapping[str, str]) -> dict[str, Share]:
    """Inputs and failures by source; ``sources``: the source of each part of ingest."""
    inputs, failed = Counter[str](), Counter[str]()
    for name, output in run.records["ingest"].parts.items():
        inputs[sources[name]] += output.counts.get("inputs", 0)
        opted_out = sum(output.facts.get("opt_outs", {}).values())
        failed[sources[name]] += output.counts.get("failed", 0) - opted_out
    return {source: Share(n, failed[source]) for source, n in inputs.items()}


def over_budget(run: Run, sources: Mapping[str, str]) -> str:
    """Which sources have more failures than ``limits.failed`` allows, with the commonest as examples; "" if none has."""
    budget = run.recipe.limits.failed
    spent = {
        name: share
        for name, share in shares(run, sources).items()
        if share.inputs >= SMALLEST and share.failed > budget * share.inputs
    }
    if not spent:
        return ""
    classes = commonest(run)
    lines = []
    for name, share in sorted(spent.items()):
        lines.append(
            f"source `{name}`: {share.failed:,} of {share.inputs:,} inputs failed; limits.failed allows {budget:.0%}"
        )
        for kind in classes.get(name, [])[:_CLASSES]:
            lines.append(f"  {kind.inputs:,} {kind.failure}, for example")
            lines += [f"    {uri}: {message}" for uri, message in kind.examples]
    return "\n".join(lines)


def commonest(run: Run) -> dict[str, list[FailureClass]]:
    """Classes of failures at ingest by source, the commonest first."""
    frame = run.frame("ingest", "failures", contracts.FAILURES, ["source", "uri", "failure", "message"])
    classes: dict[tuple[str, str], FailureClass] = {}
    for row in run.engine.collect(run.engine.sql(_COMMONEST, {"f": frame})).to_pylist():
        key = (row["source"], row["failure"])
        before = classes.get(key, FailureClass(row["failure"], row["n"], ()))
        classes[key] = FailureClass(before.failure, before.inputs, (*before.examples, (row["uri"], row["message"])))
    by_source: dict[str, list[FailureClass]] = {}
    for (source, _), kind in classes.items():
        by_source.setdefault(source, []).append(kind)
    return by_source
