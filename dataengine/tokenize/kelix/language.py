"""A causal language model of ``transformers`` that reads a pack's codes among the tokens of its texts; loss on the texts alone.

It is loaded from a folder: configuration and safetensors, no code of it runs. Samples of a pack do not see one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dataengine.errors import UsageError
from dataengine.tokenize.kelix.attention import packed
from dataengine.tokenize.kelix.config import CausalLM
from dataengine.tokenize.kelix.packing import Example

#: Name of our attention function in ``transformers``.
PACKED = "dataengine_packed"


class Language(nn.Module):
    """``adapt`` brings fused codes to the model's width where they have another."""

    def __init__(self, config: CausalLM, fused: int, model: Any) -> None:
        super().__init__()
        self.model = model
        self.config = config
        width = model.config.get_text_config().hidden_size
        self.adapt = nn.Identity() if width == fused else nn.Linear(fused, width)

    def forward(self, fused: Sequence[Tensor], examples: Sequence[Example]) -> Tensor:
        """Mean cross-entropy of what the examples learn, from ``(T, F)`` codes of each."""
        device = fused[0].device
        table = self.model.get_input_embeddings()
        parts, labels, places = [], list[int](), list[int]()
        for codes, example in zip(fused, examples, strict=True):
            ids = torch.tensor(example.ids, device=device)
            text, visual = table(ids), self.adapt(codes)
            parts += [text[: example.at], visual.to(text.dtype), text[example.at :]]
            predicted = [i if learn else -1 for i, learn in zip(example.ids, example.learn, strict=True)]
            each = predicted[: example.at] + [-1] * len(codes) + predicted[example.at :]
            labels += [*each[1:], -1]
            places += range(len(each))
        lengths = [len(codes) + len(example.ids) for codes, example in zip(fused, examples, strict=True)]
        hidden = self.model.base_model(
            inputs_embeds=torch.cat(parts)[None],
            position_ids=torch.tensor(places, device=device)[None],
            use_cache=False,
            **self._apart(lengths, device),
        ).last_hidden_state[0]
        target = torch.tensor(labels, device=device)
        learned = target >= 0
        logits = self.model.get_output_embeddings()(hidden[learned])
        return functional.cross_entropy(logits.float(), target[learned])

    def _apart(self, lengths: Sequence[int], device: torch.device) -> dict[str, Any]:
        """How the model is told which tokens are one sample: by lengths, where its attention is ours, else by a mask."""
        if self.model.config._attn_implementation == PACKED:
            return {"attention_mask": None, "spans": tuple(lengths)}
        return {"attention_mask": block_causal(lengths, device)}


def block_causal(lengths: Sequence[int], device: torch.device) -> Tensor:
    """``(1, 1, L, L)``: True where a token sees another, which is of the same sample and not later."""
    sample = torch.repeat_interleave(
        torch.arange(len(lengths), device=device), torch.tensor(lengths, device=device), output_size=sum(lengths)
    )
    place = torch.arange(len(sample), device=device)
    return ((sample[:, None] == sample[None]) & (place[:, None] >= place[None]))[None, None]


def attend_packed(model: Any) -> None:
    """Let the model's attention be ours, which computes nothing between samples; a class of model that has no choice of attention
    functions keeps its own, with a mask of the whole pack."""
    from transformers import AttentionInterface

    if getattr(model, "_supports_attention_backend", False):
        AttentionInterface.register(PACKED, packed)
        model.set_attn_implementation(PACKED)


def load(config: CausalLM) -> Any:
    """The model in float32. Raises UsageError where it cannot be read."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True, "use_safetensors": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(config.path), dtype=torch.float32, attn_implementation="sdpa", **options
        )
        attend_packed(model)
        return model
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UsageError(
            f"objective.path {config.path}: not a causal language model that can be read: {error}"
        ) from error


def outline(config: CausalLM) -> Any:
    """The model without memory for its weights, to count them."""
    from transformers import AutoConfig, AutoModelForCausalLM

    described = AutoConfig.from_pretrained(str(config.path), trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        make: Any = AutoModelForCausalLM.from_config
        return make(described, trust_remote_code=False)
