"""``dataengine.run``: runs a recipe from Python, in this thread or beside it, and gives what the run made as tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dataengine.api.notebook import NotebookProgress, notebook_display
from dataengine.errors import CancelledError, UsageError
from dataengine.progress import PartReport, Reporter, Silent, StageReport, Together
from dataengine.runs.options import RunOptions
from dataengine.runs.runner import load_recipe, run_recipe

if TYPE_CHECKING:
    import pyarrow as pa

    from dataengine.api.release import Release
    from dataengine.api.tables import Tables
    from dataengine.config.recipe import Recipe
    from dataengine.stage import RecordEngine

State = Literal["running", "done", "failed", "cancelled"]

#: Held by the run of this process: two would take each other's workers.
_AT_WORK = threading.Lock()


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    workspace: str | Path | None = None,
    *,
    only: str | None = None,
    dry_run: bool = False,
    partition: Sequence[str] | None = None,
    workers: int | None = None,
    engine: str | None = None,
    accept: bool = False,
    retry_failed: bool = False,
    locked: bool = False,
    progress: bool | Reporter = True,
    wait: bool = True,
    record_engine: RecordEngine | None = None,
) -> Run:
    """Run a recipe: a YAML file or s3:// object, a mapping with its fields, or a Recipe. What is up to date is skipped.

    The options are those of ``dataengine run``. ``progress``: a table in a notebook, bars on a terminal, lines in a log; or a
    Reporter. ``wait=False`` returns at once, the run goes on in a thread: ``Run.wait``, ``Run.cancel``. ``record_engine``
    takes the place of Ray, as ``dataengine.testing.InProcess``. Ctrl-C ends the run: its workers stop, the workspace is free, and
    what is committed stays. Raises UsageError before anything runs, RunError, KeyboardInterrupt.
    """
    options = RunOptions(
        workspace=None if workspace is None else str(workspace),
        workers=workers,
        engine=engine,
        dry_run=dry_run,
        accept=accept,
        retry_failed=retry_failed,
        locked=locked,
        only=only,
        partition=partition,
    )
    begun = Run(load_recipe(recipe, options), options)
    begun._start(_shown(progress), wait, record_engine)
    return begun


class Run:
    """A run of a recipe and its tables. ``stages``: what has become of each so far; ``state``: running, done, failed, cancelled.

    Tables are those of all stages of the run that are done or up to date. As Arrow tables: ``ledger``, ``samples``, ``scores``,
    ``groups``, ``decisions``, and by name ``table``; as DuckDB relations, which load nothing: ``scan`` and ``sql``.
    """

    def __init__(self, recipe: Recipe, options: RunOptions) -> None:
        self.recipe, self.options = recipe, options
        self.state: State = "running"
        self._watch = _Watch()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._tables: tuple[int, Tables] | None = None

    @property
    def stages(self) -> list[StageReport]:
        return list(self._watch.reports)

    def wait(self) -> Run:
        """Wait for the end of a run beside this thread; this run. Raises what ended it: RunError, CancelledError. Ctrl-C ends
        the waiting alone."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self

    def cancel(self) -> None:
        """End the run and wait for that: within seconds where media or models are at work, after its query in a table stage. What
        is committed stays; running the recipe again goes on from there."""
        self._watch.cancelled.set()
        if self._thread is not None:
            self._thread.join()

    def ledger(self) -> pa.Table:
        """One row an input: its outcome, and why (``contracts.LEDGER``). Before the release ``pending`` where that is open."""
        return self.table("ledger")

    def samples(self) -> pa.Table:
        """One row an input that could be read: facts, captions, where its bytes lie (``contracts.SAMPLES``)."""
        return self.table("samples")

    def scores(self) -> pa.Table:
        """One row a representative that could be scored: facts, scores, and columns of annotations, ordered by id."""
        return self.table("scores")

    def groups(self) -> pa.Table:
        """One row a distinct sample: the representative of its near-duplicates (``contracts.GROUPS``)."""
        return self.table("groups")

    def decisions(self) -> pa.Table:
        """One row a representative: kept, or the rule that dropped it (``contracts.DECISIONS``)."""
        return self.table("decisions")

    def tables(self) -> list[str]:
        """Names of all tables."""
        return self._opened().names

    def table(self, name: str) -> pa.Table:
        """A table, in memory. Raises UsageError for one that is not there (yet)."""
        return self._opened().table(name)

    def scan(self, name: str) -> Any:
        """A table as a ``duckdb.DuckDBPyRelation``, of which only the rows and columns that are asked for are read: ``filter``,
        ``aggregate``, ``limit``, ``df()``, ``fetch_record_batch()`` … Raises as ``table``."""
        return self._opened().scan(name)

    def sql(self, query: str) -> Any:
        """A query over the tables by their names, as a ``duckdb.DuckDBPyRelation``. Raises UsageError for a wrong one."""
        return self._opened().sql(query)

    def release(self) -> Release:
        """The finished release, as ``dataengine.open`` gives it. Raises UsageError where there is none."""
        from dataengine.api.release import Release

        return Release(f"{self.recipe.workspace.rstrip('/')}/releases/{self.recipe.name}")

    def __repr__(self) -> str:
        ended = f" ({self._error})" if self._error is not None else ""
        return f"<run of {self.recipe.name}: {self.state}{ended}, {len(self._watch.reports)} stages>"

    def _opened(self) -> Tables:
        """Opened anew when more stages are done than before; relations of before stay good."""
        from dataengine.api.tables import tables_of_run

        records = {report.name: report.record for report in self.stages if report.record is not None}
        if self._tables is None or self._tables[0] != len(records):
            self._tables = len(records), tables_of_run(self.recipe, records)
        return self._tables[1]

    def _start(self, reporter: AbstractContextManager[Reporter], wait: bool, engine: RecordEngine | None) -> None:
        if not _AT_WORK.acquire(blocking=False):
            raise UsageError("another run is at work in this process: wait for it (Run.wait), or end it (Run.cancel)")
        if wait:
            self._work(reporter, engine)
            if isinstance(self._error, KeyboardInterrupt):
                raise KeyboardInterrupt("Interrupted. Committed work is kept; run again to resume.") from None
            if self._error is not None:
                raise self._error
            return
        self._thread = threading.Thread(target=self._work, args=(reporter, engine), name=f"run of {self.recipe.name}")
        self._thread.start()

    def _work(self, reporter: AbstractContextManager[Reporter], engine: RecordEngine | None) -> None:
        """Run, and keep what ended it: it is raised where somebody waits."""
        try:
            with reporter as shown:
                run_recipe(self.recipe, self.options, Together([shown, self._watch]), engine)
            self.state = "done"
        except (CancelledError, KeyboardInterrupt) as error:
            self.state, self._error = "cancelled", error
        except BaseException as error:
            self.state, self._error = "failed", error
        finally:
            _AT_WORK.release()


class _Watch(Silent):
    """Keeps what stages report, and ends the run where it is to be cancelled."""

    def __init__(self) -> None:
        self.reports: list[StageReport] = []
        self.cancelled = threading.Event()

    def start(self, stage: str, parts: int, pending: int) -> None:
        self.tick()

    def advance(self, part: PartReport) -> None:
        self.tick()

    def end(self, report: StageReport) -> None:
        self.reports.append(report)

    def tick(self) -> None:
        if self.cancelled.is_set():
            raise CancelledError("The run was cancelled. Committed work is kept; run again to resume.")


@contextmanager
def _shown(progress: bool | Reporter) -> Iterator[Reporter]:
    """The reporter that ``run`` was asked for, at work."""
    if not isinstance(progress, bool):
        yield progress
    elif not progress:
        yield Silent()
    elif (show := notebook_display()) is not None:
        yield NotebookProgress(show)
    else:
        from dataengine.cli.console import Progress

        with Progress() as bars:
            yield bars
