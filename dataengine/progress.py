"""What a run reports while it goes on: the run, its stages and their parts, and the interface of whatever shows or keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataengine.storage.workspace import Record
    from dataengine.timings import Work


@dataclass(frozen=True)
class RunReport:
    """A run that begins: its id, which processes of one scheduled run share, and the names of its stages in their order;
    ``media``: of those that read media, whose parts have a load."""

    run: str
    recipe: str
    workspace: str
    stages: tuple[str, ...]
    media: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Origin:
    """What a stage's result is named by. ``record``: key of its commit; ``settings``: digest of the part of the recipe that
    changes it; ``needs``: digests of the results that it is made from."""

    key: str
    record: str
    version: str
    settings: str
    needs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartReport:
    """A part that was made in this run: its counts, the bytes of its files, what making it took, and its load (``Part.load``)."""

    stage: str
    part: str
    counts: dict[str, int]
    bytes: int
    work: Work
    load: float = 0.0


@dataclass
class StageReport:
    """Outcome of one stage. ``state``: up to date, done, partly done (a share of its parts, not committed), pending, waiting (for
    an earlier stage)."""

    name: str
    state: str
    parts: int = 0
    made: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    note: str = ""
    """What a person should know of it."""
    origin: Origin | None = None
    """None where an earlier stage must run first."""
    record: Record | None = None
    """The commit, of a stage that is done or up to date."""


class Reporter(Protocol):
    """Receives the progress of a run; ``tick`` comes every few seconds while parts are made. What it raises ends the run."""

    def begin(self, run: RunReport) -> None: ...
    def loaded(self, stage: str, load: float) -> None:
        """Before a stage that reads media starts: the load of the parts that are to be made, 0 where it is not known."""
        ...

    def start(self, stage: str, parts: int, pending: int) -> None: ...
    def advance(self, part: PartReport) -> None: ...
    def note(self, stage: str, text: str) -> None: ...
    def tick(self) -> None: ...
    def end(self, report: StageReport) -> None: ...
    def finish(self, error: BaseException | None) -> None: ...


class Silent:
    """A Reporter that shows nothing; base of those that need some of its calls only."""

    def begin(self, run: RunReport) -> None: ...
    def loaded(self, stage: str, load: float) -> None: ...
    def start(self, stage: str, parts: int, pending: int) -> None: ...
    def advance(self, part: PartReport) -> None: ...
    def note(self, stage: str, text: str) -> None: ...
    def tick(self) -> None: ...
    def end(self, report: StageReport) -> None: ...
    def finish(self, error: BaseException | None) -> None: ...


@dataclass(frozen=True)
class Together:
    """A Reporter that hands everything to several, in their order."""

    reporters: Sequence[Reporter]

    def begin(self, run: RunReport) -> None:
        for one in self.reporters:
            one.begin(run)

    def loaded(self, stage: str, load: float) -> None:
        for one in self.reporters:
            one.loaded(stage, load)

    def start(self, stage: str, parts: int, pending: int) -> None:
        for one in self.reporters:
            one.start(stage, parts, pending)

    def advance(self, part: PartReport) -> None:
        for one in self.reporters:
            one.advance(part)

    def note(self, stage: str, text: str) -> None:
        for one in self.reporters:
            one.note(stage, text)

    def tick(self) -> None:
        for one in self.reporters:
            one.tick()

    def end(self, report: StageReport) -> None:
        for one in self.reporters:
            one.end(report)

    def finish(self, error: BaseException | None) -> None:
        for one in self.reporters:
            one.finish(error)


def exit_code(error: BaseException | None) -> int:
    """What a command exits with that ends with ``error``."""
    if error is None:
        return 0
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return int(getattr(error, "exit_code", 130 if isinstance(error, KeyboardInterrupt) else 1))


@contextmanager
def reported(reporter: Reporter, run: RunReport) -> Iterator[None]:
    """Reports that ``run`` begins, and how it ends."""
    reporter.begin(run)
    try:
        yield
    except BaseException as error:
        reporter.finish(error)
        raise
    reporter.finish(None)
