"""What a Kelix tokenizer is made of, by name: towers, codebooks and how they are trained.

``kelix`` has the sizes of the report (arXiv 2602.09843); ``tiny`` is the same in small, for a CPU and minutes.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from dataengine.media.video.sampling import PRESETS as VIDEO_PRESETS
from dataengine.tokenize.base import Video
from dataengine.tokenize.kelix.curriculum import KELIX_CURRICULUM, LAYOUT, Count, Curriculum, Model, Share


class Vision(Model):
    """A native-resolution ViT on patches of 14 px, four of which are merged into one token of 28 px."""

    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 256
    positions: Count = 16
    """Side of the learned grid of positions, interpolated to each picture."""
    features: Count = 192
    """Size of a merged token: what the codebooks are made of."""
    act: Literal["gelu", "silu"] = "gelu"
    """Of the blocks: SigLIP's tanh GELU, or SiLU, which the published code has by default."""
    later: ClassVar[frozenset[str]] = frozenset({"act"})

    @model_validator(mode="after")
    def _heads_fit(self) -> Vision:
        if self.hidden % (4 * self.heads):
            raise ValueError(f"hidden {self.hidden} must be a multiple of 4 x heads (rotary positions in two axes)")
        return self


class Sampling(Model):
    """How an entry is chosen in training: the nearest, or drawn by a softmax over negative squared distances whose temperature
    falls with the steps. Encoding always takes the nearest, so that codes depend on nothing but the sample."""

    mode: Literal["argmin", "softmax"] = "argmin"
    temperature: Annotated[float, Field(gt=0)] = 1.0
    decay: Annotated[float, Field(gt=0, le=1)] = 0.999
    """A step."""
    least: Annotated[float, Field(gt=0)] = 0.1

    def at(self, step: int) -> float | None:
        """Temperature at a step; None where the nearest entry is taken."""
        return max(self.least, self.temperature * self.decay**step) if self.mode == "softmax" else None


class Quantiser(Model):
    """``codebooks`` parallel SimVQ codebooks of ``entries`` each; §1.2 of the report for the rest."""

    codebooks: Count = 8
    entries: Annotated[int, Field(ge=2, le=1 << 16)] = 128
    dim: Count = 16
    """Size of one code's vector, or of all of a token's with ``split_dim``."""
    centre_dim: Count | None = None
    """Size of the frozen centres; that of the features unless a published checkpoint says otherwise."""
    fused: Count = 192
    """Size of what the codes of a token are fused into."""
    fusion: Literal["sum", "mean"] = "sum"
    norm: Literal["layer", "l2", "none"] = "layer"
    beta: Share = 0.25
    codebook_weight: Share = 1.0
    split_dim: bool = False
    """Divide ``dim`` among the codebooks instead of giving it to each."""
    voc_reducer: bool = False
    """Each codebook learns its entries as mixtures of all centres instead of having centres of its own."""
    align: Count | None = None
    """Size of a linear layer between features and codebooks (``pre_llm_align`` of the published code)."""
    sampling: Sampling = Sampling()
    later: ClassVar[frozenset[str]] = frozenset({"split_dim", "voc_reducer", "align", "sampling"})

    @model_validator(mode="after")
    def _divides(self) -> Quantiser:
        if self.split_dim and self.dim % self.codebooks:
            raise ValueError(
                f"split_dim divides dim among the codebooks: {self.dim} is no multiple of {self.codebooks}"
            )
        return self

    @property
    def code_dim(self) -> int:
        """Size of one code's vector."""
        return self.dim // self.codebooks if self.split_dim else self.dim


class Temporal(Model):
    """The video variant: ``frames`` consecutive frames of one kind share their tokens. Their patches are averaged ``before`` the
    projector that makes tokens of them, or their tokens are (``avg``)."""

    merge: Literal["before", "avg"]
    frames: Annotated[int, Field(ge=2)] = 2


class Reconstruct(Model):
    """Training signal for small tokenizers: pixels and features back from the codes, captions matched with them."""

    kind: Literal["reconstruct"] = "reconstruct"
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 384
    pixels: Share = 1.0
    features: Share = 0.1
    captions: Share = 0.02


class NextToken(Model):
    """Training signal of the report: a small causal language model reads the codes and predicts the caption's bytes."""

    kind: Literal["next_token"] = "next_token"
    hidden: Count = 128
    layers: Count = 2
    heads: Count = 4
    mlp: Count = 256
    length: Count = 128
    """Bytes of caption."""


class CausalLM(Model):
    """Training signal of the report: a causal language model of ``transformers`` reads the codes and predicts the text. It is
    dropped when the tokenizer is published."""

    kind: Literal["causal_lm"] = "causal_lm"
    path: str | None = None
    """Folder of the model: config.json, safetensors and tokenizer.json. No code in it is run."""
    length: Count = 512
    """Tokens of text."""


