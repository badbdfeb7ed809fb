"""Training of the Kelix tokenizer on an accelerator: tokens a second, waiting, memory; losses beside a CPU's.

``python benchmarks/gpu_training.py [--device cuda]`` prints Markdown; ``gpu_check.py`` ends with it. It needs neither Ray nor a
network. Weights are random. First the sizes of the report (so400m tower, 8 × 8192 entries, a language model of Qwen3-0.6B's
shape) in bfloat16 with checkpointing and two packs a step, fed by decode children from media files; then small ones, whose losses
on the device stand beside a CPU's in float32, and whose training is killed, resumed and split as for several processes (FSDP).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import workers
from gpu_corpus import jpegs as crops

from dataengine.media.limits import Limits
from dataengine.models.device import reproducible, start_torch
from dataengine.stage import Feed, Group, Part
from dataengine.storage.workspace import File, Workspace
from dataengine.testing.local_board import LocalBoard
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.gang import member_of
from dataengine.tokenize.kelix.language import attend_packed
from dataengine.tokenize.kelix.learner import Decoded, Learner, Model
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.packing import INDEX
from dataengine.tokenize.kelix_workers import PhaseWorker
from dataengine.tokenize.patches import Native

_HEIGHT, _WIDTH, _TEXT = 375, 500, 48
_QWEN = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}
_SMALL_LM = {
    **_QWEN,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
}
_SMALL = {
    "preset": "tiny",
    "quantiser": {"codebooks": 4, "entries": 64},
    "vision": {"hidden": 64, "layers": 2, "heads": 4, "mlp": 128, "positions": 8, "features": 64},
}
#: Steps of the small stages.
_STEPS, _FEW = 8, 2


@dataclass(frozen=True)
class Sizes:
    """What is trained: settings of ``kelix``, the shape of its language model, and packs a step."""

    title: str
    kelix: dict[str, Any]
    lm: dict[str, Any]
    steps: int
    tokens: int
    picture: int


REPORT = Sizes("so400m, 8 × 8192, Qwen3-0.6B", {"preset": "kelix"}, _QWEN, 4, 16_384, 400)
TINY = Sizes("tiny", _SMALL, _SMALL_LM, 3, 600, 64)


def configured(sizes: Sizes, steps: int, **curriculum: Any) -> KelixConfig:
    """The report's three stages, short."""
    phase = {"steps": steps, "warm_up": 0, "rate": 1e-4, "tokens": sizes.tokens, "accumulate": 2, "buffer": 64}
    phases = {
        "align": {**phase, "freeze": ["tower", "lm"], "rate": 1e-3},
        "pretrain": {**phase, "mix": [{"text": "captions"}, {"text": "instructions"}]},
        "anneal": {**phase, "mix": [{"text": "instructions"}]},
    }
    objective = {"kind": "causal_lm", "path": "random", "length": _TEXT}
    training = {"curriculum": {**phases, **curriculum}, "threads": 1}
    settings = {"name": "kelix", "max_tokens": sizes.picture, "objective": objective, "training": training}
    made: KelixConfig = configure({**sizes.kelix, **settings})
    return made


