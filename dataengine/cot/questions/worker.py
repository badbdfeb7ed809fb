"""Composes the questions of a sample in the decode child: one decode serves all of its candidates."""

from __future__ import annotations

from dataclasses import replace

from dataengine.cot.core.decoded import decoded
from dataengine.cot.core.outcomes import Outcome
from dataengine.cot.questions.build import candidates
from dataengine.cot.questions.encoded import Context, EncodedSample
from dataengine.cot.tasks.plugin_tasks import use


def compose_all(context: Context, sample: EncodedSample) -> list[Outcome]:
    """The candidates of one sample. Raises InputError."""
    use(context.plugins)
    source = decoded(sample.id, sample.kind, sample.data, context.limits, sample.captions, sample.facts)
    partners = {id_: decoded(id_, sample.kind, data, context.limits, (), facts) for id_, data, facts in sample.partners}
    source = replace(
        source,
        samplings=context.samplings,
        pairs=sample.pairs,
        distractors=sample.distractors,
        partners=partners,
        proposals=sample.proposals,
    )
    if sample.kind == "image":
        source.picture()  # a broken one gives no questions, not even those that do not show it
    return candidates(
        source,
        context.seed,
        context.per_sample,
        context.mix,
        models=context.models,
        switches=context.switches,
        shares=context.shares,
    )
