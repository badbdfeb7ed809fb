"""The recipe: one YAML that names a whole run. Sizes are bytes, times seconds; paths are relative to where the
command is started. ``load`` finds every mistake before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from dataengine.config import yaml_loader
from dataengine.config.cot import CotConfig
from dataengine.config.sources import FacesConfig, Model, Name, Size, Source
from dataengine.media.limits import Limits

Split = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]  # what Hugging Face takes, too


class LimitsConfig(Model):
    """Bounds of one input; what goes past them is a failure row."""

    bytes: Size = 512 << 20
    pixels: Annotated[int, Field(gt=0)] = 100_000_000
    frames: Annotated[int, Field(gt=0)] = 100_000
    seconds: Annotated[float, Field(gt=0)] = 30.0
    memory: Size = 4 << 30

    def to_limits(self) -> Limits:
        """The same bounds as decoding takes them."""
        return Limits(**self.model_dump())


class TextConfig(Model):
    """Edges between samples whose longest captions share this much of their shingles (Jaccard similarity)."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8


class SemanticConfig(Model):
    """Edges between pictures whose embeddings have this cosine or more: of the recipe's ``clip``, else of a stand-in."""

    renamed: ClassVar[dict[str, str]] = {"text": "caption_threshold"}
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.75
    caption_threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    """Cosine that the embeddings of their longest captions must reach as well; None: captions are not compared."""
    confirm: bool = True
    """Confirm candidates by aligning one picture with the other, so that only edited copies have an edge; False: all pictures
    of similar content."""


class DedupConfig(Model):
    renamed: ClassVar[dict[str, str]] = {
        "aligned": "aligned_radius",
        "group": "group_by",
        "reach": "max_distance_factor",
    }
    radius: Annotated[int, Field(ge=0, le=8)] = 6
    video_overlap: Annotated[float, Field(gt=0, le=1)] = 0.6
    pixels: bool = False
    """Edges between pictures with equal pixels, whatever file they came in."""
    aligned_radius: Annotated[int, Field(ge=0, le=12)] | None = None
    """Hamming radius, beyond ``radius``, within which pictures have an edge if alignment confirms them; None: no such edges."""
    semantic: SemanticConfig | None = None
    text: TextConfig | None = None
    group_by: list[Literal["pixels", "perceptual", "aligned", "video", "semantic", "text"]] | None = None
    """Kinds of edges that join samples into groups; None: all that are searched, except text."""
    max_distance_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = 2.0
    """Largest distance of a group's member from its representative, as a multiple of the bound of an edge; None: unbounded."""
    keep: list[Literal["resolution", "bytes", "caption_length", "captions", "mentions", "duration", "frames"]] = [
        "resolution",
        "bytes",
        "caption_length",
    ]

    @property
    def edge_kinds(self) -> list[str]:
        """Kinds of edges to search, from the most certain to the least."""
        switches = {
            "pixels": self.pixels,
            "perceptual": True,
            "aligned": self.aligned_radius is not None,
            "video": True,
            "semantic": self.semantic is not None,
            "text": self.text is not None,
        }
        return [kind for kind, on in switches.items() if on]

    @property
    def grouping_kinds(self) -> list[str]:
        """Kinds of edges that join samples into groups, from the most certain to the least."""
        wanted = self.group_by
        return [kind for kind in self.edge_kinds if (kind != "text" if wanted is None else kind in wanted)]

    @model_validator(mode="after")
    def _group_by_searched_kinds(self) -> DedupConfig:
        searched = ", ".join(self.edge_kinds)
        if self.group_by == []:
            raise ValueError(f"group_by is empty; name at least one of the kinds that are searched: {searched}")
        if missing := [kind for kind in self.group_by or [] if kind not in self.edge_kinds]:
            raise ValueError(
                f"group_by names {missing[0]}, which this recipe does not search; searched: {searched}. "
                f"Turn {missing[0]} on or take it out of group_by"
            )
        return self


class ScoreConfig(Model):
    scorers: list[dict[str, Any]] = [{"name": "technical"}, {"name": "nsfw"}, {"name": "conse"}]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1


class BenchmarkModel(Model):
    """A list of benchmark items that nothing in a release may repeat. ``question`` and ``answer``: columns of a table, or keys
    of the JSON beside the media; captions are questions, too."""

    name: Name
    path: str
    question: str | None = "question"
    answer: str | None = "answer"


class FolderBenchmark(BenchmarkModel):
    type: Literal["folder"]


class TableBenchmark(BenchmarkModel):
    """``media: null`` is a list of questions without pictures."""

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


Preset = Annotated[
    Annotated[KeyePretrain | KeyePosttrain | PhashPreset | NgramPreset, Field(discriminator="name")],
    BeforeValidator(lambda given: {"name": given} if isinstance(given, str) else given),
]