def model_of(config: KelixConfig, sizes: Sizes, device: str) -> Model:
    """With random weights, made on ``device``."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        lm = Qwen3ForCausalLM(Qwen3Config(**sizes.lm))
        attend_packed(lm)
        return Model(config, Network(config), lm)


def index(workspace: Workspace, config: KelixConfig, parts: Sequence[Part], vocabulary: int) -> list[File]:
    """A table of INDEX for each media file, with a caption and a conversation of random words a picture."""
    _, h, w = Native(config.min_tokens, config.max_tokens, config.video).grid(_HEIGHT, _WIDTH)
    draw, files = np.random.default_rng(0), []
    for part in parts:
        rows = []
        for at in part.spec:
            place = {"id": at.id, "kind": at.kind, "ext": at.ext, "bytes": at.bytes, "media": at.media}
            for text in ("captions", "instructions"):
                ids = draw.integers(0, vocabulary, int(draw.integers(8, _TEXT))).tolist()
                learn = [False, False] + [True] * (len(ids) - 2)
                words = {"offset": at.offset, "source": "s", "text": text, "ids": ids, "learn": learn, "at": 1}
                rows.append({**place, **words, "stills": 1, "tokens": h * w})
        files.append(workspace.write_table(f"index/{part.name}.parquet", pa.Table.from_pylist(rows, INDEX)))
    return files


@dataclass
class Fed:
    """Packs of a stage from its worker, counted."""

    worker: PhaseWorker
    part: Part
    tokens: int = field(default=0, init=False)

    def packs(self, learner: Learner) -> Iterator[list[Decoded]]:
        for pack in self.worker._batches(learner, self.part):
            self.tokens += sum(example.length for example, _ in pack)
            yield pack


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def throughput(sizes: Sizes, device: str, workspace: Workspace, parts: Sequence[Part], children: int) -> Iterator[str]:
    """A row a stage: the stage's own worker decodes, packs are trained on as they come."""
    yield f"| stage of {sizes.title} | tokens/s | s a step | waiting | peak memory, GB | loss |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    config = configured(sizes, sizes.steps, precision="bfloat16", checkpointing=True)
    part = Part("all", "0" * 16, index(workspace, config, parts, sizes.lm["vocab_size"]))
    model = model_of(config, sizes, device)
    for name, phase in config.training.curriculum.phases():  # type: ignore[union-attr]
        fed = Fed(PhaseWorker(Limits(), workspace, config, name, f"tokenize.{name}", {}, device), part)
        fed.worker.feed = Feed(children, 1)
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        learner = Learner(model, phase, config, device=device)
        packs = fed.packs(learner)
        learner.once(packs)
        _wait(device)
        before, waited, began = fed.tokens, fed.worker._waited, time.perf_counter()
        for _ in range(phase.steps - 1):
            learner.once(packs)
        _wait(device)
        seconds = time.perf_counter() - began
        peak = torch.cuda.max_memory_allocated() / 1e9 if device.startswith("cuda") else float("nan")
        share = (fed.worker._waited - waited) / seconds
        loss = learner.log.objective[-1] + learner.log.vq[-1]
        yield (
            f"| {name} | {(fed.tokens - before) / seconds:,.0f} | {seconds / (phase.steps - 1):.2f} | {share:.1%} "
            f"| {peak:.1f} | {loss:.3f} |"
        )
        packs.close()  # type: ignore[attr-defined]
        fed.worker.close()
        del learner
        if device.startswith("cuda"):
            torch.cuda.empty_cache()


def curves(device: str, workspace: Workspace, parts: Sequence[Part], steps: int) -> Iterator[str]:
    """Losses of the small stages on the device, beside a CPU's in float32; killed and resumed; split by FSDP."""
    half = {"precision": "bfloat16", "checkpointing": True}
    plain = configured(TINY, steps)
    stills = decoded(plain, workspace, parts)
    runs = {
        "CPU, float32": trained(plain, "cpu", stills),
        f"{device}, float32": trained(plain, device, stills),
        f"{device}, bfloat16": trained(configured(TINY, steps, **half), device, stills),
    }
    yield f"| loss of small stages, {steps} steps each | align | pretrain | anneal | off by at most |"
    yield "| --- | --- | --- | --- | ---: |"
    first = runs["CPU, float32"]
    for name, losses in runs.items():
        off = max(abs(a - b) / b for stage in losses for a, b in zip(losses[stage], first[stage], strict=True))
        ends = " | ".join(f"{losses[stage][0]:.4f} → {losses[stage][-1]:.4f}" for stage in losses)
        yield f"| {name} | {ends} | {off:.2%} |"
    yield from resumed(configured(TINY, steps, **half), device, stills)
    yield from split(steps, device, stills, runs[f"{device}, float32"]["pretrain"])


def decoded(config: KelixConfig, workspace: Workspace, parts: Sequence[Part]) -> dict[str, list[list[Decoded]]]:
    """The packs of each stage."""
    part = Part("all", "1" * 16, index(workspace, config, parts[:1], TINY.lm["vocab_size"]))
    stages = {}
    for name, phase in config.training.curriculum.phases():  # type: ignore[union-attr]
        worker = PhaseWorker(Limits(), workspace, config, name, f"tokenize.{name}", {}, "cpu")
        start = Learner(model_of(config, TINY, "cpu"), phase, config)
        packs = worker._batches(start, part)
        stages[name] = list(islice(packs, phase.steps * phase.accumulate))
        packs.close()  # type: ignore[attr-defined]
        worker.close()
    return stages


