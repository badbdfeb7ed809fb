"""A release whose samples are described by codes of aligned embeddings and thinned by a policy over balance columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataengine.config.recipe import load
from dataengine.errors import UsageError
from dataengine.export.codes import export
from dataengine.index.codes.text import to_text
from dataengine.pipeline import committed, execute, stages
from dataengine.release.reader import open_release
from dataengine.sequence.formats.reader import open_set
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
SEQUENCE = {
    "tokenizer": {"vocab_size": 600},
    "sources": [
        {"type": "samples", "name": "named", "semantic_ids": "after"},
        {"type": "samples", "name": "found", "order": "text_image", "semantic_ids": "before", "loss": {"text": False}},
    ],
    "sets": [{"name": "ids", "layout": "qwen-vl", "length": 2048}],
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("described")
    write_corpus(folder / "in", images=14, videos=1)
    path = write_recipe(folder, index=INDEX, sequence=SEQUENCE, tokenize=None, cot=None)
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


def test_sequences_have_the_codes_of_each_sample_as_tokens(released: tuple[Path, Any]) -> None:
    release = released[0] / "ws/releases/test"
    codes = {
        sample["id"]: sample["rq"]
        for shard in sorted(release.glob("shards/*train*.tar"))
        for sample in (json.loads(fields["json"]) for _, fields in read_shard(shard))
    }
    found = open_set(str(release / "sequences/ids/webdataset"))
    names = {id_: name for name, id_ in found.about.special.items()}
    assert len({*names} & {*range(found.about.first_code)}) == len(names) >= 2 + 2 * 4
    seen = []
    for sequence in found:
        for span, tokens in sequence.pieces():
            words = [names.get(int(token), "") for token in tokens]
            begin = words.index("<|sid_begin|>")
            end = begin + 4
            assert "".join(words[begin:end]) == to_text(codes[span.id]), span
            targets = sequence.loss_mask[span.start : span.stop][begin:end]
            assert begin == 0 or (end == len(words) - 1 and targets.all()), "before all of it, or after"
            seen.append((span.id, begin == 0))
            assert begin or not targets.any()
    assert sorted(seen) == sorted((id_, before) for id_ in codes for before in (True, False))


def test_semantic_ids_need_codes_in_the_samples(tmp_path: Path) -> None:
    def refused(**index: Any) -> str:
        loaded = load(write_recipe(tmp_path, index={"codes": None, **index}, sequence=SEQUENCE))
        with pytest.raises(UsageError) as error:
            stages(loaded)
        return str(error.value)

    write_corpus(tmp_path / "in", images=1, videos=0)
    assert "source named: `semantic_ids` needs `index.codes`" in refused()
    assert "set `index.in_samples: true`" in refused(codes={"levels": 2, "size": 4})


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
