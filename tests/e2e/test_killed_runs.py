"""Invariants 3 and 4 under failure: whenever and however a run ends, the next one goes on to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.small_corpus import POLICY, Setup, digests, kill_session, manifest

from dataengine.config import recipe
from dataengine.pipeline import execute
from dataengine.storage.store import Store
from dataengine.testing import InProcess

RULES = POLICY["rules"]
LOOSER = {**POLICY, "rules": [RULES[0], {**RULES[1], "keep": "blur >= 1"}]}  # type: ignore[index, dict-item]


def _committed(workspace: str, stage: str) -> bool:
    return any(Path(workspace, "stages", stage).glob("*.json"))


def _parts(workspace: str, stage: str) -> dict[str, int]:
    """When each finished part of a stage (of all, by ``*``) was committed."""
    stages = Path(workspace, "stages")
    return {str(p): p.stat().st_mtime_ns for p in stages.glob(f"{stage}/parts/**/*.json")}


def _killed(setup: Setup, reached: Callable[[], bool], after: float) -> None:
    """SIGKILL to a run and all its processes, so many seconds after a point is reached."""
    process = setup.start("--workers", "2")
    while not reached():
        assert process.poll() is None, "ended before the point was reached"
        time.sleep(0.005)
    time.sleep(after)
    kill_session(process)
    assert process.returncode == -signal.SIGKILL


#: After which share of a stage's parts: inside record stages, and in the table stage that follows. What writes into the
#: release is killed below.
POINTS = (("ingest", 0.4), ("ingest", 1.0), ("cot.paths", 0.5))


def test_killed_at_every_kind_of_stage_it_resumes_to_the_same_bytes(base: Setup, tmp_path: Path) -> None:
    """SIGKILL to the whole run, again and again; only parts in flight are repeated."""
    rng = random.Random(20_240_607)
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    seen: dict[str, int] = {}
    halves = 0
    for stage, share in POINTS:
        count = max(1, int(share * len(_parts(base.workspace, stage))))

        def reached(stage: str = stage, share: float = share, count: int = count) -> bool:
            done = _committed(setup.workspace, stage)
            return done if share == 1.0 else done or len(_parts(setup.workspace, stage)) >= count

        _killed(setup, reached, rng.uniform(0, 0.1))
        assert not (setup.release / "manifest.json").exists() or _committed(setup.workspace, "release")
        halves += not _committed(setup.workspace, stage)
        marked = _parts(setup.workspace, "*")
        assert {k: marked[k] for k in seen} == seen, "a finished part was made again"
        seen = marked
    assert halves >= 1, "some kills must fall inside a stage"
    setup.run()
    after = _parts(setup.workspace, "*")
    assert {k: after[k] for k in seen} == seen, "a finished part was made again"
    assert digests(setup.release) == digests(base.release)


class Crash(BaseException):
    """The process is no more."""


def _crash_at(patch: pytest.MonkeyPatch, write: int) -> None:
    """No write reaches a store any more from the ``write``-th on, which itself does if it is even."""
    left = write

    def failing(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Store, *arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left > 0:
                return original(self, *arguments)
            if left == 0 and write % 2 == 0:
                original(self, *arguments)
            raise Crash(arguments)

        return call

    for name in ("put", "move"):
        patch.setattr(Store, name, failing(getattr(Store, name)))


def test_crashed_at_any_write_it_resumes_to_the_same_bytes(base: Setup, tmp_path: Path) -> None:
    """Between any two of its writes a run may end, in every stage; nothing finished is made again, and no manifest is there
    before the release is."""
    rng = random.Random(7)
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    told = recipe.load(str(setup.recipe))
    seen: dict[str, int] = {}
    stages: set[str] = set()
    crashes = 0
    while not _committed(setup.workspace, "release"):
        assert crashes < 100, "it does not come further"
        with pytest.MonkeyPatch.context() as patch:
            _crash_at(patch, rng.randint(2, 9 + crashes))  # in the end also past a table of many files
            try:
                execute(told, engine=InProcess())
            except Crash:
                crashes += 1
        marked = _parts(setup.workspace, "*")
        assert {k: marked[k] for k in seen} == seen, "a finished part was made again"
        stages |= {Path(k).relative_to(setup.workspace).parts[1] for k in marked.keys() - seen.keys()}
        seen = marked
        assert not (setup.release / "manifest.json").exists() or stages >= {"cot.write"}
    assert crashes >= 12 and stages >= {"ingest", "score", "tokenize.encode", "shard.write", "cot.paths", "cot.write"}
    execute(told, engine=InProcess())
    assert digests(setup.release) == digests(base.release)


def test_while_shards_are_made_the_release_is_the_old_one(base: Setup, copy: Setup) -> None:
    """Invariants 4 and 10: no reader sees half a release, and a killed run leaves the whole old one."""
    copy.write(LOOSER)
    process = copy.start()
    staging = Path(copy.workspace, "staging")
    while not any(name.endswith(".tar") for _, _, names in os.walk(staging) for name in names):
        assert process.poll() is None
        time.sleep(0.002)
    kill_session(process)
    assert digests(copy.release) == digests(base.release)
    copy.run()
    assert not list(staging.rglob("*.*"))
    told = manifest(copy.release)
    assert {f["path"]: f["sha256"] for f in told["files"]} == {
        k: v for k, v in digests(copy.release).items() if k != "manifest.json"
    }
