"""What a Kelix tokenizer's training needs, checked before it is paid for: vectors for the centres, texts, files, memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.errors import InputError, RunError, UsageError
from dataengine.samples.locate import locations
from dataengine.stage import Run
from dataengine.tokenize.base import FIT_FRAMES
from dataengine.tokenize.kelix.config import CausalLM, KelixConfig
from dataengine.tokenize.kelix.files import check_lm, tower_files
from dataengine.tokenize.patches import Native
from dataengine.tokenize.training_set import to_fit

_COUNTED = contracts.columns(id=pa.string(), captioned=pa.int64(), tokens=pa.int64())
_FLOAT = 4
_ADAM = 2
"""Moments of the optimiser, beside weights and gradients."""
_ROOM, _HELD = 0.9, 0.5
"""Shares of memory that training may fill, and that vectors for the centres take of it."""
_CENTRE = 4 + 4 + 8
"""Bytes a number of a centre: in the codebook, in faiss, in the sum of its vectors."""


@dataclass(frozen=True)
class Corpus:
    """The samples that a tokenizer is trained on: how many, with captions, and visual tokens of their pictures and frames."""

    samples: int
    captioned: int
    tokens: int


def corpus_of(run: Run, config: KelixConfig) -> Corpus:
    """The samples that the run's tokenizer is trained on, counted where their table is read."""
    chosen = to_fit(run)
    sizes = Native(config.min_tokens, config.max_tokens, config.video)
    samples = replace(chosen.sources["u"], prepare=partial(counted, sizes), schema=_COUNTED)
    columns = ", ".join(f'CAST(COALESCE(sum(u."{name}"), 0) AS BIGINT) AS {name}' for name in ("captioned", "tokens"))
    return Corpus(**chosen.summary(run, f"CAST(count(*) AS BIGINT) AS samples, {columns}", samples).to_pylist()[0])


def counted(sizes: Native, unique: pa.Table) -> pa.Table:
    """Of rows with the columns of READ: whether each has a caption, and its visual tokens; none where its size does not fit."""
    rows = locations(unique).select(["kind", "height", "width", "frames", "captions"]).to_pylist()
    known: dict[tuple[Any, ...], int] = {}
    tokens = []
    for kind, height, width, frames, _ in map(dict.values, rows):
        if (size := (kind, height, width, frames)) not in known:
            known[size] = _tokens(sizes, *size)
        tokens.append(known[size])
    return pa.table({"id": unique["id"], "captioned": [int(any(row["captions"])) for row in rows], "tokens": tokens})


def _tokens(sizes: Native, kind: str, height: int, width: int, frames: int | None) -> int:
    try:
        _, h, w = sizes.grid(height, width)
    except InputError:
        return 0
    return h * w * (min(FIT_FRAMES, frames or 1) if kind == "video" else 1)


def check_config(config: KelixConfig) -> None:
    """What follows from the recipe alone. Raises UsageError naming every mistake."""
    mistakes = []
    training = config.training
    if training.centre_tokens < config.centres:
        mistakes.append(
            f"training.centre_tokens {training.centre_tokens:,} are too few vectors for {config.centres:,} codebook entries: "
            f"give at least as many, better 40 times ({40 * config.centres:,})"
        )
    if config.quantiser.centre_dim not in (None, config.vision.features):
        mistakes.append(
            f"quantiser.centre_dim {config.quantiser.centre_dim} is not vision.features {config.vision.features}: centres are "
            "means of features, so leave it out to train"
        )
    mistakes += _mistakes(config)
    if mistakes:
        raise UsageError("\n".join(f"tokenizer kelix: {mistake}" for mistake in mistakes))


def _mistakes(config: KelixConfig) -> list[str]:
    """What is wrong with the files that training starts from."""
    wrong = []
    try:
        if config.training.tower:
            tower_files(config.training.tower)
    except UsageError as error:
        wrong.append(str(error))
    try:
        if isinstance(config.objective, CausalLM):
            check_lm(config.objective)
    except UsageError as error:
        wrong.append(str(error))
    return wrong


def check_corpus(config: KelixConfig, corpus: Corpus) -> None:
    """Raises RunError where the samples cannot fill the codebooks, or have no captions for a caption objective."""
    vectors = min(corpus.tokens, config.training.centre_tokens)
    if vectors < config.centres:
        raise RunError(
            f"{corpus.samples:,} samples give {vectors:,} visual tokens, too few for {config.centres:,} codebook entries: more "
            "media, fewer entries (quantiser.entries), or larger tokenize.fit_samples and training.centre_tokens"
        )
    curriculum = config.training.curriculum
    if curriculum and not corpus.captioned and "captions" in {m.text for _, p in curriculum.phases() for m in p.mix}:
        raise RunError(
            "no sample to train on has a caption, which the stages of training.curriculum predict: give captions with the media "
            "(a sidecar, or a table's column), or change the stages' mix"
        )


@dataclass(frozen=True)
class Memory:
    """Bytes that one process needs: of the model with its training, and of the vectors for the centres."""

    model: int
    activations: int
    centres: int


def memory(config: KelixConfig, parameters: dict[str, int], frozen: Iterable[str]) -> Memory:
    """Estimate: float32 weights, of what is trained also gradients and two moments; activations of one batch; centres with their
    sums in float64, and the vectors that are held. Processes that share a model (FSDP) have the centres whole, and of the rest a
    share."""
    still, curriculum = set(frozen), config.training.curriculum
    learned = {portion: n for portion, n in parameters.items() if portion != "centres"}
    trained = sum(n for portion, n in learned.items() if portion not in still)
    shares = curriculum.processes if curriculum and curriculum.parallel == "fsdp" else 1
    model = _FLOAT * (parameters.get("centres", 0) + (sum(learned.values()) + trained * (1 + _ADAM)) // shares)
    centres = _CENTRE * config.centres * config.vision.features
    return Memory(model, _activations(config), centres + int(min(vector_bytes(config), held_for_centres(config))))


def vector_bytes(config: KelixConfig) -> int:
    """Of all vectors for the centres."""
    return _FLOAT * config.training.centre_tokens * config.vision.features


def held_for_centres(config: KelixConfig) -> float:
    """Bytes of vectors for the centres that are held in memory; more lie on a disk."""
    if config.training.centre_memory is not None:
        return config.training.centre_memory * 1e9
    return _HELD * (available("cpu") or math.inf)


def _activations(config: KelixConfig) -> int:
    """Of the tower's blocks: about 20 values of a patch's width and 2 of its MLP's in each, kept or recomputed."""
    vision, curriculum = config.vision, config.training.curriculum
    tokens = config.training.crops * config.training.side**2
    if curriculum:
        tokens = max(phase.tokens for _, phase in curriculum.phases())
    width = 1 if curriculum and curriculum.checkpointing else 20
    a_block = _FLOAT * 4 * tokens * (width * vision.hidden + (0 if width == 1 else 2 * vision.mlp))
    scores = _FLOAT * tokens * config.quantiser.entries * config.quantiser.codebooks
    return vision.layers * a_block + scores


def available(device: str) -> int | None:
    """Bytes of memory of a device here; None where that is not known."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory) if torch.cuda.is_available() else None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def check_memory(need: int, device: str, what: str) -> None:
    """Raises RunError where ``need`` bytes do not fit the device here."""
    has = available(device)
    if has is not None and need > _ROOM * has:
        raise RunError(
            f"{what} need about {need / 1e9:.1f} GB, {device} here has {has / 1e9:.1f} GB: use larger machines, smaller packs "
            "(tokens of the stages), training.curriculum.checkpointing, or fewer training.centre_tokens"
        )
