"""index.align: trains the projection of an index's vectors on pairs, and measures what it does for held-out ones. A decision that
the recipe's lock keeps; a training that is killed goes on with the epoch it was at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dataengine.config.index_codes import AlignConfig
from dataengine.config.lock import FittedOn
from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.index.align import pair_table, pairs_stage, projection
from dataengine.index.align.card import card
from dataengine.index.align.crops_stage import ROLE as CROPS_ROLE
from dataengine.index.align.crops_stage import STAGE as CROPS_STAGE
from dataengine.index.align.fit import Sources, aligned, gathered
from dataengine.index.align.settings import align_config, aligning, derived, fit_settings
from dataengine.index.align.training import State
from dataengine.index.kept_fit import ID, KeptFit
from dataengine.index.sampled import sampled
from dataengine.index.vectors_stage import of_samples
from dataengine.index.worker import VectorsWorker
from dataengine.models.device import reproducible, start_torch
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.arrays import read_arrays, write_arrays
from dataengine.storage.workspace import File, Output, Record, digest

_FOLDER = "index/projections"
KEPT = KeptFit("projection", projection.STAGE, _FOLDER, "index.align.refit")
#: Samples of held-out pairs below which a comparison of recalls stops no run.
_ENOUGH = 50


class Align(RecordStage):
    """Of samples. One part, on one worker, on the device that the recipe names."""

    name = projection.STAGE
    version = "1"
    needs: ClassVar[tuple[str, ...]] = ("dedup", "index.vectors", pairs_stage.STAGE, CROPS_STAGE)

    def active(self, recipe: Recipe) -> bool:
        return aligning(recipe) and of_samples(recipe)

    def validate(self, recipe: Recipe) -> None:
        index = recipe.index
        kinds = {source.derive for source in align_config(recipe).pairs}
        if index is not None and "crops" in kinds and index.of != "image":
            raise UsageError(f"index.align.pairs: `derive: crops` is for `index.of: image`; it is {index.of}")
        if index is not None and index.of == "items" and kinds != {None}:
            raise UsageError("index.align.pairs: pairs of the items of a table cannot be derived: name a file of pairs")
        for source in align_config(recipe).pairs:
            if source.path is not None:
                pair_table.check(source)

    def settings(self, recipe: Recipe) -> Any:
        return fit_settings(recipe)

    def device(self, recipe: Recipe) -> str:
        return align_config(recipe).device

    def plan(self, run: Run) -> list[Part]:
        sources = _sources(run)
        read = [f.sha256 for f in (*sources.vectors, *sources.groups, *sources.pairs, *sources.crops)]
        return [Part("all", digest(self.version, self.settings(run.recipe), read), sources)]

    def worker(self, run: Run) -> Worker:
        return AlignWorker(run.workspace, align_config(run.recipe), run.recipe.seed, _model(run))

    def progress(self, run: Run, part: Part) -> str | None:
        state = read_arrays(run.workspace.store, _state(part.key))
        return None if state is None else f"epoch {len(state['losses'])} of {align_config(run.recipe).epochs}"

    def objection(self, run: Run) -> str:
        facts = run.records[self.name].parts["all"].facts
        raw, now, pairs = facts["recall_raw"], facts["recall"], facts["held_out_pairs"]
        if pairs < _ENOUGH or now >= raw:
            return ""
        return (
            f"index.align: of {pairs:,} held-out pairs {now:.1%} are found among the {facts['k']} nearest aligned vectors, "
            f"{raw:.1%} among the vectors as they are: the projection does harm. More pairs, fewer epochs or no `index.align` "
            "may be better"
        )

    def locked(self, run: Run) -> Record | None:
        return KEPT.record(run, self._settings(run), align_config(run.recipe).refit)

    def unlocked(self, run: Run) -> str:
        return KEPT.why_anew(run, self._settings(run), align_config(run.recipe).refit)

    def keep(self, run: Run) -> str:
        facts = run.records[self.name].parts["all"].facts
        on = FittedOn(samples=facts["pairs"], digest=facts["pairs_digest"])
        return KEPT.keep(run, self._settings(run), align_config(run.recipe).refit, on)

    def _settings(self, run: Run) -> str:
        return digest(self.version, self.settings(run.recipe))


class ItemAlign(Align):
    """Of the items of a table, which have no copies."""

    needs: ClassVar[tuple[str, ...]] = ("index.vectors",)

    def active(self, recipe: Recipe) -> bool:
        return aligning(recipe) and not of_samples(recipe)


def _sources(run: Run) -> Sources:
    """Files of the run that are read."""

    def files(stage: str, role: str) -> tuple[File, ...]:
        return tuple(run.records[stage].files(role)) if stage in run.records else ()

    config, recipe = align_config(run.recipe), run.recipe
    groups = files("dedup", "groups") if recipe.index is not None and recipe.index.of != "items" else ()
    pairs = files(pairs_stage.STAGE, pairs_stage.ROLE) if derived(recipe) else ()
    crops = files(CROPS_STAGE, CROPS_ROLE) if config.crops else ()
    named = tuple(source for source in config.pairs if source.path is not None)
    return Sources(files("index.vectors", "vectors"), groups, pairs, crops, named)


def _model(run: Run) -> str:
    models = {m for out in run.records["index.vectors"].parts.values() for m in out.facts.get("models", [])}
    return "+".join(sorted(models))


@dataclass
class AlignWorker(VectorsWorker):
    """Publishes the projection and its card."""

    config: AlignConfig
    seed: int
    model: str

    def setup(self) -> None:
        reproducible()
        self._device = start_torch(self.config.device, self.config.threads)

    def process(self, part: Part) -> Output:
        material = gathered(self.workspace, part.spec, self.config, self.seed)
        others = sampled(self.workspace, part.spec.vectors, self.config.distractors, self.seed, "distractors")
        known = [n for n, id_ in enumerate(others.ids) if id_ not in material.held_out_ids]
        distractors = others.vectors[known] if known else np.zeros((0, 0), np.float32)
        fitted = aligned(
            material, distractors, self.config, self.seed, self._device, self._saved(part), self._save(part)
        )
        aligner = projection.Projection(fitted.weight, self.model)
        facts = {
            ID: aligner.id,
            "model": self.model,
            "dims": [aligner.weight.shape[1], len(aligner.weight)],
            **fitted.facts,
        }
        members = {
            projection.PROJECTION: (projection.FILE, aligner.to_bytes()),
            "card": ("README.md", card(facts).encode()),
        }
        store, files = self.workspace.store, {}
        for role, (name, data) in members.items():
            key = f"{_FOLDER}/{aligner.id}/{name}"
            files[role] = File(key, store.put(key, data), len(data))
        store.delete([_state(part.key)])
        return Output(files, {"pairs": fitted.facts["pairs"]}, facts)

    def _saved(self, part: Part) -> State | None:
        state = read_arrays(self.workspace.store, _state(part.key))
        if state is None:
            return None
        return State(len(state["losses"]), state["change"], state["first"], state["second"], state["losses"].tolist())

    def _save(self, part: Part) -> Any:
        def save(state: State) -> None:
            arrays = {"change": state.change, "first": state.first, "second": state.second}
            write_arrays(self.workspace.store, _state(part.key), {**arrays, "losses": np.array(state.losses)})

        return save


def _state(key: str) -> str:
    return f"{_FOLDER}/unfinished/{key[:32]}.npz"
