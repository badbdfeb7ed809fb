"""schemas/ is what the code says, its examples are what they claim, and real output holds to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from dataengine.verify import json_schemas

ROOT = Path(__file__).parents[2] / "schemas"
NAMES = sorted(json_schemas.all_schemas())


def validate(name: str, value: Any) -> None:
    Draft202012Validator(json_schemas.all_schemas()[name]).validate(value)


def test_the_files_are_the_export(tmp_path: Path) -> None:
    json_schemas.export(tmp_path)
    made = {p.relative_to(tmp_path): p.read_text() for p in tmp_path.rglob("*.json")}
    kept = {p.relative_to(ROOT): p.read_text() for p in ROOT.glob("*/v*.json")}
    assert made == kept, "run `make schemas`; a change that breaks a reader needs a new version"


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_one_and_has_examples(name: str) -> None:
    Draft202012Validator.check_schema(json_schemas.all_schemas()[name])
    valid, invalid = (sorted((ROOT / name / "examples" / kind).glob("*.json")) for kind in ("valid", "invalid"))
    assert valid and invalid
    for path in valid:
        validate(name, json.loads(path.read_text()))
    for path in invalid:
        with pytest.raises(ValidationError):
            validate(name, json.loads(path.read_text()))
