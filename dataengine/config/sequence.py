"""The recipe's ``sequence`` block: text tokenizer, sources, and the sets of packed sequences made of them (docs/sequences.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dataengine.config.sequence_formats import TOKENS_ONLY, FormatName, SummaryConfig
from dataengine.config.sources import Model, Name

LayoutName = Literal["blocks", "codes", "qwen-vl", "keye"]
"""``blocks``: rows of N codes; ``codes``: one code a position; the others: placeholders that a vision encoder fills."""
DISCRETE = ("blocks", "codes")
Order = Literal["image_text", "text_image", "interleaved"]
MODALITIES = ("video", "image", "text")

#: Length, shares and epochs of the stages of Keye-VL-1.5 (arXiv 2509.01563: 8,192 in stages 1 and 2, annealing at 131,072 with
#: 24 % video, 50 % image and 26 % text) and of Kelix (arXiv 2602.09843; the demo of its code packs to 16,000).
PRESETS: dict[str, dict[str, Any]] = {
    "keye-stage-1": {"length": 8_192},
    "keye-stage-2": {"length": 8_192},
    "keye-annealing": {"length": 131_072, "shares": {"video": 0.24, "image": 0.50, "text": 0.26}},
    "kelix-demo": {"length": 16_000},
}


class TextTokenizerConfig(Model):
    """A ``tokenizer.json`` of Hugging Face, local or s3://; without ``path`` a small byte-level BPE is trained on the corpus and
    kept by the recipe's lock."""

    path: str | None = None
    """``tokenizer.json``, or a folder or prefix with one, its ``tokenizer_config.json`` and chat template beside it."""
    vocab_size: Annotated[int, Field(ge=512, le=200_000)] = 8_192
    """Of the BPE that is trained."""
    fit_texts: Annotated[int, Field(ge=1)] = 100_000
    """Texts, chosen by id and seed, that it is trained on."""
    special_tokens: dict[str, str | int] = {}
    """Token or id of a special token by what it is for (``end_of_text``, ``vision_start``, ``eob`` …), where the tokenizer calls
    it otherwise or does not have it."""
    missing: Literal["error", "append"] = "error"
    """Special tokens that the tokenizer lacks: an error, or new ids after its last one."""
    first_code: Annotated[int, Field(ge=1)] | None = None
    """Id of code 0 of the first codebook; null: the first after the text's ids. 151,936 in the Kelix code."""
    chat_template: Literal["chatml", "tokenizer"] | str = "chatml"
    """``tokenizer``: the one that lies beside it; else ChatML as built in, or a Jinja file."""
    system: str | None = "You are a helpful assistant."
    """System turn of conversations that have none; null: none. A template may have its own."""


class LossConfig(Model):
    """Which positions are targets. Special tokens follow what they stand beside; padding never is."""

    text: bool = True
    user: bool = False
    assistant: bool = True
    reasoning: bool = True
    tool_output: bool = False
    vision: bool = True
    """Codes, with their begin, end and markers. Placeholders of the continuous layouts never are."""


class DatatroveStep(Model):
    """A filter of datatrove by the name of its class, with the arguments of its constructor."""

    filter: str
    args: dict[str, Any] = {}
    """A filter that draws has ``seed`` 0 where there is no other."""


class MinhashStep(Model):
    """Near-deduplication by datatrove's MinHash steps."""

    minhash: dict[Literal["n_grams", "num_buckets", "hashes_per_bucket", "seed"], int] = {}
    language: str = "eng"

    @model_validator(mode="after")
    def _counts(self) -> MinhashStep:
        for name, number in self.minhash.items():
            least = 0 if name == "seed" else 1
            if number < least:
                raise ValueError(f"minhash: {name} {number}: {least} or more")
        return self


