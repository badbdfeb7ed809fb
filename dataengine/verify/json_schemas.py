"""Exports the contracts as JSON Schema (2020-12), for trainers in any language: ``python -m dataengine.verify.json_schemas DIR``.

They are made from the types that the code itself reads and writes by: Arrow schemas (``contracts.py``), msgspec Structs
(``shards/sample.py``, ``release/manifest.py``, ``sequence/formats/description.py``) and Pydantic models
(``cot/core/record.py``, ``config/recipe.py``). The files are never read at run time. A test fails where they differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe_schema import recipe_schema
from dataengine.cot.core.record import Record
from dataengine.release.manifest import Manifest
from dataengine.sequence.formats.description import SetDescription
from dataengine.shards.sample import SampleMetadata

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TEXT: Schema = {"type": "string"}


def all_schemas() -> dict[str, Schema]:
    """Every contract by name."""
    tables = {name: table(name, schema) for name, schema in contracts.TABLES.items()}
    return tables | {
        "sample": _of_struct("sample", SampleMetadata),
        "manifest": _of_struct("manifest", Manifest),
        "sequence_set": _of_struct("sequence_set", SetDescription),
        "recipe": recipe_schema(),
        "cot_record": _titled("cot_record", "The .json member of a CoT record.", Record.model_json_schema()),
    }


def table(name: str, schema: pa.Schema) -> Schema:
    """One row of a Parquet table as a JSON object."""
    fields = {f.name: _nullable(_type(f.type), f.nullable) for f in schema}
    return _titled(name, f"One row of a {name} table (Parquet), version {contracts.VERSION}.", struct(fields))


def struct(fields: Schema) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}


def _of_struct(name: str, type_: type[msgspec.Struct]) -> Schema:
    """Schema of a Struct, with those that it holds under ``$defs``."""
    _, schemas = msgspec.json.schema_components([type_])
    for schema in schemas.values():
        schema["description"] = " ".join(schema["description"].split()).replace("``", "`")
    own = schemas.pop(type_.__name__)
    return _titled(name, own["description"], {**own, "$defs": schemas})


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
        return {"type": "number"}
    if pa.types.is_binary(kind):
        return {"type": "string", "contentEncoding": "base64"}
    nested: Any = kind
    if pa.types.is_list(kind):
        return {"type": "array", "items": _type(nested.value_type)}
    if pa.types.is_struct(kind):
        return struct({f.name: _nullable(_type(f.type), f.nullable) for f in nested})
    raise TypeError(f"no JSON Schema for {kind}")


def export(folder: Path) -> None:
    """Write ``NAME/v1.json`` for every contract."""
    for name, schema in all_schemas().items():
        target = folder / name / f"v{contracts.VERSION}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
