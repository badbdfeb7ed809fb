"""The recipe: one YAML file that describes a whole run. Sizes are in bytes, times in seconds; paths are relative to the working
directory. ``load`` reports every mistake before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from dataengine.config import items_only, lock, partitions, yaml_loader
from dataengine.config.annotate import AnnotateConfig
from dataengine.config.contamination import ContaminationConfig, QuestionContamination
from dataengine.config.cot import CotConfig
from dataengine.config.home import expanded
from dataengine.config.index import IndexConfig
from dataengine.config.limits import LimitsConfig
from dataengine.config.model_server import ModelServer, placed_servers
from dataengine.config.plugin_files import Plugins
from dataengine.config.sequence import SequenceConfig
from dataengine.config.shard import ShardConfig
from dataengine.config.sources import Faces, Model, Name, Source
from dataengine.config.watch import WatchConfig
from dataengine.config.yaml_loader import FileLines


class TextConfig(Model):
    """Edges between samples by the Jaccard similarity of their longest captions' shingles."""

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8


class SemanticConfig(Model):
    """Edges between pictures by the cosine of their embeddings: of the recipe's ``clip`` scorer, else of a stand-in."""

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
    """Edges between pictures with equal decoded pixels in different files."""
    aligned_radius: Annotated[int, Field(ge=0, le=12)] | None = None
    """Hamming radius, beyond ``radius``, within which pictures have an edge if alignment confirms them; None: no such edges."""
    semantic: SemanticConfig | None = None
    text: TextConfig | None = None
    group_by: list[Literal["pixels", "perceptual", "aligned", "video", "semantic", "text"]] | None = None
    """Kinds of edges that join samples into groups; None: all that are searched, except text."""
    max_distance_factor: Annotated[float, Field(ge=1)] | None = 2.0
    """Largest distance of a group's member from its representative, as a multiple of the bound of an edge; None: unbounded."""
    sibling_clips: bool = False
    """Whether clips that were cut from one video may be duplicates of each other."""
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
    def fingerprints(self) -> bool:
        """Whether fingerprints of pictures are compared."""
        aligns = self.aligned_radius is not None or (self.semantic is not None and self.semantic.confirm)
        return self.pixels or aligns

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


class FilterConfig(Model):
    policy: str


class HashListConfig(Model):
    """A file of hashes of known-bad files, one a line: MD5, SHA-256, or perceptual hashes, which match within ``radius`` of 64
    bits."""

    path: str
    radius: Annotated[int, Field(ge=0, le=16)] = 4


class MediaConfig(Model):
    """Treatment of released media. ``exif``: keep metadata of pictures, strip all of it, or coordinates only. ``faces``: keep,
    blur, or settings. ``c2pa_opt_outs``: uses whose prohibition in a file's C2PA and CAWG assertions leaves the file out."""

    renamed: ClassVar[dict[str, str]] = {"respect": "c2pa_opt_outs"}
    exif: Literal["keep", "strip", "strip_gps"] = "keep"
    faces: Faces = None
    c2pa_opt_outs: list[Literal["data_mining", "ai_training", "ai_generative_training", "ai_inference"]] = [
        "data_mining",
        "ai_training",
        "ai_generative_training",
    ]
    known_bad: list[HashListConfig] = Field(default=[], exclude=True)
    """Lists of hashes of files that must not be taken; not part of what is published."""


class TokenizeConfig(Model):
    tokenizer: dict[str, Any] = {"name": "kelix", "preset": "tiny"}
    fit_samples: Annotated[int, Field(ge=1)] = 4096
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the kept samples held out from fitting, for `dataengine tokenizer eval`."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    refit: bool = Field(default=False, exclude=True)
    """Fit the tokenizer anew although the recipe's lock names one."""


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
    """Statements that only a person can make; the card marks missing ones. ``compute``: time and machines, as of `dataengine
    cost`."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.1.0"
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    """Day of publication; never taken from the clock, so that two runs give the same bytes."""
    citation: str | None = None
    url: str | None = None
    contact: str | None = None
    language: list[str] = ["en"]
    thumbnails: Annotated[int, Field(ge=0, le=2000)] = Field(default=12, exclude=True)
    """Number of kept samples shown in the report, those beyond 24 on pages of their own; 0: no pictures at all."""
    previous: str | None = Field(default=None, exclude=True)
    """Folder or s3:// prefix of an earlier release to compare with in the card."""
    publish: str | None = Field(default=None, exclude=True)
    """Folder or s3:// prefix to copy the finished release to; does not affect the release."""


class RayConfig(Model):
    address: str | None = None
    """``auto`` or ``ray://host:10001`` joins a cluster; unset: a local Ray is started."""


class ResourcesConfig(Model):
    """What a worker of a record stage occupies; changes no result."""

    decoders: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Decode processes of a worker that feeds a model. ``auto``: one; beside a GPU, as many as its share of the node's CPUs."""


