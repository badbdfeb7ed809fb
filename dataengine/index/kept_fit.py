"""Models fitted on the vectors of an index, as decisions that the recipe's lock keeps: across moved thresholds and new batches,
until the settings that one was fitted with change or its ``refit`` is set."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Literal

from dataengine.config.lock import FittedOn, LockedFit, kept_record, locked_files
from dataengine.errors import RunError
from dataengine.stage import Run
from dataengine.storage.workspace import Record

#: Fact of a stage's part: the identity of what it has fitted.
ID = "id"


@dataclass(frozen=True)
class KeptFit:
    """What the recipe's lock keeps of the one part of a ``stage``; files lie below ``folder``/ID. ``refit``: the setting by which
    a recipe decides anew."""

    name: Literal["projection", "codebooks"]
    stage: str
    folder: str
    refit: str

    def entry(self, run: Run) -> LockedFit | None:
        """What the lock names, for any settings."""
        fitted: LockedFit | None = getattr(run.lock.content, self.name)
        return fitted

    def why_anew(self, run: Run, settings: str, refit: bool) -> str:
        """Why it is fitted anew; "" where the lock names one for ``settings``."""
        entry, place = self.entry(run), run.lock.place or "the lock"
        if entry is None:
            return f"{place} names no {self.name}"
        if refit:
            return f"`{self.refit}` is set"
        return (
            "" if entry.settings == settings else f"the {self.name} that {place} names were fitted with other settings"
        )

    def record(self, run: Run, settings: str, refit: bool) -> Record | None:
        """The result that the lock names; None where it has to be fitted, or is not in the workspace."""
        entry = self.entry(run)
        if entry is None or self.why_anew(run, settings, refit):
            return None
        return kept_record(self.stage, entry, f"{self.folder}/{entry.id}", run.workspace.store)

    def keep(self, run: Run, settings: str, refit: bool, fitted_on: FittedOn) -> str:
        """Name the run's result in the lock. Returns a sentence for a person, "" where nothing is new. Raises RunError where the
        lock names another that is not in the workspace."""
        output, earlier, reason = (
            run.records[self.stage].parts["all"],
            self.entry(run),
            self.why_anew(run, settings, refit),
        )
        if earlier is not None and not reason:
            if earlier.id != output.facts[ID]:
                raise RunError(
                    f"{run.lock.place} names {self.name} {earlier.id}, which are not in this workspace "
                    f"({run.workspace.store.uri(self.folder)}/{earlier.id}), and fitting them again gives others "
                    f"({output.facts[ID]}). Copy that folder from where they were fitted, or set `{self.refit}: true`"
                )
            return ""
        entry = LockedFit(
            id=output.facts[ID],
            settings=settings,
            engine=installed("dataengine-multimodal"),
            fitted_on=fitted_on,
            counts=output.counts,
            facts=output.facts,
            files=locked_files(output),
        )
        failure = run.lock.keep(**{self.name: entry})
        if entry == earlier or run.lock.place is None:
            return ""
        if failure:
            return f"{self.name} {entry.id} are in no lock, so new inputs fit them again: {run.lock.place}: {failure}"
        return f"{self.name} {entry.id} are kept by {run.lock.place}" + (f" (anew: {reason})" if earlier else "")
