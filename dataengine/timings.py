"""What the stages of a recipe have cost in this workspace: seconds and parts, kept beside the commits and never in them.

Two equal runs give equal commits, manifests and cards, and no two runs take equally long. So time is a log of its own,
``costs/RECIPE/STAGE.json``, that nothing is computed from. It adds up over runs, failed ones too; what a killed process
had spent on a stage is lost. Bytes are the same in equal runs, and are told by the manifest (``release/stage.py``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from dataengine.errors import DataEngineError
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical


@dataclass
class Cost:
    """Of one stage: wall ``seconds`` that runs have spent on it, the parts that they have made, and how often it was at work."""

    stage: str
    seconds: float = 0.0
    parts: int = 0
    runs: int = 0
    last: float = 0.0
    """Seconds of the latest of these runs."""


@contextmanager
def spent(store: Store, recipe: str, stage: str) -> Iterator[Cost]:
    """Adds the time within, and the parts that are counted into what it hands out. An error within is not hidden by one in
    keeping the account."""
    now, begun = Cost(stage), time.monotonic()
    try:
        yield now
    except BaseException:
        with suppress(DataEngineError):
            _add(store, recipe, now, time.monotonic() - begun)
        raise
    _add(store, recipe, now, time.monotonic() - begun)


def costs(store: Store, recipe: str) -> dict[str, Cost]:
    """What is known, by stage."""
    found = [_read(store, entry.key) for entry in store.list(f"costs/{recipe}")]
    return {cost.stage: cost for cost in found if cost is not None}


def _add(store: Store, recipe: str, now: Cost, seconds: float) -> None:
    key = f"costs/{recipe}/{now.stage}.json"
    before = _read(store, key) or Cost(now.stage)
    total = Cost(
        now.stage, round(before.seconds + seconds, 3), before.parts + now.parts, before.runs + 1, round(seconds, 3)
    )
    store.put(key, canonical(asdict(total)))


def _read(store: Store, key: str) -> Cost | None:
    """None where there is nothing, or what is there is no account: it is begun anew."""
    try:
        return Cost(**json.loads(store.get(key)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
