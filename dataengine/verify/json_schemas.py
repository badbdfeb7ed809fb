"""The contracts as JSON Schema (2020-12), for trainers in any language: ``python -m dataengine.verify.json_schemas schemas``.

The truth is the code (``contracts.py``, ``cot/record.py``, ``shards/sample.py``); the files are its export and are never
read at run time. A test fails where they differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.cot.core.record import Record
from dataengine.score.distribution import QUANTILES

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
REAL: Schema = {"type": "number"}
ID: Schema = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "first 128 bits of the SHA-256 of the media",
}
SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def all_schemas() -> dict[str, Schema]:
    """Every contract by name."""
    tables = {name: table(name, schema) for name, schema in contracts.TABLES.items()}
    return tables | {
        "sample": _titled(
            "sample", "The .json member of a sample in a shard. Unknown text is empty, unknown numbers 0.", SAMPLE
        ),
        "manifest": _titled("manifest", "manifest.json of a release.", MANIFEST),
        "cot_record": _titled("cot_record", "The .json member of a CoT record.", Record.model_json_schema()),
    }


def table(name: str, schema: pa.Schema) -> Schema:
    """One row of a Parquet table as a JSON object."""
    fields = {f.name: _nullable(_type(f.type), f.nullable) for f in schema}
    return _titled(name, f"One row of a {name} table (Parquet), version {contracts.VERSION}.", struct(fields))


def struct(fields: Schema, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these fields and no others."""
    required = sorted(set(fields) - set(optional))
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _titled(name: str, description: str, schema: Schema) -> Schema:
    return {"$schema": DIALECT, **schema, "title": name, "description": description}


def _nullable(schema: Schema, nullable: bool) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]} if nullable else schema


def _type(kind: pa.DataType) -> Schema:
    if pa.types.is_string(kind):
        return TEXT
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    if pa.types.is_integer(kind):
        bits = int(kind.bit_width)
        return {"type": "integer", "minimum": -(1 << bits - 1), "maximum": (1 << bits - 1) - 1}
    if pa.types.is_floating(kind):
        return REAL
    if pa.types.is_binary(kind):
        return {"type": "string", "contentEncoding": "base64"}
    nested: Any = kind
    if pa.types.is_list(kind):
        return array(_type(nested.value_type))
    if pa.types.is_struct(kind):
        return struct({f.name: _nullable(_type(f.type), f.nullable) for f in nested})
    raise TypeError(f"no JSON Schema for {kind}")


_GRID = {**array(COUNT), "minItems": 3, "maxItems": 3}
_FRAMES = {
    "frame_kinds": array({"enum": [0, 1]}),
    "frame_times": array(REAL),
    "fast_grid": {**_GRID, "minItems": 2, "maxItems": 2},
}
_CODES = struct({"tokenizer": TEXT, "grid": _GRID, **_FRAMES}, optional=tuple(_FRAMES))
SAMPLE: Schema = struct(
    {
        "id": ID,
        **dict.fromkeys(("sha256", "media_sha256"), SHA256),
        "kind": {"enum": ["image", "video"]},
        "codes": _CODES,
        "audio": {"type": "boolean"},
        **dict.fromkeys(("format", "ext", "mode", "codec", "license"), TEXT),
        **dict.fromkeys(("bytes", "width", "height", "orientation", "frames", "mentions", "faces"), COUNT),
        **dict.fromkeys(("fps", "duration"), REAL),
        "phash": {"type": "string", "pattern": "^([0-9a-f]{16})?$"},
        "parent": {"type": "string", "pattern": "^([0-9a-f]{32})?$"},
        **dict.fromkeys(("clip_start", "clip_end"), REAL),
        "captions": array(struct({"text": TEXT, "source": TEXT})),
        "scores": array(struct({"name": TEXT, "value": REAL})),
    },
    optional=("codes", "faces", "media_sha256", "parent", "clip_start", "clip_end"),
)

_COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}
_MAYBE = _nullable(TEXT, True)
_SPLIT: Schema = {"name": TEXT, "split": TEXT, "family": TEXT, "sha256": SHA256, "bytes": COUNT}
_SOURCE: Schema = {"name": TEXT, "type": TEXT, "license": _MAYBE, "inputs": COUNT}
#: Of the inputs, those cut out of longer videos, and how many videos that were.
_CUT: Schema = {"clips": COUNT, "videos_cut": COUNT}
_FUNNEL = struct({"rule": TEXT, "reason": TEXT, "entering": COUNT, "dropped": COUNT, "remaining": COUNT})
#: What only some recipes say, or say since later versions.
_SEMANTIC = struct({"threshold": REAL, "text": _nullable(REAL, True), "confirm": {"type": "boolean"}})
_DEDUP_LATER = {
    "pixels": {"type": "boolean"},
    "aligned": _nullable(COUNT, True),
    "semantic": _nullable(_SEMANTIC, True),
    "text": _nullable(struct({"threshold": REAL}), True),
    "group": _nullable(array(TEXT), True),
    "reach": _nullable(REAL, True),
    **dict.fromkeys(("edges", "group_sizes"), _COUNTS),
    "search": {
        "type": "object",
        "additionalProperties": {"type": "object", "additionalProperties": {"type": ["number", "null"]}},
    },
    **dict.fromkeys(("chained", "cut"), COUNT),
}
_DEDUP = {"radius": COUNT, "video_overlap": REAL, "keep": array(TEXT), "hash_version": TEXT, **_DEDUP_LATER}
_CONTAMINATION = struct(
    {
        "benchmarks": array(
            struct({"name": TEXT, "items": COUNT, "unreadable": COUNT, "not_compared": _COUNTS, "hits": _COUNTS})
        ),
        "presets": {"type": "object"},
    }
)
_VIDEO = {
    **dict.fromkeys(("fps", "threshold", "fast_ratio"), REAL),
    **dict.fromkeys(("budget", "min_tokens", "max_tokens"), COUNT),
    "inclusive": {"type": "boolean"},
    "max_frames": _nullable(COUNT, True),
}
_TOKENIZER = struct(
    {
        **dict.fromkeys(("name", "id"), TEXT),
        **dict.fromkeys(("codebook_sizes", "picture_tokens"), array(COUNT)),
        "tokens": COUNT,
        "video": struct(_VIDEO),
        "made": {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
    }
)
_COT = {
    "shards": array(struct({**_SPLIT, "records": COUNT})),
    "modes": _COUNTS,
    "rejected": _COUNTS,
    "drafted": COUNT,
    **dict.fromkeys(("shortages", "grades", "planted", "caught", "review", "reviewed", "quality"), _COUNTS),
    "funnel": array(struct({"step": TEXT, **dict.fromkeys(("entering", "dropped", "remaining"), COUNT)})),
    "yield": {"type": "object"},
    "examples": array(struct(dict.fromkeys(("id", "mode", "question", "reply"), TEXT))),
}
_POLICY = struct({"name": TEXT, "version": TEXT, "digest": TEXT})
_DIFFERENCE = struct(
    {
        "previous": struct({"name": TEXT, "recipe_digest": TEXT, "version": TEXT}),
        **dict.fromkeys(("added", "removed", "same"), COUNT),
        "removed_because": _COUNTS,
        "policy_before": _POLICY,
        "tokenizer_before": TEXT,
    }
)
_SPREAD = struct({"count": COUNT, **dict.fromkeys(QUANTILES, REAL)}, optional=tuple(QUANTILES))
#: Bytes that came in, and what each stage has written for the release, the same in equal runs.
_COST = struct(
    {
        "inputs": COUNT,
        "bytes": COUNT,
        "stages": array(struct({"stage": TEXT, **dict.fromkeys(("parts", "files", "bytes"), COUNT)})),
    }
)
_WRITTEN = (
    "intended_use",
    "out_of_scope_use",
    "biases",
    "limitations",
    "personal_information",
    "compute",
    "date",
    "citation",
    "url",
    "contact",
)
_MEDIA_COUNTS = ("metadata_removed", "gps_removed", "metadata_kept", "with_faces", "faces_blurred")
MANIFEST: Schema = struct(
    {
        **dict.fromkeys(
            ("schema_version", "name", "title", "license", "description", "code_version", "recipe_digest"), TEXT
        ),
        "version": TEXT,
        **dict.fromkeys(_WRITTEN, _MAYBE),
        "language": array(TEXT),
        "seed": COUNT,
        "samples": COUNT,
        "shards": array(struct({**_SPLIT, "samples": COUNT})),
        "ledger": struct(dict.fromkeys(("outcome", "kind", "rule", "failure"), _COUNTS)),
        "sources": array(struct(_SOURCE | _CUT, optional=tuple(_CUT))),
        "opt_outs": _COUNTS,
        "media": struct(
            {
                "exif": TEXT,
                "faces": {"enum": ["keep", "blur"]},
                "respect": array(TEXT),
                **dict.fromkeys(_MEDIA_COUNTS, COUNT),
            },
            optional=("faces", "respect", *_MEDIA_COUNTS),
        ),
        "dedup": struct(_DEDUP, optional=tuple(_DEDUP_LATER)),
        "contamination": _nullable(_CONTAMINATION, True),
        "policy": _POLICY,
        "funnel": array(_FUNNEL),
        "scores": {"type": "object", "additionalProperties": struct({"before": _SPREAD, "after": _SPREAD})},
        "scorers": array(struct({"name": TEXT, "version": TEXT})),
        "tokenizer": _nullable(_TOKENIZER, True),
        "cot": struct(_COT, optional=tuple(n for n in _COT if n not in ("shards", "modes", "rejected"))),
        "difference": _nullable(_DIFFERENCE, True),
        "cost": _COST,
        "files": array(struct({"path": TEXT, "sha256": SHA256, "bytes": COUNT})),
    },
    optional=(
        "contamination",
        "cost",
        "difference",
        "media",
        "opt_outs",
        "scores",
        "version",
        *(name for name in _WRITTEN if name not in ("intended_use", "biases")),
    ),
)


def export(folder: Path) -> None:
    """Write ``NAME/v1.json`` for every contract."""
    for name, schema in all_schemas().items():
        target = folder / name / f"v{contracts.VERSION}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
