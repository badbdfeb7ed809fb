"""Evaluates a Kelix tokenizer on held-out pictures: codebook use, reconstruction, features, and a linear probe.

The probe needs no labels: it classifies which sample a block of 2 x 2 tokens comes from, once from the codes and once from
their features. Blocks alternate like a chess-board's squares: the white ones train it, the black ones test it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.tokenize.base import Grid
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.preparer import Pixels
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

_F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """``perplexity`` and ``usage`` (share of entries seen) by codebook; ``psnr`` in dB, None without a decoder; ``features``
    the share of the features' variance that the codes keep; ``probe`` and ``probe_continuous`` accuracies."""

    pictures: int
    tokens: int
    bits_a_pixel: float
    perplexity: list[float]
    usage: list[float]
    psnr: float | None
    features: float
    probe: float
    probe_continuous: float


def evaluate(tokenizer: KelixTokenizer, named: Sequence[tuple[str, Pixels]]) -> Evaluation:
    """Evaluate on ``(sample id, picture)`` pairs; ``psnr`` is the mean over pictures. Raises RunError for fewer than two
    samples."""
    stills = [pixels for _, pixels in named]
    if len({name for name, _ in named}) < 2:
        raise RunError(f"{len(stills)} pictures are held out, too few to evaluate on: raise tokenize.held_out")
    seen = [_seen(tokenizer.network, still) for still in stills]
    tokens = np.concatenate([codes for codes, _, _ in seen])
    sizes = tokenizer.codebook_sizes
    counts = [np.bincount(column, minlength=size) for column, size in zip(tokens.T, sizes, strict=True)]
    quantised, continuous = (np.concatenate([s[i] for s in seen]) for i in (1, 2))
    grids = [still.grid for still in stills]
    names = [name for name, _ in named]
    pixels = [_psnr(tokenizer, still) for still in stills]
    return Evaluation(
        pictures=len(stills),
        tokens=len(tokens),
        bits_a_pixel=sum(map(math.log2, sizes)) / 28**2,
        perplexity=[_perplexity(c) for c in counts],
        usage=[float((c > 0).mean()) for c in counts],
        psnr=None if pixels[0] is None else float(np.mean([p for p in pixels if p is not None])),
        features=_kept(quantised, continuous),
        probe=_probe([s[1] for s in seen], grids, names),
        probe_continuous=_probe([s[2] for s in seen], grids, names),
    )


@torch.inference_mode()
def _seen(network: Network, still: Pixels) -> tuple[NDArray[np.int64], _F32, _F32]:
    """Codes, their fused vectors, and the fused vectors of the same features without codebooks."""
    x = network.features(np.stack(still.frames)).flatten(0, 1)
    codes = Coder(network.quantiser)(x)
    fused, continuous = network.quantiser.look_up(codes), network.quantiser.continuous(x)
    return codes.cpu().numpy(), fused.float().cpu().numpy(), continuous.float().cpu().numpy()


def _perplexity(counts: NDArray[np.int64]) -> float:
    """Perplexity: exp of the entropy of a histogram."""
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _psnr(tokenizer: KelixTokenizer, still: Pixels) -> float | None:
    [codes] = tokenizer.encode([still])
    back = tokenizer.decode(codes)
    if back is None:
        return None
    error = np.mean((np.stack(back).astype(np.float64) - np.stack(still.frames)) ** 2)
    return 10 * math.log10(255**2 / max(float(error), 1e-9))


def _kept(quantised: _F32, continuous: _F32) -> float:
    spread = ((continuous - continuous.mean(0)) ** 2).sum()
    return float(1 - ((quantised - continuous) ** 2).sum() / spread)


def _probe(rows: Sequence[_F32], grids: Sequence[Grid], names: Sequence[str]) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    blocks = [_blocks(features, h, w) for features, (_, h, w) in zip(rows, grids, strict=True)]
    x, black = np.concatenate([b for b, _ in blocks]), np.concatenate([colour for _, colour in blocks])
    labels = np.repeat(names, [len(b) for b, _ in blocks])
    scaler = StandardScaler().fit(x[~black])
    model = LogisticRegression(max_iter=1000, C=0.1).fit(scaler.transform(x[~black]), labels[~black])
    return float(model.score(scaler.transform(x[black]), labels[black]))


def _blocks(features: _F32, h: int, w: int) -> tuple[_F32, NDArray[np.bool_]]:
    """Means of ``(h w, D)`` over blocks of 2 x 2 tokens, and which blocks are black; odd rows and columns are left out."""
    rows, columns = h // 2, w // 2
    square = features.reshape(h, w, -1)[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, -1)
    black = np.add.outer(np.arange(rows), np.arange(columns)) % 2 == 1
    means: _F32 = square.mean((1, 3)).reshape(rows * columns, -1)
    return means, black.ravel()
