"""Plots the loss curve of tokenizer training as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataengine.media.svg import log_lines


def picture(curve: Mapping[str, Sequence[float]]) -> bytes:
    """SVG of the losses by step: ``encoder`` (without codebooks), then ``codes`` and ``vq``; equal curves, equal bytes."""
    first = len(curve["encoder"])
    series = {
        "objective, continuous": list(enumerate(curve["encoder"])),
        "objective, with codes": list(enumerate(curve["codes"], first)),
        "L_VQ": list(enumerate(curve["vq"], first)),
    }
    return log_lines(series, "step", "loss").encode()
