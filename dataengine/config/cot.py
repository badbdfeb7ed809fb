"""The recipe's ``cot`` block: mix, teachers, checks, review and repeats of chain-of-thought data (docs/cot.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from dataengine.config.contamination import QuestionContamination
from dataengine.config.model_server import ModelServer, ModelServerConfig
from dataengine.config.sources import Model, Name, SourcePath
from dataengine.media.video.sampling import PRESETS, PresetOrFields, SlowFast, preset

Share = Annotated[float, Field(ge=0, le=1)]


class OpenAIConfig(ModelServerConfig):
    """A model as teacher, judge or rewriter."""

    tools: Literal["fence", "calls", "none"] = "fence"
    """How the model calls image tools: in a ``python`` fence of its text, as tool calls of the API, or not at all."""


class ProgrammaticTeacher(Model):
    """Writes reasoning from measured facts, without a network. ``error_injection_rate``: share of its paths that are made wrong
    on purpose, to measure what the checks catch."""

    renamed: ClassVar[dict[str, str]] = {"planted": "error_injection_rate"}
    type: Literal["programmatic"] = "programmatic"
    error_injection_rate: Share = 0.0


class ReviewConfig(Model):
    """What goes to human review. ``max_length_ratio``: a sound completion longer than this multiple of its question's shortest
    one counts as redundant."""

    renamed: ClassVar[dict[str, str]] = {"redundant": "max_length_ratio"}
    max_length_ratio: Annotated[float, Field(ge=1)] = 1.5


class ConfidenceConfig(Model):
    """``min_step_logprob``: a path with a sentence of lower mean log-probability is unsure: other paths are preferred, and if
    there is none, it goes to human review."""

    renamed: ClassVar[dict[str, str]] = {"least_step": "min_step_logprob"}
    min_step_logprob: Annotated[float, Field(le=0)] | None = None


class SourceQAConfig(Model):
    """Question-answer pairs of the source: where they are in a sample's metadata (a sidecar's JSON, a table's columns). ``key``
    holds a list of objects; with ``key: null`` the metadata's own keys are one pair. The other fields name the keys of a pair."""

    key: str | None = "qa"
    question: str = "question"
    answer: str = "answer"
    choices: str = "choices"
    answer_type: str = "answer_type"
    """Key of choice, number, word or text; inferred from the answer where it is missing."""


class AskConfig(Model):
    """Questions that a vision-language model proposes about each sample, kept where sampled answers agree (docs/cot.md)."""

    model: OpenAIConfig
    """Proposes the questions."""
    samplers: tuple[OpenAIConfig, ...] = ()
    """Answer each question; none: the model that proposes."""
    judge: OpenAIConfig | None = None
    """Says of each kept question whether it is valid; none: nobody does."""
    questions_per_sample: Annotated[int, Field(ge=1, le=16)] = 4
    """Questions that are asked for, each of another capability."""
    capabilities: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Shares by which capabilities are drawn; one that is not named has 1."""
    samples: Annotated[int, Field(ge=1, le=32)] = 4
    """Answers to each question by each sampler that sees the picture."""
    text_only_samples: Annotated[int, Field(ge=0, le=32)] = 3
    """Answers to each question by each sampler without the picture."""
    min_agreement: Share = 0.6
    """Share of the answers that must be the proposed one; below it a question is for people."""
    max_guessed: Share = 0.5
    """Share of right answers without the picture from which on a question needs none; where chance gets as many, all must be
    right."""
    trivial_words: Annotated[float, Field(ge=0)] = 3.0
    """A question that all samples get right in at most so many words is trivial; 0: none is."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    max_tokens: Annotated[int, Field(ge=16)] = 1024
    unsettled: Literal["review", "drop"] = "review"
    """Questions that models do not agree on: to people, or left out."""

    def of_servers(self, servers: Mapping[str, ModelServer]) -> AskConfig:
        """With the settings of the servers that models name. Raises ValueError where there is no such server."""
        samplers = tuple(_of_server(one, servers) for one in self.samplers)
        update = {
            "model": _of_server(self.model, servers),
            "judge": _of_server(self.judge, servers),
            "samplers": samplers,
        }
        return self.model_copy(update=update)

    @property
    def models(self) -> tuple[OpenAIConfig, ...]:
        """All that are asked: the proposer, the samplers, the judge."""
        return (self.model, *(self.samplers or (self.model,)), *([self.judge] if self.judge else []))


