"""Runs a recipe: orders its stages, skips those that are up to date, and hands the others to the engines that it opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from dataengine.config.recipe import Recipe
from dataengine.config.share import WHOLE, Share
from dataengine.engines.ray import RayEngine
from dataengine.errors import StoppedError, UsageError
from dataengine.media.sandbox.malloc import return_freed_memory
from dataengine.models.serving.started import StartedServers, check
from dataengine.monitoring.run_log import RunLog, origin
from dataengine.progress import PartReport, Reporter, RunReport, Silent, StageReport, Together, reported
from dataengine.stage import Job, RecordEngine, RecordStage, Resources, Run, Stage, TableStage, require_lock
from dataengine.stage_groups import group_of, groups_of, last_of, needed_by, require_divisible, require_stage
from dataengine.storage.lease import Lease
from dataengine.storage.workspace import Output, Record, canonical_json
from dataengine.table_engine import TableEngine, opaque
from dataengine.timings import Cost, spent


def open_run(recipe: Recipe) -> Run:
    """A recipe's run that knows no commits yet; its table engine starts when a stage first asks for it."""
    run = Run(recipe, lambda: _table_engine(recipe))
    if recipe.continues is not None:
        from dataengine.shards.earlier import adopt_lock

        adopt_lock(run)
    return run


def _table_engine(recipe: Recipe) -> TableEngine:
    if recipe.engine == "spark":
        from dataengine.engines.spark import SparkEngine

        return opaque(SparkEngine())
    from dataengine.engines.duckdb import DuckDBEngine

    return opaque(DuckDBEngine())


def _record_engine(recipe: Recipe) -> RecordEngine:
    return RayEngine(recipe.ray.address, None if recipe.workers == "auto" else recipe.workers)


def stages(recipe: Recipe) -> list[Stage]:
    """The stages of a recipe in the order of the data, validated; without sources those of its index alone. Raises UsageError
    naming every mistake."""
    from dataengine.catalog import STAGES, adopt_plugins

    adopt_plugins(recipe)
    active = [s for s in STAGES if s.active(recipe) and (recipe.sources or group_of(s.name) == "index")]
    mistakes = []
    for stage in active:
        try:
            stage.validate(recipe)
            for name in stage.servers(recipe) if isinstance(stage, RecordStage) else ():
                check(recipe.model_servers[name])
        except UsageError as error:
            mistakes.append(str(error))
    if mistakes:
        raise UsageError("\n".join(dict.fromkeys(mistakes)))
    return active


def execute(
    recipe: Recipe,
    only: str | None = None,
    dry_run: bool = False,
    reporter: Reporter | None = None,
    plan: Sequence[Stage] | None = None,
    engine: RecordEngine | None = None,
    accept: bool = False,
    prepare: Callable[[Run], object] | None = None,
    locked: bool = False,
    share: Share = WHOLE,
) -> list[StageReport]:
    """Bring a recipe's stages up to date, or ``only`` the named group or stage (all it needs must be up to date already).

    ``plan`` replaces the project's own stages, ``engine`` Ray as what runs the workers of record stages. ``accept``: go on where
    too many inputs failed or nothing is kept. ``prepare`` is called once the workspace is this run's. ``locked``: the recipe's
    lock must not change. ``share``: make only these parts of the first stage that is not up to date, and commit nothing.
    Raises UsageError before anything runs, HeldError where another run holds the workspace, RunError.
    """
    plan = stages(recipe) if plan is None else plan
    if only is not None:
        require_stage(plan, only)
        plan = needed_by(plan, only)
    with closing(open_run(recipe)) as run:
        if locked:
            require_lock(run, plan)
        return _Pass(run, only, dry_run, reporter or Silent(), engine, accept, share).over(plan, prepare)


def until(
    recipe: Recipe, stage: str, reporter: Reporter | None = None, engine: RecordEngine | None = None
) -> tuple[Run, list[StageReport]]:
    """Bring the stages down to ``stage`` up to date; the run, to read tables from. Raises UsageError for an unknown stage."""
    plan = stages(recipe)
    require_stage(plan, stage)
    plan = plan[: [s.name for s in plan].index(stage) + 1]
    with closing(open_run(recipe)) as run:
        reports = _Pass(run, None, False, reporter or Silent(), engine).over(plan)
    return run, reports


