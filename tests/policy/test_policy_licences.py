"""The rule over licences that docs/compliance.md shows, as it stands there, on both engines."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dataengine.contracts import UNIQUE
from dataengine.policy.decide import decide
from dataengine.policy.load import load
from dataengine.table_engine import TableEngine

PAGE = Path(__file__).parents[2] / "docs" / "compliance.md"
LICENCES = {"a": "cc0-1.0", "b": "cc-by-4.0", "c": "CC-BY-4.0", "d": "cc-by-4.0 ", "e": None, "f": "", "g": "© Müller"}


@pytest.mark.parametrize("name", ["duck", "spark"])
def test_the_example_of_the_page(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    [rule] = [line for line in PAGE.read_text().splitlines() if "license in" in line]
    path = tmp_path / "policy.yaml"
    path.write_text(f"name: free\nversion: 1\nrules:\n{rule}\n")
    policy = load(path, {field.name: field.type for field in UNIQUE})
    table = pa.table({"id": list(LICENCES), "license": list(LICENCES.values())})
    decided = decide(engine, policy, "t", {"t": engine.frame(table)})
    rows = engine.collect(decided.decisions).sort_by("id").to_pylist()
    assert [row["id"] for row in rows if row["kept"]] == ["a", "b"], (
        "as it is written, and none is none that is allowed"
    )
    assert {row["id"]: row["value"] for row in rows if not row["kept"]} == {k: LICENCES[k] for k in "cdefg"}
    assert (decided.funnel[0].entering, decided.funnel[0].dropped) == (7, 5)
