"""Evaluates a Kelix tokenizer on held-out pictures: codebook use, and what its codes keep beside its continuous features.

Reconstruction is by small decoders that are trained for the purpose, and by the tokenizer's own where it has one. One probe needs
no labels: it classifies which sample a block of 2 x 2 tokens comes from. Blocks alternate like a chess-board's squares: the
white ones train it, the black ones test it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.tokenize.base import Grid
from dataengine.tokenize.kelix.labelled import Probe, accuracy_of
from dataengine.tokenize.kelix.perceptual import Perceptual
from dataengine.tokenize.kelix.pixels import TOKEN
from dataengine.tokenize.kelix.preparer import Pixels
from dataengine.tokenize.kelix.probes import Probes
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
from dataengine.tokenize.kelix.vectors import WAYS, Vectoriser, Vectors

_F32 = NDArray[np.float32]
OWN = "own decoder"


@dataclass(frozen=True)
class Still:
    """One held-out frame of a sample, with its caption ("" for none)."""

    sample: str
    pixels: Pixels
    caption: str = ""


@dataclass(frozen=True)
class Evaluation:
    """``perplexity`` and ``usage`` (share of entries seen) by codebook; ``kept``: share of the features' variance in the codes.

    By way (codes, features): ``psnr`` in dB and perceptual ``distance`` of reconstructions, accuracies of the ``probe`` of
    blocks, ``retrieval`` of one view of a picture by another (R@1 of ``retrieved`` samples). ``captions``: perplexity by what is
    read, empty where no held-out sample has one; ``reader`` says of what and by which language model.
    ``digits`` and ``labels``: linear probes.
    """

    pictures: int
    tokens: int
    bits_a_pixel: float
    perplexity: list[float]
    usage: list[float]
    kept: float
    psnr: dict[str, float]
    distance: dict[str, float]
    probe: dict[str, float]
    retrieval: dict[str, float]
    retrieved: int
    captions: dict[str, float]
    digits: Probe
    labels: Probe | None = None
    reader: str = ""


@dataclass(frozen=True)
class _Seen:
    """What is kept of a still: its codes ``(T, N)``, vectors ``(T, F)`` by way, and figures of its reconstructions."""

    still: Still
    codes: NDArray[np.int64]
    rows: dict[str, _F32]
    psnr: dict[str, float]
    distance: dict[str, float]
    nats: dict[str, float]


def evaluate(
    tokenizer: KelixTokenizer, stills: Sequence[Still], probes: Probes, digits: Probe, labels: Probe | None = None
) -> Evaluation:
    """Evaluate with trained ``probes``; means are over pictures. Raises RunError for fewer than two samples."""
    if len({still.sample for still in stills}) < 2:
        raise RunError(f"{len(stills)} pictures are held out, too few to evaluate on: raise tokenize.held_out")
    vectoriser, perceptual = Vectoriser(tokenizer.network), Perceptual(str(tokenizer.network.device))
    seen = [_seen(tokenizer, vectoriser, probes, perceptual, still) for still in stills]
    tokens, sizes = np.concatenate([s.codes for s in seen]), tokenizer.codebook_sizes
    counts = [np.bincount(column, minlength=size) for column, size in zip(tokens.T, sizes, strict=True)]
    first = list({s.still.sample: s.still for s in reversed(seen)}.values())
    return Evaluation(
        pictures=len(stills),
        tokens=len(tokens),
        bits_a_pixel=sum(map(math.log2, sizes)) / TOKEN**2,
        perplexity=[_perplexity(c) for c in counts],
        usage=[float((c > 0).mean()) for c in counts],
        kept=_kept(*(np.concatenate([s.rows[way] for s in seen]) for way in WAYS)),
        psnr=_means([s.psnr for s in seen]),
        distance=_means([s.distance for s in seen]),
        probe={way: _block_probe([s.rows[way] for s in seen], stills) for way in WAYS},
        retrieval=retrieval(vectoriser, [still.pixels.frames[0] for still in first]),
        retrieved=len(first),
        captions=_caption_perplexity(seen, probes),
        reader=f"a token, {probes.lm.name}" if probes.lm else "a byte, small model",
        digits=digits,
        labels=labels,
    )


def _seen(
    tokenizer: KelixTokenizer, vectoriser: Vectoriser, probes: Probes, perceptual: Perceptual, still: Still
) -> _Seen:
    frame = still.pixels.frames[0]
    vectors = vectoriser(frame[None])
    back = {way: frames[0] for way, frames in probes.decoded(vectors, *still.pixels.grid[1:]).items()}
    if (own := tokenizer.decode(tokenizer.encode([still.pixels])[0])) is not None:
        back[OWN] = own[0]
    return _Seen(
        still,
        vectors.indices[0].cpu().numpy(),
        {way: vectors.of(way)[0].cpu().numpy() for way in WAYS},
        {name: psnr(picture, frame) for name, picture in back.items()},
        {name: perceptual.distance(picture, frame) for name, picture in back.items()},
        probes.nats(vectors, still.caption) if still.caption else {},
    )


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 10 * math.log10(255**2 / max(float(error), 1e-9))


def retrieval(vectoriser: Vectoriser, frames: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """R@1 of finding a picture's right three quarters by its left ones, by the cosine of mean vectors less their mean."""
    views = []
    for frame in frames:
        wide = max(1, frame.shape[1] // TOKEN * 3 // 4) * TOKEN
        views.append([_mean(vectoriser(part[None])) for part in (frame[:, :wide], frame[:, -wide:])])
    hits = {}
    for way in WAYS:
        left, right = (_unit(np.stack([pair[side][way] for pair in views])) for side in (0, 1))
        hits[way] = float(((left @ right.T).argmax(1) == np.arange(len(views))).mean())
    return hits


def _mean(vectors: Vectors) -> dict[str, _F32]:
    return {way: vectors.of(way)[0].mean(0).cpu().numpy() for way in WAYS}


def _unit(rows: _F32) -> _F32:
    centred = rows - rows.mean(0)
    scaled: _F32 = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    return scaled


def _caption_perplexity(seen: Sequence[_Seen], probes: Probes) -> dict[str, float]:
    captioned = [s for s in seen if s.nats]
    weights = np.array([probes.predicted(s.still.caption) for s in captioned])
    names = captioned[0].nats if captioned else {}
    return {n: float(np.exp(np.average([s.nats[n] for s in captioned], weights=weights))) for n in names}


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _perplexity(counts: NDArray[np.int64]) -> float:
    """Perplexity: exp of the entropy of a histogram."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _kept(quantised: _F32, continuous: _F32) -> float:
    spread = ((continuous - continuous.mean(0)) ** 2).sum()
    return float(1 - ((quantised - continuous) ** 2).sum() / spread)


def _block_probe(rows: Sequence[_F32], stills: Sequence[Still]) -> float:
    blocks = [_blocks(x, still.pixels.grid) for x, still in zip(rows, stills, strict=True)]
    names = np.repeat([still.sample for still in stills], [len(means) for means, _ in blocks])
    return accuracy_of(np.concatenate([m for m, _ in blocks]), names, np.concatenate([black for _, black in blocks]))


def _blocks(features: _F32, grid: Grid) -> tuple[_F32, NDArray[np.bool_]]:
    """Means of ``(h w, D)`` over blocks of 2 x 2 tokens, and which blocks are black; odd rows and columns are left out."""
    _, h, w = grid
    rows, columns = h // 2, w // 2
    square = features.reshape(h, w, -1)[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    black = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 1
    means: _F32 = square.mean((1, 3)).reshape(rows * columns, -1)
    return means, black.ravel()
