"""Asks models about samples: for questions, for answers to them with and without the pictures, and for a judge's word.

All samples of a chunk go through one step together, so a server has as many requests at once as it can take. Completions are
kept by content: a batch that comes again is not asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dataengine.config.cot import AskConfig
from dataengine.cot.core.proposals import ProposalRow
from dataengine.cot.core.seeded import Draw, derive_seed
from dataengine.cot.core.tables import SourceMaterial
from dataengine.cot.questions.agreement import (
    QuestionJudgement,
    Votes,
    asked_text,
    counted,
    judged,
    settled,
    texts_of,
)
from dataengine.cot.questions.proposed import read_proposals
from dataengine.cot.replies.json_replies import json_of_reply
from dataengine.cot.tasks.capabilities import described, drawn
from dataengine.cot.teachers import question_text
from dataengine.cot.teachers.prompt_text import prompt_of, register
from dataengine.cot.teachers.question_text import Views
from dataengine.cot.teachers.renderer import Renderer
from dataengine.errors import InputError
from dataengine.models.serving.completion import FINAL, ChatModel, FailedCompletion, Request, raise_if_fatal
from dataengine.samples.locate import Located

SAMPLING = "even 16"
"""Frames of a video that are shown."""
_FRAMES = 16


@dataclass
class Chunk:
    """Samples that are asked about together: how each is shown, by id, and the pictures by reference. ``unfinished``: samples of
    which a request failed that may yet succeed."""

    views: dict[str, Views]
    pictures: dict[str, bytes]
    unfinished: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class QuestionAsker:
    """``samplers`` answer the questions of ``proposer``; ``seed`` is the recipe's."""

    config: AskConfig
    seed: int
    proposer: ChatModel
    samplers: Sequence[ChatModel]
    judge: ChatModel | None
    renderer: Renderer

    def over(
        self, samples: Sequence[Located], material: Mapping[str, SourceMaterial]
    ) -> tuple[dict[str, list[ProposalRow]], set[str]]:
        """The proposals of each sample by id, and the samples that should be asked about again. Raises RunError where all
        further requests would fail."""
        chunk = self._shown(samples)
        rows = self._proposed(samples, material, chunk)
        rows = self._settled(rows, chunk)
        rows = self._judged(rows, chunk)
        by_sample: dict[str, list[ProposalRow]] = {sample.id: [] for sample in samples}
        for row in rows:
            by_sample[row.sample].append(row)
        return by_sample, chunk.unfinished

    def _shown(self, samples: Sequence[Located]) -> Chunk:
        located = {row.id: row for row in samples}
        wanted = {row.id: {"" if row.kind == "image" else SAMPLING} for row in samples}
        pictures: dict[str, bytes] = {}
        views = {}
        for id_, by_sampling in self.renderer.rendered(wanted, located).items():
            [shown] = by_sampling.values()
            names = tuple(register(shown, pictures))
            views[id_] = Views(names, _times(located[id_], len(names)))
        return Chunk(views, pictures)

    def _proposed(
        self, samples: Sequence[Located], material: Mapping[str, SourceMaterial], chunk: Chunk
    ) -> list[ProposalRow]:
        prompt, sampling = prompt_of("propose"), (self.config.temperature, self.config.max_tokens)
        rows = [
            ProposalRow(sample.id, 0, self.proposer.id, prompt, "failed", "the sample cannot be shown")
            for sample in samples
            if sample.id not in chunk.views
        ]
        shown = [sample for sample in samples if sample.id in chunk.views]
        requests = []
        for sample in shown:
            draw = Draw(self.seed, sample.id, "ask")
            names = drawn(sample.kind, self.config.capabilities, self.config.questions_per_sample, draw)
            known = {"captions": " | ".join(sample.captions)} | json.loads(material[sample.id].texts)
            views = chunk.views[sample.id]
            requests.append(question_text.proposing(sample.id, views, described(names), known, self.seed, sampling))
        results = self._results(self.proposer, [(s.id, r) for s, r in zip(shown, requests, strict=True)], chunk)
        for sample, result in zip(shown, results, strict=True):
            if isinstance(result, FailedCompletion):
                row = ProposalRow(sample.id, 0, self.proposer.id, prompt, "failed", result.failure.value)
                rows.append(row)
                continue
            earlier = [pair.question for pair in material[sample.id].pairs]
            rows += read_proposals(result, sample.id, self.proposer.id, prompt, earlier)
        return rows

    def _settled(self, rows: Sequence[ProposalRow], chunk: Chunk) -> list[ProposalRow]:
        """The rows with what sampled answers say of those that the rules leave."""
        open_ = [row for row in rows if row.verdict == "kept"]
        answers: list[list[str | None]] = [[] for _ in open_]
        guesses: list[list[str | None]] = [[] for _ in open_]
        for sampler in self.samplers:
            with_picture = [
                self._answering(row, sampler.id, n, chunk) for row in open_ for n in range(self.config.samples)
            ]
            without = [
                self._guessing(row, sampler.id, n) for row in open_ for n in range(self.config.text_only_samples)
            ]
            results = [
                None if isinstance(r, FailedCompletion) else r
                for r in self._results(sampler, with_picture + without, chunk)
            ]
            for place in range(len(open_)):
                count = self.config.samples
                answers[place] += results[place * count : (place + 1) * count]
                start, count = len(with_picture) + place * self.config.text_only_samples, self.config.text_only_samples
                guesses[place] += results[start : start + count]
        votes = [Votes(texts_of(a), texts_of(g), len(a)) for a, g in zip(answers, guesses, strict=True)]
        settled_rows = (settled(counted(row, v), v, self.config) for row, v in zip(open_, votes, strict=True))
        return [next(settled_rows) if row.verdict == "kept" else row for row in rows]

    def _judged(self, rows: Sequence[ProposalRow], chunk: Chunk) -> list[ProposalRow]:
        if self.judge is None:
            return list(rows)
        open_ = [row for row in rows if row.verdict == "kept"]
        requests = [
            (
                row.sample,
                question_text.judging(asked_text(row), row.answer, chunk.views[row.sample], self._seed(row, "judge")),
            )
            for row in open_
        ]
        results = iter(self._results(self.judge, requests, chunk))
        return [judged(row, _judgement(next(results))) if row.verdict == "kept" else row for row in rows]

    def _answering(self, row: ProposalRow, sampler: str, number: int, chunk: Chunk) -> tuple[str, Request]:
        sampling = (self.config.temperature, self.config.max_tokens)
        seed = self._seed(row, sampler, number)
        return row.sample, question_text.answering(asked_text(row), chunk.views[row.sample], seed, sampling)

    def _guessing(self, row: ProposalRow, sampler: str, number: int) -> tuple[str, Request]:
        """The first guess is the most likely answer, further ones are drawn."""
        seed = self._seed(row, sampler, "guess", number)
        return row.sample, question_text.guessing(asked_text(row), seed, self.config.temperature if number else 0.0)

    def _seed(self, row: ProposalRow, *of: str | int) -> int:
        return derive_seed(self.seed, row.sample, row.text, *of)

    def _results(
        self, model: ChatModel, requests: Sequence[tuple[str, Request]], chunk: Chunk
    ) -> list[str | FailedCompletion]:
        """The text that each request, given with its sample, comes to, or why there is none."""
        results: dict[int, str | FailedCompletion] = {}
        for at, result in model.complete([request for _, request in requests], chunk.pictures.__getitem__):
            if isinstance(result, FailedCompletion):
                raise_if_fatal(result)
                chunk.unfinished |= {requests[at][0]} if result.failure not in FINAL else set()
                results[at] = result
            else:
                results[at] = result.text
        return [results[at] for at in range(len(requests))]


def _times(sample: Located, frames: int) -> tuple[float, ...]:
    """Middles of equal spans, in seconds, where the duration is known and no two frames fell together."""
    duration = sample.facts.get("duration")
    if sample.kind == "image" or not duration or frames != _FRAMES:
        return ()
    return tuple(round((n + 0.5) * duration / frames, 1) for n in range(frames))


def _judgement(result: str | FailedCompletion) -> QuestionJudgement | None:
    try:
        reply = json_of_reply(result) if isinstance(result, str) else None
    except InputError:
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("valid"), bool):
        return None
    score, reason = reply.get("score"), reply.get("reason")
    if type(score) is not int or not 1 <= score <= 5 or not isinstance(reason, str):
        return None
    return QuestionJudgement(reply["valid"], reason, score)


def without_unsettled(rows: Sequence[ProposalRow]) -> list[ProposalRow]:
    """The rows where the recipe wants nothing for people."""
    return [replace(row, verdict="rejected") if row.verdict == "unsettled" else row for row in rows]
