"""How well captions are predicted from a picture's vectors by a causal language model of ``transformers``, which stays as it is:
only a standardisation and a linear layer before it are trained, for codes and for continuous features alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from dataengine.tokenize.kelix.config import CausalLM
from dataengine.tokenize.kelix.language import Language, load
from dataengine.tokenize.kelix.packing import Example
from dataengine.tokenize.kelix.texts import Laid, TextLayout


class FrozenLM:
    """The language model of ``objective.path`` on ``device``. Raises UsageError where it cannot be read."""

    def __init__(self, objective: CausalLM, device: torch.device) -> None:
        self.name = Path(str(objective.path)).name
        model = load(objective).to(device).requires_grad_(False).eval()
        self.width: int = model.config.get_text_config().hidden_size
        self._language = Language(objective, self.width, model)
        self._laid = lru_cache(maxsize=None)(TextLayout(str(objective.path), objective.length).caption)

    def tokens(self, caption: str) -> int:
        """Tokens of a caption that are predicted, its end included."""
        return sum(self._laid(caption).learn)

    def nats(self, vectors: Sequence[Tensor], captions: Sequence[str]) -> Tensor:
        """Mean nats a token of captions after ``(T, width)`` vectors each."""
        examples = [_example(self._laid(caption), len(v)) for v, caption in zip(vectors, captions, strict=True)]
        nats: Tensor = self._language(vectors, examples)
        return nats


class CausalReader(nn.Module):
    """What is trained before ``lm`` to read vectors ``(B, T, F)``; nats a token of the captions."""

    def __init__(self, fused: int, lm: FrozenLM) -> None:
        super().__init__()
        self.norm, self.adapt = nn.BatchNorm1d(fused, affine=False), nn.Linear(fused, lm.width)
        self._nats = lm.nats

    def forward(self, vectors: Tensor, captions: Sequence[str]) -> Tensor:
        read: Tensor = self.adapt(self.norm(vectors.flatten(0, 1)).view_as(vectors))
        captioned = [i for i, caption in enumerate(captions) if caption]
        if not captioned:
            return read.sum() * 0
        nats: Tensor = self._nats([read[i] for i in captioned], [captions[i] for i in captioned])
        return nats


def _example(laid: Laid, tokens: int) -> Example:
    return Example("", "image", "", 0, "", 0, "", "captions", 1, tokens, *laid)
