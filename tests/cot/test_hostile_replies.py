"""Replies and metadata that backtracking parsers would take minutes for; here they end as any other text in no form does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cot_corpus import records

from dataengine.config.sources import parse_size
from dataengine.cot.checks import answers, reasoning
from dataengine.cot.checks.grade import grade
from dataengine.cot.core import formats, grounding
from dataengine.cot.core.confidence import confidence_of
from dataengine.cot.core.formats import FormatError, box
from dataengine.cot.core.record import Style
from dataengine.cot.core.source_qa import clean
from dataengine.cot.core.tools import ToolError, parse
from dataengine.cot.paths.error_injection import with_error
from dataengine.cot.paths.tool_dialogue import _program
from dataengine.cot.questions.rewrite import _contains
from dataengine.dedup.shingles import normalise
from dataengine.models.serving.completion import TokenLogprob

SIZE = 199_000
STYLES: tuple[Style, ...] = ("thinking", "auto", "agentic")
STEP = "x\n```python\nzoom(2)\n```\n<sandbox_output> 1 </sandbox_output>\n"


def many(unit: str, size: int = SIZE) -> str:
    return unit * (size // len(unit))


TRAPS = [
    "<think>" + many("</think> <answer>", SIZE - 50) + "</answer>",
    "<think>" + many("x</think> <answer>", SIZE - 50),
    "<think>" + many("a\n```python\nb\n```\n<sandbox_output> c ", SIZE - 50) + "</think> <answer>\\boxed{1}</answer>",
    "<think>" + many("a\n```python\n", SIZE - 50) + "<think></think> <answer>\\boxed{1}</answer>",
    "<think>" + many(STEP, SIZE - 50) + "</think> <answer>" + many("\\boxed{", 40) + "</answer>",
    "<analysis>" + many(f"a{formats.AutoPlain.decision}</analysis>", SIZE - 50),
    "<analysis>" + many(f"a{formats.AutoThinking.decision}</analysis><think>", SIZE - 150) + "</answer>",
    "<think>a</think> <answer>" + many("\\boxed{", SIZE - 50) + "</answer>",
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("trap", range(len(TRAPS)))
def test_replies_that_are_traps_are_refused(style: Style, trap: int) -> None:
    with pytest.raises(FormatError):
        formats.parse(style, TRAPS[trap])


def test_a_reply_is_bounded_and_a_long_one_is_parsed() -> None:
    with pytest.raises(FormatError, match="200,001 characters, limit 200,000"):
        formats.parse("non_thinking", "a" * (formats.LONGEST + 1))
    text = "<think>" + many(STEP, SIZE - 500) + "done</think> <answer>" + box("1") + "</answer>"
    assert formats.parse("agentic", text).render() == text


CONTENTS = [
    many("<|a_start|>"),
    many("<|a_start|><|b_end|>"),
    "".join(f"<|n{n}_start|>" for n in range(12_000)),
    "A" + many(" ") + "!",
    many("A  ,  "),
    many("answer is" + " " * 50),
    "Hence " + many("<|a|>\n<|"),
    "1" * SIZE + "x",
    many("1.1"),
    many("-1a "),
    many("b. "),
    many("option <|a"),
]


@pytest.mark.parametrize("content", range(len(CONTENTS)))
@pytest.mark.parametrize("kind", ["choice", "number", "order", "word"])
def test_a_right_answer_with_hostile_reasoning_is_graded(kind: str, content: int) -> None:
    """The form holds, so all checks run."""
    question = next(k.question for k in records() if k.question.answer_type == kind and k.question.style == "thinking")
    text = f"<think>{CONTENTS[content]}</think> <answer>{box(question.answer)}</answer>"
    graded = grade(question, text)
    assert graded.right and graded.grade in "AB"
    assert with_error(question, formats.parse("thinking", text), _First()) is not None  # type: ignore[arg-type]


class _First:
    """A Draw that leaves all in its order."""

    def shuffled(self, values: list[str]) -> list[str]:
        return values

    def choice(self, values: list[str]) -> str:
        return values[0]

    def below(self, _: int) -> int:
        return 0


@pytest.mark.parametrize("content", range(len(CONTENTS)))
@pytest.mark.parametrize("kind", ["choice", "number", "order", "word", "text"])
def test_a_hostile_plain_reply_has_at_most_one_answer(kind: str, content: int) -> None:
    question = next((k.question for k in records() if k.question.answer_type == kind), None)
    if question is None:
        question = next(k.question for k in records()).model_copy(update={"answer_type": kind, "basis": "given"})
    answer = answers.answer_of(question, formats.Plain(CONTENTS[content]))
    assert answer is None or isinstance(answers.matches(question, answer), bool)


_OLD_LABEL = re.compile(r"<\|(\w+)_start\|>.*?<\|\1_end\|>", re.DOTALL)
_PIECES = st.sampled_from(
    [
        "A",
        "B",
        " ",
        "\n",
        "\t",
        ",",
        "-",
        "x",
        "<|a_start|>",
        "<|a_end|>",
        "<|b_start|>",
        "<|b_end|>",
        "<|a_start_end|>",
    ]
)


@given(st.lists(_PIECES, max_size=14).map("".join))
def test_labels_are_those_of_the_plain_expression(text: str) -> None:
    assert reasoning.without_labels(text) == _OLD_LABEL.sub("", text)


@given(st.lists(st.sampled_from([" ", "\n", "a", "<image>", "<video>", "<"]), max_size=12).map("".join))
def test_placeholders_of_pictures_leave_one_space(text: str) -> None:
    assert clean(text) == re.sub(r"\s*<(?:image|video)>\s*", " ", text).strip()


@given(st.lists(st.sampled_from(["```", "python", "\n", " ", "\t", "a"]), max_size=12).map("".join))
def test_programs_are_those_of_the_plain_expression(turn: str) -> None:
    match = re.search(r"```(?:python)?[ \t]*\n(.*?)\n?[ \t]*```", turn, re.DOTALL)
    assert _program(turn) == ((match.start(), match[1].strip()) if match else (len(turn), None))


@pytest.mark.parametrize(
    ("function", "text", "result"),
    [
        (clean, many(" ") + "x", "x"),
        (clean, "a" + many(" ") + "<image>" + many("\t") + "b", "a b"),
        (_program, "```\n" + many(" "), (SIZE + 4, None)),
        (_program, many("``` "), (SIZE // 4 * 4, None)),
        (_program, many("```python\n"), (0, "")),
        (normalise, many("_ -"), ""),
        (normalise, "a" + many("\u0315\u0300") + "b", None),
    ],
)
def test_text_from_outside_takes_linear_time(function: Callable[[str], object], text: str, result: object) -> None:
    value = function(text)
    assert value == result if result is not None else value


@pytest.mark.parametrize(
    "text",
    [
        "<|object_ref_start|>" + many("<|object_ref_end|><|box_start|>["),
        "<|object_ref_start|>" + many("a|"),
        "<|box_start|>" + many("[") + "<|box_end|>",
        "<|box_start|>[" + many("1") + "]<|box_end|>",
        "<|clip_time_start|>[" + many("1") + ", " + many("2") + "]<|clip_time_end|> x",
    ],
)
def test_hostile_labels_are_refused(text: str) -> None:
    for parser in (grounding.parse, grounding.parse_span):
        with pytest.raises(FormatError):
            parser(text)


def test_hostile_tool_calls_are_refused() -> None:
    for code in (
        many("crop("),
        many("crop(") + ")",
        "crop(" + many(" ") + "x)",
        "zoom(" + many("1,") + ")",
        many("\n"),
    ):
        with pytest.raises(ToolError):
            parse(code)


def test_confidence_of_many_sentences_and_tokens() -> None:
    tokens = [TokenLogprob("a.", -1.0)] * 50_000
    assert len(confidence_of("a." * 50_000, tokens).step_means) == 50_000


def test_an_answer_is_looked_for_in_linear_time() -> None:
    assert not _contains("a " * 2000, "a " * 1000 + "b")


@pytest.mark.parametrize("size", ["9" * 400, "1" + " " * 100_000 + "!", "1.2.3", "_", "1" * 100_000])
def test_hostile_sizes_are_refused(size: str) -> None:
    with pytest.raises(ValueError, match=r"a size is a number|could not convert"):
        parse_size(size)
