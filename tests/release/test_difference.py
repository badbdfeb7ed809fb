"""What has changed since an earlier release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.command import dataengine

from dataengine.contracts import LEDGER
from dataengine.release.difference import difference
from dataengine.release.reader import open_release
from dataengine.table_engine import TableEngine


@pytest.mark.parametrize("name", ["duck", "spark"])
def test_samples_that_went_have_a_reason(small: Path, name: str, request: pytest.FixtureRequest) -> None:
    engine: TableEngine = request.getfixturevalue(name)
    rows = pq.read_table(small / "ledger.parquet").to_pylist()
    kept = [r for r in rows if r["outcome"] == "kept"]
    kept[0].update(outcome="filtered", rule="side")
    kept[1].update(outcome="duplicate", kind="perceptual")
    changed = [r for r in rows if r is not kept[2]]
    changed.append({**kept[3], "input_id": "new", "id": "f" * 32, "outcome": "kept"})
    told = difference(engine, engine.frame(pa.Table.from_pylist(changed, LEDGER)), open_release(str(small)))
    assert (told.added, told.removed, told.same) == (1, 3, len(kept) - 3)
    assert told.removed_because == {"absent": 1, "duplicate: perceptual": 1, "filtered: side": 1}


def test_a_recipe_names_the_release_before(workspace: Path, small: Path, tmp_path: Path) -> None:
    [recipe] = [p for p in small.parents[2].glob("*.yaml") if "sources" in p.read_text()]
    told = yaml.safe_load(recipe.read_text())
    told["name"] = "next"
    told["release"]["previous"] = str(small)
    (tmp_path / "next.yaml").write_text(yaml.safe_dump(told))
    ws = Path(shutil.copytree(workspace, tmp_path / "ws"))
    dataengine("run", str(tmp_path / "next.yaml"), "--workspace", str(ws))
    release = ws / "releases" / "next"
    found = json.loads((release / "manifest.json").read_bytes())["difference"]
    assert found["removed"] == found["added"] == 0 and found["same"] > 3
    assert "## Changes" in (release / "README.md").read_text()
    told["release"]["previous"] = str(tmp_path / "nowhere")
    (tmp_path / "next.yaml").write_text(yaml.safe_dump(told))
    done = dataengine("run", str(tmp_path / "next.yaml"), "--workspace", str(ws), ok=False)
    assert done.returncode == 2 and "nowhere" in done.stderr
    told["release"]["previous"] = str(release)
    (tmp_path / "next.yaml").write_text(yaml.safe_dump(told))
    done = dataengine("run", str(tmp_path / "next.yaml"), "--workspace", str(ws), ok=False)
    assert done.returncode == 2 and "is this release itself" in done.stderr and (release / "manifest.json").exists()
