"""Evaluates a run's tokenizer on the samples that were held out from its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataengine.errors import UsageError
from dataengine.stage import Run
from dataengine.tokenize.factory import load
from dataengine.tokenize.stage import StillsWorker, split

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.evaluate import Evaluation


#: Codebooks whose figures are shown one by one.
_SHOWN = 16


def judge(run: Run) -> Evaluation:
    """On held-out pictures and stills of held-out videos. Raises RunError where there are too few, UsageError for another
    tokenizer than kelix."""
    from dataengine.tokenize.kelix.evaluate import evaluate
    from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

    [file] = run.records["tokenize.fit"].files("tokenizer")
    tokenizer = load(run.workspace.store.get(file.key))
    if not isinstance(tokenizer, KelixTokenizer):
        raise UsageError(
            f"tokenizer eval needs the kelix tokenizer (tokenize.tokenizer.name); the recipe has {tokenizer.name}"
        )
    worker = StillsWorker(run.recipe.limits.to_limits(), run.workspace, tokenizer.config)
    worker.setup()
    try:
        _, held = split(run)
        return evaluate(tokenizer, [(row.id, pixels) for row, pixels in worker.stills(held)])
    finally:
        worker.close()


def rows(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    """Table rows of figures, with one column an evaluation."""

    def row(name: str, *values: str) -> tuple[str, ...]:
        return (name, *values)

    def each(values: Sequence[float], form: str) -> str:
        if len(values) <= _SHOWN:
            return " ".join(format(value, form) for value in values)
        return f"{min(values):{form}} to {max(values):{form}}"

    return [
        row("pictures", *(f"{e.pictures:,}" for e in evaluations)),
        row("tokens", *(f"{e.tokens:,}" for e in evaluations)),
        row("tokens a picture", *(f"{e.tokens / e.pictures:.1f}" for e in evaluations)),
        row("codebooks", *(f"{len(e.usage)}" for e in evaluations)),
        row("bits a pixel", *(f"{e.bits_a_pixel:.4f}" for e in evaluations)),
        row("perplexity a codebook", *(each(e.perplexity, ".0f") for e in evaluations)),
        row("entries used", *(each(e.usage, ".0%") for e in evaluations)),
        row("PSNR, dB", *("-" if e.psnr is None else f"{e.psnr:.2f}" for e in evaluations)),
        row("variance of features kept", *(f"{e.features:.3f}" for e in evaluations)),
        row("probe on codes", *(f"{e.probe:.3f}" for e in evaluations)),
        row("probe on features", *(f"{e.probe_continuous:.3f}" for e in evaluations)),
    ]
