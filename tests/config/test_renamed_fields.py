"""Every field that had another name answers to the old one with the new."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataengine.config import contamination, cot, recipe, sources
from dataengine.config.model_server import ModelServerConfig
from dataengine.config.sources import Model
from dataengine.errors import UsageError

BASE: dict[str, Any] = {
    "name": "r",
    "workspace": "w",
    "filter": {"policy": "p.yaml"},
    "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
}
FOLDER = {"type": "folder", "name": "photos", "path": "p"}
MODEL = {"type": "openai", "model": "m", "endpoint": "http://localhost/v1"}
BENCHMARKS = [{"type": "folder", "name": "b", "path": "p"}]


def preset(**fields: Any) -> dict[str, Any]:
    return {"contamination": {"benchmarks": BENCHMARKS, "presets": [fields]}}


#: A recipe's top-level fields with a block of each model that has renamed fields, by one field and its value.
PLACES: dict[type[Model], Any] = {
    sources.ClipsConfig: lambda field: {"sources": [FOLDER | {"clips": field}]},
    sources.FacesConfig: lambda field: {"media": {"faces": field}},
    sources.HttpConfig: lambda field: {"sources": [FOLDER | {"type": "urls", "http": field}]},
    recipe.SemanticConfig: lambda field: {"dedup": {"semantic": field}},
    recipe.DedupConfig: lambda field: {"dedup": field},
    contamination.KeyePosttrain: lambda field: preset(name="keye_posttrain", **field),
    contamination.NgramPreset: lambda field: preset(name="ngram", **field),
    recipe.MediaConfig: lambda field: {"media": field},
    ModelServerConfig: lambda field: {"cot": {"judge": MODEL | field}},
    cot.ProgrammaticTeacher: lambda field: {"cot": {"teachers": [{"type": "programmatic"} | field]}},
    cot.ReviewConfig: lambda field: {"cot": {"review": field}},
    cot.ConfidenceConfig: lambda field: {"cot": {"confidence": field}},
    cot.QuestionsConfig: lambda field: {"cot": {"questions": field}},
    cot.CotConfig: lambda field: {"cot": field},
}


def models(base: type[Model] = Model) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        yield model
        yield from models(model)


RENAMED = [(model, old, new) for model in models() for old, new in vars(model).get("renamed", {}).items()]


def test_the_table_is_whole() -> None:
    assert RENAMED and {model for model, _, _ in RENAMED} == PLACES.keys()
    wrong = [
        (model, old, new) for model, old, new in RENAMED if new not in model.model_fields or old in model.model_fields
    ]
    assert not wrong, "an old name leads to a field that there is, and is none itself"


@pytest.mark.parametrize(("model", "old", "new"), RENAMED, ids=lambda part: getattr(part, "__name__", part))
def test_an_old_name_is_answered_by_the_new_one_with_file_and_line(
    tmp_path: Path, model: type[Model], old: str, new: str
) -> None:
    path = tmp_path / "r.yaml"
    text = yaml.safe_dump({**BASE, "sources": [FOLDER], **PLACES[model]({old: 1})}, default_flow_style=False)
    path.write_text(text)
    [line] = [n for n, written in enumerate(text.splitlines(), 1) if re.fullmatch(rf"[\s-]*{old}: 1", written)]
    with pytest.raises(UsageError, match=rf"r\.yaml:{line}: unknown field `[\w.\[\]]*{old}`; did you mean `{new}`\?"):
        recipe.load(path)