class SourceBase(Model):
    """``epochs``: how often each document is used at most, times its own weight; ``cap``: most tokens of the source."""

    name: Name
    epochs: Annotated[float, Field(gt=0, le=1000)] = 1.0
    cap: Annotated[int, Field(ge=1)] | None = None
    loss: LossConfig = LossConfig()

    @model_validator(mode="after")
    def _is_no_modality(self) -> SourceBase:
        if self.name in MODALITIES:
            raise ValueError(f"a source may not be called `{self.name}`: shares by modality are")
        return self


class ReleaseSource(SourceBase):
    """``release``: folder or s3:// prefix of a finished release; null: the recipe's own."""

    release: str | None = None
    split: str = "train"


class SamplesSource(ReleaseSource):
    """Samples with their captions. ``interleaved``: ``group`` samples make one document, pictures and captions in turn."""

    type: Literal["samples"]
    order: Order = "image_text"
    group: Annotated[int, Field(ge=2, le=256)] = 4
    captions: Literal["chosen", "all"] = "chosen"
    """``all``: a document for each caption of a sample."""
    semantic_ids: Literal["none", "before", "after"] = "none"
    """Tokens of a sample's residual codes, as ``<|sid_begin|><s_a_340><s_b_6566><s_c_5603><|sid_end|>``, before or after its
    picture and caption. Needs ``index.codes``, and ``index.in_samples`` in the recipe of the release that is read."""


class PairsSource(ReleaseSource):
    """Question and answer with the sample's caption: ``<image, caption, [eos], question, answer>`` (``caption_first``) or
    ``<image, question, answer, [eos], caption>`` of Keye-VL-1.5 (arXiv 2509.01563)."""

    type: Literal["pairs"]
    order: Literal["caption_first", "question_first"] = "caption_first"


class CotSource(ReleaseSource):
    """Chain-of-thought records as conversations, each as often as its weight says."""

    type: Literal["cot"]
    repeat: Literal["weight", "repeat", "once"] = "weight"
    """``weight``: of the record's scores, exactly on the whole; ``repeat``: rounded up; ``once``."""
    switches: Literal["card", "paper", "none"] = "none"
    """Mode switch (``/think``, …) after the user's text, as the model card or the report has it."""


class TextSource(SourceBase):
    """Plain text: JSONL or Parquet files or a folder of them, of texts (.txt, .md) too."""

    type: Literal["text"]
    path: str
    column: str = "text"
    weight_column: str | None = None
    pipeline: list[DatatroveStep | MinhashStep] = []
    """Steps of datatrove that filter and deduplicate, in order."""


class SegmentsSource(ReleaseSource):
    """Interleaved documents: JSONL or Parquet rows whose ``column`` lists ``{type: text, text: …}`` and ``{type: image, image:
    …}`` (or video), media by sample id or by the URI or file name that the release's ledger has."""

    type: Literal["segments"]
    path: str
    column: str = "segments"


SequenceSource = Annotated[
    SamplesSource | PairsSource | CotSource | TextSource | SegmentsSource, Field(discriminator="type")
]


class BalanceConfig(Model):
    """Order of sequences in which the ranks of a step have nearly equal FLOPs: ``batch`` sequences a global step."""

    ranks: Annotated[int, Field(ge=1, le=65_536)] = 8
    batch: Annotated[int, Field(ge=1)] = 64
    hidden_size: Annotated[int, Field(ge=1)] = 4_096
    """Of the model that will be trained: says how much attention costs beside its linear layers."""

    @model_validator(mode="after")
    def _divides(self) -> BalanceConfig:
        if self.batch % self.ranks:
            raise ValueError(f"batch {self.batch} is no multiple of ranks {self.ranks}")
        return self