def committed(recipe: Recipe, group: str | None = None) -> Run:
    """A recipe's run with all its commits, or those up to the last stage of ``group``, to read tables from. Raises UsageError
    if one of these stages is not up to date."""
    run = open_run(recipe)
    plan = stages(recipe)
    if group is not None:
        require_stage(plan, group)
        plan = plan[: [s.name for s in plan].index(last_of(plan, group)) + 1]
    reports = _Pass(run, None, True, Silent()).over(plan)
    behind = [r.name for r in reports if r.state != "up to date"]
    if behind:
        raise UsageError(f"{behind[0]} is not up to date: run `dataengine run RECIPE` first")
    return run


def committed_so_far(recipe: Recipe) -> Run:
    """A recipe's run with the commits of those stages that are up to date."""
    run = open_run(recipe)
    _Pass(run, None, True, Silent()).over(stages(recipe))
    return run


@dataclass
class _Pass:
    run: Run
    only: str | None
    dry_run: bool
    reporter: Reporter
    engine: RecordEngine | None = None
    accept: bool = False
    share: Share = WHOLE

    def __post_init__(self) -> None:
        self.lease = Lease(self.run.workspace.store, self.run.recipe.name, self._wait)
        self.servers = StartedServers(self.run.workspace.store, self.lease.take)
        if not self.dry_run:
            self.reporter = Together([self.reporter, RunLog(self.run.workspace.store)])

    def over(self, plan: Sequence[Stage], prepare: Callable[[Run], object] | None = None) -> list[StageReport]:
        """The lease is taken by the first write, so that a run with nothing to do needs no right to write."""
        recipe, names = self.run.recipe, tuple(stage.name for stage in plan)
        media = frozenset(stage.name for stage in plan if isinstance(stage, RecordStage) and stage.has_loads)
        report = RunReport(self.lease.holder.run, recipe.name, recipe.workspace, names, media)
        with closing(self.lease), closing(self.servers), reported(self.reporter, report):
            if prepare is not None and not self.dry_run:
                self.lease.take()
                prepare(self.run)
            return self._over(plan)

    def _wait(self, text: str) -> None:
        self.reporter.start("lease", 1, 1)
        self.reporter.note("lease", text)

    def _over(self, plan: Sequence[Stage]) -> list[StageReport]:
        reports: list[StageReport] = []
        for stage in plan:
            if stage.needed(self.run):
                report = self._visit(stage, {r.name for r in reports if r.state in ("pending", "waiting")})
                reports.append(report)
                report.record = self.run.records.get(stage.name)
                self.reporter.end(report)
                if report.state == "partly done":
                    break
                if not self.dry_run:
                    self._check(stage)
                    report.note = stage.keep(self.run)
            if self.only is not None and stage.name == last_of(plan, self.only):
                break
        return reports

    def _visit(self, stage: Stage, stale: Iterable[str]) -> StageReport:
        """Skip the stage where it is up to date, or make it."""
        if (locked := stage.locked(self.run)) is not None:
            self.run.records[stage.name] = locked
            return StageReport(stage.name, "up to date", len(locked.parts), counts=locked.counts)
        if set(stage.needs) & set(stale):
            return StageReport(stage.name, "waiting")
        key = stage.key(self.run)
        report = self._of_key(stage, key)
        report.origin = origin(stage, self.run, key)
        return report

    def _of_key(self, stage: Stage, key: str) -> StageReport:
        record = self.run.workspace.record(stage.record_path(self.run, key))
        if record is not None and record.key == key and not stage.absent(self.run, record.parts):
            self.run.records[stage.name] = record
            return StageReport(stage.name, "up to date", len(record.parts), counts=record.counts)
        if self.dry_run:
            return self._pending(stage)
        if self.only is not None and self.only not in (stage.name, *groups_of(stage)):
            raise UsageError(
                f"{group_of(stage.name)} is not up to date: run `dataengine {group_of(stage.name)} RECIPE` first, "
                "or `dataengine run RECIPE` for all stages"
            )
        if not self.share.whole:
            require_divisible(stage, self.run.recipe)
        return self._make(stage, key)

    def _check(self, stage: Stage) -> None:
        """Raises StoppedError for a result that a person must look at. One that was accepted once stays so."""
        store, name = self.run.workspace.store, self.run.recipe.name
        texts = []
        for digest, text in stage.objections(self.run).items():
            key = f"accepted/{name}/{stage.name}-{digest}.json"
            if self.accept:
                self.lease.take()
                store.put(key, canonical_json({"accepted": text}))
            elif not store.exists(key):
                texts.append(text)
        if texts:
            listed = "\n".join(texts)
            raise StoppedError(
                f"{listed}\nNo release was changed, and all work so far is committed. If this is as it should be, go on "
                "with --accept; otherwise correct the recipe or the inputs and rerun."
            )

    def _pending(self, stage: Stage) -> StageReport:
        if not isinstance(stage, RecordStage) or not stage.is_planned(self.run):
            return StageReport(stage.name, "pending", 1)
        jobs, done = self._jobs(stage)
        return StageReport(stage.name, "pending", len(jobs) + len(done), len(done))

    def _make(self, stage: Stage, key: str) -> StageReport:
        self.lease.take()
        start = time.monotonic()
        path = stage.record_path(self.run, key)
        if stage.in_place:
            # Files that an earlier commit names are written over from here on: a killed run must not leave it standing.
            self.run.workspace.store.delete([path])
        with spent(self.run.workspace.store, self.run.recipe.name, stage.name, self.share) as cost:
            if isinstance(stage, TableStage):
                self.reporter.start(stage.name, 1, 1)
                outputs, made = {"all": stage.compute(self.run, key)}, 1
            elif isinstance(stage, RecordStage):
                jobs, outputs = self._jobs(stage)
                made = len(jobs)
                if stage.has_loads:
                    loads = [job.part.load for job in jobs]
                    self.reporter.loaded(stage.name, sum(loads) if all(loads) else 0.0)
                self.reporter.start(stage.name, made + len(outputs), made)
                if jobs:
                    outputs = {**outputs, **self._work(stage, jobs, cost)}
            cost.parts = made
            self.run.forget()
            return_freed_memory()
        if not self.share.whole:
            return StageReport(stage.name, "partly done", len(outputs), made, time.monotonic() - start)
        self.lease.take()
        commit = Record(stage.name, key, dict(sorted(outputs.items()))).to_bytes()
        self.run.workspace.store.put(path, commit)
        # Parsed again, so that facts are in the order in which a later run reads them.
        record = self.run.records[stage.name] = Record.from_bytes(commit)
        return StageReport(stage.name, "done", len(outputs), made, time.monotonic() - start, record.counts)

    def _work(self, stage: RecordStage, jobs: Sequence[Job], cost: Cost) -> dict[str, Output]:
        gpus = {"cpu": 0.0, "auto": None}.get(stage.device(self.run.recipe), 1.0)
        decoders, processes = self.run.recipe.resources.decoders, stage.processes(self.run.recipe)
        settled = None if decoders == "auto" else decoders
        resources = Resources(stage.resources.cpus, gpus, settled, processes=processes)
        outputs = {}

        def tick() -> None:
            self.reporter.tick()
            for job in jobs[:1]:
                text = stage.progress(self.run, job.part)
                if text is not None:
                    self.reporter.note(stage.name, text)

        engine, store = self.engine or _record_engine(self.run.recipe), self.run.workspace.store
        self.servers.need([self.run.recipe.model_servers[name] for name in stage.servers(self.run.recipe)], engine)
        # Closed here, so that no worker goes on where something else than the engine ends the run.
        with closing(engine.run(stage.worker(self.run), store, jobs, resources, tick)) as made:
            for part, output, work in made:
                self.lease.take()
                outputs[part.name] = output
                cost.add(work)
                size = sum(file.bytes for file in output.files.values())
                self.reporter.advance(PartReport(stage.name, part.name, output.counts, size, work, part.load))
        return outputs

    def _jobs(self, stage: RecordStage) -> tuple[list[Job], dict[str, Output]]:
        parts = self.share.select(stage.plan(self.run))
        markers = {p.name: (stage.marker(self.run, p), p.key) for p in parts}
        done = self.run.workspace.finished(stage.marker_prefix(self.run), markers)
        for name in stage.absent(self.run, done):
            del done[name]
        return [Job(p, markers[p.name][0], stage.in_place) for p in parts if p.name not in done], done
