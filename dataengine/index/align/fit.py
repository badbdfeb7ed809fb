"""From files of pairs and vectors to a projection, with retrieval of held-out pairs before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.config.index_codes import AlignConfig, PairSource
from dataengine.errors import RunError
from dataengine.index.align import pair_table
from dataengine.index.align.crops_stage import CROPS
from dataengine.index.align.pair_table import NAMED, Counted
from dataengine.index.align.pairs_stage import PAIRS
from dataengine.index.align.projection import Projection
from dataengine.index.align.retrieval import recall
from dataengine.index.align.training import Pairs, State, train
from dataengine.samples.draws import draws, shares
from dataengine.storage.workspace import File, Workspace, digest

Float32 = NDArray[np.float32]
#: Neighbours among which the other half of a pair is looked for.
K = 10


@dataclass(frozen=True)
class Sources:
    """Files of vectors, of groups of copies, of pairs that tables say, of crops; and files of the user's own."""

    vectors: tuple[File, ...]
    groups: tuple[File, ...]
    pairs: tuple[File, ...]
    crops: tuple[File, ...]
    named: tuple[PairSource, ...]


@dataclass(frozen=True)
class Material:
    """Pairs to train on and to measure on, whose samples have ``held_out_ids``; ``counts``: what became of all."""

    train: Pairs
    held_out: Pairs
    held_out_ids: frozenset[str]
    counts: dict[str, int]
    digest: str


@dataclass(frozen=True)
class Fitted:
    weight: Float32
    facts: dict[str, Any]


def gathered(workspace: Workspace, sources: Sources, config: AlignConfig, seed: int) -> Material:
    """Pairs with their vectors, split by groups. Raises RunError where there are too few, saying what became of the others."""
    counted = Counted()
    tables = _named(workspace, sources, counted)
    named = pair_table.joined(tables, config.most_pairs, seed, counted)
    kept, pairs = pair_table.with_vectors(workspace, sources.vectors, named, counted)
    names = list(zip(pair_table.texts(kept["a"]), pair_table.texts(kept["b"]), strict=True))
    ids, crops = pair_table.of_crops(workspace.read_table(sources.crops, CROPS), config.most_pairs, seed)
    both = [some for some in (pairs, crops) if len(some)]
    counted.add("with vectors", len(pairs) + len(crops))
    if not both:
        example = f", such as {counted.unknown}" if counted.unknown else ""
        raise RunError(
            f"index.align: no pair can be trained on ({_listed(counted)}{example}); pairs name samples by their ids in the "
            "ledger, items by those of their table"
        )
    joined = Pairs(*(np.concatenate([getattr(some, name) for some in both]) for name in ("a", "b", "weight", "group")))
    return _split([*names, *((id_, id_) for id_ in ids)], joined, config, seed, counted)


def _named(workspace: Workspace, sources: Sources, counted: Counted) -> Iterator[pa.Table]:
    """NAMED, of representatives: from files of the user's, then those that tables say."""
    named = (pair_table.usable(table, counted) for source in sources.named for table in pair_table.of_file(source))
    for known in pair_table.blocks(named):
        yield pair_table.usable(pair_table.of_representatives(workspace, sources.groups, known), counted)
    derived = workspace.read_table(sources.pairs, PAIRS, ("a", "b"))
    ones = pa.array(np.ones(len(derived)))
    yield pa.table([derived["a"], derived["b"], ones], names=NAMED.names).cast(NAMED)


def _split(names: list[tuple[str, str]], pairs: Pairs, config: AlignConfig, seed: int, counted: Counted) -> Material:
    """Held out are whole groups, by draws; no pair that is trained on has a sample of theirs."""
    groups, group = pair_table.groups_of(names)
    held = shares(draws(seed, groups, "align"))[group] < config.held_out
    held_ids = frozenset(id_ for pair, out in zip(names, held, strict=True) if out for id_ in pair)
    trained = np.array([not out and not held_ids & set(pair) for pair, out in zip(names, held, strict=True)])
    counted.add("trained on", int(trained.sum()))
    counted.add("held out", int(held.sum()))
    if trained.sum() < 2 or len(np.unique(group[trained])) < 2 or not held.any():
        raise RunError(
            f"index.align: too few pairs to train on some and measure on others ({_listed(counted)}): name more pairs"
        )
    whole = replace(pairs, group=group)
    split = [whole.take(np.flatnonzero(rows)) for rows in (trained, held)]
    return Material(split[0], split[1], held_ids, counted.counts, digest(sorted(names)))


def _listed(counted: Counted) -> str:
    return ", ".join(f"{number:,} {fate}" for fate, number in counted.counts.items() if number) or "none was named"


def aligned(
    material: Material,
    distractors: Float32,
    config: AlignConfig,
    seed: int,
    device: str = "cpu",
    state: State | None = None,
    save: Callable[[State], None] = lambda state: None,
) -> Fitted:
    """The projection, with recall among the 10 nearest of held-out pairs by the vectors as they are and by aligned ones."""
    weight, losses = train(material.train, config, seed, device, state, save)
    held = material.held_out
    facts = {
        "pairs": len(material.train) + len(held),
        "pairs_digest": material.digest,
        "fates": {fate: number for fate, number in material.counts.items() if number},
        "held_out_pairs": len(held),
        "candidates": len(held) + len(distractors),
        "k": K,
        "recall_raw": round(recall(held, distractors, K), 4),
        "recall": round(retrieval(Projection(weight), held, distractors), 4),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    return Fitted(weight, facts)


def retrieval(projection: Projection, pairs: Pairs, distractors: Float32) -> float:
    """Recall of pairs by aligned vectors."""
    moved = projection(distractors) if len(distractors) else distractors
    return recall(replace(pairs, a=projection(pairs.a), b=projection(pairs.b)), moved, K)
