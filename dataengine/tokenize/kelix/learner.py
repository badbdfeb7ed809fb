"""One stage of the report's training: packs of pictures and texts through tower, codebooks and language model, resumable at a
step with the same weights on the same kind of device.

A step's gradient is the mean over its packs. Each of several processes computes its share of them and all add up (synchronous
data parallelism), with a copy of the model each or a share of it (``sharding.py``), so their number changes a result by rounding
alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dataengine.errors import RunError
from dataengine.tokenize.checkpoint import pack, unpack
from dataengine.tokenize.kelix.config import CausalLM, KelixConfig
from dataengine.tokenize.kelix.curriculum import PORTIONS, Phase, Portion
from dataengine.tokenize.kelix.gang import ALONE, Member
from dataengine.tokenize.kelix.language import Language
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.packing import Example
from dataengine.tokenize.kelix.pixels import TOKEN, patches
from dataengine.tokenize.kelix.sharding import gathered, layers, local, placed, shard
from dataengine.tokenize.kelix.tensors import of
from dataengine.tokenize.kelix.training_log import Log
from dataengine.tokenize.kelix.vision import MERGE, Place

_NAMED = 8
"""Ids of samples that a message names."""
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""Of AdamW."""
Decoded = tuple[Example, list[NDArray[np.uint8]]]


class Scores(NamedTuple):
    """Losses of one pack, and the codes ``(T, N)`` of its tokens."""

    objective: Tensor
    vq: Tensor
    codes: Tensor


