"""Heads over CLIP's embeddings: checkpoints of the published shapes and names, and quality by prompts."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models import linear_head
from dataengine.score.base import EmbeddingScorer
from dataengine.score.factory import build

DIM = 32


def improved(width: int) -> torch.nn.Sequential:
    """LAION's improved aesthetic predictor: five layers, dropout between them, names ``layers.0`` to ``layers.7``."""
    sizes, dropout = (width, 1024, 128, 64, 16, 1), torch.nn.Dropout(0.2)
    layers: list[torch.nn.Module] = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    return torch.nn.Sequential(
        *layers[:1], dropout, layers[1], dropout, layers[2], dropout, layers[3], layers[4]
    ).eval()


def saved(model: torch.nn.Module, path: Path, prefix: str = "") -> str:
    state = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


def scorers(tiny: Path, **head: Any) -> EmbeddingScorer:
    clip = {"name": "clip", "model": str(tiny / "tiny.json"), "checkpoint": str(tiny / "tiny.safetensors")}
    [_, scorer] = build([clip, head])
    assert isinstance(scorer, EmbeddingScorer)
    return scorer


def vectors(count: int, width: int = DIM) -> list[Any]:
    rows = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("width", [768, DIM], ids=["ViT-L/14", "tiny"])
def test_published_heads_give_what_torch_gives(width: int, suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    heads = {"linear": (torch.nn.Linear(width, 1), ""), "improved": (improved(width), "layers.")}
    rows = np.stack(vectors(5, width))
    for name, (model, prefix) in heads.items():
        loaded = linear_head.load(Path(saved(model, tmp_path / f"{name}{suffix}", prefix)))
        with torch.no_grad():
            expected = model(torch.from_numpy(rows)).numpy()
        assert linear_head.apply(loaded, rows, relu=False) == pytest.approx(expected, abs=1e-5), name


def test_aesthetic_and_watermark_read_the_embeddings_of_clip(tiny: Path, tmp_path: Path) -> None:
    weight = torch.zeros(1, DIM)
    weight[0, 0] = 2.0
    head = {"weight": weight, "bias": torch.tensor([5.0])}
    torch.save(head, tmp_path / "one.pth")
    torch.save({"weight": torch.cat([weight, -weight]), "bias": torch.zeros(2)}, tmp_path / "two.pt")
    aesthetic = scorers(tiny, name="aesthetic", checkpoint=str(tmp_path / "one.pth"))
    watermark = scorers(tiny, name="watermark", checkpoint=str(tmp_path / "two.pt"))
    rows = vectors(3)
    for scorer in (aesthetic, watermark):
        scorer.validate()
    assert aesthetic.score(rows, [])["aesthetic"] == pytest.approx([5 + 2 * float(v[0]) for v in rows], abs=1e-4)
    expected = [1 / (1 + np.exp(-4 * float(v[0]))) for v in rows]
    assert watermark.score(rows, [])["watermark"] == pytest.approx(expected, abs=1e-4)
    assert aesthetic.score([], []) == {"aesthetic": []}
    other = scorers(tiny, name="aesthetic", checkpoint=str(tmp_path / "two.pt"))
    assert len({aesthetic.version, other.version}) == 2 and "clip" not in aesthetic.name
    assert aesthetic.encoder.version in aesthetic.version, "another encoder, another table"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"weight": torch.zeros(1, 768), "bias": torch.zeros(1)}, "use the model that it was trained on"),
        ({"weight": torch.zeros(3, DIM), "bias": torch.zeros(3)}, "one output, or two"),
        ({"weight": torch.zeros(1, DIM), "bias": torch.zeros(2)}, "does not fit its weight"),
        ({"weight": torch.full((1, DIM), float("nan"))}, "no finite weight"),
        ({"conv.kernel": torch.zeros(1, DIM)}, "no weight or bias"),
        ({}, "one output, or two"),
        (b"no checkpoint", "cannot be read"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_before_anything_runs(
    state: Any, reason: str, tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "head.pt"
    path.write_bytes(state) if isinstance(state, bytes) else torch.save(state, path)
    with pytest.raises(UsageError, match=reason):
        scorers(tiny, name="aesthetic", checkpoint=str(path)).validate()


def test_heads_want_clip(tmp_path: Path) -> None:
    for name, options in (("aesthetic", {"checkpoint": "a.pt"}), ("clip_iqa", {})):
        with pytest.raises(UsageError, match=f"{name} reads the embeddings of `clip`"):
            build([{"name": name, **options}])


def test_prompts_are_compared_in_pairs(tiny: Path, photos: dict[str, Pixels]) -> None:
    scorer = scorers(tiny, name="clip_iqa")
    encoder = scorer.encoder
    encoder.setup("cpu", 1)
    good, bad = encoder.texts(["Sharp image", "Blurry image"]).astype(np.float64)
    picture = encoder.pictures([encoder.prepare([photos["china"]])])[0][0]
    columns = scorer.score([picture, good.astype(np.float32), bad.astype(np.float32)], [])
    assert list(columns) == [field.name for field in scorer.fields]
    expected = 1 / (1 + np.exp(-100 * ((good - bad) @ picture.astype(np.float64))))
    assert columns["iqa_sharp"][0] == pytest.approx(expected, abs=1e-4)
    assert columns["iqa_sharp"][1] > 0.5 > columns["iqa_sharp"][2]


@pytest.mark.parametrize("name", ["head.safetensors", "head.pt"])
def test_a_damaged_checkpoint_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(UsageError, match="cannot be read as weights alone"):
        linear_head.load(tmp_path / name)
