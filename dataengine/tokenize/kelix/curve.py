"""The loss curve as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence


def picture(curve: Mapping[str, Sequence[float]]) -> bytes:
    """PNG of the losses by step: ``encoder`` (without codebooks), then ``codes`` and ``vq``; the same bytes for the same
    curve and matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    first = len(curve["encoder"])
    axes.plot(range(first), curve["encoder"], label="objective, continuous", linewidth=1)
    steps = range(first, first + len(curve["codes"]))
    axes.plot(steps, curve["codes"], label="objective, with codes", linewidth=1)
    axes.plot(steps, curve["vq"], label="L_VQ", linewidth=1)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
