"""What a Kelix tokenizer is made of, by name: towers, codebooks and how they are trained.

``kelix`` has the sizes of the report (arXiv 2602.09843); ``tiny`` is the same in small, for a CPU and minutes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataengine.media.video.sampling import PRESETS as VIDEO_PRESETS
from dataengine.tokenize.base import Video

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Vision(_Model):
    """A native-resolution ViT on patches of 14 px, four of which are merged into one token of 28 px."""

    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 256
    positions: Count = 16
    """Side of the learned grid of positions, interpolated to each picture."""
    features: Count = 192
    """Size of a merged token: what the codebooks are made of."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Vision:
        if self.hidden % (4 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of 4 x heads (rotary positions in two axes)")
        return self


class Quantiser(_Model):
    """``codebooks`` parallel SimVQ codebooks of ``entries`` each; §1.2 of the report for the rest."""

    codebooks: Count = 8
    entries: Annotated[int, Field(ge=2, le=1 << 16)] = 128
    dim: Count = 16
    """Size of one code's vector."""
    centre_dim: Count | None = None
    """Size of the frozen centres; that of the features unless a published checkpoint says otherwise."""
    fused: Count = 192
    """Size of what the codes of a token are fused into."""
    fusion: Literal["sum", "mean"] = "sum"
    norm: Literal["layer", "l2", "none"] = "layer"
    beta: Share = 0.25
    codebook_weight: Share = 1.0


class Reconstruct(_Model):
    """Training signal for small tokenizers: pixels and features back from the codes, captions matched with them."""

    kind: Literal["reconstruct"] = "reconstruct"
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 384
    pixels: Share = 1.0
    features: Share = 0.1
    captions: Share = 0.02


class NextToken(_Model):
    """Training signal of the report: a small causal language model reads the codes and predicts the caption's bytes."""

    kind: Literal["next_token"] = "next_token"
    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 256
    length: Count = 128
    """Bytes of caption."""


class Training(_Model):
    """Steps of the continuous encoder, then of the codes; a batch is ``crops`` crops of ``side`` tokens a side."""

    encoder_steps: Annotated[int, Field(ge=0)] = 200
    steps: Count = 300
    crops: Count = 16
    side: Count = 8
    rate: Annotated[float, Field(gt=0)] = 2e-3
    centre_tokens: Count = 60_000
    centre_iterations: Count = 20
    save_every: Count = 100
    threads: Count = 2
    """Of the CPU; the weights depend on it, so it is part of the configuration."""


class KelixConfig(_Model):
    name: Literal["kelix"] = "kelix"
    version: Literal[1] = 1
    preset: Literal["tiny", "kelix"] = "tiny"
    vision: Vision = Vision()
    quantiser: Quantiser = Quantiser()
    objective: Annotated[Reconstruct | NextToken, Field(discriminator="kind")] = Reconstruct()
    training: Training = Training()
    min_tokens: Annotated[int, Field(ge=1)] = 4
    max_tokens: Annotated[int, Field(ge=4)] = 1280
    video: Video = VIDEO_PRESETS["released"]
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch: Literal["alone", "buckets"] = "alone"
    """How pictures are encoded: each alone, so that codes depend on nothing else, or in padded batches of like length for a
    GPU, where equally near entries may be told apart by a picture's neighbours."""
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return _merged(PRESETS.get(str(values.get("preset", "tiny")), {}), values)

    @property
    def centre_dim(self) -> int:
        return self.quantiser.centre_dim or self.vision.features


def _merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """``overrides`` over ``base``, field by field of nested ones."""
    both = {k for k in base if isinstance(base[k], dict) and isinstance(overrides.get(k), dict)}
    return base | overrides | {k: _merged(base[k], overrides[k]) for k in both}


#: Where a preset differs from the defaults, which are those of ``tiny``.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "kelix": {
        "vision": {"hidden": 1152, "layers": 27, "heads": 16, "mlp": 4304, "positions": 27, "features": 4096},
        "quantiser": {"entries": 8192, "dim": 128, "centre_dim": 4096, "fused": 4096},
        "objective": {"kind": "next_token", "hidden": 1024, "layers": 28, "heads": 16, "mlp": 3072, "length": 512},
        "max_tokens": 20_480,
        "dtype": "bfloat16",
    },
}
