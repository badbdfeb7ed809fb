"""Columns that a recipe declares over its sources' metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from typer.testing import CliRunner

from dataengine.annotate.source_columns import read, typed
from dataengine.cli.main import app
from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.policy.annotated import known_columns
from dataengine.release.reader import open_release
from dataengine.testing import write_recipe

FIELDS = {"web": {"watermark": ("double", "pwatermark"), "n": ("integer", "n"), "lang": ("string", "lang")}}
MADE = pa.schema([("id", pa.string()), ("lang", pa.string()), ("n", pa.int64()), ("watermark", pa.float64())])


def occurrences(*rows: tuple[str, str, dict[str, Any] | None]) -> pa.Table:
    names = ("id", "source", "uri", "meta")
    return pa.table(
        {
            name: [(i, s, f"{n}", m and json.dumps(m))[names.index(name)] for n, (i, s, m) in enumerate(rows)]
            for name in names
        },
        schema=pa.schema([(name, pa.string()) for name in names]),
    )


@pytest.mark.parametrize(
    ("type_", "value", "read_as"),
    [
        ("double", 0.25, 0.25),
        ("double", "0.25", 0.25),
        ("double", 3, 3.0),
        ("double", "much", None),
        ("double", True, None),
        ("double", "nan", None),
        ("double", "1_0", None),
        ("integer", "1_0", None),
        ("double", [0.5], None),
        ("integer", 7, 7),
        ("integer", "7", 7),
        ("integer", 7.0, 7),
        ("integer", "7.0", 7),
        ("integer", 7.5, None),
        ("integer", 2**63, None),
        ("integer", "9" * 5000, None),
        ("integer", 1e300, None),
        ("string", "en", "en"),
        ("string", 5, "5"),
        ("string", {"a": 1}, None),
        ("string", "x" * 4001, None),
        ("boolean", True, True),
        ("boolean", "False", False),
        ("boolean", 1, True),
        ("boolean", 2, None),
        ("boolean", 0.0, None),
    ],
)
def test_a_value_fits_its_type_or_is_a_misfit(type_: Any, value: Any, read_as: Any) -> None:
    fields: Any = {"s": {"c": (type_, "field")}}
    of = {"double": pa.float64(), "integer": pa.int64(), "string": pa.string(), "boolean": pa.bool_()}[type_]
    rows = occurrences(("a", "s", {"field": value}))
    made = typed(fields, pa.schema([("id", pa.string()), ("c", of)]), rows).to_pylist()
    assert made == [{"id": "a", "c": read_as}]
    assert read(fields, rows)["fits"].to_pylist() == [read_as is not None]


def test_the_first_occurrence_that_says_something_stands() -> None:
    rows = occurrences(
        ("a", "web", {"pwatermark": "high", "lang": ""}),
        ("a", "web", {"pwatermark": 0.5, "lang": "de"}),
        ("a", "web", {"pwatermark": 0.7, "n": None}),
        ("b", "web", None),
        ("b", "elsewhere", {"n": 1}),
        ("c", "web", {"n": 1, "other": 2}),
    )
    assert sorted(typed(FIELDS, MADE, rows).to_pylist(), key=lambda row: row["id"]) == [
        {"id": "a", "lang": "de", "n": None, "watermark": 0.5},
        {"id": "c", "lang": None, "n": 1, "watermark": None},
    ]


def sources(**columns: Any) -> list[dict[str, Any]]:
    return [{"type": "table", "name": "rows", "path": "rows.jsonl", "columns": columns}]


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"width": "double"}, {}, "column `width` is there already"),
        ({"aesthetic": "float"}, {}, "columns"),
        ({"Aesthetic": "double"}, {}, "columns"),
        ({"score": "double"}, {"score": "string"}, "`score` is double in source `rows` and string in `more`"),
    ],
    ids=["a fact's name", "no type", "no name", "two types"],
)
def test_columns_that_cannot_be(tmp_path: Path, columns: Any, more: Any, message: str) -> None:
    second = [{"type": "table", "name": "more", "path": "more.jsonl", "columns": more}] if more else []
    recipe = write_recipe(tmp_path, sources=[*sources(**columns), *second])
    with pytest.raises(UsageError, match=message):
        known_columns(load(recipe))


@pytest.mark.slow
def test_a_policy_decides_over_what_sources_know(tmp_path: Path, photos: dict[str, Pixels]) -> None:
    """A column may be declared later: nothing is ingested again."""
    named = dict(zip("abcd", photos.values(), strict=False))
    for name, data in named.items():
        Image.fromarray(data).save(tmp_path / f"{name}.jpg")
    marks: dict[str, Any] = {"a": 0.1, "b": 0.9, "c": "unknown", "d": None}
    lines = [{"path": f"{name}.jpg", "pwatermark": marks[name], "lang": "en"} for name in named]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table: dict[str, Any] = {"type": "table", "name": "rows", "path": str(tmp_path / "rows.jsonl"), "buckets": 1}
    runner = CliRunner()
    plain = write_recipe(tmp_path, sources=[table])
    assert runner.invoke(app, ["ingest", str(plain)]).exit_code == 0
    typo = write_recipe(
        tmp_path, sources=[table | {"columns": {"watermark": {"field": "watermark_p", "type": "double"}}}]
    )
    refused = runner.invoke(app, ["ingest", str(typo)])
    assert refused.exit_code == 2 and "did you mean `pwatermark`" in refused.output
    columns = {"watermark": {"field": "pwatermark", "type": "double"}, "lang": "string"}
    rule = {"name": "marked", "keep": "watermark < 0.5 and lang = 'en'", "on_missing": "keep", "reason": "a watermark"}
    recipe = write_recipe(tmp_path, sources=[table | {"columns": columns}])
    (tmp_path / "policy.yaml").write_text(json.dumps({"name": "p", "version": "1", "rules": [rule]}))
    done = runner.invoke(app, ["run", str(recipe)])
    assert done.exit_code == 0, done.output
    release = tmp_path / "ws" / "releases" / "test"
    manifest = open_release(str(release)).manifest
    assert [(s.rule, s.dropped) for s in manifest.funnel] == [("marked", 1)]
    assert [(c.column, c.values, c.misfits) for c in manifest.source_columns] == [("watermark", 2, 1), ("lang", 4, 0)]
    assert "## Columns from sources" in (release / "README.md").read_text()
    assert "watermark" in manifest.scores
