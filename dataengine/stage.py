"""What a stage is: what it needs, what its result depends on, and how to make it. Stages know no engine.

A *record stage* is a list of parts, each made by a worker that may sit on another machine; a *table stage* is one
computation over columns. Either is named by the key of everything that it depends on, and committed by one object
written last; a stage whose commit exists is up to date.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from dataengine.config.lock import LockFile
from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.storage.release_folder import ReleaseFolder
from dataengine.storage.workspace import Output, Record, Workspace, digest

if TYPE_CHECKING:
    from dataengine.storage.store import Store
    from dataengine.table_engine import Frame, TableEngine
    from dataengine.timings import Work


@dataclass(frozen=True)
class Part:
    """A unit of work: ``name`` says what is in it, ``key`` all it depends on, ``load`` what it reads (samples/load.py)."""

    name: str
    key: str
    spec: Any = field(repr=False, default=None)
    load: float = field(repr=False, compare=False, default=0.0)


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage occupies."""

    cpus: float = 1.0
    gpus: float | None = 0.0
    """None: one where the cluster has any."""
    decoders: int | None = 1
    """Decode processes of a worker that feeds a model; None: as many as a GPU's share of its node's CPUs."""
    parts: int = 1
    """Parts that it works on at once."""
    processes: int = 1
    """Workers that make each part together, at the same time."""


class Board(Protocol):
    """Keys and values that the processes of a group share while they make a part. Nobody else reaches it. Picklable."""

    def put(self, key: str, value: bytes) -> None: ...

    def get(self, key: str) -> bytes | None: ...

    def add(self, key: str, amount: int) -> int:
        """Add to a number, which is 0 at first; the sum."""
        ...

    def remove(self, key: str) -> bool:
        """Forget a value; whether there was one."""
        ...


@dataclass(frozen=True)
class Group:
    """The processes that make a part together, the address by which others reach this one, and how they find one another."""

    rank: int = 0
    size: int = 1
    address: str = ""
    board: Board | None = None


@dataclass(frozen=True)
class Feed:
    """How a worker feeds its model: ``decoders``, its decode processes; ``lanes``, batches given to the model at once."""

    decoders: int = 1
    lanes: int = 1


@runtime_checkable
class Feeding(Protocol):
    """A worker that decodes in child processes; its feed changes no result. ``overlaps``: it takes a part while it works."""

    feed: Feed
    overlaps: ClassVar[bool]


class Worker(Protocol):
    """Makes parts; picklable, one in each process that works for the stage. The process may serve other stages after it."""

    def setup(self) -> None:
        """Load models, start children; once in each process."""

    def process(self, part: Part) -> Output:
        """Make one part and publish its files. Called again for the same part after a crash."""

    def close(self) -> None:
        """Free what setup took."""


class GroupWorker(Worker, Protocol):
    """One of several that make a part together. Only the first of them publishes."""

    def join(self, group: Group) -> None:
        """Be one of these processes; before ``process``."""


@dataclass(frozen=True)
class Job:
    """A part to be made, and the object that commits it."""

    part: Part
    marker: str
    in_place: bool


class RecordEngine(Protocol):
    """Runs a group of worker processes: starts them, hands each one part at a time, replaces those that die. How many there
    are, and on which machines, is the engine's to decide, and changes no result."""

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Generator[tuple[Part, Output, Work], None, None]:
        """Make all jobs, each process with its own copy of ``worker`` on ``resources``. Yields each part once its marker is
        written, in no fixed order, with what it took; calls ``tick`` every few seconds while it waits. Raises RunError."""
        ...


