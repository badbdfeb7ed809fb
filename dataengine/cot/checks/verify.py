"""Is a record right? Everything that can be is measured again from the media; nothing in the record is believed.

The answer is decided from fresh measurements; the recorded ones must agree with these; the text must be what the recorded
ones and the seed give, letter by letter; tool calls are run again, and pictures compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image

from dataengine.cot.checks.answers import answer_of, matches
from dataengine.cot.checks.reasoning import flaws
from dataengine.cot.core import formats, tools
from dataengine.cot.core.record import OBSERVATION, VERSION, Record, record_id
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.shard_files import decode_png
from dataengine.cot.tasks.base import Facts, Task, Unsure, messages
from dataengine.cot.tasks.programmatic import TEACHER, exchange
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels

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
class _Case:
    record: Record
    task: Task
    source: CotInput
    images: Mapping[str, bytes]
    facts: Facts | Unsure


def verify_record(
    record_json: bytes,
    load_media: Callable[[str], CotInput],
    images: Mapping[str, bytes] | None = None,
    draft: bool = False,
) -> Verdict:
    """Check a record. ``load_media`` gives a sample by id; ``images`` are the record's pictures by member extension
    (``obs0.png``). The first check that fails ends it. A ``draft`` has no reply yet: its question is checked."""
    try:
        record = Record.from_bytes(record_json)
        if reason := _contract(record):
            return Verdict(Status.FAILED, "record", reason)
        task, source = TASKS[record.task], load_media(record.parents[0])
        if task.family == "frames" and len(record.parents) > 1:
            source = source.among({id_: load_media(id_) for id_ in record.parents[1:]})
        case = _Case(record, task, source, images or {}, task.measure(record.asked, source))
        return next(_problems(case, _OF_DRAFTS if draft else tuple(_CHECKS)), Verdict(Status.PASSED))
    except InputError as error:
        return Verdict(Status.FAILED, "record" if error.failure == "bad_record" else error.failure, error.message)
    except (LookupError, ValueError) as error:
        return Verdict(Status.FAILED, "record", f"its parameters or facts are not the task's: {error}")


def _contract(record: Record) -> str:
    """What is wrong with the record by itself, before any media is read."""
    task = TASKS.get(record.task)
    if record.version != VERSION:
        return f"version {record.version}, this code checks {VERSION}"
    if task is None:
        return f"no task is called {record.task}"
    told = (record.mode, record.family.partition("_")[0], record.answer_type, record.basis)
    if told != (task.mode, task.family, task.type_of(record.asked), task.basis):
        return "mode, family, answer type or basis are not the task's"
    parents = task.parents(record.parents[0], record.asked)
    if record.style not in task.styles or record.parents != parents or record.verdict.status != "passed":
        return "style, parents or verdict are not as the task makes them"
    return (
        "" if record.id == record_id(record.mode, record.task, record.seed, record.parents) else "the id does not fit"
    )


def _problems(case: _Case, steps: tuple[str, ...]) -> Iterator[Verdict]:
    for step in steps:
        if reason := _CHECKS[step](case):
            yield Verdict(Status.FAILED, step, reason)


def _evidence(case: _Case) -> str:
    """The facts agree with what was measured again."""
    record, facts = case.record, case.facts
    if isinstance(facts, Unsure):
        return f"cannot be measured again: {facts.reason}"
    if facts.keys() != record.measured.keys():
        return "other facts were measured"
    for name, value in record.measured.items():
        if abs(value - facts[name]) > case.task.tolerance(name):
            return f"{name} is {facts[name]:g}, not {value:g}"
    return ""


def _answer(case: _Case) -> str:
    """The answer, from the new facts alone."""
    record, facts = case.record, case.facts
    answer = facts if isinstance(facts, Unsure) else case.task.decide(record.asked, facts, strict=False)
    return "" if answer == record.answer else f"the answer is {answer}, not {record.answer}"


def _format(case: _Case) -> str:
    """The exact form of the mode, and the answer in it."""
    text, _ = formats.to_text(case.record.messages[-1].content)
    said = answer_of(case.record, formats.parse(case.record.style, text))
    if said is not None and case.record.judged and case.record.answer_type == "text":
        return ""
    return "" if matches(case.record, said) else f"the reply says {said}, not {case.record.answer}"


def _process(case: _Case) -> str:
    """Reasoning that the facts do not deny. What a person has let pass is that person's."""
    record = case.record
    text, _ = formats.to_text(record.messages[-1].content)
    found = [] if record.review else flaws(record, formats.parse(record.style, text))
    return f"its reasoning: {', '.join(found)}" if found else ""


