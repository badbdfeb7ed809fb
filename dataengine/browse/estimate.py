"""What a run would take, from what it would read and rates that were measured: an estimate, wrong by a factor of two at times.

Rates are CPU milliseconds for a picture of 500 × 375 pixels and 60 kB; docs/performance.md ("Estimates of a dry run") says where
each is from, and ``python -m benchmarks estimate`` measures them in whole runs. Decoding grows with the bytes of a picture;
models see all pictures in one size. Videos, downloads and stages without a rate are left out and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataengine.browse.preview import Seen
from dataengine.config.recipe import Recipe
from dataengine.progress import StageReport

#: Bytes of a picture that rates are for.
_PICTURE = 60_000


@dataclass(frozen=True)
class Rate:
    """CPU ms a picture: ``decoding``, which grows with its bytes, and ``rest``. ``once``: CPU seconds whatever the number."""

    decoding: float = 0.0
    rest: float = 0.0
    once: float = 0.0


_STAGES = {
    "ingest": Rate(decoding=0.7, rest=0.6),
    "dedup.unique": Rate(rest=0.02),
    "embed": Rate(decoding=0.6, rest=22.0),
    "dedup": Rate(rest=0.05),
    "filter": Rate(rest=0.02),
    "tokenize.encode": Rate(decoding=0.6, rest=14.0),
    "shard.assign": Rate(rest=0.02),
    "shard.write": Rate(rest=0.15),
    "release": Rate(rest=0.2),
}
_SCORERS = {
    "technical": Rate(rest=1.3),  # with the pixels that ingest has decoded
    "nsfw": Rate(decoding=0.6, rest=21.0),
    "conse": Rate(decoding=0.6, rest=22.0),
}
_TINY = Rate(once=120.0)
_PRODUCT = Rate(once=5.0)
#: CPU seconds to start Ray and the table engine, and bytes of tables a sample, of codes a picture.
_START, _TABLES, _CODES = 8.0, 4000, 2500
_FREE = ("dedup.edges", "annotate.columns", "release.publish")


@dataclass
class Estimate:
    """CPU seconds of all pictures, wall seconds on ``workers``, bytes in the workspace and in a release that keeps everything;
    ``without``: what is not in it."""

    due: int = 0
    """Stages that are to be made."""
    cpu: float = 0.0
    workers: int = 1
    workspace: int = 0
    release: int = 0
    without: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return _START + self.cpu / self.workers if self.cpu else 0.0


def estimate(recipe: Recipe, sources: Sequence[Seen], reports: Sequence[StageReport], workers: int) -> Estimate:
    """Of the stages that ``reports`` of a dry run do not call up to date."""
    pictures = sum(one.pictures + one.others for one in sources)
    known = [one for one in sources if one.media_bytes is not None]
    total = sum(one.media_bytes or 0 for one in known)
    mean = total / max(sum(one.inputs for one in known), 1) or _PICTURE
    result = Estimate(workers=workers)
    for report in reports:
        if report.state == "up to date":
            continue
        result.due += 1
        rates, missing = _rates(recipe, report.name)
        left = 1 - report.made / report.parts if report.parts and report.state == "pending" else 1.0
        for rate in rates:
            result.cpu += rate.once + left * pictures / 1000 * (rate.decoding * mean / _PICTURE + rate.rest)
        result.without += missing
    result.without += _left_out(sources)
    inputs = sum(one.inputs for one in sources)
    result.release = round(mean * inputs) + (_CODES * inputs if recipe.tokenize else 0)
    result.workspace = result.release + round(mean * inputs) + _TABLES * inputs
    return result


def _rates(recipe: Recipe, stage: str) -> tuple[list[Rate], list[str]]:
    """Rates of a stage, and its name where there is none; of scoring, those of the scorers."""
    if stage == "score":
        names = [str(scorer.get("name")) for scorer in recipe.score.scorers]
        return [_SCORERS[n] for n in names if n in _SCORERS], [f"scorer {n}" for n in names if n not in _SCORERS]
    if stage == "tokenize.fit":
        settings: dict[str, Any] = recipe.tokenize.tokenizer if recipe.tokenize else {}
        name, tiny = settings.get("name"), settings.get("preset", "tiny") == "tiny"
        if name == "checkpoint":
            return [], []
        if name == "product":
            return [_PRODUCT], []
        return ([_TINY], []) if tiny else ([], ["training the tokenizer: `dataengine tokenizer plan` measures it"])
    if stage in _STAGES:
        return [_STAGES[stage]], []
    return [], [] if stage in _FREE or stage.startswith("tokenize.") else [stage]


def _left_out(sources: Iterable[Seen]) -> Iterable[str]:
    if videos := sum(one.videos for one in sources):
        yield f"{videos:,} videos"
    if any(one.type == "urls" for one in sources):
        yield "downloads"


def trained(recipe: Recipe, reports: Sequence[StageReport]) -> list[str]:
    """What the run would train or fit, a sentence each; what the recipe's lock keeps is not."""
    due = {report.name for report in reports if report.state != "up to date"}
    lines = []
    if recipe.tokenize is not None and "tokenize.fit" in due:
        settings, most = recipe.tokenize.tokenizer, recipe.tokenize.fit_samples
        name = settings.get("name")
        if name == "checkpoint":
            lines.append(f"tokenizer: nothing, it is read from {settings.get('path')}")
        else:
            kind = f"{name}, preset {settings.get('preset', 'tiny')}" if name == "kelix" else str(name)
            lines.append(f"tokenizer: {kind}, on up to {most:,} kept samples; the lock keeps it")
    if recipe.index is not None and {"index.fit", "index.tree"} & due:
        lines.append(f"index: a tree over the embeddings of {recipe.index.of}; the lock keeps it")
        lines += ["index: a projection that aligns its vectors"] if recipe.index.align else []
        lines += ["index: codebooks of quantitative codes"] if recipe.index.codes else []
    if recipe.sequence is not None and recipe.sequence.tokenizer.path is None and "sequence.vocabulary" in due:
        lines.append(
            f"sequences: a text tokenizer of {recipe.sequence.tokenizer.vocab_size:,} tokens; the lock keeps it"
        )
    return lines
