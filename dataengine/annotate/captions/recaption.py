"""annotate.recaption: asks the recipe's model servers for captions of the samples of the plan, a part a media tar.

Pictures are decoded and encoded for the requests in children, as there is room for requests; what was answered is kept by the
client, so a part that is made again asks nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dataengine.annotate.captions import prompts
from dataengine.annotate.captions.plan_stage import ROWS
from dataengine.annotate.captions.recaption_worker import RecaptionWorker, too_many
from dataengine.annotate.captions.settings import captioning, captions_config, captions_servers
from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.models.serving.connect import chat_model
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import digest


class Recaption(RecordStage):
    """Failures are rows; more than ``failed`` of them stop the run once all parts are committed."""

    name = "annotate.recaption"
    version = "1"
    needs = ("annotate.caption_plan", "annotate.asr")

    def active(self, recipe: Recipe) -> bool:
        return captioning(recipe)

    def validate(self, recipe: Recipe) -> None:
        for server in captions_servers(recipe).values():
            chat_model(server, None).validate()
        if captions_config(recipe).asr and (recipe.annotate is None or recipe.annotate.asr is None):
            raise UsageError("annotate.captions: asr tells the model what is said, so it needs `annotate: asr` as well")

    def servers(self, recipe: Recipe) -> Sequence[str]:
        return captions_config(recipe).servers

    def settings(self, recipe: Recipe) -> Any:
        config = captions_config(recipe)
        settings = config.model_dump(
            mode="json", exclude={"servers", "select", "metadata", "source_captions", "choose"}
        )
        models = {name: [chat_model(s, None).id, s.vision] for name, s in captions_servers(recipe).items()}
        return [settings, models, prompts.digests(config), recipe.seed, recipe.limits.model_dump()]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        files = run.records["annotate.caption_plan"].parts["all"].files
        heard = run.records["annotate.asr"].parts if captions_config(run.recipe).asr else {}
        parts = []
        for role, rows in sorted(files.items()):
            name = role.removeprefix(ROWS)
            speech = heard[name].files["table"] if name in heard else None
            key = digest(base, rows.sha256, *([speech.sha256] if speech else []))
            parts.append(Part(name, key, (rows, speech)))
        return parts

    def worker(self, run: Run) -> Worker:
        recipe = run.recipe
        limits, config = recipe.limits.to_limits(), captions_config(recipe)
        return RecaptionWorker(limits, run.workspace, config, captions_servers(recipe), recipe.seed)

    def objection(self, run: Run) -> str:
        counts, budget = run.records[self.name].counts, captions_config(run.recipe).failed
        captions, lost = counts.get("captions", 0), counts.get("failed", 0)
        if not too_many(lost, captions, budget):
            return ""
        classes = sum((Counter(p.facts["failures"]) for p in run.records[self.name].parts.values()), Counter[str]())
        listed = ", ".join(f"{n:,} {failure}" for failure, n in classes.most_common(3))
        return (
            f"annotate.captions: {lost:,} of {captions:,} captions could not be had ({listed}); annotate.captions.failed allows "
            f"{budget:.0%}"
        )