class ContaminationConfig(Model):
    """Samples that are in a benchmark are dropped before the policy is asked."""

    benchmarks: Annotated[list[Benchmark], Field(min_length=1)]
    presets: Annotated[list[Preset], Field(min_length=1)] = [KeyePretrain(), PhashPreset(), NgramPreset()]

    @model_validator(mode="after")
    def _names_differ(self) -> ContaminationConfig:
        for what, named in (("benchmarks are", self.benchmarks), ("presets are", self.presets)):
            names = [one.name for one in named]
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"two {what} called `{twice[0]}`: each name may stand once")
        return self


class FilterConfig(Model):
    policy: str


def _faces(given: Any) -> Any:
    """``keep`` and ``blur`` are short for the absence of a FacesConfig and for its defaults."""
    return {"keep": None, "blur": {}}.get(given, given) if isinstance(given, str) else given


class MediaConfig(Model):
    """What is done to the media of a release. ``exif``: metadata of pictures are kept, all of them taken out, or coordinates.
    ``faces``: keep, blur, or how. ``c2pa_opt_outs``: uses whose prohibition in a file's C2PA and CAWG assertions leaves the file
    out."""

    renamed: ClassVar[dict[str, str]] = {"respect": "c2pa_opt_outs"}
    exif: Literal["keep", "strip", "strip_gps"] = "keep"
    faces: Annotated[FacesConfig | None, BeforeValidator(_faces)] = None
    c2pa_opt_outs: list[Literal["data_mining", "ai_training", "ai_generative_training", "ai_inference"]] = [
        "data_mining",
        "ai_training",
        "ai_generative_training",
    ]


class TokenizeConfig(Model):
    tokenizer: dict[str, Any] = {"name": "kelix", "preset": "tiny"}
    fit_samples: Annotated[int, Field(ge=1)] = 4096
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the kept samples that the tokenizer is not fitted on, for `dataengine tokenizer eval`."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"


class ShardConfig(Model):
    target_bytes: Size = 500_000_000
    splits: dict[Split, Annotated[float, Field(gt=0, le=1)]] = {"train": 1.0}

    @model_validator(mode="after")
    def _sums_to_one(self) -> ShardConfig:
        if abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of the splits add up to {sum(self.splits.values()):g}, they must add up to 1")
        return self


class ReleaseConfig(Model):
    title: str
    license: str
    description: str
    intended_use: str | None = None
    out_of_scope_use: str | None = None
    biases: str | None = None
    limitations: str | None = None
    personal_information: str | None = None
    compute: str | None = None
    """What only a person can say; the card says where it is missing. ``compute``: time and machines, which `dataengine cost`
    tells."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.1.0"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """Day of publication; no clock is asked, so that two runs give the same bytes."""
    citation: str | None = None
    url: str | None = None
    contact: str | None = None
    language: list[str] = ["en"]
    thumbnails: Annotated[int, Field(ge=0, le=100)] = Field(default=12, exclude=True)
    """How many kept samples the report shows; 0: neither them nor duplicates."""
    previous: str | None = Field(default=None, exclude=True)
    """Folder or s3:// prefix of an earlier release that the card compares this one with."""
    publish: str | None = Field(default=None, exclude=True)
    """Folder or s3:// prefix that the finished release is copied to; no part of what the release is."""


class RayConfig(Model):
    address: str | None = None
    """``auto`` or ``ray://host:10001`` joins a cluster; nothing starts a local one."""


class Recipe(Model):
    name: Name
    workspace: str
    seed: Annotated[int, Field(ge=0)] = 0
    engine: Literal["duckdb", "spark"] = "duckdb"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    ray: RayConfig = RayConfig()
    sources: Annotated[list[Source], Field(min_length=1)]
    limits: LimitsConfig = LimitsConfig()
    dedup: DedupConfig = DedupConfig()
    score: ScoreConfig = ScoreConfig()
    contamination: ContaminationConfig | None = None
    filter: FilterConfig
    media: MediaConfig = MediaConfig()
    tokenize: TokenizeConfig | None = TokenizeConfig()
    shard: ShardConfig = ShardConfig()
    cot: CotConfig | None = CotConfig()
    release: ReleaseConfig

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [s.name for s in self.sources]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two sources are called `{twice[0]}`: each needs a name of its own")
        return self


def load(path: str | Path, **changes: Any) -> Recipe:
    """The recipe in ``path``; ``changes`` replace top-level fields (the command line's --workspace and --workers).
    Raises UsageError naming every mistake by line."""
    recipe = yaml_loader.load(path, Recipe)
    given = {k: v for k, v in changes.items() if v is not None}
    return recipe.model_copy(update=given) if given else recipe
