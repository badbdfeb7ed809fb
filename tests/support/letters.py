"""Two small stages for test_pipeline: importable by Ray's workers."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataengine.config.recipe import Recipe
from dataengine.errors import RunError
from dataengine.stage import Part, RecordStage, Run, Stage, TableStage, Worker
from dataengine.storage.workspace import File, Output, Workspace, digest


def recipe(workspace: Path, workers: int = 2) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "letters",
            "workspace": str(workspace),
            "workers": workers,
            "sources": [{"type": "folder", "name": "s", "path": "."}],
            "filter": {"policy": "p"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )


@dataclass
class CountWorker:
    workspace: Workspace
    seconds: float

    def setup(self) -> None:
        self.ready = True

    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        time.sleep(self.seconds)
        root = Path(self.workspace.store.url)
        while (root / "hold").exists() and len(list((root / "pids").glob("*"))) >= 3:
            time.sleep(0.02)  # after three parts, until told otherwise
        (root / "pids").mkdir(exist_ok=True)
        (root / "pids" / part.name).write_text(str(os.getpid()))
        if (root / "torch").exists():
            import torch  # noqa: F401
        if (root / "die" / part.spec).exists():
            (root / "die" / part.spec).unlink()
            os.kill(os.getpid(), 9)
        if (root / "fail" / part.spec).exists():
            raise RunError(f"{part.name} cannot be made")
        data = part.spec.encode()
        key = f"letters/{part.name}-{part.key}"
        return Output({"letter": File(key, self.workspace.store.put(key, data), len(data))}, {"letters": 1})


class Count(RecordStage):
    name = "count"
    version = "1"

    def __init__(self, text: str, seconds: float) -> None:
        self.text, self.seconds = text, seconds

    def key(self, run: Run) -> str:
        return digest(super().key(run), self.text)

    def plan(self, run: Run) -> list[Part]:
        return [Part(f"part-{c}", digest(c), c) for c in self.text]

    def worker(self, run: Run) -> Worker:
        return CountWorker(run.workspace, self.seconds)


class Again(Count):
    """The same work, after what ``needs`` says."""

    name = "again"
    needs = ("sum",)

    def plan(self, run: Run) -> list[Part]:
        return [Part(f"again-{c}", digest(c), c) for c in self.text]


class Sum(TableStage):
    name = "sum"
    version = "1"
    needs = ("count",)

    def compute(self, run: Run, key: str) -> Output:
        root = Path(run.workspace.store.url)
        if (root / "kill").exists():
            for pid in {path.read_text() for path in (root / "pids").iterdir()}:
                os.kill(int(pid), 9)
        return Output(counts=run.records["count"].counts)


def plan(text: str, seconds: float = 0.0) -> Sequence[Stage]:
    return [Count(text, seconds), Sum()]


class Unreadable(CountWorker):
    """Cannot be unpickled where the work is done."""

    def __setstate__(self, state: object) -> None:
        raise ValueError("another version of this class")


class Foreign(Count):
    name = "foreign"

    def worker(self, run: Run) -> Worker:
        return Unreadable(run.workspace, 0)
