"""The track ``text``: what datatrove's filters say of the caption that is released and of the text in the picture."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from dataengine.annotate.text.verdicts import FILTERS
from dataengine.annotate.track import ModelLicence, Track
from dataengine.config.annotate_text import TextConfig, TextKind
from dataengine.errors import UsageError
from dataengine.models import language_id
from dataengine.storage.workspace import digest

#: Raised when the same texts and packages would give other rows.
VERSION = "1"
_PACKAGES = ("datatrove", "spacy")
_OF_URLS = ("tldextract", "ahocorasick", "fasteners")
_OPTIONS = {"in_samples", "seconds"}

#: One of a sample's texts: ``n`` counts its captions, the chosen one first; the reasons are those of the columns.
_TEXT: list[pa.Field[Any]] = [
    pa.field("kind", pa.string()),
    pa.field("n", pa.int32()),
    *(pa.field(name, pa.string()) for name in FILTERS),
    pa.field("language", pa.string()),
    pa.field("language_score", pa.float64()),
    pa.field("emails", pa.int32()),
    pa.field("ips", pa.int32()),
    pa.field("cut", pa.bool_()),
    pa.field("error", pa.string()),
]


def track(config: TextConfig) -> Track:
    """Raises UsageError where a package that judges texts is not installed."""
    needed = (*_PACKAGES, *(_OF_URLS if config.url else ()))
    if missing := [name for name in needed if find_spec(name) is None]:
        raise UsageError(
            f"annotate.text: the package {missing[0]}, which judges texts, is not installed: pip install "
            "'dataengine-multimodal[annotate]'"
        )
    languages = language_id.model() if config.language else None
    packages = [version(name) for name in _PACKAGES] + ([languages.digest] if languages else [])
    options = digest(VERSION, packages, config.model_dump(mode="json", exclude=_OPTIONS), config.preset == "documents")[
        :8
    ]
    models = [ModelLicence("datatrove's filters", f"datatrove {packages[0]}", "Apache-2.0")]
    if languages:
        models.append(ModelLicence(languages.title, languages.source, languages.licence))
    return Track(
        "text", f"datatrove-{packages[0]}-{options}", columns(config), (), tuple(models), config.in_samples,
        "with a text", "language of the caption", unreleased=(pa.field("texts", pa.list_(pa.struct(_TEXT))),),
    )  # fmt: skip


def columns(config: TextConfig) -> tuple[pa.Field[Any], ...]:
    """Reasons (PASSES, or why a text would be dropped) and languages; null where there is no such text."""
    fields = [field for kind in config.texts for field in _of_kind(config, kind)]
    return (*fields, pa.field("url_filter", pa.string())) if config.url else tuple(fields)


def filters_of(config: TextConfig) -> list[str]:
    """Names of the filters over texts that run."""
    return [name for name in FILTERS if config.parameters(name) is not None]


def _of_kind(config: TextConfig, kind: TextKind) -> list[pa.Field[Any]]:
    fields: list[pa.Field[Any]] = [pa.field(f"{kind}_{name}", pa.string()) for name in filters_of(config)]
    if config.language:
        fields += [pa.field(f"{kind}_language", pa.string()), pa.field(f"{kind}_language_score", pa.float64())]
    if config.pii:
        fields += [pa.field(f"{kind}_emails", pa.int32()), pa.field(f"{kind}_ips", pa.int32())]
    return fields
