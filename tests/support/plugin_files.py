"""Plugin files of tests: a scorer whose body is given, and runs with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dataengine.config.recipe import Recipe, load
from dataengine.testing import write_corpus, write_recipe

_SCORER = """
import numpy as np
import pyarrow as pa
from dataengine.errors import InputError

class Level:
    name = "level"
    version = "1"
    fields = [pa.field("level", pa.float64())]
    frames = 2
    min_side = 64

    def __init__(self, *, gain=1.0):
        self.gain = gain

    def validate(self):
        pass

    def setup(self, device, threads):
        pass

    def prepare(self, frames):
        return float(np.mean(frames[0]))

    def score(self, prepared, captions):
        return {"level": [self.gain * value for value in prepared]}
"""
LIST = "\nSCORERS = [Level]\n"


def level(changes: str = "", listed: str = LIST) -> str:
    """The source of a plugin with the scorer ``level``; ``changes``: methods or attributes in place of its own."""
    return f"{_SCORER}\n{changes}{listed}"


def with_plugin(folder: Path, source: str, options: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    """A recipe over ``folder/in`` whose scorers are ``technical`` and ``level`` of a plugin, with a rule over its column."""
    (folder / "level.py").write_text(source)
    if not (folder / "in").exists():
        write_corpus(folder / "in", images=1)
    scorers = [{"name": "technical"}, {"name": "level", **(options or {})}]
    blocks = {
        "plugins": [str(folder / "level.py")],
        "score": {"scorers": scorers, "device": "cpu"},
        **changes,
    }
    path = write_recipe(folder, **blocks)
    rule = {"name": "dark", "keep": "level >= 100", "on_missing": "drop", "reason": "too dark"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "level", "version": "1", "rules": [rule]}))
    return load(path)
