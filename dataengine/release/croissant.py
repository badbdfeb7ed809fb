"""Writes croissant.json: the release in the Croissant 1.1 vocabulary with its responsible-AI (RAI) extension.

Every file is there with its SHA-256; the samples are record sets over the members of the tars, the ledger one over
its Parquet file. ``mlcroissant`` validates it and loads records by it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from dataengine.release import (
    annotations_section,
    captions_section,
    card_text,
    codes_section,
    index_section,
    privacy_section,
    sequences_section,
    source_columns_section,
    taken_down_section,
)
from dataengine.release.ledger import is_ledger
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.shards.sample import FAMILIES

Json = dict[str, Any]

CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{
        name: f"cr:{name}"
        for name in (
            *(
                "arrayShape",
                "citeAs",
                "column",
                "containedIn",
                "equivalentProperty",
                "extract",
                "field",
                "fileProperty",
            ),
            *("fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform"),
        )
    },
}
_FORMATS = {
    ".arrow": "application/vnd.apache.arrow.stream",
    ".json": "application/json",
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".yaml": "application/yaml",
}
_LEDGER = ("input_id", "source", "uri", "id", "outcome", "kind", "rule", "failure", "message")


def croissant(m: Manifest, files: Sequence[ReleaseFile]) -> bytes:
    """The JSON-LD of a release: ``m`` is its manifest, ``files`` are those of its data and its ledger."""
    about: Json = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": m.name,
        "description": m.description,
        "license": m.license,
        "url": m.url or f"urn:dataengine:{m.recipe_digest}",
        "version": m.version,
        "citeAs": m.citation or f"{m.title}, version {m.version}. Made with {card_text.maker(m)}.",
        "inLanguage": m.language,
        **({"datePublished": m.date} if m.date else {}),
        **({"creator": {"@type": "sc:Organization", "name": m.contact}} if m.contact else {}),
        **_rai(m),
        "distribution": [*map(_file, files), *_sets(m)],
        "recordSet": [
            *(_ledger_records(_name(file.path)) for file in files if is_ledger(file.path)),
            *(one for family in card_text.kinds(m) for one in _samples(family)),
        ],
    }
    return (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()


def _rai(m: Manifest) -> Json:
    return {
        "rai:dataCollection": card_text.collection(m),
        "rai:dataCollectionMissingData": card_text.missing(m),
        "rai:dataPreprocessingProtocol": [
            *card_text.steps(m),
            *source_columns_section.steps(m),
            *annotations_section.steps(m),
            *captions_section.steps(m),
            *sequences_section.steps(m),
            *index_section.steps(m),
            *codes_section.steps(m),
            *taken_down_section.steps(m),
        ],
        "rai:machineAnnotationTools": [
            *(f"{s.name} {s.version}" for s in m.scorers),
            *annotations_section.tools(m),
            *captions_section.tools(m),
        ],
        "rai:dataUseCases": card_text.stated(m, "intended_use"),
        "rai:dataBiases": card_text.stated(m, "biases"),
        "rai:dataLimitations": card_text.stated(m, "limitations"),
        "rai:personalSensitiveInformation": " ".join(
            [card_text.stated(m, "personal_information"), *privacy_section.private(m)]
        ),
    }


def _name(path: str) -> str:
    """Id of a file: that of a shard, or of the ledger (``ledger``, or ``ledger/0``, … of several files), without its ending."""
    plain = is_ledger(path) or path.startswith(("shards/", "cot/"))
    return path.removesuffix(".parquet").removesuffix(".tar") if plain else path


def _file(file: ReleaseFile) -> Json:
    kind = _FORMATS.get(PurePosixPath(file.path).suffix, "application/octet-stream")
    about = {"@type": "cr:FileObject", "@id": _name(file.path), "name": file.path, "contentUrl": file.path}
    return about | {"encodingFormat": kind, "sha256": file.sha256, "contentSize": f"{file.bytes} B"}


def _sets(m: Manifest) -> list[Json]:
    """File sets over the members of all shards of a family: its media, and their ``.json``."""
    sets: list[Json] = []
    for family in card_text.kinds(m):
        tars = [{"@id": f"shards/{s.name}"} for s in m.shards if s.family == family]
        for what, ext, kind in (
            (family, FAMILIES[family], f"{family}/{FAMILIES[family]}"),
            ("json", "json", "application/json"),
        ):
            fields = {"@type": "cr:FileSet", "@id": f"{family}-{what}", "name": f"{family}-{what}"}
            sets.append(fields | {"containedIn": tars, "encodingFormat": kind, "includes": f"*.{ext}"})
    return sets


def _ledger_records(file: str) -> Json:
    records = file.replace("ledger", "inputs", 1)
    fields = [
        _field(f"{records}/{name}", "sc:Text", {"fileObject": {"@id": file}, "extract": {"column": name}})
        for name in _LEDGER
    ]
    return _records(records, "Every input and its outcome.", fields)


def _samples(family: str) -> list[Json]:
    """Record sets of a family: its media, and their ``.json``; the n-th of both are one sample."""
    kind = "sc:ImageObject" if family == "image" else "sc:VideoObject"
    return [
        _records(family, f"The {family}s of the release, by sample id.", _members(family, family, kind)),
        _records(
            f"{family}-facts",
            f"Metadata of each {family}, as JSON.",
            _members(f"{family}-facts", "json", "sc:Text"),
        ),
    ]


def _members(name: str, what: str, kind: str) -> list[Json]:
    """Id and content of the members of a file set."""
    family = name.partition("-")[0]
    source = {"fileSet": {"@id": f"{family}-{what}"}}
    key = {**source, "extract": {"fileProperty": "filename"}, "transform": {"regex": "^(?:.*/)?([0-9a-f]{32})[.].*$"}}
    return [
        _field(f"{name}/id", "sc:Text", key),
        _field(f"{name}/content", kind, {**source, "extract": {"fileProperty": "content"}}),
    ]


def _records(name: str, text: str, fields: Sequence[Json]) -> Json:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": text, "field": list(fields)}


def _field(id_: str, kind: str, source: Json) -> Json:
    return {"@type": "cr:Field", "@id": id_, "name": id_, "dataType": kind, "source": source}
