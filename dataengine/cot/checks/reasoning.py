"""Rule-based checks of reasoning against the measured facts; they hold for any teacher's text.

They find what needs no model: unsupported numbers, a reading of the wrong part, a conclusion other than the answer, repetition,
another script, a length out of bounds, a tool output that the facts contradict. Whether a picture is described as it is, a judge
has to say, where the recipe names one.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from dataengine.cot.checks.answers import answer_vocabulary, matches
from dataengine.cot.core import formats, tools
from dataengine.cot.core.confidence import SENTENCE
from dataengine.cot.core.measure import PARTS
from dataengine.cot.core.question import Question
from dataengine.errors import InputError

LEAST_WORDS, MOST_WORDS = 3, 2000
_TOLERANCE = 2.0
_FREE = frozenset({0.0, 1.0, 2.0, 4.0, 255.0})
"""Numbers that every text may use: counts of steps, the grid, the ends of the scale."""
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_MARK = re.compile(r"<\|(\w+)_(start|end)\|>")
_CONCLUSION = re.compile(
    r"(?:\banswer(?: is|:)|\b[Oo]ption|\b[Hh]ence(?: option)?)\s+([A-F](?:, [A-F])+\b|<\|\w+\|>.*?<\|\w+\|>|[\w-]+)"
)

_OF_MODELS = re.compile(
    r"(?:\banswer(?: is|:)|\b(?:[Hh]ence|[Tt]herefore|[Tt]hus),?(?: option)?|\b[Ss]o,? (?:it is|it's|option))\s+"
    r"([A-F](?:, [A-F])+\b|<\|\w+\|>.*?<\|\w+\|>|[\w-]+)(?!\?)"
)
"""A model goes through options before it concludes: naming one is no conclusion."""

_MARKUP = re.compile(r"<\w+>|/\w+")
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+")
"""An ideograph is a word by itself."""
_OF_FORMULAS = frozenset({"LATIN", "GREEK"})


def flaws(question: Question, reply: formats.Reply, measured: bool = True) -> list[str]:
    """Names of what is wrong with the reasoning, sorted; none for a sound one. ``measured``: its numbers must be the facts' own;
    those that a model writes are left to the judge."""
    text, read = prose(reply), frozenset[float]()
    if isinstance(reply, formats.Agentic):
        read = frozenset(float(n) for step in reply.steps for n in _NUMBER.findall(step.output))
    return sorted(
        {
            *_of_text(question, text, read, measured),
            *(_of_tools(question, reply) if isinstance(reply, formats.Agentic) else ()),
        }
    )


def flawed_sentences(question: Question, steps: Sequence[str], measured: bool) -> list[int]:
    """Indices of the sentences that the rules find wrong: a conclusion other than the answer and, where the text is a program's,
    a number that nothing supports or a reading of another part."""
    pattern, known = (_CONCLUSION if measured else _OF_MODELS), _known(question) if measured else set()
    by_number = measured and question.basis == "measured"
    flawed = []
    for n, step in enumerate(steps):
        conclusions = [words for words in pattern.findall(step) if _concludes(question, words)]
        wrong = not all(matches(question, words) for words in conclusions)
        numbers = map(float, _NUMBER.findall(without_labels(step))) if by_number else ()
        if wrong or not all(_supported(n, known) for n in numbers) or (by_number and _misread(question, step)):
            flawed.append(n)
    return flawed


def prose(reply: formats.Reply) -> str:
    """The reply's own sentences: no code, no outputs."""
    if isinstance(reply, formats.Agentic):
        return "\n".join([*(step.thought for step in reply.steps), reply.closing, reply.answer])
    if isinstance(reply, formats.Thinking):
        return f"{reply.think}\n{reply.answer}"
    if isinstance(reply, formats.AutoThinking):
        return f"{reply.analysis}\n{reply.think}\n{reply.answer}"
    return f"{reply.analysis}\n{reply.text}" if isinstance(reply, formats.AutoPlain) else reply.text


def sentences(text: str) -> list[str]:
    return [s.strip() for s in SENTENCE.findall(text) if s.strip()]


def _of_text(question: Question, whole: str, read: frozenset[float], measured: bool) -> Iterator[str]:
    """``read``: numbers that tools have given. Where nothing was measured, numbers are left to the judge."""
    conclusions = (_CONCLUSION if measured else _OF_MODELS).findall(whole)
    conclusions = [words for words in conclusions if _concludes(question, words)]
    if not all(matches(question, words) for words in (conclusions if measured else conclusions[-1:])):
        yield "contradiction"
    text = without_labels(whole)
    words = text.split()
    if len(words) > MOST_WORDS or (question.style in ("thinking", "agentic") and len(words) < LEAST_WORDS):
        yield "length"
    if _foreign(text, question):
        yield "language"
    parts = sentences(text)
    if _repeats(parts, words):
        yield "repetition"
    if not measured:
        return
    numbers = {float(n) for n in _NUMBER.findall(text)} - read if question.basis == "measured" else set()
    known = _known(question) if numbers else set()
    if not all(_supported(n, known) for n in numbers):
        yield "unsupported number"
    if any(_misread(question, s) for s in parts):
        yield "wrong reading"


