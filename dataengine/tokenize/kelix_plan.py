"""What training a Kelix tokenizer takes, before it is started: parameters, memory, steps, and hours by a measured step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dataengine.tokenize.kelix.config import CausalLM, KelixConfig, without_codebooks
from dataengine.tokenize.kelix_checks import Corpus, available, held_for_centres, memory, vector_bytes

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.curriculum import Phase
    from dataengine.tokenize.kelix.learner import Decoded

_SIDE = 16
"""Tokens a side of a picture that a step is measured on, where the bounds allow it."""
_TEXT = 64
_ROOM = 0.9
_ROWS = 2048

Row = tuple[str, str]


@dataclass
class Plan:
    """Tables of figures; ``problems`` stand in the way of training."""

    model: list[Row] = field(default_factory=list)
    corpus: list[Row] = field(default_factory=list)
    stages: list[tuple[str, ...]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


COLUMNS = ("stage", "steps", "frozen", "tokens a step", "memory, GB", "s a step", "hours", "passes")


def plan(config: KelixConfig, corpus: Corpus | None, device: str, measured: bool) -> Plan:
    """Count, and with ``measured`` time two steps of each stage on ``device`` with random weights and pixels."""
    parameters = counted(config)
    training = Plan(model=_model(config, parameters), corpus=_corpus(config, corpus))
    for name, phase in _phases(config):
        frozen = phase.freeze if phase else ()
        need = memory(config, parameters, frozen)
        whole, has = need.model + need.activations, available(device)
        fits = has is None or whole <= _ROOM * has
        if not fits:
            training.problems.append(
                f"{name} needs about {whole / 1e9:,.1f} GB, {device} here has {(has or 0) / 1e9:,.1f} GB: larger machines, "
                "smaller packs (tokens), or checkpointing"
            )
        seconds = _seconds(config, phase, name, device) if measured and fits else None
        training.stages.append(_stage(config, name, phase, whole, seconds, corpus))
    return training


def counted(config: KelixConfig) -> dict[str, int]:
    """Parameters (and the frozen centres) by portion; ``lm`` is missing where its folder is."""
    import torch

    from dataengine.tokenize.kelix.network import Network

    with torch.device("meta"):
        network = Network(config)
    counts = {"tower": 0, "projector": 0, "quantiser": 0}
    for name, parameter in network.named_parameters():
        part = name.partition(".")[0]
        kind = part if part != "vision" else "projector" if ".merge" in name else "tower"
        counts[kind] = counts.get(kind, 0) + parameter.numel()
    counts["centres"] = sum(book.centres.numel() for book in network.quantiser.codebooks())
    return counts | _lm(config)


def _lm(config: KelixConfig) -> dict[str, int]:
    from dataengine.errors import UsageError
    from dataengine.tokenize.kelix.files import check_lm
    from dataengine.tokenize.kelix.language import Language, outline

    if not isinstance(config.objective, CausalLM):
        return {}
    try:
        check_lm(config.objective)
        language = Language(config.objective, config.quantiser.fused, outline(config.objective))
    except (UsageError, OSError, ValueError):
        return {}
    counts = {"lm": sum(p.numel() for p in language.model.parameters())}
    adapter = sum(p.numel() for p in language.adapt.parameters())
    return counts | ({"adapter": adapter} if adapter else {})


def _model(config: KelixConfig, parameters: dict[str, int]) -> list[Row]:
    quantiser = config.quantiser
    rows = [(name, f"{count:,}") for name, count in parameters.items()]
    if isinstance(config.objective, CausalLM) and "lm" not in parameters:
        rows.append(("lm", "unknown: objective.path is missing"))
    books = f"{quantiser.codebooks} of {quantiser.entries:,} entries, {quantiser.code_dim} numbers each"
    return [("codebooks", books), *rows, ("tower starts", config.training.tower or "at random")]


def _corpus(config: KelixConfig, corpus: Corpus | None) -> list[Row]:
    need, held = vector_bytes(config), held_for_centres(config)
    where = "in memory" if need <= held else f"{held / 1e9:,.1f} of them in memory"
    wanted = f"{config.training.centre_tokens:,} at most, {need / 1e9:,.1f} GB, {where}"
    if corpus is None:
        return [("samples", "unknown: nothing is filtered yet"), ("vectors for centres", wanted)]
    vectors = min(corpus.tokens, config.training.centre_tokens)
    return [
        ("samples to train on", f"{corpus.samples:,}"),
        ("with captions", f"{corpus.captioned:,}"),
        ("visual tokens", f"{corpus.tokens:,}"),
        ("vectors for centres", wanted),
        ("vectors a centre", f"{vectors / config.centres:,.1f} for {config.centres:,} centres"),
        ("k-means, hours", f"{kmeans_seconds(config, vectors) / 3600:,.2f} (by a measured product)"),
    ]


def kmeans_seconds(config: KelixConfig, vectors: int) -> float:
    """Seconds of k-means on this machine: its products, of which one block is measured."""
    width = config.vision.features
    block, centres = np.ones((_ROWS, width), np.float32), np.ones((width, min(config.centres, _ROWS)), np.float32)
    block @ centres
    began = time.perf_counter()
    block @ centres
    one = time.perf_counter() - began
    blocks = vectors / len(block) * config.centres / centres.shape[1]
    return one * blocks * config.training.centre_iterations


def _phases(config: KelixConfig) -> Iterator[tuple[str, Phase | None]]:
    if config.training.curriculum:
        yield from config.training.curriculum.phases()
    else:
        yield from (("encoder", None), ("codes", None))


def _stage(
    config: KelixConfig, name: str, phase: Phase | None, need: int, seconds: float | None, corpus: Corpus | None
) -> tuple[str, ...]:
    training = config.training
    steps = phase.steps if phase else training.encoder_steps if name == "encoder" else training.steps
    tokens = phase.tokens * phase.accumulate if phase else training.crops * training.side**2
    hours = "-" if seconds is None else f"{steps * seconds / 3600:,.2f}"
    passes = f"{steps * tokens / corpus.tokens:,.1f}" if corpus and corpus.tokens else "-"
    frozen = ", ".join(phase.freeze) if phase and phase.freeze else "nothing"
    a_step = "-" if seconds is None else f"{seconds:,.3f}"
    return (name, f"{steps:,}", frozen, f"{tokens:,}", f"{need / 1e9:,.1f}", a_step, hours, passes)


def _seconds(config: KelixConfig, phase: Phase | None, name: str, device: str) -> float:
    """Seconds of the second of two steps."""
    from dataengine.models.device import start_torch

    start_torch(device, config.training.threads)
    if phase is None:
        return _small(config, name == "codes", device)
    return _phase_seconds(config, phase, device)


def _small(config: KelixConfig, quantised: bool, device: str) -> float:
    from dataengine.tokenize.kelix.crops import Crops, Picture
    from dataengine.tokenize.kelix.train import Trainer

    side = 28 * config.training.side
    crops = Crops([Picture("0", _noise(side, side), "a picture")], config.training.side, config.training.crops, 0)
    trainer = Trainer(config if quantised else without_codebooks(config), quantised, device)
    return _timed(lambda: trainer.once(crops), device)


def _phase_seconds(config: KelixConfig, phase: Phase, device: str) -> float:
    """Of one pack, times those that a process takes in a step."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from dataengine.tokenize.kelix.language import attend_packed
    from dataengine.tokenize.kelix.learner import Learner, Model
    from dataengine.tokenize.kelix.network import Network

    path = config.objective.path if isinstance(config.objective, CausalLM) else None
    described = AutoConfig.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    make: Any = AutoModelForCausalLM.from_config
    with torch.device(device):
        lm = make(described, trust_remote_code=False).float()
        model = Model(config, Network(config), lm)
    attend_packed(lm)
    one = phase.model_copy(update={"accumulate": 1})
    learner = Learner(model.to(device), one, config, device=device)
    pack = _pack(config, phase.tokens)
    seconds = _timed(lambda: learner.once(iter([pack])), device)
    processes = config.training.curriculum.processes if config.training.curriculum else 1
    return seconds * phase.accumulate / processes


def _timed(step: Any, device: str) -> float:
    import torch

    def once() -> float:
        began = time.perf_counter()
        step()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began

    once()
    return once()


def _pack(config: KelixConfig, tokens: int) -> list[Decoded]:
    """Noise that fills a pack."""
    from dataengine.tokenize.kelix.packing import Example

    side = max(2, min(_SIDE, int(config.max_tokens**0.5)))
    text = min(_TEXT, config.objective.length if isinstance(config.objective, CausalLM) else _TEXT)
    example = Example(
        "0", "image", "png", 0, "", 0, "", "captions", 1, side**2, [0] * text, [False] * 2 + [True] * (text - 2), 1
    )
    return [(example, [_noise(28 * side, 28 * side)])] * max(1, tokens // example.length)


def _noise(height: int, width: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
