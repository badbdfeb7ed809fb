"""Losses and health of codebooks while a tokenizer trains, as JSON lines and as a live page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from dataengine.media.svg import log_lines


@dataclass
class Log:
    """Losses of every step, and every few steps perplexity and usage (share of entries seen) of each codebook since the last."""

    objective: list[float] = field(default_factory=list)
    vq: list[float] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> str:
        """JSON lines: a step each, with the health of codebooks where it was counted."""
        health = {entry["step"]: entry for entry in self.health}
        rows = zip(range(1, len(self.objective) + 1), self.objective, self.vq, strict=True)
        return "".join(json.dumps({"step": n, "objective": o, "vq": v} | health.get(n, {})) + "\n" for n, o, v in rows)

    def page(self, title: str, last: Mapping[str, Any]) -> str:
        """An HTML page with the curves, which loads itself again while training goes on (``last``: the state of it)."""
        steps = {"objective": enumerate(self.objective, 1), "L_VQ": enumerate(self.vq, 1)}
        losses = log_lines({name: list(points) for name, points in steps.items()}, "step", "loss")
        each = {
            f"{kind} perplexity": [(entry["step"], pick(entry["perplexity"])) for entry in self.health]
            for kind, pick in (("lowest", min), ("highest", max))
        }
        perplexity = log_lines(each, "step", "perplexity of a codebook")
        again = '<meta http-equiv="refresh" content="10">' if last else ""
        latest = escape(json.dumps(last)) if last else ""
        head = f'<!doctype html><meta charset="utf-8">{again}<title>{escape(title)}</title>'
        return f"{head}<h1>{escape(title)}</h1><p>{latest}</p>{losses}{perplexity}"
