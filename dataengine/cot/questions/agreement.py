"""Decides by sampled answers whether a proposed question is asked: models agree on the answer, need the picture for it, and do
not get it at a glance. Its difficulty is how many samples got it right, and how long they took (Keye-VL, arXiv 2507.01949, on
post-training data)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataengine.config.cot import AskConfig
from dataengine.cot.checks.answers import expected, matches
from dataengine.cot.core.proposals import ProposalRow
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import Difficulty
from dataengine.cot.core.source_qa import LETTERS
from dataengine.cot.replies.canonical import answer_section
from dataengine.cot.replies.final import final_answer
from dataengine.cot.tasks.from_source import lettered
from dataengine.models.serving.messages import TextBlock

_UNKNOWN = frozenset({"", "unknown"})
_LONG = 60.0
"""Words of a sample, on average, from which on a question that all get right is no easy one."""
_HARD = 0.75
"""Share of right samples below which a question is hard."""


@dataclass(frozen=True)
class Votes:
    """Texts of the finished samples with the picture and without it; ``tried``: how many were asked with it."""

    samples: tuple[str, ...]
    guesses: tuple[str, ...]
    tried: int


@dataclass(frozen=True)
class QuestionJudgement:
    """A judge's word on a question and its answer."""

    valid: bool
    reason: str
    score: int


def counted(row: ProposalRow, votes: Votes) -> ProposalRow:
    """The row with what the samples and guesses say."""
    answers = [answer_in(row, text) for text in votes.samples]
    lengths = [len(text.split()) for text in votes.samples]
    return replace(
        row,
        right=sum(agrees(row, answer) for answer in answers),
        samples=len(answers),
        guessed=sum(agrees(row, answer_in(row, text)) for text in votes.guesses),
        guesses=len(votes.guesses),
        words=round(sum(lengths) / len(lengths), 1) if lengths else 0.0,
        answers=json.dumps([answer[:200] for answer in answers], ensure_ascii=False),
    )


def settled(row: ProposalRow, votes: Votes, config: AskConfig) -> ProposalRow:
    """The counted row with its verdict, before a judge has seen it."""
    if 2 * row.samples <= votes.tried:
        return replace(row, verdict="failed", reason="too few samples came back")
    if row.guesses and row.guessed / row.guesses >= _limit(row, config.max_guessed):
        return replace(row, verdict="rejected", reason="answerable without the picture")
    if row.right / row.samples < config.min_agreement:
        return _unsettled(row)
    if row.right == row.samples and row.words <= config.trivial_words:
        return replace(row, verdict="rejected", reason="trivial")
    return replace(row, verdict="kept", reason="", difficulty=difficulty(row))


def judged(row: ProposalRow, judgement: QuestionJudgement | None) -> ProposalRow:
    """The row after a judge; one whose reply could not be read decides nothing."""
    if judgement is None:
        return row
    row = replace(row, judged=judgement.score)
    if not judgement.valid:
        return replace(row, verdict="rejected", reason=f"judge: {judgement.reason[:80]}")
    return replace(row, verdict="rejected", reason="judge: needs no picture") if judgement.score == 1 else row


def difficulty(row: ProposalRow) -> Difficulty:
    share = row.right / row.samples
    if share < _HARD:
        return "hard"
    return "easy" if share == 1.0 and row.words < _LONG else "medium"


def _unsettled(row: ProposalRow) -> ProposalRow:
    """A question for people, with the answer that most samples give where at least two give it."""
    answers = [answer for answer in map(_normal, json.loads(row.answers)) if answer not in _UNKNOWN]
    counts = Counter(answers)
    top = min(counts, key=lambda answer: (-counts[answer], answer), default="")
    row = replace(row, verdict="unsettled", reason="models do not agree on the answer", difficulty="hard")
    if counts[top] < 2 or counts[top] <= row.right:
        return row
    options = {letter.lower(): letter for letter in LETTERS[: len(row.options)]}
    options |= {_normal(text): letter for letter, text in zip(LETTERS, row.options, strict=False)}
    if row.options and top not in options:
        return row
    return replace(row, answer=options.get(top, top), reason="models agree on another answer")


def _limit(row: ProposalRow, max_guessed: float) -> float:
    """The share of right guesses from which on a question needs no picture: all, where chance alone gets half of them."""
    chance = 1 / len(row.options) if row.options else 0.5 if row.answer.lower() in ("yes", "no") else 0.0
    return 1.0 if chance >= max_guessed else max_guessed


def answer_in(row: ProposalRow, text: str) -> str:
    """The final answer of a sample, as replies are read; "" where it gives none."""
    return final_answer(expected(as_question(row)), answer_section("thinking", text)) or ""


def agrees(row: ProposalRow, answer: str) -> bool:
    """Whether an answer is the proposed one, as replies are compared with a record's answer."""
    return matches(as_question(row), answer)


def asked_text(row: ProposalRow) -> str:
    """The question with its choices, a line each."""
    return f"{row.text}\n{lettered(row.options)}" if row.options else row.text


def as_question(row: ProposalRow) -> Question:
    """The proposal as a question of the kind that answers are compared with."""
    parameters = {"question": row.text, "answer": row.answer}
    return Question(
        id=row.sample,
        mode="thinking",
        task="asked",
        style="thinking",
        family="picture",
        difficulty="medium",
        seed=0,
        parents=(row.sample,),
        content=(TextBlock(text=row.text),),
        answer=row.answer,
        answer_type=row.answer_type,  # type: ignore[arg-type]
        basis="agreed",
        parameters=parameters | ({"choices": row.choices} if row.options else {}),
        facts={"samples": float(row.samples)},
    )


def _normal(answer: str) -> str:
    return " ".join(re.findall(r"[\w.%-]+", answer.lower())).rstrip(".")


def texts_of(results: Sequence[str | None]) -> tuple[str, ...]:
    """Those that finished."""
    return tuple(text for text in results if text is not None)