def trained(config: KelixConfig, device: str, stages: dict[str, list[list[Decoded]]]) -> dict[str, list[float]]:
    """Losses of all stages, one after the other, from the same weights on any device."""
    model, losses = model_of(config, TINY, "cpu"), {}
    for name, phase in config.training.curriculum.phases():  # type: ignore[union-attr]
        learner = Learner(model, phase, config, device=device)
        learner.run(iter(stages[name]), lambda _: None, phase.steps)
        losses[name] = [a + b for a, b in zip(learner.log.objective, learner.log.vq, strict=True)]
    return losses


def resumed(config: KelixConfig, device: str, stages: dict[str, list[list[Decoded]]]) -> Iterator[str]:
    """Are the weights of a stage that was killed those of one that was not?"""
    phase, packs = config.training.curriculum.pretrain, stages["pretrain"]  # type: ignore[union-attr]

    def start() -> Learner:
        return Learner(model_of(config, TINY, "cpu"), phase, config, device=device)

    saved = list[bytes]()
    for _ in range(2):
        whole = start()
        whole.run(iter(packs), lambda learner: saved.append(learner.save()), phase.steps // 2)
    goes_on = start()
    goes_on.load(saved[0])
    goes_on.run(iter(packs[goes_on.packs_done :]), lambda _: None, phase.steps)
    again, same = saved[1] == saved[3], goes_on.save() == saved[1]
    yield f"| pretrain on {device}, bfloat16 | trained twice: {_equal(again)} | killed and resumed: {_equal(same)} | | |"


def _equal(same: bool) -> str:
    return "the same bytes" if same else "OTHER BYTES"


def split(steps: int, device: str, stages: dict[str, list[list[Decoded]]], expected: Sequence[float]) -> Iterator[str]:
    """FSDP as among several processes, but in a group of one: what it computes, and that the group meets on a board by NCCL."""
    config = configured(TINY, steps, parallel="fsdp")
    phase = config.training.curriculum.pretrain  # type: ignore[union-attr]
    model = model_of(configured(TINY, steps), TINY, "cpu")
    aligned = Learner(model, config.training.curriculum.align, config, device=device)  # type: ignore[union-attr]
    aligned.run(iter(stages["align"]), lambda _: None, phase.steps)
    weights = model.state_dict()
    with member_of(Group(0, 1, "127.0.0.1", LocalBoard()), device) as member:
        fresh = model_of(config, TINY, "cpu")
        fresh.load_state_dict({name: tensor.cpu() for name, tensor in weights.items()})
        learner = Learner(fresh, phase, config, member, device)
        learner.run(iter(stages["pretrain"]), lambda _: None, phase.steps)
        learner.save()
    losses = [a + b for a, b in zip(learner.log.objective, learner.log.vq, strict=True)]
    off = max(abs(a - b) / b for a, b in zip(losses, expected, strict=True))
    yield f"| pretrain on {device}, float32, FSDP in a group of one | | {losses[0]:.4f} → {losses[-1]:.4f} | | {off:.2%} |"


def lines(device: str, jpegs: Sequence[bytes], small: bool, children: int) -> Iterator[str]:
    """The whole report; ``jpegs`` of 500 × 375 pixels. ``small``: without the sizes of the report."""
    if device.startswith("cuda"):
        reproducible()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        parts = workers.media(workspace, 4, jpegs)
        yield from throughput(TINY if small else REPORT, device, workspace, parts, children)
        yield ""
        yield from curves(device, workspace, parts, _FEW if small else _STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--pictures", type=int, default=1024)
    parser.add_argument("--small", action="store_true", help="tiny sizes alone, to try the script on a CPU")
    options = parser.parse_args()
    begun = time.perf_counter()
    device = start_torch(options.device, 1)
    children = max(1, len(os.sched_getaffinity(0)) - 1)
    for line in lines(device, crops(options.pictures), options.small, children):
        print(line, flush=True)
    print(f"\n{time.perf_counter() - begun:.0f} s in all.")


if __name__ == "__main__":
    main()
