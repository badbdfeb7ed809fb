"""The recipe's ``annotate.captions`` block: which samples get synthetic captions, how they are asked for, and which is chosen."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from dataengine.config.sources import Model, Name
from dataengine.media.video.sampling import PRESETS, PresetOrFields, SlowFast, preset

Style = Literal["short", "detailed", "dense", "structured"]
Share = Annotated[float, Field(ge=0, le=1)]
#: What is counted of a caption and may exclude it from the choice.
Fault = Literal["refusal", "repetition", "boilerplate", "invented_text", "other_script"]


class CaptionSelection(Model):
    """Samples that pass either condition are captioned. ``below_match``: those whose best caption matches the media less (a
    scorer with the column ``match``); ``without_caption``: those that have no caption."""

    below_match: float | None = None
    without_caption: bool = True

    @model_validator(mode="after")
    def _selects_something(self) -> CaptionSelection:
        if self.below_match is None and not self.without_caption:
            raise ValueError("select has no condition: give below_match or without_caption, or write `select: all`")
        return self


class SpansConfig(Model):
    """Captions of parts of a video, beside that of the whole. ``by``: windows of equal length, or events: shots, joined to at
    least ``min_seconds``. Videos of at most ``seconds`` have one part, the whole; a longer one has at most ``max_spans`` of a
    kind, which then are longer."""

    by: Annotated[tuple[Literal["window", "event"], ...], Field(min_length=1)] = ("window",)
    seconds: Annotated[float, Field(ge=1)] = 30.0
    min_seconds: Annotated[float, Field(gt=0)] = 4.0
    max_spans: Annotated[int, Field(ge=1, le=256)] = 32


class ChooseConfig(Model):
    """Which caption stands in a sample's ``.txt``. ``best_match``: that with the highest match; ``mix``: a synthetic one for the
    share ``synthetic`` of the samples, by id and seed, else the source's. ``styles``: weights of the styles to choose from;
    None: all prose styles, the best match. ``reject``: faults that exclude a synthetic caption."""

    rule: Literal["best_match", "mix"] = "best_match"
    synthetic: Share | None = None
    styles: dict[Style, Annotated[float, Field(gt=0)]] | None = None
    reject: tuple[Fault, ...] = ("refusal", "repetition", "invented_text")
    max_repetition: Share = 0.3
    scripts: Annotated[tuple[str, ...], Field(min_length=1)] = ("latin",)
    """First words of the Unicode names of the letters of a language, in lower case; most letters of a caption in any other are
    the fault ``other_script``."""

    @model_validator(mode="after")
    def _a_mix_has_a_share(self) -> ChooseConfig:
        if (self.rule == "mix") != (self.synthetic is not None):
            raise ValueError("synthetic is the share of a mix: give it with `rule: mix`, and only there")
        if self.styles == {}:
            raise ValueError("styles is empty: name the styles to choose from, or leave it out")
        return self


_Selected = CaptionSelection | Literal["all"] | None


def _selection(value: Any) -> Any:
    """``all`` is None."""
    return None if value == "all" else value


class CaptionsConfig(Model):
    """Synthetic captions. ``servers``: names of the recipe's model servers that each write them; ``sides``: pixels of the shorter
    side of a picture, at most, a caption for each; ``fps``: of a video, a caption for each; ``metadata``: keys of the source's
    metadata that the model is told; ``failed``: share of 50 captions or more that may fail before the run stops."""

    servers: Annotated[tuple[Name, ...], Field(min_length=1)]
    select: Annotated[CaptionSelection | None, BeforeValidator(_selection, json_schema_input_type=_Selected)] = (
        CaptionSelection()
    )
    styles: Annotated[tuple[Style, ...], Field(min_length=1)] = ("short",)
    sides: Annotated[tuple[Annotated[int, Field(ge=28, le=4096)], ...], Field(min_length=1)] = (768,)
    fps: Annotated[tuple[Annotated[float, Field(gt=0, le=8)], ...], Field(min_length=1)] = (1.0,)
    frame_side: Annotated[int, Field(ge=28, le=1024)] = 252
    """Pixels of the shorter side of a slow frame, at most; a fast one has the share ``slow_fast.fast_ratio`` of its area."""
    max_frames: Annotated[int, Field(ge=1, le=256)] = 32
    """Frames of one request; a longer span is sampled more thinly."""
    slow_fast: Annotated[SlowFast, BeforeValidator(preset, json_schema_input_type=PresetOrFields)] = PRESETS["released"]
    spans: SpansConfig | None = None
    asr: bool = False
    """Tell the model what is said, from the track ``asr``."""
    metadata: tuple[str, ...] = ()
    source_captions: bool = False
    """Tell the model the source's captions."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.2
    max_tokens: Annotated[int, Field(ge=16, le=8192)] = 512
    max_characters: Annotated[int, Field(ge=100, le=100_000)] = 8000
    """A longer caption is a failure."""
    failed: Annotated[float, Field(ge=0, le=1, exclude=True)] = 0.2
    choose: ChooseConfig = ChooseConfig()

    @model_validator(mode="after")
    def _chooses_what_is_made(self) -> CaptionsConfig:
        for name, values in (
            ("servers", self.servers),
            ("styles", self.styles),
            ("sides", self.sides),
            ("fps", self.fps),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names a value twice")
        if missing := sorted(set(self.choose.styles or ()) - set(self.styles)):
            raise ValueError(f"choose.styles names {missing[0]}, which styles does not have")
        return self
