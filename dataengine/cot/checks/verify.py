"""Verifies records and questions: all that can be is measured again from the media; nothing in them is trusted.

The answer is decided from fresh measurements; the recorded ones must agree with these; the text must be what the recorded
ones and the seed give, letter by letter; tool calls are run again, and pictures compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image

from dataengine.cot.checks.answers import answer_of, matches
from dataengine.cot.checks.reasoning import flaws
from dataengine.cot.core import formats, tools
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import OBSERVATION, TEACHER, VERSION, Record, record_id
from dataengine.cot.core.sample import NO_SAMPLE, CotInput
from dataengine.cot.core.shard_files import decode_png
from dataengine.cot.tasks.base import Abstain, Facts, Task, messages
from dataengine.cot.tasks.programmatic import exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block

_PIXEL_TOLERANCE = 4.0
"""Mean absolute difference that two decoders may make in a picture."""
_SIDE_TOLERANCE = 2


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """``step`` is the check that failed: record, media, evidence, answer, format,
    process, text, observations or tools."""

    status: Status
    step: str = ""
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED


@dataclass(frozen=True)
class _Reply:
    """``path``: which of the programmatic paths it is, None for a model's text or one that a person has let pass.
    ``tool_pictures``: its pictures are those that a model's own calls gave. ``other_words``: a judge or a reviewer found it to
    say the answer in other words."""

    content: Sequence[Block]
    path: int | None = 0
    tool_pictures: bool = False
    reviewed: bool = False
    other_words: bool = False

    def parts(self) -> tuple[str, list[str]]:
        """The text, and references of the pictures in it."""
        return formats.to_text(self.content)


@dataclass(frozen=True)
class _Case:
    question: Question
    task: Task
    source: CotInput
    images: Mapping[str, bytes]
    facts: Facts | Abstain
    reply: _Reply

    def parsed(self) -> formats.Reply:
        """Raises FormatError."""
        return formats.parse(self.question.style, self.reply.parts()[0])


def verify_record(
    record_json: bytes, load_media: Callable[[str], CotInput], images: Mapping[str, bytes] | None = None
) -> Verdict:
    """Check a record. ``load_media`` gives a sample by id; ``images`` are the record's pictures by member extension
    (``obs0.png``). The first check that fails ends it."""

    def case() -> _Case | Verdict:
        record = Record.from_bytes(record_json)
        if reason := _contract(record):
            return Verdict(Status.FAILED, "record", reason)
        task, source = TASKS[record.task], load_media(record.parents[0]) if record.parents else NO_SAMPLE
        if task.basis in ("measured", "constructed") and len(record.parents) > 1:
            source = source.with_partners({id_: load_media(id_) for id_ in record.parents[1:]})
        programmatic = record.teacher == TEACHER
        reply = _Reply(
            record.messages[-1].content,
            record.path if programmatic and not record.review else None,
            record.style == "agentic" and not programmatic,
            bool(record.review),
            record.judged,
        )
        return _Case(Question.of(record), task, source, images or {}, task.measure(record.parameters, source), reply)

    return _verdict(case, tuple(_CHECKS))


def verify_question(question: Question, source: CotInput, images: Mapping[str, bytes]) -> Verdict:
    """Check a question and, where a program can write it, its reply. ``source`` is the sample, with all others that the question
    shows among its partners."""
    task = TASKS[question.task]

    def case() -> _Case:
        reply = _Reply(messages(exchange(question, 0), question.style, question.switches)[1].content)
        return _Case(question, task, source, images, task.measure(question.parameters, source), reply)

    return _verdict(case, tuple(_CHECKS) if task.programs(question.style) else _OF_QUESTIONS)


def _verdict(case: Callable[[], _Case | Verdict], checks: Sequence[str]) -> Verdict:
    try:
        made = case()
        return made if isinstance(made, Verdict) else next(_problems(made, checks), Verdict(Status.PASSED))
    except InputError as error:
        return Verdict(Status.FAILED, "record" if error.failure == "bad_record" else error.failure, error.message)
    except (LookupError, ValueError) as error:
        return Verdict(Status.FAILED, "record", f"its parameters or facts are not the task's: {error}")


def _of_another_task(name: str, stated: Sequence[str], known: Sequence[str]) -> str:
    """What a record says of its task, and this version of the task does not; "" where they agree."""
    pairs = zip(("mode", "family", "answer type", "basis"), stated, known, strict=True)
    differ = [f"its {what} is {one!r}, that of task {name} is {other!r}" for what, one, other in pairs if one != other]
    advice = "where it was made by an earlier version of the task, make it again or verify it with that version"
    return f"{'; '.join(differ)}: {advice}" if differ else ""


def _contract(record: Record) -> str:
    """Contradictions within the record, found before any media is read."""
    task = TASKS.get(record.task)
    if record.version != VERSION:
        return f"version {record.version}, this code checks {VERSION}"
    if task is None:
        return f"unknown task {record.task!r}"
    stated = (record.mode, record.family.partition("_")[0], record.answer_type, record.basis)
    if reason := _of_another_task(
        record.task, stated, (task.mode, task.family, task.type_of(record.parameters), task.basis)
    ):
        return reason
    parents = task.parents(next(iter(record.parents), ""), record.parameters)
    if record.style not in task.styles or record.parents != parents or record.verdict.status != "passed":
        return "style, parents or verdict are not as the task makes them"
    if [message.role for message in record.messages] != ["user", "assistant"]:
        return "its messages are not one question and one reply"
    expected = record_id(record.mode, record.task, record.seed, record.parents)
    return "" if record.id == expected else f"id {record.id} instead of {expected}"


def _problems(case: _Case, checks: Sequence[str]) -> Iterator[Verdict]:
    for name in checks:
        if reason := _CHECKS[name](case):
            yield Verdict(Status.FAILED, name, reason)


def _evidence(case: _Case) -> str:
    """The facts agree with what was measured again."""
    recorded, measured = case.question.facts, case.facts
    if isinstance(measured, Abstain):
        return f"cannot be measured again: {measured.reason}"
    if measured.keys() != recorded.keys():
        return "other facts were measured"
    for name, value in recorded.items():
        if abs(value - measured[name]) > case.task.tolerance(name):
            return f"{name} is {measured[name]:g}, not {value:g}"
    return ""


def _answer(case: _Case) -> str:
    """The answer, from the new facts alone."""
    question, facts = case.question, case.facts
    answer = facts if isinstance(facts, Abstain) else case.task.decide(question.parameters, facts, strict=False)
    return "" if answer == question.answer else f"the answer is {answer}, not {question.answer}"


def _format(case: _Case) -> str:
    """The exact form of the mode, and the answer in it."""
    answer = answer_of(case.question, case.parsed())
    if answer is not None and case.reply.other_words and case.question.free:
        return ""
    return "" if matches(case.question, answer) else f"the reply says {answer}, not {case.question.answer}"


def _process(case: _Case) -> str:
    """Reasoning that the facts do not deny. What a person has let pass is that person's."""
    measured = case.reply.path is not None
    reasons = [] if case.reply.reviewed else flaws(case.question, case.parsed(), measured)
    return f"its reasoning: {', '.join(reasons)}" if reasons else ""


