"""The tables between the steps of CoT construction, one row a question or a path. Inside a workspace, not part of a release."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

_MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])


SURE = ("confidence", "least_token", "step_means", "step_leasts")
_SURE = [pa.field(n, pa.list_(pa.float64()) if n.startswith("step_") else pa.float64()) for n in SURE]


def _strings(*names: str) -> list[Any]:
    return [pa.field(name, pa.string()) for name in names]


#: What is known of a sample besides its media: pairs of its source and captions of other samples (JSON), and other videos.
GIVEN = pa.schema([*_strings("id", "pairs", "rivals"), pa.field("partners", pa.list_(pa.string()))])
#: A question with its answer and the facts both rest on (``record``: canonical JSON, the programmatic reply with it), where
#: its pictures lie in a pack, or why it was not asked.
QUESTIONS = pa.schema(
    [
        *_strings("rid", "sample", "mode", "style", "task", "family", "split", "difficulty", "asked", "answer"),
        *_strings("rejected", "record", "pack"),
        pa.field("members", pa.list_(_MEMBER)),
    ]
)
#: What a teacher said: a path of reasoning, or (``kind`` blind) an answer without the picture. ``planted`` names the error
#: of a path that is wrong on purpose, ``failure`` the class of a call that gave nothing. ``pack`` is set where a model's tools
#: gave its pictures. ``confidence`` and ``least_token`` are the mean and the lowest log-probability of all tokens, ``step_*``
#: of those of each sentence of the reasoning.
PATHS = pa.schema(
    [
        *_strings("rid", "kind", "teacher", "prompt", "text", "planted", "failure", "message", "pack"),
        pa.field("members", pa.list_(_MEMBER)),
        pa.field("index", pa.int32()),
        pa.field("seed", pa.int64()),
        *_SURE,
    ]
)
#: How a path fared: grade A, B or C, what it answers, whether that is right, what is wrong with it. ``equal``: a judge finds a
#: free answer to be the right one in other words.
CHECKS = pa.schema(
    [
        *_strings("rid", "kind", "teacher", "prompt", "planted", "failure", "grade", "answer"),
        pa.field("right", pa.bool_()),
        pa.field("reasons", pa.list_(pa.string())),
        pa.field("words", pa.int32()),
        pa.field("index", pa.int32()),
        pa.field("seed", pa.int64()),
        *_SURE,
        pa.field("judged", pa.int32()),
        pa.field("equal", pa.bool_()),
    ]
)
#: The path that became the reply, or why there is none. ``text`` replaces the path's where a person has edited it.
REVIEWED = pa.schema(
    [
        *_strings("rid", "why", "action", "text", "outcome", "step", "reason"),
        pa.field("chosen", pa.int32()),
        pa.field("agreement", pa.float64()),
        pa.field("blind", pa.string()),
        pa.field("judged", pa.int32()),
        pa.field("equal", pa.bool_()),
        pa.field("told", pa.string()),
    ]
)
#: Questions for a person, as JSON of ``review.base.ReviewItem``.
ITEMS = pa.schema(_strings("rid", "item"))
#: How good a question is and how often it is to be used.
SCORES = pa.schema(
    [
        *_strings("rid", "benchmark"),
        pa.field("quality", pa.int32()),
        pa.field("prior", pa.float64()),
        pa.field("weight", pa.float64()),
        pa.field("repeat", pa.int32()),
    ]
)
#: What became of each question: exactly one of kept, rejected (step, reason) and failed (reason: the class).
OUTCOMES = pa.schema(_strings("rid", "sample", "mode", "style", "task", "teacher", "outcome", "step", "reason"))
#: A record that is to be written, with all that the steps have told of it.
PLAN = pa.schema(
    [
        *_strings("rid", "split", "family", "record", "text", "told", "pack", "blind", "review"),
        pa.field("members", pa.list_(_MEMBER)),
        pa.field("equal", pa.bool_()),
        pa.field("chosen", pa.int32()),
        *(pa.field(name, pa.float64()) for name in ("quality", "agreement", "prior", "weight", "repeat")),
    ]
)
