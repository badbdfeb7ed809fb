"""N-gram decontamination of texts that a later stage writes itself, such as questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dataengine.config.contamination import NgramPreset
from dataengine.contamination.find import texts_of
from dataengine.contracts import BENCHMARK_ITEMS
from dataengine.stage import Run


@dataclass(frozen=True)
class Hit:
    """The first of the items that the text shares most of a run of words with."""

    benchmark: str
    item: str
    similarity: float


@dataclass(frozen=True)
class Questions:
    """What the recipe's benchmarks ask and answer; small, and pickles, so that it can go to workers."""

    texts: pa.Table
    preset: NgramPreset


def questions_of(run: Run) -> Questions | None:
    """From the committed contamination.read; None where the recipe names no benchmarks. The n-gram preset is the recipe's,
    or its default where the recipe has none."""
    config = run.recipe.contamination
    if config is None:
        return None
    items = run.table("contamination.read", "items", BENCHMARK_ITEMS)
    ngrams = [preset for preset in config.presets if isinstance(preset, NgramPreset)]
    return Questions(
        texts_of(items.sort_by([("benchmark", "ascending"), ("item", "ascending")])), (*ngrams, NgramPreset())[0]
    )


def contaminated(texts: Sequence[str], known: Run | Questions | None) -> list[Hit | None]:
    """For each text the item that it repeats, by the n-gram preset; None where there is none."""
    from dataengine.contamination.presets import ngram

    questions = questions_of(known) if isinstance(known, Run) else known
    if questions is None:
        return [None] * len(texts)
    ids = [f"{n:012d}" for n in range(len(texts))]
    table = pa.table([pa.array(ids, pa.string()), pa.array(texts, pa.string())], names=["id", "text"])
    hits = ngram(table, questions.texts, questions.preset.n, questions.preset.min_overlap).hits.to_pylist()
    best: dict[str, Hit] = {}
    for row in sorted(hits, key=lambda r: (-r["similarity"], r["benchmark"], r["item"])):
        best.setdefault(row["id"], Hit(row["benchmark"], row["item"], row["similarity"]))
    return [best.get(id_) for id_ in ids]
