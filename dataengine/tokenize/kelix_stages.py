"""How a Kelix tokenizer is made: the continuous encoder → features of the corpus → centres of the codebooks → codes.

Each step is a stage with a commit of its own; the two that train also save themselves every few steps, so that a kill
costs those. Features are one part a media tar, on as many workers as there are.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.samples.locate import unpacked
from dataengine.samples.selection import Selection
from dataengine.samples.stage import PlannedStage
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output, digest
from dataengine.tokenize import checkpoint, decision
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.config import without_codebooks
from dataengine.tokenize.kelix.files import tower_digest
from dataengine.tokenize.kelix_checks import check_config, check_corpus, corpus_of
from dataengine.tokenize.kelix_workers import TOLD, CentresWorker, TowerWorker, encoder_network, state_key
from dataengine.tokenize.sample import PatchSample
from dataengine.tokenize.stage import FitStage, StillsWorker, TokenizeStage
from dataengine.tokenize.training_set import fitted_on, is_planned, to_fit

if TYPE_CHECKING:
    from dataengine.tokenize.kelix.crops import Crops
    from dataengine.tokenize.kelix.train import Trainer


class Kelix(TokenizeStage):
    tokenizer = "kelix"
    before: ClassVar[str | None] = None
    """Stage whose file this one goes on from."""
    role: ClassVar[str] = ""

    def settings(self, recipe: Recipe) -> Any:
        """Without the curriculum, on which neither tower nor centres depend."""
        settings, *rest = super().settings(recipe)
        if settings["training"].pop("curriculum", None):
            del settings["objective"]
            rest.append(tower_digest(settings["training"].get("tower")))
        return [settings, *rest]

    def given(self, run: Run) -> str | None:
        """Key of that file."""
        return run.records[self.before].files(self.role)[0].key if self.before else None

    def needed(self, run: Run) -> bool:
        return self.name == FitStage.name or decision.record(run) is None

    def base(self, run: Run) -> str:
        earlier = run.records[self.before].digest if self.before else None
        return digest(self.name, self.version, self.settings(run.recipe), earlier)

    def plan(self, run: Run) -> list[Part]:
        parts = to_fit(run).plan(run)
        key = digest(self.base(run), [(part.ids, part.captions) for part in parts])
        return [Part("all", key, tuple(part.rows for part in parts))]

    def is_planned(self, run: Run) -> bool:
        return is_planned(run)

    def progress(self, run: Run, part: Part) -> str | None:
        try:
            state = json.loads(run.workspace.store.get(f"{state_key(self.name, part.key)}.json"))
        except FileNotFoundError:
            return None
        return f"step {state['step']:,} of {state['steps']:,}, loss {state['loss']:.4f}"


class KelixEncoder(Kelix):
    """Trains tower and decoder without codebooks: what the report has from an earlier model."""

    name = "tokenize.encoder"

    def settings(self, recipe: Recipe) -> Any:
        settings, *rest = super().settings(recipe)
        kept = {k: v for k, v in settings.items() if k not in ("video", "batch")}
        for part, names in _CODES_ONLY.items():
            kept[part] = {k: v for k, v in settings[part].items() if k not in names}
        return [kept, *rest]

    def validate(self, recipe: Recipe) -> None:
        super().validate(recipe)
        check_config(self.config(recipe))

    def worker(self, run: Run) -> Worker:
        decision.check_samples(run, fitted_on)
        check_corpus(self.config(run.recipe), corpus_of(run, self.config(run.recipe)))
        if has_curriculum(run.recipe):
            return TowerWorker(self.config(run.recipe), run.workspace)
        return EncoderWorker(
            run.recipe.limits.to_limits(), run.workspace, self.config(run.recipe), self.device(run.recipe)
        )


class KelixFeatures(Kelix, PlannedStage):
    """A sample of the corpus's features: one part a media tar."""

    name = "tokenize.features"
    needs = ("dedup", "filter", "tokenize.encoder")
    before = "tokenize.encoder"
    role = "encoder"

    def selection(self, run: Run) -> Selection:
        return to_fit(run)

    def plan(self, run: Run) -> list[Part]:
        return PlannedStage.plan(self, run)

    def worker(self, run: Run) -> Worker:
        config, limits = self.config(run.recipe), run.recipe.limits.to_limits()
        share = _PLENTY * config.training.centre_tokens / max(1, corpus_of(run, config).tokens)
        return FeatureWorker(limits, run.workspace, config, self.device(run.recipe), given=self.given(run), share=share)


class KelixCentres(Kelix):
    """k-means over those features, once."""

    name = "tokenize.centres"
    needs = ("tokenize.features",)
    before = "tokenize.features"

    def is_planned(self, run: Run) -> bool:
        return True

    def plan(self, run: Run) -> list[Part]:
        files = run.records["tokenize.features"].files("features")
        return [Part("all", digest(self.base(run), [f.sha256 for f in files]), [f.key for f in files])]

    def worker(self, run: Run) -> Worker:
        return CentresWorker(self.config(run.recipe), run.workspace)


class KelixFit(Kelix, FitStage):
    """Trains all of it with codebooks that start from the centres."""

    name = "tokenize.fit"
    needs = ("dedup", "filter", "tokenize.encoder", "tokenize.centres")
    before = "tokenize.centres"
    role = "centres"

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and not has_curriculum(recipe)

    def worker(self, run: Run) -> Worker:
        config, limits = self.config(run.recipe), run.recipe.limits.to_limits()
        encoder = run.records["tokenize.encoder"].files("encoder")[0].key
        return FitWorker(limits, run.workspace, config, self.device(run.recipe), encoder, self.given(run))