class Recipe(Model):
    name: Name
    workspace: str
    lock: str | None = None
    """Path or s3:// object of the recipe's lock, ``{workspace}`` stands for the workspace; None: none is read or written
    (``load`` names one beside the recipe)."""
    continues: str | None = Field(default=None, exclude=True)
    """A release whose samples keep their shards: a path, an s3:// prefix, or a name in this workspace, maybe the recipe's own."""
    seed: Annotated[int, Field(ge=0)] = 0
    engine: Literal["duckdb", "spark"] = "duckdb"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    resources: ResourcesConfig = ResourcesConfig()
    ray: RayConfig = RayConfig()
    watch: WatchConfig = WatchConfig()
    sources: Annotated[list[Source], Field(min_length=1)]
    partitions: Annotated[tuple[Annotated[str, BeforeValidator(str)], ...], Field(exclude=True)] = ()
    """Of partitioned sources those to be read now (``--partition``), beside those that the workspace has taken up."""
    limits: LimitsConfig = LimitsConfig()
    plugins: Annotated[Plugins, Field(exclude=True)] = ()
    """Python files that add scorers, sources and more (docs/plugins.md); their bytes travel to every worker."""
    model_servers: dict[Name, ModelServer] = {}
    """Models that stages ask, by name; started when a stage needs them."""
    dedup: DedupConfig = DedupConfig()
    score: ScoreConfig = ScoreConfig()
    annotate: AnnotateConfig | None = None
    contamination: ContaminationConfig | None = None
    index: IndexConfig | None = None
    filter: FilterConfig
    media: MediaConfig = MediaConfig()
    tokenize: TokenizeConfig | None = None
    shard: ShardConfig = ShardConfig()
    cot: CotConfig | None = None
    sequence: SequenceConfig | None = None
    release: ReleaseConfig

    _lines: FileLines = PrivateAttr(default=FileLines())

    @model_validator(mode="before")
    @classmethod
    def _home_folders(cls, value: Any) -> Any:
        return expanded(value)

    @model_validator(mode="wrap")
    @classmethod
    def _of_items_alone(cls, value: Any, validate: ModelWrapValidatorHandler[Recipe]) -> Recipe:
        """Such a recipe has no sources, and its plan no stages but those of the index."""
        if not items_only.indexes_items_alone(value):
            return validate(value)
        recipe = validate(items_only.completed(value))
        recipe.__dict__["sources"] = []
        return recipe

    def line(self, *loc: str | int) -> str:
        """``recipe.yaml:12: ``, the place of a field for a message; "" for a recipe that is from no file."""
        return self._lines.of(loc)

    @property
    def question_contamination(self) -> QuestionContamination | None:
        """How CoT questions are compared with benchmarks by picture and text; None where they are not."""
        asks = self.contamination is not None and self.contamination.asks_of_pictures
        return self.cot.decontamination if asks and self.cot is not None else None

    @property
    def lock_place(self) -> str | None:
        """Where the lock lies."""
        return self.lock and self.lock.replace("{workspace}", self.workspace.rstrip("/"))

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [s.name for s in self.sources]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two sources have the name `{twice[0]}`: names must be unique")
        return self

    @model_validator(mode="after")
    def _models_of_servers(self) -> Recipe:
        """Each server with its place in the workspace, and the models of ``cot`` with the settings of servers that they name."""
        servers = placed_servers(self.model_servers, self.name, self.plugins)
        self.__dict__["model_servers"] = servers
        if self.cot is not None:
            self.__dict__["cot"] = self.cot.of_servers(servers)
        return self


def load(
    recipe: str | Path | Mapping[str, Any] | Recipe, partition: Sequence[str] | None = None, **changes: Any
) -> Recipe:
    """The recipe in a YAML file or s3:// object, or a mapping with its fields; ``changes`` replace top-level fields (the command
    line's --workspace, --workers and --engine), ``partition`` names partitions beside its own. Raises UsageError naming every
    mistake, by line where there is a file."""
    loaded = recipe if isinstance(recipe, Recipe) else _read(recipe)
    replaced = {k: expanded(v) for k, v in changes.items() if v is not None}
    replaced["partitions"] = partitions.values([*loaded.partitions, *(partition or ())])
    return loaded.model_copy(update=replaced)


def _read(recipe: str | Path | Mapping[str, Any]) -> Recipe:
    if isinstance(recipe, Mapping):
        return yaml_loader.of_fields(recipe, "recipe", Recipe)
    path = str(expanded(recipe))
    text = yaml_loader.read_text(path)
    loaded = yaml_loader.validated(text, path, Recipe)
    loaded._lines = FileLines(path, text)
    return loaded.model_copy(update={"lock": loaded.lock or lock.beside(path)})
