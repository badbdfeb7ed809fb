"""Resumable training of the Kelix tokenizer with bit-identical results: the state is weights, moments and the step.

One process and one device. With the same number of threads on the same kind of machine it gives the same bits; a crop's
positions are its own, so a picture larger than a crop is a small change of conditions for the tower.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from dataengine.errors import RunError
from dataengine.tokenize.checkpoint import pack, unpack
from dataengine.tokenize.kelix.config import KelixConfig
from dataengine.tokenize.kelix.crops import Crops
from dataengine.tokenize.kelix.network import Student
from dataengine.tokenize.kelix.tensors import arrays, of

_WARM_UP = 30
_FLOOR = 0.05
_CLIP = 1.0


@dataclass
class Curve:
    """Loss of the objective and L_VQ at every step."""

    objective: list[float] = field(default_factory=list)
    vq: list[float] = field(default_factory=list)


class Trainer:
    """One phase: the continuous encoder, or the codes from ``centres`` on."""

    def __init__(self, config: KelixConfig, quantised: bool, device: str = "cpu") -> None:
        self.config, self.quantised = config, quantised
        torch.manual_seed(config.seed + quantised)
        self.student = Student(config).to(device)
        self.step, self.curve = 0, Curve()
        rate = config.training.rate
        self._optimiser = torch.optim.AdamW(self.student.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)

    @property
    def steps(self) -> int:
        return self.config.training.steps if self.quantised else self.config.training.encoder_steps

    def run(self, crops: Crops, tell: Callable[[Trainer], None], every: int) -> None:
        """Train to the last step; ``tell`` is called every ``every`` steps. Raises RunError where the loss is not finite."""
        while self.step < self.steps:
            self.once(crops)
            if self.step % every == 0:
                tell(self)

    def once(self, crops: Crops) -> None:
        """Take one step."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.training.rate * self._schedule()
        frames, captions = crops.batch(self.step + (self.quantised << 32))
        objective, vq = self.student(frames, captions, self.quantised)
        loss = objective + vq
        if not torch.isfinite(loss):
            raise RunError(f"the loss is {float(loss.detach())} at step {self.step}: lower training.rate")
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), _CLIP)
        self._optimiser.step()
        self.curve.objective.append(round(float(objective.detach()), 6))
        self.curve.vq.append(round(float(vq.detach()), 6))
        self.step += 1

    def _schedule(self) -> float:
        """Learning-rate schedule, as a share: a short warm-up, then a cosine down to 5 %."""
        cosine = (1 + math.cos(math.pi * self.step / max(1, self.steps))) / 2
        return min(1.0, (self.step + 1) / _WARM_UP) * (_FLOOR + (1 - _FLOOR) * cosine)

    def save(self) -> bytes:
        """The whole training state."""
        names = [name for name, _ in self.student.named_parameters()]
        state = self._optimiser.state_dict()["state"]
        moments = {
            f"{kind}.{names[i]}": moment[kind]
            for i, moment in state.items()
            for kind in ("exp_avg", "exp_avg_sq", "step")
        }
        weights = {f"weight.{name}": tensor for name, tensor in self.student.state_dict().items()}
        metadata = {"name": "training", "step": self.step, "objective": self.curve.objective, "vq": self.curve.vq}
        return pack(metadata, arrays({**weights, **moments}.items()))

    def load(self, data: bytes) -> None:
        """Resume from ``save``. Raises RunError for damaged bytes."""
        metadata, tensors = unpack(data)
        self.step, self.curve = metadata["step"], Curve(metadata["objective"], metadata["vq"])
        self.student.load_state_dict(of("weight", tensors))
        names = [name for name, _ in self.student.named_parameters()]
        kinds = {kind: of(kind, tensors) for kind in ("exp_avg", "exp_avg_sq", "step")}
        state = {i: {kind: kinds[kind][n] for kind in kinds} for i, n in enumerate(names) if n in kinds["step"]}
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
