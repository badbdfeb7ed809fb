"""Configuration of sources and downloads, and the base model and units of all recipe blocks."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from dataengine.config.selection import CaptionForm, Patterns, Selection

#: Parts that a folder or table may be divided into.
MOST_BUCKETS = 4096
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(value: Any) -> Any:
    """``"16 MB"`` → 16000000; numbers pass through. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([\d_.]{1,30})\s*([A-Za-z]*)", value.strip())
    if not match or match[2].upper() not in _UNITS:
        raise ValueError("a size is a number with an optional unit: 16 MB, 512 MiB, 1000000")
    return int(float(match[1].replace("_", "")) * _UNITS[match[2].upper()])


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | str), Field(gt=0)]


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", value):
        raise ValueError("use up to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit")
    return value


Name = Annotated[str, AfterValidator(_is_name)]


class Model(BaseModel):
    """Base of all blocks of a recipe. ``renamed``: what fields were called before, for the message about an unknown field."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)
    renamed: ClassVar[dict[str, str]] = {}


class ClipsConfig(Model):
    """Cutting videos into clips at shot boundaries, each clip a sample. ``timeout``: wall-clock seconds for one video, in place
    of ``limits.seconds``."""

    renamed: ClassVar[dict[str, str]] = {"precise": "frame_accurate", "seconds": "timeout"}
    detector: Literal["transnetv2", "content"] = "transnetv2"
    min_seconds: Annotated[float, Field(gt=0)] = 2.0
    max_seconds: Annotated[float, Field(gt=0)] = 60.0
    frame_accurate: bool = False
    timeout: Annotated[float, Field(gt=0)] = 600.0

    @model_validator(mode="after")
    def _splittable(self) -> ClipsConfig:
        if self.max_seconds < 2 * self.min_seconds:
            raise ValueError("max_seconds must be at least twice min_seconds, so that a long shot can be split")
        return self


class FacesConfig(Model):
    """Irreversible face anonymisation before anything is stored. ``threshold``: detector confidence; ``frame_interval``: seconds
    between the frames of a video that are searched; ``timeout``: wall-clock seconds for one file, in place of
    ``limits.seconds``."""

    renamed: ClassVar[dict[str, str]] = {"every": "frame_interval", "seconds": "timeout"}
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    frame_interval: Annotated[float, Field(gt=0)] = 0.15
    timeout: Annotated[float, Field(gt=0), Field(exclude=True)] = 600.0
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"


def _faces(value: Any) -> Any:
    """Shorthands: ``keep`` for no FacesConfig, ``blur`` for one with the defaults. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if value not in ("keep", "blur"):
        raise ValueError("use `keep`, `blur`, or the settings of `blur`: {threshold, frame_interval, timeout, device}")
    return None if value == "keep" else {}


FacesInput = FacesConfig | Literal["keep", "blur"] | None
Faces = Annotated[FacesConfig | None, BeforeValidator(_faces, json_schema_input_type=FacesInput)]


ColumnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ColumnType = Literal["double", "integer", "string", "boolean"]