class Training(Model):
    """Steps of the continuous encoder, then of the codes; a batch is ``crops`` crops of ``side`` tokens a side."""

    encoder_steps: Annotated[int, Field(ge=0)] = 200
    steps: Count = 300
    crops: Count = 16
    side: Count = 8
    rate: Annotated[float, Field(gt=0)] = 2e-3
    centre_tokens: Count = 60_000
    centre_iterations: Count = 20
    centre_memory: Annotated[float, Field(gt=0)] | None = Field(default=None, exclude=True)
    """GB of vectors for the centres that are held in memory; more lie on the disk of the machine that finds the centres. Half of
    its memory where nothing is given. Changes no result, so it is no part of what a tokenizer's id is a digest of."""
    save_every: Count = 100
    threads: Count = 2
    """Of the CPU; the weights depend on it, so it is part of the configuration."""
    tower: str | None = None
    """Weights that the tower starts from: a .safetensors file or folder with the names of SigLIP or Keye-VL."""
    curriculum: Curriculum | None = None
    """The report's three stages; needs the objective causal_lm."""
    later: ClassVar[frozenset[str]] = frozenset({"tower", "curriculum"})


class KelixConfig(Model):
    name: Literal["kelix"] = "kelix"
    version: Literal[1] = 1
    preset: Literal["tiny", "kelix"] = "tiny"
    vision: Vision = Vision()
    quantiser: Quantiser = Quantiser()
    objective: Annotated[Reconstruct | NextToken | CausalLM, Field(discriminator="kind")] = Reconstruct()
    training: Training = Training()
    min_tokens: Annotated[int, Field(ge=1)] = 4
    max_tokens: Annotated[int, Field(ge=4)] = 1280
    video: Video = VIDEO_PRESETS["released"]
    temporal: Temporal | None = None
    """How frames of a video share tokens; without it each has its own."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch: Literal["alone", "buckets"] = "alone"
    """How pictures are encoded: each alone, so that codes depend on nothing else, or in batches of any sizes that fill a device,
    where equally near entries may be told apart by a picture's neighbours."""
    seed: Annotated[int, Field(ge=0)] = 0
    later: ClassVar[frozenset[str]] = frozenset({"temporal"})

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return _merged(PRESETS.get(str(values.get("preset", "tiny")), {}), values)

    @model_validator(mode="after")
    def _fits_together(self) -> KelixConfig:
        if (self.objective.kind == "causal_lm") != (self.training.curriculum is not None):
            raise ValueError("objective causal_lm and training.curriculum go together: give both, or neither")
        if isinstance(self.objective, CausalLM) and self.training.curriculum:
            least = self.max_tokens + self.objective.length + LAYOUT
            for name, phase in self.training.curriculum.phases():
                if phase.tokens < least:
                    raise ValueError(
                        f"{name}.tokens {phase.tokens:,} are too few for max_tokens {self.max_tokens:,} of a picture and a text "
                        f"of {self.objective.length:,}: at least {least:,}"
                    )
        return self

    @property
    def centre_dim(self) -> int:
        return self.quantiser.centre_dim or self.vision.features

    @property
    def centres(self) -> int:
        """Centres of all codebooks together."""
        return self.quantiser.codebooks * self.quantiser.entries

    def published(self) -> KelixConfig:
        """Without what is dropped with the language model: a tokenizer's id depends on no path of a machine."""
        if not isinstance(self.objective, CausalLM):
            return self
        curriculum = self.training.curriculum and self.training.curriculum.published()
        training = self.training.model_copy(update={"tower": None, "curriculum": curriculum})
        return self.model_copy(
            update={"objective": self.objective.model_copy(update={"path": None}), "training": training}
        )


def _merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """``overrides`` over ``base``, field by field of nested ones; another ``kind`` replaces all of what it is named in."""
    if overrides.get("kind", base.get("kind")) != base.get("kind"):
        return overrides
    both = {k for k in base if isinstance(base[k], dict) and isinstance(overrides.get(k), dict)}
    return base | overrides | {k: _merged(base[k], overrides[k]) for k in both}


def without_codebooks(config: KelixConfig) -> KelixConfig:
    """For the continuous encoder, which is the same for any number of entries."""
    return config.model_copy(update={"quantiser": config.quantiser.model_copy(update={"entries": 2})})


#: Where a preset differs from the defaults, which are those of ``tiny``.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "kelix": {
        "vision": {"hidden": 1152, "layers": 27, "heads": 16, "mlp": 4304, "positions": 27, "features": 4096},
        "quantiser": {"entries": 8192, "dim": 128, "centre_dim": 4096, "fused": 1024},
        "objective": {"kind": "causal_lm", "path": "Qwen3-0.6B", "length": 512},
        "training": {
            "encoder_steps": 0,
            "centre_tokens": 40 * 65_536,
            "save_every": 500,
            "threads": 16,
            "curriculum": KELIX_CURRICULUM,
        },
        "max_tokens": 20_480,
        "dtype": "bfloat16",
    },
}
