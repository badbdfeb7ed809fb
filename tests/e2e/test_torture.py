"""Hostile inputs of every kind, through all stages: each has the outcome that ``dataengine.testing.torture`` expects."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pyarrow.parquet as pq

import dataengine
from dataengine.testing import InProcess, torture
from dataengine.verify.verify import verify

_SPEC = importlib.util.spec_from_file_location("torture", Path(__file__).parents[2] / "benchmarks" / "torture.py")
assert _SPEC is not None and _SPEC.loader is not None
command = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(command)


def test_each_hostile_input_has_its_outcome_and_nothing_ends_the_run(tmp_path: Path) -> None:
    expected = torture(tmp_path / "corpus", seed=1)
    assert len(expected) > 200 and len({(e.source, e.input) for e in expected}) == len(expected)
    dataengine.run(tmp_path / "corpus" / "recipe.yaml", record_engine=InProcess())
    release = tmp_path / "corpus" / "ws" / "releases" / "torture"
    ledger = pq.read_table(release / "ledger.parquet").to_pylist()
    texts = command.captions(tmp_path / "corpus" / "ws")
    wrong = [row for row in command.outcomes(expected, ledger, texts) if row[4] != "yes"]
    assert wrong == []
    assert verify(str(release)).errors == []


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    assert torture(tmp_path / "a", seed=7) == torture(tmp_path / "b", seed=7)
    one, other = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.name not in ("recipe.yaml", "expected.json")
        }
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert one == other and len(one) > 150