def _concludes(question: Question, words: str) -> bool:
    """Whether these words can be an answer to the question. ``the answer is clearly …`` ends at no answer yet."""
    if question.answer_type in ("choice", "order"):
        return bool(re.fullmatch("[A-F](, [A-F])*", words))
    if question.answer_type == "number":
        return re.fullmatch(r"-?\d+", words) is not None
    if question.answer_type == "box":
        return words.startswith("<|")
    if question.basis in ("given", "agreed", "constructed"):
        return False
    return words.lower() in answer_vocabulary(question) or (question.answer.isupper() and words.isupper())


def without_labels(text: str) -> str:
    """``text`` without its labels, ``<|NAME_start|>`` to the next ``<|NAME_end|>``, in one pass over all marks."""
    ends: dict[str, list[int]] = {}
    marks = list(_MARK.finditer(text))
    for mark in marks:
        if mark[2] == "end":
            ends.setdefault(mark[1], []).append(mark.end())
    kept, at = list[str](), 0
    for mark in marks:
        if mark[2] == "start" and mark.start() >= at:
            closing = ends.get(mark[1], [])
            if (place := bisect_right(closing, mark.end())) < len(closing):
                kept.append(text[at : mark.start()])
                at = closing[place]
    return "".join(kept) + text[at:]


def _supported(number: float, known: set[float]) -> bool:
    return number in _FREE or any(abs(number - value) < 0.051 for value in known)


def _known(question: Question) -> set[float]:
    """Facts, their differences, counts of what was asked about, and numbers that the question itself holds."""
    values = list(question.facts.values())
    known = {*values, *map(round, values)}
    rounded = [round(v) for v in values]
    known |= {abs(a - b) for a, b in combinations(rounded, 2)} | {round(abs(a - b)) for a, b in combinations(values, 2)}
    known |= {value + 1 for name, value in question.facts.items() if name == "cuts"}
    known |= {float(len(question.parameters.get("parts", "").split("|")))}
    known |= {float(n) for n in _NUMBER.findall(question.text)}
    known |= {float(time) for time in question.parameters.get("times", "").split()}
    return known | ({float(question.answer)} if question.answer_type == "number" else set())


def _misread(question: Question, sentence: str) -> bool:
    """Whether a sentence about one measured thing has one number, which is not that thing's."""
    left, named = sentence.lower(), []
    for name in sorted(question.facts, key=len, reverse=True):
        if re.search(rf"\b{re.escape(name.lower())}\b", left):
            named.append(name)
            left = left.replace(name.lower(), " ")
    numbers = [float(n) for n in _NUMBER.findall(sentence)]
    if len(named) != 1 or len(numbers) != 1 or named[0] not in PARTS:
        return False
    return abs(numbers[0] - question.facts[named[0]]) > _TOLERANCE and not _difference(question, numbers[0], sentence)


def _difference(question: Question, number: float, sentence: str) -> bool:
    """Whether the number can be a gap between two facts."""
    values = [round(v) for v in question.facts.values()]
    comparing = re.search(r"\b(gap|lead|ahead|behind|away|apart|closer|difference|less|more)\b", sentence)
    return bool(comparing) and any(abs(a - b) == number for a, b in combinations(values, 2))


def _of_tools(question: Question, reply: formats.Agentic) -> Iterator[str]:
    """Outputs of ``measure`` calls are the facts of the parts that they measure."""
    boxes = {box: name for name, box in PARTS.items()}
    for step in reply.steps:
        if step.output.startswith(tools.REFUSED):
            yield "tool call"
            continue
        try:
            calls = (
                [call for call in tools.parse(step.code) if call.name == "measure"] if tools.is_calls(step.code) else []
            )
        except InputError:
            yield "tool call"
            continue
        lines = step.output.split("\n") if calls else []
        if len(lines) != len(calls) or not all(re.fullmatch(r"-?\d{1,9}", line) for line in lines):
            yield "tool output"
            continue
        for call, line in zip(calls, lines, strict=True):
            part = boxes.get(tuple(int(edge) for edge in call.arguments[1:]))  # type: ignore[arg-type]
            known = question.facts.get(part) if part else None
            if known is not None and abs(known - int(line)) > _TOLERANCE:
                yield "tool output"


def _repeats(sentences_: list[str], words: list[str]) -> bool:
    """A sentence three times, or a run of eight words four times."""
    runs = Counter(tuple(words[i : i + 8]) for i in range(len(words) - 7))
    most = Counter(s for s in sentences_ if len(s) > 20).most_common(1)
    return bool(most and most[0][1] >= 3) or bool(runs and runs.most_common(1)[0][1] >= 4)


def _foreign(text: str, question: Question) -> bool:
    """Letters of a script that the question does not use, more than 2 in 100. A question mostly in Latin letters that quotes or
    shows words of another script uses those words and their characters alone, not their script."""
    shown = f"{question.text} {question.answer} {question.parameters.get('shown', '')}".casefold()
    known, words = set(_scripts(shown)), set[str]()
    written = [_script(word[0]) for word in _WORD.findall(_MARKUP.sub("", question.text))]
    if written.count("LATIN") > len(written) / 2:
        known, words = known & _OF_FORMULAS, {*_WORD.findall(shown), *shown}
    strange = _scripts("".join(word for word in _WORD.findall(text.casefold()) if word not in words))
    return sum(n for script, n in strange.items() if script not in known) > 0.02 * max(_scripts(text).total(), 1)


def _scripts(text: str) -> Counter[str]:
    """Number of letters by script."""
    return Counter(map(_script, filter(str.isalpha, text)))


def _script(letter: str) -> str:
    return "LATIN" if letter.isascii() else unicodedata.name(letter, "?").partition(" ")[0]
