"""Sessions over the made-up workspace that the benchmark of browsing uses."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine
from dataengine.stage import Run


def corpus() -> Any:
    """The module ``browse_corpus`` of the benchmarks."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("browse_corpus")


def session_of(run: Run, place: str = "made.yaml") -> Session:
    """A session over the commits of a run; without its release's manifest."""
    engine = ViewEngine(threads=1)
    browsed = Run(run.recipe, engine.table_engine)
    browsed.records = dict(run.records)
    return Session(engine, browsed, place=place)
