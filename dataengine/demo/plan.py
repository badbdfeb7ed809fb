"""Contents of the demo corpus, from ``captions.yaml`` (pictures and clips with captions) and ``planted.yaml`` (duplicates, wrong
captions, damaged files). Data, so that a picture is added without code; their digest is the corpus version.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataengine.config import yaml_loader

_HERE = Path(__file__).parent
_FILES = ("captions.yaml", "planted.yaml")
_CODE = "1"
"""Increased by hand when the code would make other bytes from the same YAML."""

SourceName = Literal["photos", "table", "web", "videos"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Placed(_Model):
    to: str
    """``source/path`` of the file in the corpus."""

    @property
    def source(self) -> str:
        return self.to.partition("/")[0]

    @property
    def uri(self) -> str:
        """The uri that the source's reader gives this file."""
        return uri(self.to)


class Original(_Placed):
    """A distinct still or clip: its origin and captions."""

    origin: Annotated[str, Field(alias="from")]
    at: float | None = None
    span: tuple[float, float] | None = None
    crop: tuple[int, int, int, int] | None = None
    encoding: Annotated[str | None, Field(alias="as")] = None
    captions: list[str] = []
    license: str | None = None
    sidecar: Literal["txt", "json"] = "txt"


class Exact(_Placed):
    """An exact duplicate: the bytes of ``of``, with ``captions`` of its own if set."""

    of: str
    captions: list[str] | None = None


class Near(Exact):
    """A near-duplicate: the picture or clip of ``of`` edited and re-encoded, or as a package ships it."""

    edits: list[str] = []
    encoding: Annotated[str | None, Field(alias="as")] = None
    origin: Annotated[str | None, Field(alias="from")] = None

    @property
    def how(self) -> str:
        """Description of the edits and the encoding."""
        if self.origin:
            return f"as shipped: {self.origin.rpartition('/')[2]}"
        return ", ".join([*self.edits, str(self.encoding)])


class Bad(_Placed):
    """A damaged or missing file, with the acceptable failure classes."""

    make: str
    of: str | None = None
    keep: float = 1.0
    failure: list[str]


class Plan(_Model):
    """All entries, validated: names are known, paths unique."""

    stills: dict[str, Original]
    clips: dict[str, Original]
    exact: list[Exact]
    near: list[Near]
    wrong: dict[str, str]
    bad: list[Bad]

    @property
    def originals(self) -> dict[str, Original]:
        """Stills and clips by name."""
        return {**self.stills, **self.clips}

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        names = set(self.originals)
        placed: list[_Placed] = [*self.originals.values(), *self.exact, *self.near, *self.bad]
        referenced = [e.of for e in (*self.exact, *self.near)] + [b.of for b in self.bad if b.of]
        unknown = {*referenced, *self.wrong, *self.wrong.values()} - names
        twice = {p.to for p in placed if sum(q.to == p.to for q in placed) > 1}
        copied = {e.of for e in (*self.exact, *self.near)} & set(self.wrong)
        for what, names in (("unknown", unknown), ("duplicate path", twice), ("wrong caption, yet copied", copied)):
            if names:
                raise ValueError(f"{what}: {', '.join(sorted(names))}")
        return self


class _Captions(_Model):
    stills: dict[str, Original]
    clips: dict[str, Original]


class _Planted(_Model):
    exact: list[Exact]
    near: list[Near]
    wrong: dict[str, str]
    bad: list[Bad]


def load() -> Plan:
    """Load the plan. Raises UsageError if a file is invalid."""
    captions = yaml_loader.load(_HERE / _FILES[0], _Captions)
    planted = yaml_loader.load(_HERE / _FILES[1], _Planted)
    return Plan(**dict(captions), **dict(planted))


def version() -> str:
    """Version of the corpus that this code and these files make."""
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _FILES)).hexdigest()
    return f"{_CODE}-{digest[:12]}"


def uri(to: str) -> str:
    """``photos/a/b.jpg`` → ``a/b.jpg``, ``table/images/b.jpg`` → ``captions.jsonl#images/b.jpg``,
    ``web/00000/000000001.jpg`` → ``00000.tar#000000001.jpg``: as the readers of ``dataengine.ingest`` name them."""
    source, _, path = to.partition("/")
    if source == "table":
        return f"captions.jsonl#{path}"
    if source == "web":
        return path.replace("/", ".tar#", 1)
    return path
