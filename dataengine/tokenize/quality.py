"""Evaluates a run's tokenizer on the samples that were held out from its training, and writes the figures beside it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from dataengine.errors import UsageError
from dataengine.samples.draws import draw
from dataengine.samples.locate import Located, unpacked
from dataengine.stage import Run
from dataengine.tokenize import training_set
from dataengine.tokenize.factory import configure, load
from dataengine.tokenize.stage import StillsWorker

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.caption_reader import FrozenLM
    from dataengine.tokenize.kelix.evaluate import Evaluation, Still
    from dataengine.tokenize.kelix.probes import Probes
    from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

#: Codebooks whose figures are shown one by one.
_SHOWN = 16
JSON, TABLE = "evaluation.json", "evaluation.md"


@dataclass(frozen=True)
class Effort:
    """What the probes may cost: ``steps`` of training, on at most ``samples`` samples, and ``digits`` of them."""

    steps: int = 300
    samples: int = 512
    digits: int = 1797


def judge(run: Run, labels: Mapping[str, str] | None = None, effort: Effort = Effort()) -> Evaluation:
    """On held-out pictures and stills of held-out videos; ``labels`` by sample id for a probe of one's own. Raises RunError where
    there are too few, UsageError for another tokenizer than kelix."""
    from dataengine.tokenize.kelix.evaluate import evaluate
    from dataengine.tokenize.kelix.labelled import digits, own
    from dataengine.tokenize.kelix.vectors import Vectoriser

    tokenizer = _kelix(run)
    tokenizer.setup(run.recipe.tokenize.device if run.recipe.tokenize else "cpu", tokenizer.config.training.threads)
    worker = StillsWorker(run.recipe.limits.to_limits(), run.workspace, tokenizer.config)
    worker.setup()
    try:
        fitted, held = (
            [part.rows for part in some.plan(run)] for some in (training_set.to_fit(run), training_set.held_out(run))
        )
        few = _few(unpacked(run.workspace.store, fitted), effort.samples, run.recipe.seed)
        stills = list(_stills(worker, unpacked(run.workspace.store, held)))
        probes = _probes(tokenizer, _stills(worker, few), any(s.caption for s in stills), effort, _lm(run, tokenizer))
        vectoriser = Vectoriser(tokenizer.network)
        trained = unpacked(run.workspace.store, fitted if labels else ())
        frames = ((s.sample, s.pixels.frames[0]) for s in _stills(worker, trained))
        own_probe = (
            own(vectoriser, labels, frames, ((s.sample, s.pixels.frames[0]) for s in stills)) if labels else None
        )
        return evaluate(tokenizer, stills, probes, digits(vectoriser, effort.digits), own_probe)
    finally:
        worker.close()
        run.close()


def store(run: Run, evaluation: Evaluation) -> str:
    """Write the figures beside the tokenizer as JSON and as a table for its card: where the JSON lies."""
    folder = _folder(run)
    text = json.dumps(asdict(evaluation), indent=2, sort_keys=True)
    run.workspace.store.put(f"{folder}/{TABLE}", markdown(evaluation).encode())
    run.workspace.store.put(f"{folder}/{JSON}", text.encode())
    return run.workspace.store.uri(f"{folder}/{JSON}")


def stored(run: Run) -> dict[str, bytes]:
    """What ``store`` wrote for the run's tokenizer, by name; nothing where it was not evaluated."""
    folder, files = _folder(run), run.workspace.store
    return {name: files.get(f"{folder}/{name}") for name in (JSON, TABLE) if files.exists(f"{folder}/{name}")}


def markdown(evaluation: Evaluation) -> str:
    """Section of the card."""
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows([evaluation]))
    return f"\n## On held-out samples\n\n| | |\n|---|---|\n{lines}\n{EXPLAINED}\n"


EXPLAINED = (
    "Each pair compares the codes with the continuous features that they quantise. Decoders and language model are small ones, "
    "trained alike on both for this table. The distance is LPIPS's on EfficientNet-lite0 without fitted weights: "
    "it compares with itself alone. Captions are predicted by a small language model of bytes, or by the recipe's own, "
    "which stays as it is behind a trained layer."
)


def rows(evaluations: Sequence[Evaluation]) -> list[tuple[str, ...]]:
    """Table rows of figures, with one column an evaluation."""
    shown = [row for name, figure in _FIGURES for row in [(name, *map(figure, evaluations))] if any(row[1:])]
    return [(name, *(figure or "-" for figure in figures)) for name, *figures in shown]


def _each(values: Sequence[float], form: str) -> str:
    if len(values) <= _SHOWN:
        return " ".join(format(value, form) for value in values)
    return f"{min(values):{form}} to {max(values):{form}}"