class SetConfig(Model):
    """A set of packed sequences of one length and layout. ``shares``: of tokens, by source or by modality (video, image, text);
    empty: all there is."""

    name: Name
    preset: str | None = None
    length: Annotated[int, Field(ge=16, le=1 << 22)] = 8_192
    layout: LayoutName = "blocks"
    positions: Literal["1d", "3d"] = "1d"
    """``3d``: t, h and w of each position (M-RoPE), in the continuous layouts."""
    sources: list[Name] = []
    """Empty: all of the block."""
    shares: dict[str, Annotated[float, Field(ge=0)]] = {}
    tokens: Annotated[int, Field(ge=1)] | None = None
    """In all; null: as many as the shares allow without a shortage."""
    on_shortage: Literal["report", "error"] = "report"
    too_long: Literal["drop", "split"] = "drop"
    """``split``: documents longer than a sequence are cut, between sentences and before frames."""
    packing: Literal["best-fit", "first-fit", "next-fit", "concatenate"] = "best-fit"
    """``concatenate``: documents one after the other and cut every ``length`` positions, wherever that is."""
    pool: Annotated[int, Field(ge=1)] = 512
    """Sequences, about, that are packed together and lie in one file."""
    balance: BalanceConfig | None = BalanceConfig()
    formats: Annotated[list[FormatName], Field(min_length=1)] = ["webdataset"]
    """In which the set is written to the release: docs/sequence-formats.md."""
    summary: SummaryConfig | None = None
    """Summary tokens between the others; the length does not count them."""

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("preset") is None:
            return value
        if value["preset"] not in PRESETS:
            raise ValueError(f"unknown preset `{value['preset']}`; known: {', '.join(PRESETS)}")
        return {**PRESETS[value["preset"]], **value}

    @model_validator(mode="after")
    def _fits(self) -> SetConfig:
        if self.positions == "3d" and self.layout in DISCRETE:
            raise ValueError(f"layout {self.layout} has positions 1d (arXiv 2602.09843); 3d is for qwen-vl and keye")
        if self.layout == "blocks" and (wrong := sorted(set(self.formats).intersection(TOKENS_ONLY))):
            raise ValueError(f"format {wrong[0]} holds one token a position: take layout codes, or another format")
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("formats: one is named twice")
        if self.shares and not any(self.shares.values()):
            raise ValueError("shares: at least one of them is above 0")
        return self


class VisionConfig(Model):
    """Placeholders of the continuous layouts: tokens of 28 x 28 pixels a picture and a frame, and frames of a video. The defaults
    are those of Kelix's demo (arXiv 2602.09843, its code)."""

    image_tokens: Annotated[tuple[int, int], Field(strict=False)] = (32, 1_280)
    frame_tokens: Annotated[tuple[int, int], Field(strict=False)] = (48, 768)
    fps: Annotated[float, Field(gt=0)] = 2.0
    max_frames: Annotated[int, Field(ge=1)] = 128

    @model_validator(mode="after")
    def _rise(self) -> VisionConfig:
        for low, high in (self.image_tokens, self.frame_tokens):
            if not 1 <= low <= high:
                raise ValueError(f"[{low}, {high}]: give the fewest and the most tokens")
        return self


class SequenceConfig(Model):
    tokenizer: TextTokenizerConfig = TextTokenizerConfig()
    vision: VisionConfig = VisionConfig()
    frame_markers: bool = True
    """Row markers in the frames of videos too (discrete layouts); the token string of Keye-VL-1.5's videos has none."""
    sources: Annotated[list[SequenceSource], Field(min_length=1)]
    sets: Annotated[list[SetConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _names(self) -> SequenceConfig:
        for what, names in (("sources", [s.name for s in self.sources]), ("sets", [s.name for s in self.sets])):
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"two {what} have the name `{twice[0]}`")
        known = {s.name for s in self.sources}
        for one in self.sets:
            if unknown := sorted(set(one.sources) - known):
                raise ValueError(
                    f"set {one.name}: no source is called `{unknown[0]}`; there are {', '.join(sorted(known))}"
                )
            if unknown := sorted(one.shares.keys() - known - set(MODALITIES)):
                raise ValueError(f"set {one.name}: shares name `{unknown[0]}`, which is no source and no modality")
        return self
