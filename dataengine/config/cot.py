"""The recipe's ``cot``: mix, teachers, checks and uses of chain-of-thought data (docs/cot.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from dataengine.config.model_server import ModelServerConfig
from dataengine.config.sources import Model
from dataengine.media.video.sampling import PRESETS, SlowFast, preset

Share = Annotated[float, Field(ge=0, le=1)]


class OpenAIConfig(ModelServerConfig):
    """A model as teacher, judge or rewriter."""

    tools: Literal["fence", "calls", "none"] = "fence"
    """How the model uses tools on a picture: a ``python`` fence in its text, the interface's tool calls, or not at all."""


class ProgrammaticTeacher(Model):
    """Writes reasoning from measured facts, without a network. ``planted``: share of its paths that are wrong on purpose, to
    tell what the checks catch."""

    type: Literal["programmatic"] = "programmatic"
    planted: Share = 0.0


class ReviewConfig(Model):
    """A sound reply that is ``redundant`` times as long as the shortest of its question's is for a person to shorten."""

    redundant: Annotated[float, Field(ge=1)] = 1.5


class ConfidenceConfig(Model):
    """``least_step``: a path with a sentence whose mean log-probability lies below is unsure: others come first, and where
    there is none it is for a person to see."""

    least_step: Annotated[float, Field(le=0)] | None = None


class ExistingConfig(Model):
    """Where a sample's question-answer pairs are in what its source says of it (a sidecar's JSON, a table's columns): a list
    of objects under ``key``, or, with ``key: null``, one pair in the sample's own keys. The others name the keys of a pair."""

    key: str | None = "qa"
    question: str = "question"
    answer: str = "answer"
    choices: str = "choices"
    answer_type: str = "answer_type"
    """choice, number, word or text; where it is missing it is told from the answer."""


class QuestionsConfig(Model):
    """Questions that are not measured from the media."""

    existing: ExistingConfig | None = None
    metadata: dict[str, str] = {}
    """A question by the key of the sample's metadata that answers it."""
    captions: Annotated[int, Field(ge=0, le=5)] = 0
    """Captions of other samples beside a sample's own, one of which is to be chosen; 0: no such questions."""
    enhance: OpenAIConfig | None = None
    """A model that makes existing questions harder, without changing their answers."""


class VideoConfig(Model):
    """Which frames of a video its records show: so many evenly spaced ones, or those of Slow-Fast sampling; several are
    several ways. 16 and 32 are Keye-VL's."""

    frames: Annotated[tuple[Literal[16, 32, "slow-fast"], ...], Field(min_length=1)] = (16, 32)
    slow_fast: Annotated[SlowFast, BeforeValidator(preset)] = PRESETS["released"]
    """released, paper, or fields of one's own (as ``tokenize.tokenizer.video``)."""


class CotConfig(Model):
    mix: str | dict[str, float] = "even"
    """Shares by mode or ``mode/style``, or a preset: even, keye-vl."""
    tasks: dict[str, Annotated[float, Field(ge=0)]] = {}
    difficulties: dict[Literal["easy", "medium", "hard"], Annotated[float, Field(ge=0)]] = {}
    """Shares within each cell of the mix; empty: as they come."""
    total: Annotated[int, Field(ge=1)] | None = None
    """Records in all; null: as many as the mix allows without a shortage."""
    per_sample: Annotated[int, Field(ge=0, le=16)] = 2
    teachers: Annotated[
        list[Annotated[ProgrammaticTeacher | OpenAIConfig, Field(discriminator="type")]], Field(min_length=1)
    ] = [ProgrammaticTeacher()]
    paths: Annotated[int, Field(ge=1, le=16)] = 2
    """Paths of reasoning for each question by each teacher."""
    questions: QuestionsConfig = QuestionsConfig()
    video: VideoConfig = VideoConfig()
    tool_turns: Annotated[int, Field(ge=1, le=4)] = 3
    """Times that a model may use its tools in one path."""
    confidence: ConfidenceConfig = ConfidenceConfig()
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=16)] = 1024
    show_answer: bool = False
    """Tell models the answer that their reasoning has to reach (a column of the records)."""
    blind: bool = True
    """Ask models each question without its picture, too."""
    judge: OpenAIConfig | None = None
    review: ReviewConfig = ReviewConfig()
    uses: dict[Literal[1, 2, 3, 4, 5], Annotated[float, Field(ge=0)]] = {1: 0.25, 2: 0.5, 3: 1.0, 4: 2.0, 5: 3.0}
    """How often a record is to be used, by its quality score."""

    @model_validator(mode="after")
    def _every_score_has_a_use(self) -> CotConfig:
        if missing := sorted({1, 2, 3, 4, 5} - self.uses.keys()):
            raise ValueError(f"uses: no number for score {missing[0]}")
        return self
