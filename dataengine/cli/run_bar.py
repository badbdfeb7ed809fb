"""How far a whole run is, and how long it may still take: the arithmetic of the bar over all of its stages.

Stages that read media weigh as much as the media that they are to read: bytes, and seconds of video as so many bytes
(samples/load.py). The plan knows that of a stage once its turn comes; until then a stage counts as the last one did whose plan is
known. All others (tables, fits, shards, text), whose work nobody knows in advance, share a fifth of the bar, in equal parts. What
was up to date before the run is no part of it. Where a killed run or an earlier batch has made parts of a stage, nobody knows how
many the next stages are to make: then the time left is told once the last of them begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dataengine.progress import PartReport, RunReport, StageReport

#: Share of the bar of all stages without a known load, where others have one.
UNKNOWN = 0.2
#: Of the bar, and seconds, before which the rate of a run is not known.
_LEAST, _SECONDS = 0.02, 5.0


class RunBar:
    """The share of a run that is done, and its time left at the rate of this run so far."""

    def __init__(self, run: RunReport, clock: Callable[[], float] = time.monotonic) -> None:
        self._stages, self._media = list(run.stages), run.media
        self._loads: dict[str, float] = {}
        self._pending: dict[str, int] = {}
        self._done: dict[str, float] = {}
        """Shares of the stages that have begun, 0 to 1."""
        self._expected = 0.0
        """Load of a stage that reads media and has not begun; 0 where none has."""
        self._resumed = False
        """Whether that is of a stage of which parts were there before the run."""
        self._shown = 0.0
        self._clock, self._since = clock, clock()

    def loaded(self, stage: str, load: float) -> None:
        """The load of the parts that a stage is to make, before it starts; 0 where it is not known."""
        self._loads[stage] = load
        self._expected = load or self._expected

    def start(self, stage: str, pending: int, made: int = 0) -> None:
        """A stage with so many parts to make, beside those ``made`` before, begins; one without any is no part of the bar, nor
        are those before it that did not begin."""
        if stage not in self._stages:
            return
        if not self._done:
            self._since = self._clock()
        at = self._stages.index(stage)
        self._stages = [*(s for s in self._stages[:at] if s in self._done), *self._stages[at:]]
        if stage in self._media:
            self._resumed = made > 0
        if pending:
            self._pending[stage], self._done[stage] = pending, 0.0
        else:
            self._stages.remove(stage)

    def advance(self, part: PartReport) -> None:
        """A part was made."""
        if part.stage in self._done:
            load = self._loads.get(part.stage, 0.0)
            more = part.load / load if load else 1 / max(1, self._pending[part.stage])
            self._done[part.stage] = min(1.0, self._done[part.stage] + more)

    def end(self, report: StageReport) -> None:
        """A stage is done, or had nothing to do."""
        if report.name in self._done:
            self._done[report.name] = 1.0
        elif report.name in self._stages:
            self._stages.remove(report.name)

    @property
    def share(self) -> float:
        """Done, 0 to 1; it never falls, although the loads of later stages become known on the way."""
        self._shown = max(self._shown, self._share())
        return self._shown

    @property
    def left(self) -> float | None:
        """Seconds at the rate of this run so far; None until that is known."""
        elapsed, share = self._clock() - self._since, self.share
        ahead = any(s in self._media for s in self._stages if s not in self._done)
        if share < _LEAST or elapsed < _SECONDS or (ahead and (self._resumed or not self._expected)):
            return None
        return elapsed * (1 - share) / share

    def words(self) -> str:
        """``43 %, about 2 min left``."""
        if self.share >= 1:
            return "100 %"
        left = self.left
        return f"{100 * self.share:.0f} %, {'—' if left is None else f'about {duration(left)}'} left"

    def _share(self) -> float:
        loads = {stage: self._load(stage) for stage in self._stages}
        sized = [stage for stage, load in loads.items() if load]
        others = [stage for stage, load in loads.items() if not load]
        media = _mean([(self._done.get(stage, 0.0), loads[stage]) for stage in sized])
        rest = _mean([(self._done.get(stage, 0.0), 1.0) for stage in others])
        if not sized or not others:
            return media if sized else rest
        return (1 - UNKNOWN) * media + UNKNOWN * rest

    def _load(self, stage: str) -> float:
        if stage not in self._media:
            return 0.0
        return self._loads.get(stage, 0.0) if stage in self._done else self._expected


def _mean(weighted: list[tuple[float, float]]) -> float:
    total = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / total if total else 0.0


def duration(seconds: float) -> str:
    """Rounded, as one says it: ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