#: Features that all parts keep together, as a multiple of those that are needed: half of the samples may be undecodable.
_PLENTY = 2.0
#: What the continuous encoder does not depend on.
_CODES_ONLY = {
    "quantiser": ("entries", "beta", "codebook_weight"),
    "training": ("steps", "centre_tokens", "centre_iterations", "save_every"),
}


@dataclass
class _Learner(StillsWorker):
    device: str = "cpu"
    encoder: str | None = None
    given: str | None = None

    def setup(self) -> None:
        from dataengine.models.device import start_torch

        self.device = start_torch(self.device, self.config.training.threads)
        super().setup()

    def crops(self, part: Part) -> Crops:
        from dataengine.tokenize.kelix.crops import Crops, Picture, few

        training, seed = self.config.training, self.config.seed
        pictures = (
            Picture(f"{row.id}/{n:08d}", pixels.frames[0], row.captions[0] if row.captions else "")
            for n, (row, pixels) in enumerate(self.stills(unpacked(self.workspace.store, part.spec)))
        )
        return Crops(few(pictures, _samples(part), training.side, seed), training.side, training.crops, seed)

    def train(self, name: str, part: Part, trainer: Trainer) -> None:
        """To the end, from where a killed run of the same part was."""
        store, state = self.workspace.store, state_key(name, part.key)
        if store.exists(f"{state}.safetensors"):
            trainer.load(store.get(f"{state}.safetensors"))
        every = self.config.training.save_every

        def tell(t: Trainer) -> None:
            report = {"step": t.step, "steps": t.steps, "loss": t.curve.objective[-1] + t.curve.vq[-1]}
            store.put(f"{state}.json", json.dumps(report).encode())
            if t.step % every == 0:
                store.put(f"{state}.safetensors", t.save())

        trainer.run(self.crops(part), tell, max(1, every // TOLD))
        store.delete([f"{state}.safetensors", f"{state}.json"])


class EncoderWorker(_Learner):
    """Publishes the trained state as ``encoder``."""

    def process(self, part: Part) -> Output:
        from dataengine.tokenize.kelix.train import Trainer

        trainer = Trainer(without_codebooks(self.config), False, self.device)
        self.train(KelixEncoder.name, part, trainer)
        data = trainer.save()
        key = f"tokenizers/encoders/{part.key}.safetensors"
        return Output({"encoder": File(key, self.workspace.store.put(key, data), len(data))}, {"steps": trainer.step})


@dataclass
class FeatureWorker(_Learner):
    """Publishes at most ``centre_tokens`` features of its samples as ``features``, ``(n, D)`` float32 with their keys: of all of
    them a ``share``, which is more than can be among the smallest keys of all parts, so it changes no centre."""

    share: float = 1.0

    def process(self, part: Part) -> Output:
        import torch

        data = self.workspace.store.get(str(self.given))
        network = encoder_network(self.config, data).to(self.device)
        sample = PatchSample(self.config.training.centre_tokens, self.config.seed, self.share)
        torch.set_num_threads(1)
        with torch.inference_mode():
            for n, (row, pixels) in enumerate(self.stills(self.samples(part.spec))):
                x = network.features(np.stack(pixels.frames))
                sample.add(f"{row.id}/{n}", x.flatten(0, 1).float().cpu().numpy())
        out = io.BytesIO()
        np.savez(out, keys=sample.keys(), rows=sample.rows())
        key = f"tokenizers/features/{part.name}-{part.key[:16]}.npz"
        file = File(key, self.workspace.store.put(key, out.getvalue()), out.tell())
        return Output({"features": file}, {"tokens": len(sample.rows())})


class FitWorker(_Learner):
    """Publishes the tokenizer and its loss curve."""

    def process(self, part: Part) -> Output:
        import torch

        from dataengine.tokenize.kelix.curve import picture
        from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
        from dataengine.tokenize.kelix.train import Trainer

        store = self.workspace.store
        before, trainer = Trainer(without_codebooks(self.config), False), Trainer(self.config, True, self.device)
        before.load(store.get(str(self.encoder)))
        weights = {k: v for k, v in before.student.state_dict().items() if not k.endswith(".centres")}
        trainer.student.load_state_dict(weights, strict=False)
        _, arrays = checkpoint.unpack(store.get(str(self.given)))
        trainer.student.network.quantiser.start(torch.from_numpy(arrays["centres"]).to(self.device))
        self.train(KelixFit.name, part, trainer)
        tokenizer = KelixTokenizer(self.config, trainer.student.network.cpu())
        training = {
            "preset": self.config.preset,
            "parameters": sum(p.numel() for p in trainer.student.network.parameters()),
            "steps": trainer.step,
            "loss": trainer.curve.objective[-1],
        }
        output = checkpoint.publish(store, tokenizer, {"samples": _samples(part)}, training)
        curve = {"encoder": before.curve.objective, "codes": trainer.curve.objective, "vq": trainer.curve.vq}
        members = {"curve": ("curve.json", json.dumps(curve).encode()), "loss": ("loss.svg", picture(curve))}
        files = dict(output.files)
        for role, (name, data) in members.items():
            key = f"tokenizers/{tokenizer.id}/{name}"
            files[role] = File(key, store.put(key, data), len(data))
        return Output(files, output.counts, output.facts)


def _samples(part: Part) -> int:
    return sum(place.rows for place in part.spec)


def has_curriculum(recipe: Recipe) -> bool:
    """Is the tokenizer trained by the report's stages? False where the recipe's tokenizer is not valid: validation says so."""
    try:
        return configure(recipe.tokenize.tokenizer).training.curriculum is not None if recipe.tokenize else False
    except UsageError:
        return False