def _pair(values: Mapping[str, float], form: str = ".3f", names: Sequence[str] = ("codes", "features")) -> str:
    return " / ".join(format(values[name], form) for name in names if name in values)


def _captions(evaluation: Evaluation) -> str:
    figures = _pair(evaluation.captions, ".3f", ("codes", "features", "nothing"))
    return f"{figures} ({evaluation.reader})" if figures else ""


_FIGURES: list[tuple[str, Callable[[Evaluation], str]]] = [
    ("pictures", lambda e: f"{e.pictures:,}"),
    ("tokens", lambda e: f"{e.tokens:,}"),
    ("tokens a picture", lambda e: f"{e.tokens / e.pictures:.1f}"),
    ("codebooks", lambda e: f"{len(e.usage)}"),
    ("bits a pixel", lambda e: f"{e.bits_a_pixel:.4f}"),
    ("perplexity a codebook", lambda e: _each(e.perplexity, ".0f")),
    ("entries used", lambda e: _each(e.usage, ".0%")),
    ("variance of features kept", lambda e: f"{e.kept:.3f}"),
    ("PSNR, dB, own decoder", lambda e: _pair(e.psnr, ".2f", ("own decoder",))),
    ("PSNR, dB, small decoder: codes / features", lambda e: _pair(e.psnr, ".2f")),
    ("distance, own decoder", lambda e: _pair(e.distance, ".4f", ("own decoder",))),
    ("distance, small decoder: codes / features", lambda e: _pair(e.distance, ".4f")),
    ("which sample, linear probe: codes / features", lambda e: _pair(e.probe)),
    ("digits, linear probe: codes / features", lambda e: _pair(e.digits.accuracy)),
    ("own labels, linear probe: codes / features", lambda e: _pair(e.labels.accuracy) if e.labels else ""),
    ("retrieval, R@1: codes / features (chance)", lambda e: f"{_pair(e.retrieval)} ({1 / e.retrieved:.3f})"),
    (
        "caption perplexity: codes / features / no picture",
        lambda e: _captions(e),
    ),
]


def _kelix(run: Run) -> KelixTokenizer:
    from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

    [file] = run.records["tokenize.fit"].files("tokenizer")
    tokenizer = load(run.workspace.store.get(file.key), run.recipe.plugins)
    if not isinstance(tokenizer, KelixTokenizer):
        raise UsageError(
            f"tokenizer eval needs the kelix tokenizer (tokenize.tokenizer.name); the recipe has {tokenizer.name}"
        )
    return tokenizer


def _folder(run: Run) -> str:
    [file] = run.records["tokenize.fit"].files("tokenizer")
    return file.key.rpartition("/")[0]


def _few(fitted: Iterable[Located], most: int, seed: int) -> list[Located]:
    """Some by id and seed, in the order given."""
    drawn = ((draw(seed, row.id, "probe"), row.id, place, row) for place, row in enumerate(fitted))
    return [row for *_, row in sorted(heapq.nsmallest(most, drawn), key=itemgetter(2))]


def _stills(worker: StillsWorker, rows: Iterable[Located]) -> Iterator[Still]:
    from dataengine.tokenize.kelix.evaluate import Still

    for row, pixels in worker.stills(rows):
        yield Still(row.id, pixels, row.captions[0] if row.captions else "")


def _lm(run: Run, tokenizer: KelixTokenizer) -> FrozenLM | None:
    """The causal language model that the recipe trains with; None where it has none."""
    from dataengine.tokenize.kelix.caption_reader import FrozenLM
    from dataengine.tokenize.kelix.config import CausalLM

    config = configure(run.recipe.tokenize.tokenizer, run.recipe.seed) if run.recipe.tokenize else None
    objective = getattr(config, "objective", None)
    return FrozenLM(objective, tokenizer.network.device) if isinstance(objective, CausalLM) else None


def _probes(
    tokenizer: KelixTokenizer, stills: Iterator[Still], captions: bool, effort: Effort, lm: FrozenLM | None
) -> Probes:
    from dataengine.tokenize.kelix.crops import Crops, Picture, few
    from dataengine.tokenize.kelix.probes import Probes
    from dataengine.tokenize.kelix.vectors import Vectoriser

    training, seed = tokenizer.config.training, tokenizer.config.seed
    pictures = (Picture(f"{s.sample}/{n:08d}", s.pixels.frames[0], s.caption) for n, s in enumerate(stills))
    kept = few(pictures, effort.samples, training.side, seed)
    probes = Probes(Vectoriser(tokenizer.network), captions and any(p.caption for p in kept), seed, lm)
    probes.train(Crops(kept, training.side, training.crops, seed), effort.steps)
    return probes