class ColumnConfig(Model):
    """A column that a source's metadata fill: its type, and the name of the field where that is another."""

    type: ColumnType
    field: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _type_alone(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value


#: Fields of sources that are not dumped where they have these values.
_UNSET: dict[str, Any] = {"clips": None, "roots": [], "include": [], "exclude": [], "captions": "lines"}


class SourceModel(Model):
    """Fields of all sources. Unset ones are not dumped, so that part keys of sources without them stay the same. ``columns``:
    fields of tables, sidecars and tars that become columns for policies and the card."""

    clips: ClipsConfig | None = None
    columns: Annotated[dict[ColumnName, ColumnConfig], Field(exclude=True)] = {}
    """Ingest stores all fields as they are, so that columns may be declared later without reading a source again."""

    def fields_of_columns(self) -> dict[str, tuple[ColumnType, str]]:
        """Of each declared column its type and the field it is read from."""
        return {name: (column.type, column.field or name) for name, column in self.columns.items()}

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {k: v for k, v in dumped.items() if k not in _UNSET or v != _UNSET[k]}


def _is_root(value: str) -> str:
    """A ``file://`` URL becomes its path. Raises ValueError for other schemes than s3."""
    path = value.removeprefix("file://")
    if not path or ("://" in path and not re.match(r"s3://[^/]", path)):
        raise ValueError("use a folder, file:///folder or s3://bucket/prefix")
    return path


def _without_file_scheme(value: str) -> str:
    return value.removeprefix("file://")


SourcePath = Annotated[str, AfterValidator(_without_file_scheme)]
"""A folder, file or pattern on disk or s3://; of a ``file://`` URL its path, so that links in it are checked as in any."""

Roots = list[Annotated[str, AfterValidator(_is_root)]]
"""Folders and prefixes, besides a source's own folder, that its paths and links may lead to."""

Pacing = Field(exclude=True)
"""Fields that do not affect the result: they may change without anything being downloaded again."""


class HttpConfig(Model):
    """Download settings and opt-outs of a source. Times in seconds."""

    renamed: ClassVar[dict[str, str]] = {
        "per_host": "concurrency_per_host",
        "give_up": "give_up_after",
        "redirects": "max_redirects",
        "respect": "x_robots_tag",
        "tdm": "tdm_reservation",
    }
    concurrency: Annotated[int, Field(ge=1, le=1024), Pacing] = 32
    """Concurrent requests of one worker."""
    concurrency_per_host: Annotated[int, Field(ge=1, le=64), Pacing] = 2
    delay: Annotated[float, Field(ge=0), Pacing] = 0.1
    """Minimum time between the starts of two requests to one host."""
    timeout: Annotated[float, Field(gt=0), Pacing] = 30.0
    """For one request, up to the last byte of its body."""
    tries: Annotated[int, Field(ge=1, le=10), Pacing] = 3
    backoff: Annotated[float, Field(ge=0), Pacing] = 1.0
    """Pause before the second attempt, doubled before each further one."""
    max_wait: Annotated[float, Field(ge=0), Pacing] = 60.0
    """Longest pause; a URL whose server demands a longer one (Retry-After) fails."""
    give_up_after: Annotated[Annotated[int, Field(ge=1)] | None, Pacing] = 20
    """Consecutive requests without any answer after which the host's other URLs fail without a request (a circuit breaker); null:
    never."""
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    user_agent: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[\x21-\x7e]+)?( [\x20-\x7e]+)?$")] = "dataengine"
    """User-Agent header; directives and robots.txt groups for its first word are obeyed."""
    x_robots_tag: list[Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")]] = [
        "noai",
        "noimageai",
        "noindex",
        "noimageindex",
    ]
    """Directives of an X-Robots-Tag header that leave a file out."""
    tdm_reservation: bool = True
    """Leave out a file whose response says ``TDM-Reservation: 1``."""
    robots_txt: bool = False
    allow_private: bool = False
    """Allow addresses that are not public (loopback, private networks)."""

    @property
    def product(self) -> str:
        """The product token by which directives address us, in lower case."""
        return self.user_agent.split("/")[0].split(" ")[0].lower()


class FolderSource(SourceModel):
    """Media files below a folder or prefix, with sidecars NAME.txt or NAME.json."""

    type: Literal["folder"]
    name: Name
    path: SourcePath
    license: str | None = None
    buckets: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_BUCKETS)] = "auto"
    """Parts that the files are divided into, by a hash of the path; by their number if ``auto``."""
    roots: Roots = []
    include: Patterns = []
    """Patterns of the media files that are taken, such as `*.jpg` or `2024/**`; none: all. Sidecars come with their media."""
    exclude: Patterns = []
    """Patterns of files and folders that are left out, sidecars among them."""
    captions: CaptionForm = "lines"
    """What a sidecar NAME.txt holds: a caption in each line, one in its first line, or one in all lines together."""

    @property
    def selection(self) -> Selection:
        """Which files are taken."""
        return Selection(tuple(self.include), tuple(self.exclude))


class RowsSource(SourceModel):
    """JSONL, CSV or Parquet tables, one row an input; ``path`` may be a glob."""

    name: Name
    path: SourcePath
    caption: str | None = "caption"
    license_column: str | None = "license"
    license: str | None = None
    buckets: Annotated[int, Field(ge=1, le=MOST_BUCKETS)] = 16
    http: HttpConfig = HttpConfig()

    @property
    def column(self) -> str:
        """Name of the column with the path or URL."""
        raise NotImplementedError


class TableSource(RowsSource):
    """``media`` names the column with a path below the table's folder, or below one of ``roots``, or an http(s) URL."""

    type: Literal["table"]
    media: str = "path"
    roots: Roots = []

    @property
    def column(self) -> str:
        return self.media


class UrlsSource(RowsSource):
    """``url`` names the column with an http(s) URL; all rows of one host are in one part."""

    type: Literal["urls"]
    url: str = "url"

    @property
    def column(self) -> str:
        return self.url


class WebDatasetSource(SourceModel):
    """Existing WebDataset tars (img2dataset's layout included); ``path`` may be a glob."""

    type: Literal["webdataset"]
    name: Name
    path: SourcePath
    license: str | None = None


class PluginSource(SourceModel):
    """A source that a plugin reads (docs/plugins.md): ``reader`` is its name, ``options`` are its own, and a ``path`` is one."""

    type: Literal["plugin"]
    name: Name
    reader: str
    path: SourcePath = ""
    options: dict[str, Any] = {}
    license: str | None = None


Source = Annotated[
    FolderSource | TableSource | UrlsSource | WebDatasetSource | PluginSource, Field(discriminator="type")
]
