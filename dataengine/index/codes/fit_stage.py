"""index.codebooks: residual k-means, and items for VQ codes, over a sample of the index's vectors. A decision that the recipe's
lock keeps; a fit that is killed goes on with the level it was at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.config.index_codes import CodesConfig
from dataengine.config.lock import FittedOn
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.index.align.projection import Projection, projection_file, projection_id
from dataengine.index.codes import codebooks, residual
from dataengine.index.codes.card import card
from dataengine.index.codes.codebooks import Codebooks
from dataengine.index.codes.settings import codes_config, coding, fit_settings
from dataengine.index.codes.text import MOST_LEVELS
from dataengine.index.kept_fit import ID, KeptFit
from dataengine.index.sampled import Sampled, sampled
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.arrays import read_arrays, write_arrays
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Record, digest

STAGE = "index.codebooks"
CODEBOOKS = "codebooks"
_FOLDER = "index/codebooks"
KEPT = KeptFit("codebooks", STAGE, _FOLDER, "index.codes.refit")

Float32 = NDArray[np.float32]


class CodebooksFit(RecordStage):
    """One part: a sample of the vectors, on one worker."""

    name = STAGE
    version = "1"
    needs = ("index.vectors", "index.align")

    def active(self, recipe: Recipe) -> bool:
        return coding(recipe)

    def validate(self, recipe: Recipe) -> None:
        levels, _ = codes_config(recipe).shape
        if levels > MOST_LEVELS:
            raise UsageError(f"index.codes.levels is {levels}; semantic ids have {MOST_LEVELS} at most, a letter each")

    def settings(self, recipe: Recipe) -> Any:
        return fit_settings(recipe)

    def plan(self, run: Run) -> list[Part]:
        files, aligned = run.records["index.vectors"].files("vectors"), projection_file(run)
        key = digest(self.version, self.settings(run.recipe), [f.sha256 for f in files], aligned and aligned.sha256)
        return [Part("all", key, tuple(files))]

    def worker(self, run: Run) -> Worker:
        return FitWorker(run.workspace, codes_config(run.recipe), run.recipe.seed, model_of(run), projection_file(run))

    def progress(self, run: Run, part: Part) -> str | None:
        levels, _ = codes_config(run.recipe).shape
        done = sum(1 for _ in run.workspace.store.list(f"{_state(part.key)}/"))
        return f"level {min(done + 1, levels)} of {levels}"

    def locked(self, run: Run) -> Record | None:
        return KEPT.record(run, self._settings(run), codes_config(run.recipe).refit)

    def unlocked(self, run: Run) -> str:
        return KEPT.why_anew(run, self._settings(run), codes_config(run.recipe).refit)

    def keep(self, run: Run) -> str:
        facts = run.records[self.name].parts["all"].facts
        on = FittedOn(samples=facts["samples"], digest=facts["samples_digest"])
        return KEPT.keep(run, self._settings(run), codes_config(run.recipe).refit, on)

    def _settings(self, run: Run) -> str:
        return digest(self.version, self.settings(run.recipe), projection_id(run))


def model_of(run: Run) -> str:
    """What the vectors of the index are of. Raises RunError where they are of several models."""
    models = sorted({m for out in run.records["index.vectors"].parts.values() for m in out.facts.get("models", [])})
    if len(models) > 1:
        raise RunError(
            f"the vectors of the index are of {len(models)} models ({', '.join(models[:5])}): vectors of two models cannot be "
            "mixed; index each in a recipe of its own"
        )
    aligned = projection_id(run)
    return (models[0] if models else "") + (f"+{aligned}" if aligned else "")


@dataclass
class FitWorker(VectorsWorker):
    """Publishes codebooks, and a card that says what they were fitted on."""

    config: CodesConfig
    seed: int
    model: str
    projection: File | None

    def process(self, part: Part) -> Output:
        transform = Projection.load(self.workspace, self.projection)
        chosen = sampled(self.workspace, part.spec, self.config.fit_samples, self.seed, "codes", transform)
        if not chosen.ids:
            raise RunError("there are no vectors to fit codebooks on: nothing of the index could be embedded")
        fitted = self._fitted(chosen, part, transform)
        facts = {
            ID: fitted.id,
            "model": fitted.model,
            "dim": fitted.dim,
            "sizes": list(fitted.sizes),
            "iterations": self.config.iterations,
            "samples": len(chosen.ids),
            "samples_digest": chosen.digest,
            "nearest": fitted.nearest,
            "items": len(fitted.item_ids),
            "preset": self.config.preset,
        }
        members = {CODEBOOKS: (codebooks.FILE, fitted.to_bytes()), "card": ("README.md", card(facts).encode())}
        store, files = self.workspace.store, {}
        for role, (name, data) in members.items():
            key = f"{_FOLDER}/{fitted.id}/{name}"
            files[role] = File(key, store.put(key, data), len(data))
        store.delete([e.key for e in store.list(f"{_state(part.key)}/")])
        return Output(files, {"samples": len(chosen.ids)}, facts)

    def _fitted(self, chosen: Sampled, part: Part, transform: Any) -> Codebooks:
        store, config = self.workspace.store, self.config
        levels, size = config.shape
        items, ids = None, tuple[str, ...]()
        if config.vq is not None:
            of_items = sampled(self.workspace, part.spec, config.vq.items, self.seed, "items", transform)
            items, ids = of_items.vectors, of_items.ids
        fitted = residual.fit(
            chosen.vectors,
            levels,
            size,
            iterations=config.iterations,
            seed=self.seed,
            threads=config.threads,
            saved=lambda level: _saved(store, f"{_state(part.key)}/{level:02d}.npz"),
            save=lambda level, centres: write_arrays(
                store, f"{_state(part.key)}/{level:02d}.npz", {"centres": centres}
            ),
        )
        nearest = min(config.vq.nearest, len(ids)) if config.vq is not None else 0
        return Codebooks(tuple(fitted), self.model, items, ids, nearest)


def _state(key: str) -> str:
    return f"{_FOLDER}/unfinished/{key[:32]}"


def _saved(store: Store, key: str) -> Float32 | None:
    arrays = read_arrays(store, key)
    return None if arrays is None else arrays["centres"]