class Model(nn.Module):
    """The network and the language model that it is trained with."""

    def __init__(self, config: KelixConfig, network: Network, lm: Any) -> None:
        super().__init__()
        if not isinstance(config.objective, CausalLM):
            raise RunError("a curriculum needs the objective causal_lm")
        self.config, self.network = config, network
        self.language = Language(config.objective, config.quantiser.fused, lm)

    def portion(self, name: str) -> Portion:
        """The part of the model that a parameter belongs to."""
        if name.startswith("network.vision."):
            return "projector" if name.startswith("network.vision.merge") else "tower"
        if name.startswith("network.quantiser."):
            return "quantiser"
        return "adapter" if name.startswith("language.adapt.") else "lm"

    def counted(self) -> dict[str, int]:
        """Parameters by portion, and the frozen centres."""
        counts: dict[str, int] = {"centres": sum(book.centres.numel() for book in self.network.quantiser.codebooks())}
        for name, parameter in self.named_parameters():
            counts[self.portion(name)] = counts.get(self.portion(name), 0) + parameter.numel()
        return counts

    def blocks(self) -> list[nn.Module]:
        """What several processes gather at a time, where each has a share of the model."""
        return [*self.network.vision.blocks, *layers(self.language.model)]

    def recompute(self) -> None:
        """Keep no activations of blocks for the backward pass."""
        self.network.vision.recompute = True
        lm = self.language.model
        enable = getattr(lm, "activation_checkpointing_enable", None) or lm.gradient_checkpointing_enable
        enable({"use_reentrant": False})  # the second name is that of transformers before

    def forward(
        self, pack: Sequence[Decoded], temperature: float | None = None, generator: torch.Generator | None = None
    ) -> Scores:
        x, tokens = self._features(pack)
        quantised = self.network.quantiser(x, temperature, generator)
        fused = quantised.fused.split(tokens)
        return Scores(self.language(fused, [example for example, _ in pack]), quantised.loss, quantised.indices)

    def _features(self, pack: Sequence[Decoded]) -> tuple[Tensor, list[int]]:
        """``(T, features)`` of all stills in one sequence, and how many are of each example."""
        network = self.network
        stills = [still for _, frames in pack for still in frames]
        sizes = [(s.shape[0] // TOKEN, s.shape[1] // TOKEN) for s in stills]
        each = [patches(s[None], str(network.device), network.dtype) for s in stills]
        places = [network.vision.place(h, w) for h, w in sizes]
        learned, cos, sin = (torch.cat([p[i] for p in places], dim=1 if i == 0 else 2) for i in range(3))
        x = network.vision(torch.cat(each, 1), Place(learned, cos, sin), spans=[MERGE**2 * h * w for h, w in sizes])
        counts = iter(h * w for h, w in sizes)
        return x[0], [sum(next(counts) for _ in frames) for _, frames in pack]


#: A pack of one black token: where another process has a pack and this one has none, both must compute.
_STAND_IN: list[Decoded] = [
    (
        Example("", "image", "", 0, "", 0, "", "", 1, 1, [0, 0], [False, True], 1),
        [np.zeros((TOKEN, TOKEN, 3), np.uint8)],
    )
]


class Learner:
    """Trains ``model`` for one phase, on ``device``."""

    def __init__(
        self, model: Model, phase: Phase, config: KelixConfig, member: Member = ALONE, device: str = "cpu"
    ) -> None:
        curriculum = config.training.curriculum
        if curriculum is None:
            raise RunError("the configuration has no curriculum")
        self.model, self.phase, self.config, self.member = model, phase, config, member
        self.precision, self.device = curriculum.precision, device
        self.step, self.log, self.diverged = 0, Log(), False
        self.sharded = member is not ALONE and curriculum.parallel == "fsdp"
        if curriculum.checkpointing:
            model.recompute()
        if self.sharded:
            shard(model, model.blocks(), device, member.size)
        else:
            model.to(device)
        self._trained = self._unfrozen()
        groups = [{"params": [p for _, p in named], "portion": portion} for portion, named in self._trained.items()]
        self._optimiser = torch.optim.AdamW(groups, lr=phase.rate, betas=(0.9, 0.95), weight_decay=phase.weight_decay)
        quantiser = config.quantiser
        self._seen = torch.zeros(quantiser.codebooks, quantiser.entries, dtype=torch.int64)

    @property
    def packs_done(self) -> int:
        """Packs, of all processes, that the steps so far took."""
        return self.step * self.phase.accumulate

    def run(self, batches: Iterator[list[Decoded]], tell: Callable[[Learner], None], *every: int) -> None:
        """Train to the last step on this process's packs; ``tell`` is called at the multiples of ``every`` and at the end. Raises
        RunError where a loss is not finite: no step was taken then."""
        while self.step < self.phase.steps:
            self.once(batches)
            if self.step == self.phase.steps or any(self.step % n == 0 for n in every):
                self._healthy()
                tell(self)

    def once(self, batches: Iterator[list[Decoded]]) -> None:
        """Take one step on the next packs."""
        self._optimiser.zero_grad()
        sums = torch.zeros(3)
        bad = list[str]()
        share = (self.member.size if self.sharded else 1) / self.phase.accumulate
        for turn in range(self.member.rank, self.phase.accumulate, self.member.size):
            pack = next(batches)
            if not pack:
                if self.sharded:
                    self._backward(self._scored(_STAND_IN, turn), 0.0)
                continue
            scores = self._scored(pack, turn)
            if not self._backward(scores, share):
                bad += [example.id for example, _ in pack]
            sums += torch.tensor([float(scores.objective.detach()), float(scores.vq.detach()), 1.0])
            self._count(scores.codes)
        self._finish(sums, bad)

    def _backward(self, scores: Scores, share: float) -> bool:
        """Add a pack's share of the gradient; whether its loss is finite. If not, gradients are left as they become: the step is
        not taken, but other processes wait for them."""
        loss = (scores.objective + scores.vq) * share
        loss.backward()  # type: ignore[no-untyped-call]
        return bool(torch.isfinite(loss))

    def _scored(self, pack: Sequence[Decoded], turn: int) -> Scores:
        temperature = self.config.quantiser.sampling.at(self.step)
        generator = torch.Generator().manual_seed((self.config.seed << 40) + (self.step << 12) + turn)
        with torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=self.precision == "bfloat16"):
            scores: Scores = self.model(pack, temperature, generator)
        return scores

    def _finish(self, sums: Tensor, bad: Sequence[str]) -> None:
        """Add up over processes, and take the step."""
        state = torch.cat([sums, torch.tensor([float(len(bad))])])
        self.member.total(state)
        self._add_up()
        named = [p for group in self._trained.values() for _, p in group]
        norm = local(torch.nn.utils.clip_grad_norm_(named, self.phase.clip))
        if bool(state[3]) or not torch.isfinite(norm):
            self.diverged = True
            raise RunError(self._diverged(bad))
        for group in self._optimiser.param_groups:
            group["lr"] = self.phase.peak(group["portion"]) * self.share(self.step)
        self._optimiser.step()
        count = max(1.0, float(state[2]))
        self.log.objective.append(round(float(state[0]) / count, 6))
        self.log.vq.append(round(float(state[1]) / count, 6))
        self.step += 1

    def _add_up(self) -> None:
        """Gradients over all processes, in one message a portion."""
        if self.member.size == 1 or self.sharded:
            return
        for named in self._trained.values():
            grads = [p.grad if p.grad is not None else torch.zeros_like(p) for _, p in named]
            flat = torch.cat([g.flatten() for g in grads])
            self.member.total(flat)
            for (_, p), piece in zip(named, torch.split(flat, [g.numel() for g in grads]), strict=True):
                p.grad = piece.view_as(p)

    def _diverged(self, bad: Sequence[str]) -> str:
        which = f" with samples {', '.join(bad[:_NAMED])}{' …' if len(bad) > _NAMED else ''}" if bad else ""
        return (
            f"the loss is not a finite number at step {self.step}{which}. The weights of step {self.step} are saved; lower the "
            "stage's rates, or leave these samples out"
        )

    def share(self, step: int) -> float:
        """Learning rate of a step as a share of its peak."""
        phase = self.phase
        if step < phase.warm_up:
            return (step + 1) / phase.warm_up
        through = (step - phase.warm_up) / max(1, phase.steps - phase.warm_up)
        falls = {"cosine": (1 + math.cos(math.pi * through)) / 2, "linear": 1 - through, "constant": 1.0}
        return phase.floor + (1 - phase.floor) * falls[phase.schedule]

    def _unfrozen(self) -> dict[Portion, list[tuple[str, nn.Parameter]]]:
        groups: dict[Portion, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in self.model.named_parameters():
            portion = self.model.portion(name)
            parameter.requires_grad_(portion not in self.phase.freeze)
            if parameter.requires_grad:
                groups.setdefault(portion, []).append((name, parameter))
        return {portion: groups[portion] for portion in PORTIONS if portion in groups}

    def _count(self, codes: Tensor) -> None:
        for seen, column in zip(self._seen, codes.cpu().unbind(1), strict=True):
            seen += torch.bincount(column, minlength=len(seen))

    def _healthy(self) -> None:
        self.member.total(self._seen)
        shares = self._seen.double() / self._seen.sum(1, keepdim=True).clamp(min=1)
        entropy = -(shares * torch.where(shares > 0, shares, 1).log()).sum(1)
        perplexity = [round(value, 3) for value in entropy.exp().tolist()]
        usage = [round(value, 5) for value in (self._seen > 0).double().mean(1).tolist()]
        self.log.health.append({"step": self.step, "perplexity": perplexity, "usage": usage})
        self._seen.zero_()

    def save(self) -> bytes:
        """The whole training state; all processes call it together, and the first has it."""
        names = [name for named in self._trained.values() for name, _ in named]
        state = self._optimiser.state_dict()["state"]
        moments = [(f"{kind}.{names[i]}", moment[kind]) for i, moment in state.items() for kind in _MOMENTS]
        log = {"objective": self.log.objective, "vq": self.log.vq, "health": self.log.health}
        return self._packed({"name": "training", "step": self.step, **log}, moments)

    def weights(self) -> bytes:
        """What the next stage starts from; all processes call it together, and the first has it."""
        return self._packed({"name": "training", "steps": self.step, "loss": self.log.objective[-1]}, [])

    def _packed(self, metadata: dict[str, Any], moments: Sequence[tuple[str, Tensor]]) -> bytes:
        weights = [(f"weight.{name}", tensor) for name, tensor in self.model.state_dict().items()]
        first = self.member.rank == 0
        tensors = gathered([*weights, *moments], keep=first)
        return pack(metadata, tensors) if first else b""

    def load(self, data: bytes) -> None:
        """Resume from ``save``, of however many processes. Raises RunError for damaged bytes."""
        metadata, tensors = unpack(data)
        self.step = metadata["step"]
        self.log = Log(metadata["objective"], metadata["vq"], metadata["health"])
        own = self.model.state_dict()
        self.model.load_state_dict({name: placed(tensor, own[name]) for name, tensor in of("weight", tensors).items()})
        moments = {kind: of(kind, tensors) for kind in _MOMENTS}
        named = [pair for portion in self._trained.values() for pair in portion]
        state = {
            i: {
                kind: placed(moments[kind][name], parameter) if kind != "step" else moments[kind][name]
                for kind in _MOMENTS
            }
            for i, (name, parameter) in enumerate(named)
            if name in moments["step"]
        }
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
