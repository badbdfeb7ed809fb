"""A release whose samples are described by codes of aligned embeddings and thinned by a policy over balance columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataengine.config.recipe import load
from dataengine.export.codes import export
from dataengine.index.codes.text import to_text
from dataengine.pipeline import committed, execute
from dataengine.release.reader import open_release
from dataengine.shards.read import read_shard
from dataengine.testing import write_corpus, write_recipe
from dataengine.testing.in_process import InProcess
from dataengine.verify.verify import verify

pytestmark = pytest.mark.slow

INDEX = {
    "codes": {"levels": 2, "size": 4, "iterations": 5, "vq": {"items": 6, "nearest": 3}},
    "align": {"pairs": [{"derive": "crops"}], "epochs": 2, "device": "cpu", "held_out": 0.3},
    "balance": {"by": "codes", "depth": 1, "coverage": {"centres": 3}},
    "in_samples": True,
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("described")
    write_corpus(folder / "in", images=14, videos=1)
    path = write_recipe(folder, index=INDEX, tokenize=None, cot=None)
    (folder / "policy.yaml").write_text(
        "{name: balanced, version: '1', rules: [{name: cap, keep: 'cluster_rank <= 2', on_missing: drop, "
        "reason: enough of its cluster}]}"
    )
    recipe = load(path)
    execute(recipe, engine=InProcess(), accept=True)
    return folder, recipe


def test_samples_carry_codes_and_the_card_says_what_they_are(released: tuple[Path, Any]) -> None:
    folder, _ = released
    release = folder / "ws/releases/test"
    assert verify(str(release)).errors == []
    manifest = open_release(str(release)).manifest
    codes, balance, aligned = manifest.quantitative_codes, manifest.balance, manifest.alignment
    assert [level.size for level in codes.levels] == [4, 4] and codes.nearest == 3 and codes.in_samples
    assert codes.model.endswith(aligned.id) and aligned.fates["with vectors"] >= 10
    assert balance.before.samples == codes.samples and balance.after.samples <= 8 < balance.before.samples
    assert balance.after.largest <= balance.before.largest and balance.after.gini <= balance.before.gini + 1e-9
    card = (release / "README.md").read_text().replace("#### ", "## ")
    assert "## Quantitative codes" in card and "## Balance" in card and codes.id in card
    report = (release / "report.html").read_text()
    assert "Largest clusters" in report and report.count("<img") > 8
    croissant = json.loads((release / "croissant.json").read_text())
    assert "Residual k-means" in json.dumps(croissant)
    samples = [
        json.loads(fields["json"]) for shard in sorted(release.glob("shards/*.tar")) for _, fields in read_shard(shard)
    ]
    assert len(samples) == balance.after.samples
    for sample in samples:
        labels = {label["name"]: label["value"] for label in sample["labels"]}
        scores = sample["scores"]
        assert labels["semantic_id"] == to_text(sample["rq"]) and len(sample["vq"]) == 3
        assert scores["rq_1"] == sample["rq"][0] and scores["cluster_rank"] <= 2


def test_a_moved_rule_makes_no_codes_again_and_the_export_follows(released: tuple[Path, Any], tmp_path: Path) -> None:
    folder, recipe = released
    before = {name: record.digest for name, record in committed(recipe).records.items() if name.startswith("index.")}
    assert export(recipe, str(tmp_path / "two")).rows == open_release(str(folder / "ws/releases/test")).manifest.samples
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("<= 2", "<= 1"))
    reports = execute(recipe, engine=InProcess(), accept=True)
    assert all(r.state == "up to date" for r in reports if r.name.startswith("index."))
    after = {name: record.digest for name, record in committed(recipe).records.items() if name.startswith("index.")}
    assert after == before
    kept = export(recipe, str(tmp_path / "one")).rows
    exported = export(recipe, str(tmp_path / "all"), every=True)
    every = exported.rows
    assert 0 <= exported.quality["error"] < 1 and exported.quality["levels"][0]["used"] > 0
    table = pq.read_table(tmp_path / "all" / "codes.parquet")
    assert kept <= 4 and every == len(table) > kept and table.column_names == ["pid", "codes", "vq", "semantic_id"]