def _text(case: _Case) -> str:
    """The messages, letter by letter, where a program wrote them; the question in any case."""
    record = case.record
    expected = messages(exchange(record, record.path), record.style)
    if record.teacher == TEACHER and not record.review:
        return "" if expected == record.messages else "the text does not follow from the facts"
    return "" if expected[0] == record.messages[0] else "the question is not the one that was asked"


def _observations(case: _Case) -> str:
    """The stored pictures have their digests; those of the question are what the media give. What tools gave, ``tools``
    compares."""
    record, told = case.record, case.record.observations
    if {o.name for o in told} != set(case.images) or [o.name for o in told] != [
        f"obs{i}.png" for i in range(len(told))
    ]:
        return "pictures are missing or too many"
    for one in told:
        if hashlib.sha256(case.images[one.name]).hexdigest() != one.sha256:
            return f"{one.name} has another digest"
    if record.style == "agentic" and record.teacher != TEACHER:
        return ""
    expected = case.task.observe(record.asked, case.source)
    if len(told) != len(expected):
        return "pictures are missing or too many"
    wrong = [o.name for o, p in zip(told, expected, strict=True) if not _alike(decode_png(case.images[o.name]), p)]
    return f"{wrong[0]} shows something else" if wrong else ""


def _tools(case: _Case) -> str:
    """Run the code again: it gives what the record says that it gave."""
    text, shown = formats.to_text(case.record.messages[-1].content)
    reply = formats.parse(case.record.style, text)
    names = [f"obs{name.removeprefix(OBSERVATION)}.png" for name in shown]
    if isinstance(reply, formats.Agentic) and names != [o.name for o in case.record.observations]:
        return "not the pictures that the tools gave, each once"
    left = iter(names)
    for step in reply.steps if isinstance(reply, formats.Agentic) else ():
        made = tools.tried(step.code, case.source.picture())
        if isinstance(made, str):
            same = _close(made, step.output)
        else:
            same = step.output == formats.IMAGE_MARK and _alike(decode_png(case.images[next(left)]), made)
        if not same:
            return f"{step.code.splitlines()[-1]} gives something else"
    return ""


_CHECKS: dict[str, Callable[[_Case], str]] = {
    "evidence": _evidence,
    "answer": _answer,
    "format": _format,
    "process": _process,
    "observations": _observations,
    "tools": _tools,
    "text": _text,
}


_OF_DRAFTS = ("evidence", "answer", "observations", "text")


def _close(made: str, told: str) -> bool:
    """Numbers line by line, each within 2; what tools refuse, word by word."""
    if made.startswith(tools.REFUSED):
        return made == told
    found, expected = told.split("\n"), made.split("\n")
    return len(found) == len(expected) and all(abs(int(a) - int(b)) <= 2 for a, b in zip(found, expected, strict=True))


def _alike(a: Pixels, b: Pixels) -> bool:
    """The same picture but for a decoder's rounding; sides may differ by a pixel or two."""
    if max(abs(a.shape[0] - b.shape[0]), abs(a.shape[1] - b.shape[1])) > _SIDE_TOLERANCE:
        return False
    if a.shape != b.shape:
        a = np.asarray(Image.fromarray(a).resize((b.shape[1], b.shape[0]), Image.Resampling.BILINEAR))
    return float(np.abs(a.astype(np.int16) - b).mean()) <= _PIXEL_TOLERANCE
