"""Every record stage is planned by parts: its plan is as large for ten times the samples in the same media tars."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import pytest

from dataengine.catalog import STAGES
from dataengine.index.vectors_stage import IndexVectors
from dataengine.ingest.listing_stage import ListingStage
from dataengine.samples.locate import Located
from dataengine.stage import RecordStage

_TARS = 5
RECORD_STAGES = [s for s in STAGES if isinstance(s, RecordStage) and not isinstance(s, ListingStage)]
#: The items of a benchmark list are no samples, a tokenizer that is named reads none, one of a plugin what `product` reads;
#: sequences are planned by tars and files of texts (tests/sequence), and no recipe here has captions by models.
_WITHOUT = ("ContaminationEmbed", "TokenizerGiven", "PluginFit", "Recaption", "CaptionQuality")
STAGES_OF_SAMPLES = [
    s
    for s in RECORD_STAGES
    if type(s).__name__ not in _WITHOUT
    and (isinstance(s, IndexVectors) or not s.name.startswith(("index.", "release.index", "sequence.")))
]


@pytest.fixture(scope="module")
def plan() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        yield importlib.import_module("plan")


@pytest.fixture(scope="module")
def made(plan: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Tables of few and of many samples, in the same tars."""
    folders = {}
    for rows in (1500, 6000):
        folders[rows] = tmp_path_factory.mktemp(f"rows-{rows}")
        plan.make(folders[rows], rows, _TARS)
    return folders


@pytest.mark.parametrize("stage", STAGES_OF_SAMPLES, ids=lambda stage: f"{stage.name} {type(stage).__name__}")
def test_a_plan_does_not_grow_with_its_samples(
    plan: Any, made: dict[int, Path], stage: RecordStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Located, "__init__", None)  # no sample becomes an object
    sizes = []
    for folder in made.values():
        recipe = next(r for r in plan.recipes(folder, "duckdb") if stage.active(r))
        run = plan.opened(folder, recipe)
        parts = plan.plan(run, stage)
        sizes.append((len(parts), len(pickle.dumps(parts))))
        run.close()
    [(few_parts, few_bytes), (many_parts, many_bytes)] = sizes
    assert few_parts == many_parts > 0
    assert many_bytes < 1.1 * few_bytes, sizes


def test_the_benchmark_plans_every_stage_that_reads_samples(plan: Any, tmp_path: Path) -> None:
    """A checkpoint from elsewhere reads no samples, a plugin's tokenizer those of `product`; annotations are planned as text in
    pictures is, captions by files of a table stage, one a tar, sequences by tars and files of texts."""
    recipes = plan.recipes(tmp_path, "duckdb")
    left_out = {type(s).__name__ for s in plan.planned() if not any(s.active(recipe) for recipe in recipes)}
    assert left_out - {
        name for name in left_out if name.startswith(("Annotate", "Caption", "Recaption", "Sequence"))
    } == {"TokenizerGiven", "PluginFit"}