class Run:
    """One recipe on its workspace, with the commits that are known so far. ``open_engine`` starts the table engine."""

    def __init__(self, recipe: Recipe, open_engine: Callable[[], TableEngine]) -> None:
        self.recipe = recipe
        self.workspace = Workspace(recipe.workspace)
        self.lock = LockFile.open(recipe.lock_place)
        self.records: dict[str, Record] = {}
        self._open_engine = open_engine
        self._engine: TableEngine | None = None

    @property
    def engine(self) -> TableEngine:
        """The table engine of the recipe, started on first use."""
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine

    def table(self, stage: str, role: str, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
        """A committed table of an earlier stage."""
        return self.workspace.read_table(self.records[stage].files(role), schema, columns)

    def frame(self, stage: str, role: str, schema: pa.Schema, columns: Sequence[str] | None = None) -> Frame:
        """A committed table of an earlier stage, or some columns of it, as the table engine's own."""
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        return self.engine.scan(self.workspace, self.records[stage].files(role), wanted)

    def rows_of(self, stage: str, role: str, schema: pa.Schema, ids: Collection[str]) -> pa.Table:
        """Rows of a few samples in a committed table that a table engine wrote; other rows are not held."""
        return self.workspace.rows_of(self.records[stage].files(role), schema, ids)

    def forget(self) -> None:
        """Free the frames that the table engine has kept, once the stage that needed them is done."""
        if self._engine is not None:
            self._engine.forget()

    def close(self) -> None:
        """Give back the table engine; it is started again where it is asked for again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class Stage(ABC):
    """A step of a run. ``name`` and ``needs`` order the stages; ``version`` changes whenever the code would make other bytes."""

    name: ClassVar[str]
    version: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    also_in: ClassVar[tuple[str, ...]] = ()
    """Commands, besides that of its own name, that make the stage: what they read first of another group."""
    in_place: ClassVar[bool] = False
    """True for files of a release: their names are fixed, so only the last commit counts."""

    def active(self, recipe: Recipe) -> bool:
        """False where the recipe leaves the stage out."""
        return True

    def validate(self, recipe: Recipe) -> None:
        """Find mistakes before anything runs. Raises UsageError."""
        return

    def settings(self, recipe: Recipe) -> Any:
        """The part of the recipe that changes the result, as JSON."""
        return None

    def upstream(self, run: Run) -> dict[str, str]:
        """Digests of what the result is made from, by the stage that made it."""
        return {name: run.records[name].digest for name in self.needs if name in run.records}

    def key(self, run: Run) -> str:
        """Key of the stage's result; the commits of all it needs are in ``run.records``."""
        return digest(self.name, self.version, self.settings(run.recipe), self.upstream(run))

    def absent(self, run: Run, parts: Mapping[str, Output]) -> set[str]:
        """Names of committed parts whose files no longer exist or are others (checked for stages in place)."""
        if not self.in_place or not parts:
            return set()
        holds = ReleaseFolder(run.workspace.store, run.recipe.name).contents()
        return {name for name, out in parts.items() if not all(holds(f) for f in out.files.values())}

    def objection(self, run: Run) -> str:
        """Why a person must look at the stage's result before the run goes on; "" where there is no reason."""
        return ""

    def objections(self, run: Run) -> Mapping[str, str]:
        """As ``objection``, by the digest of what each is about: one that was accepted stays so while others change."""
        return {run.records[self.name].digest: text} if (text := self.objection(run)) else {}

    def needed(self, run: Run) -> bool:
        """False where all that the stage would be made for is named by the recipe's lock."""
        return True

    def locked(self, run: Run) -> Record | None:
        """The result that the recipe's lock names, if it is in the workspace."""
        return None

    def unlocked(self, run: Run) -> str:
        """Why the stage would change the recipe's lock; "" where it would not."""
        return ""

    def keep(self, run: Run) -> str:
        """Keep in the recipe's lock what of the result is a decision. Returns a sentence about it, "" where nothing is new."""
        return ""

    def record_path(self, run: Run, key: str) -> str:
        return f"stages/{self.name}/{run.recipe.name if self.in_place else key}.json"


class RecordStage(Stage):
    """Reads media or runs models, a part at a time, on the workers of a record engine."""

    resources: ClassVar[Resources] = Resources()
    has_loads: ClassVar[bool] = False  # its parts have loads

    @abstractmethod
    def plan(self, run: Run) -> list[Part]:
        """All parts, in a fixed order, from columns alone; holds none of their rows. May publish where these lie."""

    def is_planned(self, run: Run) -> bool:
        """Whether ``plan`` would only read."""
        return True

    @abstractmethod
    def worker(self, run: Run) -> Worker:
        """A worker to be sent to the engine."""

    def marker(self, run: Run, part: Part) -> str:
        """Key of the object whose existence commits the part."""
        base = f"{self.marker_prefix(run)}/{part.name}"
        return f"{base}.json" if self.in_place else f"{base}-{part.key}.json"

    def marker_prefix(self, run: Run) -> str:
        return f"stages/{self.name}/parts" + (f"/{run.recipe.name}" if self.in_place else "")

    def progress(self, run: Run, part: Part) -> str | None:
        """Progress of a long part, in words; None where there is nothing to show."""
        return None

    def device(self, recipe: Recipe) -> str:
        """Where the models of the stage run: cpu, cuda, or auto."""
        return "cpu"

    def servers(self, recipe: Recipe) -> Sequence[str]:
        """Names of the recipe's model servers that the stage's workers ask; they run while it is made."""
        return ()

    def processes(self, recipe: Recipe) -> int:
        """How many GroupWorkers make a part together; 1 for a plain Worker."""
        return 1


class TableStage(Stage):
    """Reads only columns, through the table engine."""

    @abstractmethod
    def compute(self, run: Run, key: str) -> Output:
        """Make and publish the stage's tables."""


def require_lock(run: Run, plan: Sequence[Stage]) -> None:
    """Raises UsageError where stages would change the recipe's lock."""
    if reasons := list(filter(None, (stage.unlocked(run) for stage in plan))):
        raise UsageError(f"--locked: {'; '.join(reasons)}. Run without --locked to decide anew and write the lock")
