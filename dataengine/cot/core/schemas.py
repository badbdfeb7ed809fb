"""Arrow schemas of the tables between the steps of CoT construction; their rows as objects are in ``tables``."""

from __future__ import annotations

import pyarrow as pa

from dataengine.cot.core.columns import MEMBERS, PLACES
from dataengine.samples.locate import LOCATED

CONFIDENCE = {
    "confidence": pa.float64(),
    "least_token": pa.float64(),
    "step_means": pa.list_(pa.float64()),
    "step_leasts": pa.list_(pa.float64()),
}


def _schema(*strings: str, **others: pa.DataType) -> pa.Schema:
    return pa.schema([*(pa.field(name, pa.string()) for name in strings), *(pa.field(n, t) for n, t in others.items())])


_MATERIAL = _schema("split", "pairs", "distractors", "texts", "parent", partners=pa.list_(pa.string()), videos=PLACES)
#: A sample of the release, where its bytes lie, and what its questions are made of besides them. Pairs and distractors are JSON,
#: as are ``texts``, what was read or heard in it by name;
#: ``videos`` are the places of the partners.
SOURCE_MATERIAL = pa.schema([*(pa.field(f.name, f.type) for f in LOCATED), *_MATERIAL])
#: What the rows of a sample, or of a question, were made from, as a digest; "" where they are made anew when asked for again.
#: ``counts`` is JSON.
INPUTS = _schema("unit", "input", "counts")
#: ``question`` is JSON of ``question.Question``; ``asked`` the canonical JSON of its parameters, equal for questions that their
#: text alone cannot tell apart. A rejected one has the sample's id as ``rid``.
QUESTIONS = _schema(
    "rid", "sample", "mode", "style", "task", "family", "split", "difficulty", "asked", "answer", "rejected", "question",
    "pack", members=MEMBERS,
)  # fmt: skip
PATHS = _schema(
    "rid", "kind", "teacher", "prompt", "text", "injected", "failure", "message", "pack",
    members=MEMBERS, index=pa.int32(), seed=pa.int64(), **CONFIDENCE,
)  # fmt: skip
CHECKS = _schema(
    "rid", "kind", "teacher", "prompt", "injected", "failure", "grade", "answer",
    right=pa.bool_(), reasons=pa.list_(pa.string()), words=pa.int32(), index=pa.int32(), seed=pa.int64(), **CONFIDENCE,
    judged=pa.int32(), equal=pa.bool_(), recurrence=pa.float64(),
)  # fmt: skip
REVIEWED = _schema(
    "rid", "why", "action", "text", "outcome", "step", "reason", "text_only", "paths",
    chosen=pa.int32(), agreement=pa.float64(), judged=pa.int32(), equal=pa.bool_(), guessed=pa.float64(),
)  # fmt: skip
#: Questions for a person, as JSON of ``review.base.ReviewItem``.
ITEMS = _schema("rid", "item")
#: What became of a question that a model proposed about a sample. ``choices`` and ``answers`` are JSON lists.
PROPOSALS = _schema(
    "sample", "teacher", "prompt", "verdict", "reason", "capability", "text", "answer", "answer_type", "choices",
    "answers", "difficulty", **dict.fromkeys(("number", "right", "samples", "guessed", "guesses", "judged"), pa.int32()),
    words=pa.float64(),
)  # fmt: skip
#: A benchmark item that asks what a question asks of the same picture: cosines of the pictures and of the texts.
QUESTION_HITS = _schema("rid", "benchmark", "item", picture=pa.float64(), text=pa.float64())
SCORES = _schema("rid", "benchmark", quality=pa.int32(), prior=pa.float64(), weight=pa.float64(), repeat=pa.int32())
OUTCOMES = _schema("rid", "sample", "mode", "style", "task", "teacher", "outcome", "step", "reason")
PLAN = _schema(
    "rid", "split", "family", "question", "text", "paths", "pack", "text_only", "review",
    members=MEMBERS, equal=pa.bool_(), chosen=pa.int32(),
    **dict.fromkeys(("quality", "agreement", "prior", "weight", "repeat"), pa.float64()),
)  # fmt: skip