class GroundingConfig(Model):
    """Fields of a sample's metadata with boxes, points, polygons, lines of text (``ocr``) and events (``spans``): the key of each
    list, and the names of its entries' fields (docs/cot.md)."""

    boxes: str | None = None
    points: str | None = None
    polygons: str | None = None
    ocr: str | None = None
    spans: str | None = None
    label: str = "label"
    text: str = "text"
    caption: str = "caption"
    units: Literal["pixels", "fraction", "thousandths"] = "pixels"
    """Of coordinates: pixels of the original, fractions of its sides, or thousandths of them."""
    box_format: Literal["xyxy", "xywh"] = "xyxy"
    """Two corners, or a corner with width and height, as in COCO."""


class QuestionsConfig(Model):
    """Questions from a sample's metadata and captions, which no measurement of the media answers."""

    renamed: ClassVar[dict[str, str]] = {
        "existing": "source_qa",
        "captions": "caption_distractors",
        "enhance": "rewrite",
    }
    source_qa: SourceQAConfig | None = None
    metadata: dict[str, str] = {}
    """Metadata key to the question that its value answers."""
    grounding: GroundingConfig | None = None
    """Questions that are answered by grounding strings, from fields of the metadata."""
    caption_distractors: Annotated[int, Field(ge=0, le=5)] = 0
    """Caption-choice questions: how many captions of other samples stand beside the sample's own; 0: no such questions."""
    rewrite: OpenAIConfig | None = None
    """Model that rewrites the source's questions to be harder, with the same answers."""
    ask: AskConfig | None = None
    """Questions that a model proposes about what it sees."""


class VideoConfig(Model):
    """Frame sampling of videos in records: 16 or 32 evenly spaced frames (Keye-VL's), or Slow-Fast. Several values: a video is
    asked about with each of them."""

    frames: Annotated[tuple[Literal[16, 32, "slow-fast"], ...], Field(min_length=1)] = (16, 32)
    slow_fast: Annotated[SlowFast, BeforeValidator(preset, json_schema_input_type=PresetOrFields)] = PRESETS["released"]
    """Preset ``released`` or ``paper``, or its fields (as ``tokenize.tokenizer.video``)."""


class TextSource(Model):
    """Text-only long chains of thought: JSONL, CSV or Parquet with a question, its reasoning and its answer in each row, which
    pass through as they are. ``path`` may be a glob."""

    name: Name
    path: SourcePath
    question: str = "question"
    reasoning: str | None = "reasoning"
    """Column of the reasoning; null: it stands before ``</think>`` in the answer."""
    answer: str = "answer"
    license: str | None = None
    """Licence of rows that name none."""
    license_column: str | None = "license"


