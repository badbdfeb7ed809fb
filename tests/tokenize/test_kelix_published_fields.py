"""Each field of a published tokenizer's configuration has a meaning here, or is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dataengine.errors import UsageError
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.config import Sampling
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.published_fields import settings
from dataengine.tokenize.kelix.quantiser import ParallelQuantiser, drawn

PUBLISHED: dict[str, Any] = {
    "codebook_size": 64,
    "embedding_dim": 16,
    "init_embedding_dim": 48,
    "llm_hidden_size": 48,
    "n_q_tokens": 4,
    "split_voc": 4,
    "output_dim": 32,
    "vision_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
}


@pytest.mark.parametrize(
    ("change", "block", "field", "value"),
    [
        ({}, "quantiser", "entries", 16),
        ({}, "quantiser", "fused", 32),
        ({}, "vision", "features", 48),
        ({"fusion_type": "mean"}, "quantiser", "fusion", "mean"),
        ({"split_dim": True}, "quantiser", "code_dim", 4),
        ({"add_voc_reducer": True}, "quantiser", "voc_reducer", True),
        ({"pre_llm_align": True, "llm_align_size": 24}, "quantiser", "align", 24),
        ({"pre_llm_align": True}, "quantiser", "align", 48),
        (
            {"vq_sampling_mode": "softmax", "vq_temperature": 2.0},
            "quantiser",
            "sampling",
            Sampling(mode="softmax", temperature=2),
        ),
        ({"vision_config": {**PUBLISHED["vision_config"], "hidden_act": "silu"}}, "vision", "act", "silu"),
        ({"vision_config": {**PUBLISHED["vision_config"], "image_size": 384}}, "vision", "positions", 27),
        ({"model_type": "kelix"}, "quantiser", "codebooks", 4),
    ],
)
def test_a_field_means_what_it_does_there(change: dict[str, Any], block: str, field: str, value: Any) -> None:
    config = configure(settings({**PUBLISHED, **change}))
    assert getattr(getattr(config, block), field) == value
    quantised = Network(config).quantiser(torch.randn(7, 48))
    assert quantised.indices.shape == (7, 4) and quantised.fused.shape == (7, 32)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_embed": 3}, "n_embed"),
        ({"split_voc": 1}, "split_voc 1 with n_q_tokens 4"),
        ({"vision_config": {"patch_size": 16}}, "vision_config.patch_size 16"),
        ({"vision_config": {"hidden_act": "relu"}}, "vision_config.hidden_act relu"),
        ({"vision_config": {"window": 8}}, "vision_config.window"),
    ],
)
def test_a_field_without_a_meaning_is_refused_by_name(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=f"without a meaning here: {told}"):
        settings({**PUBLISHED, **change})


def test_entries_are_drawn_by_a_softmax_that_grows_cold() -> None:
    z, entries = torch.zeros(4000, 1), torch.tensor([[0.0], [1.0], [9.0]])
    generator = torch.Generator().manual_seed(0)
    share = (drawn(z, entries, 1.0, generator) == 1).float().mean()
    assert float(share) == pytest.approx(1 / (1 + torch.e), abs=0.03)
    assert int(drawn(z, entries, 0.01, generator).sum()) == 0
    sampling = Sampling(mode="softmax", temperature=1.0, decay=0.5, least=0.1)
    assert [sampling.at(step) for step in (0, 1, 9)] == [1.0, 0.5, 0.1] and Sampling().at(3) is None


def test_mixtures_of_centres_learn_and_centres_do_not() -> None:
    config = configure(settings({**PUBLISHED, "add_voc_reducer": True})).quantiser
    torch.manual_seed(0)
    quantiser = ParallelQuantiser(config, 48, 48)
    quantiser.start(torch.randn(64, 48))
    assert all(torch.equal(book.centres, quantiser.codebooks()[0].centres) for book in quantiser.codebooks())
    quantiser(torch.randn(9, 48)).loss.backward()
    reducer = quantiser.codebooks()[0].reduce
    assert reducer is not None and reducer.shape == (64, 16) and float(reducer.grad.abs().sum()) > 0  # type: ignore[union-attr]
