"""The recipe's ``contamination`` block: benchmarks to keep out of a release, and the presets that compare with them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from dataengine.config.sources import Model, Name, Roots, SourcePath


class BenchmarkModel(Model):
    """A benchmark whose items a release must not contain. ``question`` and ``answer``: columns of a table, or keys of a sidecar's
    JSON; captions count as questions."""

    name: Name
    path: SourcePath
    question: str | None = "question"
    answer: str | None = "answer"


class FilesBenchmark(BenchmarkModel):
    """A benchmark of files. ``roots``: where, besides its own folder, its paths and links may lead to; not dumped if unset."""

    roots: Roots = []

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {k: v for k, v in dumped.items() if k != "roots" or v}


class FolderBenchmark(FilesBenchmark):
    type: Literal["folder"]


class TableBenchmark(FilesBenchmark):
    """``media`` names the column with the picture's path; null: questions without pictures."""

    type: Literal["table"]
    media: str | None = "path"


class WebDatasetBenchmark(BenchmarkModel):
    type: Literal["webdataset"]


Benchmark = Annotated[FolderBenchmark | TableBenchmark | WebDatasetBenchmark, Field(discriminator="type")]
Share = Annotated[float, Field(ge=0, lt=1)]


class KeyePretrain(Model):
    """By pHash and MinHash: a hit above this Jaccard similarity (arXiv 2507.01949, Appendix A)."""

    name: Literal["keye_pretrain"] = "keye_pretrain"
    jaccard: Annotated[float, Field(gt=0, lt=1)] = 0.95
    permutations: Annotated[int, Field(ge=16, le=1024)] = 128


class KeyePosttrain(Model):
    """By embeddings: a hit above both cosines with one item (the same appendix)."""

    renamed: ClassVar[dict[str, str]] = {"image": "image_cosine", "text": "text_cosine"}
    name: Literal["keye_posttrain"] = "keye_posttrain"
    image_cosine: Share = 0.98
    text_cosine: Share = 0.50


class QuestionContamination(Model):
    """Chain-of-thought questions by embeddings: a question is a hit above both cosines with one item, of its sample's picture and
    of its own text (the same appendix)."""

    image_cosine: Share = 0.98
    text_cosine: Share = 0.50


class PhashPreset(Model):
    """By pHash: a hit within ``radius`` of 64 bits."""

    name: Literal["phash"] = "phash"
    radius: Annotated[int, Field(ge=0, le=8)] = 6


class NgramPreset(Model):
    """By n-grams: a hit where more than the share ``min_overlap`` of an item's n-grams of words recur, and at least one."""

    renamed: ClassVar[dict[str, str]] = {"least": "min_overlap"}
    name: Literal["ngram"] = "ngram"
    n: Annotated[int, Field(ge=1, le=64)] = 13
    min_overlap: Share = 0.0


PresetName = Literal["keye_pretrain", "keye_posttrain", "phash", "ngram"]
Preset = Annotated[
    Annotated[KeyePretrain | KeyePosttrain | PhashPreset | NgramPreset, Field(discriminator="name")],
    BeforeValidator(
        lambda value: {"name": value} if isinstance(value, str) else value,
        json_schema_input_type=KeyePretrain | KeyePosttrain | PhashPreset | NgramPreset | PresetName,
    ),
]


class ContaminationConfig(Model):
    """Decontamination: samples that match a benchmark item are dropped before the filter policy is applied."""

    benchmarks: Annotated[list[Benchmark], Field(min_length=1)]
    presets: Annotated[list[Preset], Field(min_length=1)] = [KeyePretrain(), PhashPreset(), NgramPreset()]

    @property
    def asks_of_pictures(self) -> bool:
        """Whether a benchmark can have items with a picture and a question."""
        return any(not isinstance(one, TableBenchmark) or one.media is not None for one in self.benchmarks)

    @model_validator(mode="after")
    def _names_differ(self) -> ContaminationConfig:
        for what, named in (("benchmarks have", self.benchmarks), ("presets have", self.presets)):
            names = [one.name for one in named]
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"two {what} the name `{twice[0]}`: names must be unique")
        return self