class CotConfig(Model):
    renamed: ClassVar[dict[str, str]] = {
        "per_sample": "questions_per_sample",
        "paths": "paths_per_question",
        "tool_turns": "max_tool_turns",
        "blind": "text_only_baseline",
        "uses": "repeats_by_score",
    }
    mix: str | dict[str, float] = "even"
    """Shares by mode or ``mode/style``, or a preset: ``even``, ``keye-vl``."""
    tasks: dict[str, Annotated[float, Field(ge=0)]] = {}
    difficulties: dict[Literal["easy", "medium", "hard"], Annotated[float, Field(ge=0)]] = {}
    """Shares within each cell of the mix; empty: as drawn. ``tasks`` also weigh how often a family is asked."""
    capabilities: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Factors of the shares by which task families are asked, by capability (``dataengine cot tasks``)."""
    total: Annotated[int, Field(ge=1)] | None = None
    """Uses of records in all, a record that is repeated three times being three; null: as ``short_modes`` says."""
    short_modes: Literal["fill", "cut"] = "fill"
    """Where a mode has too few records for its share: ``fill`` makes up for it by other modes' (without a ``total``, as many as
    the modes with half of the shares have), ``cut`` leaves the total short (without one, cuts all modes to the scarcest)."""
    max_answer_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Most that one answer may be of the records of a task family whose answers are measured or constructed; where a family has
    too few different answers for it, a tenth above an even share. 1: no bound."""
    questions_per_sample: Annotated[int, Field(ge=0, le=16)] = 2
    teachers: Annotated[
        list[Annotated[ProgrammaticTeacher | OpenAIConfig, Field(discriminator="type")]], Field(min_length=1)
    ] = [ProgrammaticTeacher()]
    paths_per_question: Annotated[int, Field(ge=1, le=16)] = 2
    """Paths of reasoning that each teacher samples for a question."""
    recombine: Literal["judged", "always", "never"] = "judged"
    """Recombine the steps that recur across right paths of models into one more path: where there is a judge to read it, always,
    or never."""
    questions: QuestionsConfig = QuestionsConfig()
    decontamination: QuestionContamination | None = QuestionContamination()
    """By picture and question, where the recipe's ``contamination`` names benchmarks that have both; null: by words alone."""
    texts: tuple[TextSource, ...] = ()
    """Records without pictures, in the thinking mode."""
    video: VideoConfig = VideoConfig()
    max_tool_turns: Annotated[int, Field(ge=1, le=4)] = 3
    """Tool calls that a model may make in one path."""
    confidence: ConfidenceConfig = ConfidenceConfig()
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=16)] = 1024
    show_answer: bool = False
    """Put the answer into the prompt, so that models only write reasoning towards it (records say so: ``answer_shown``)."""
    text_only_baseline: bool = True
    """Also ask models each question without its image, to find questions that the text alone answers."""
    tool_baseline: bool = True
    """Also ask models each question for thinking with images at once, without tools: one that is right so needs none."""
    switches: Literal["card", "paper"] = "card"
    """Mode switches at the end of a user's text: the model card's (``/think``, ``/no_think``), or the paper's as well
    (``/auto_think``, ``/agentic_think``)."""
    judge: OpenAIConfig | None = None
    review: ReviewConfig = ReviewConfig()
    repeats_by_score: dict[Literal[1, 2, 3, 4, 5], Annotated[float, Field(ge=0)]] = {
        1: 0.25,
        2: 0.5,
        3: 1.0,
        4: 2.0,
        5: 3.0,
    }
    """How often a record is trained on, by its quality score; 0.25: one in four, once."""

    def of_servers(self, servers: Mapping[str, ModelServer]) -> CotConfig:
        """With the settings of the servers that models name. Raises ValueError where there is no such server."""
        ask = self.questions.ask.of_servers(servers) if self.questions.ask else None
        rewrite = _of_server(self.questions.rewrite, servers)
        questions = self.questions.model_copy(update={"rewrite": rewrite, "ask": ask})
        teachers = [_of_server(one, servers) for one in self.teachers]
        update = {"teachers": teachers, "judge": _of_server(self.judge, servers), "questions": questions}
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _every_score_has_a_repeat(self) -> CotConfig:
        if missing := sorted({1, 2, 3, 4, 5} - self.repeats_by_score.keys()):
            raise ValueError(f"repeats_by_score: score {missing[0]} is missing; give a number for each of 1 to 5")
        return self


def _of_server(model: Any, servers: Mapping[str, ModelServer]) -> Any:
    if not isinstance(model, OpenAIConfig) or model.server is None:
        return model
    if model.server not in servers:
        known = ", ".join(sorted(servers)) or "none"
        raise ValueError(f"no model server is called `{model.server}`; model_servers has {known}")
    return model.of(servers[model.server])