def _text(case: _Case) -> str:
    """The messages, letter by letter, where a program wrote them; the question in any case."""
    question, path = case.question, case.reply.path
    expected, reply = messages(exchange(question, path or 0), question.style, question.switches)
    if path is None:
        return "" if expected.content == question.content else "the question is not the one that was asked"
    same = (expected.content, reply.content) == (question.content, tuple(case.reply.content))
    return "" if same else "the text does not follow from the facts"


def _observations(case: _Case) -> str:
    """The stored pictures have their digests; those of the question are what the media give. What tools gave, ``tools``
    compares."""
    stored = case.question.observations
    names = [one.name for one in stored]
    if set(names) != set(case.images) or names != [f"obs{i}.png" for i in range(len(stored))]:
        return "pictures are missing or too many"
    for one in stored:
        if hashlib.sha256(case.images[one.name]).hexdigest() != one.sha256:
            return f"{one.name} has another digest"
    expected = case.task.observe(case.question.parameters, case.source)
    if not case.reply.tool_pictures and len(stored) != len(expected):
        return "pictures are missing or too many"
    if case.question.style == "agentic":
        names, expected = names[: case.question.shown], expected[: case.question.shown]
    wrong = [n for n, p in zip(names, expected, strict=True) if not _same_picture(decode_png(case.images[n]), p)]
    return f"{wrong[0]} shows something else" if wrong else ""


def _tools(case: _Case) -> str:
    """Run the code again: it gives what the record says that it gave."""
    reply = case.parsed()
    if not isinstance(reply, formats.Agentic):
        return ""
    media = formats.to_text(case.question.content)[1]
    shown = [f"obs{name.removeprefix(OBSERVATION)}.png" for name in (*media, *case.reply.parts()[1]) if _is_own(name)]
    if shown != [one.name for one in case.question.observations]:
        return "not the pictures that the tools gave, each once"
    left = iter(shown[sum(map(_is_own, media)) :])
    picture = case.task.canvas(case.question.parameters, case.source)
    for step in reply.steps:
        output = tools.run_or_refuse(step.code, picture)
        if isinstance(output, str):
            same = _same_output(output, step.output)
        else:
            same = step.output == formats.IMAGE_MARK and _same_picture(decode_png(case.images[next(left)]), output)
        if not same:
            return f"{step.code.splitlines()[-1]} gives something else"
    return ""


def _is_own(name: str) -> bool:
    return name.startswith(OBSERVATION)


_CHECKS: dict[str, Callable[[_Case], str]] = {
    "evidence": _evidence,
    "answer": _answer,
    "format": _format,
    "process": _process,
    "observations": _observations,
    "tools": _tools,
    "text": _text,
}
_OF_QUESTIONS = ("evidence", "answer", "observations", "text")


def _same_output(output: str, recorded: str) -> bool:
    """What tools measure line by line, each number within 2; what they refuse or print, word by word."""
    if output == recorded:
        return True
    lines, expected = recorded.split("\n"), output.split("\n")
    whole = all(re.fullmatch(r"-?\d{1,9}", line) for line in (*lines, *expected))
    return (
        whole
        and len(lines) == len(expected)
        and all(abs(int(a) - int(b)) <= 2 for a, b in zip(lines, expected, strict=True))
    )


def _same_picture(a: Pixels, b: Pixels) -> bool:
    """Whether two pictures are the same but for a decoder's rounding; sides may differ by a pixel or two."""
    if max(abs(a.shape[0] - b.shape[0]), abs(a.shape[1] - b.shape[1])) > _SIDE_TOLERANCE:
        return False
    if a.shape != b.shape:
        a = np.asarray(Image.fromarray(a).resize((b.shape[1], b.shape[0]), Image.Resampling.BILINEAR))
    return float(np.abs(a.astype(np.int16) - b).mean()) <= _PIXEL_TOLERANCE
