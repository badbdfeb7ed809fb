"""Replies of models are read as they come: every form of the corpus has its grade, no wrong answer passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_hostile_replies import many

from dataengine.cot.checks.grade_file import graded_line, graded_lines, question_of
from dataengine.cot.core import formats
from dataengine.cot.core.record import Style
from dataengine.cot.replies.canonical import canonical
from dataengine.cot.replies.coordinates import iou, label_of, same_places
from dataengine.cot.replies.expected import Expected
from dataengine.cot.replies.final import final_answer
from dataengine.cot.replies.formulas import is_formula, same_formula
from dataengine.cot.replies.number_words import with_digits
from dataengine.cot.replies.quantities import quantity
from dataengine.cot.replies.same import anls, same
from dataengine.cot.replies.times import same_span, same_time, seconds
from dataengine.cot.replies.wrappers import bare, boxes

FORMS = [json.loads(line) for line in Path(__file__).with_name("reply_forms.jsonl").read_text("utf-8").splitlines()]
OPTIONS = {"A": "the left half", "B": "the right half"}


@pytest.mark.parametrize("form", FORMS, ids=[f"{form['id']} {form['note']}" for form in FORMS])
def test_a_form_has_its_grade(form: dict[str, Any]) -> None:
    graded = graded_line(form, "")
    assert graded.grade == form["expect"], graded
    if graded.grade == "A":
        assert formats.parse(form["style"], graded.text).render() == graded.text
        assert graded_line(form | {"reply": graded.text}, "").text == graded.text, "reading it again changes nothing"


def test_the_corpus_is_large_and_has_all_grades_and_kinds() -> None:
    grades = [form["expect"] for form in FORMS]
    assert len(FORMS) >= 200 and min(grades.count(grade) for grade in "ABC") >= 8
    assert len({form["answer_type"] for form in FORMS}) >= 12


@pytest.mark.parametrize(
    ("answer", "candidate", "question", "right"),
    [
        ("12 cm", "120 mm", "", True),
        ("12 cm", "12 kg", "", False),
        ("5", "5 m", "How long is it in cm?", False),
        ("500", "5 m", "How long is it in cm?", True),
        ("1.5", "1,5", "", True),
        ("1500", "1.500", "", False),
        ("2 1/2", "2.5", "", True),
        ("0.333", "1/3", "", True),
        ("0.3333", "0.333", "", False),
        ("100", "one hundred", "", True),
        ("205", "two hundred and five", "", True),
        ("20", "twenty percent", "What per cent?", True),
        ("20", "2e1", "", True),
        ("20", "20 or so", "", False),
        ("20", "±20", "", False),
        ("20", "20^2", "", False),
        ("7", "seven dwarfs", "", True),
        ("7", "seventh", "", False),
        ("90", "1.5 minutes", "How many seconds does it last?", True),
    ],
)
def test_numbers_are_compared_by_value(answer: str, candidate: str, question: str, right: bool) -> None:
    assert same(Expected("number", answer, question=question), candidate) is right


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is A, not B.", "A"),
        ("It is B rather than A.", "B"),
        ("A: the left half", "A"),
        ("A: the right half", None),
        ("Option A looks bright. Option B looks dark.", None),
        ("Option A looks bright. Option B looks dark. So the answer is A.", "A"),
        ("the left half or the right half", None),
        ("Neither the left half nor the right half", None),
        ("I'd go with B.", "B"),
        ("I would choose A. On second thought, I would choose B.", "B"),
        ("B because it is in the sun; A is in shade.", "B"),
        ("\\boxed{A} and \\boxed{B}", None),
        ("Is the answer A?", None),
        ("Both A and B", None),
        ("A/B", None),
        ("Bob", None),
    ],
)
def test_one_choice_or_none(text: str, answer: str | None) -> None:
    assert final_answer(Expected("choice", "A", OPTIONS), text) == answer


def test_words_of_a_closed_set() -> None:
    colours = Expected("word", "blue", vocabulary=frozenset({"blue", "red", "green"}))
    answers = {
        "Mostly blue.": "blue", "Not red but blue.": "blue", "Blue or red.": None, "It is red and blue.": None,
        "No red, only green.": None, "The green part is larger than the blue part.": "green",
    }  # fmt: skip
    assert {text: final_answer(colours, text) for text in answers} == answers


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"$\boxed{\text{A}}$", "A"), (r"**\(\mathbf{12}\)**", "12"), ("`42`.", "42"), (r"\text{12\,cm}", "12cm"),
        ("Final answer: **B**", "B"), (r"\boxed{\boxed{3}}", "3"), ("“so”", "so"), (r"90^{\circ}", "90°"), ("", ""),
    ],
)  # fmt: skip
def test_wrappers_come_off(text: str, inside: str) -> None:
    assert bare(text) == inside


def test_boxes_are_found_with_their_braces() -> None:
    text = r"\boxed{\frac{1}{2}} and \boxed 3 and \boxed{ and \fbox{x}"
    assert [content for _, _, content in boxes(text)] == [r"\frac{1}{2}", "3", "x"]


def test_number_words() -> None:
    assert with_digits("the left one of three hundred and one") == "the left one of 301"
    assert with_digits("three quarters") == "3/4" and with_digits("百分之二十") == "20%"
    assert quantity("a dozen eggs") == quantity("12 eggs") and quantity("twelve or thirteen") is None


def test_times() -> None:
    assert seconds("1:02:03") == 3723 and seconds("2 min 5 s") == 125 and seconds("soon") is None
    assert same_time("15:15", "3:15 p.m.") and not same_time("3:15 am", "15:15") and not same_time("0:05", "5:00")
    assert same_span("[2, 4]", "2.1 - 4") and not same_span("[2, 4]", "[4, 6]") and not same_span("[2, 4]", "3 s")


def test_places() -> None:
    assert iou((0, 0, 10, 10), (0, 0, 10, 20)) == 0.5 and iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert same_places("[[0,0,10,10],[50,50,90,90]]", "(50,50),(90,90); (0,0),(10,10)", 4)
    assert not same_places("[0,0,10,10]", "[[0,0,10,10],[50,50,90,90]]", 4)
    assert label_of("x1=5 or [1,2,3,4]", 4) is None and label_of("[9, 9, 3, 3]", 4) is None


def test_texts_in_pictures() -> None:
    assert anls("abc", "abd") == pytest.approx(2 / 3) and anls("", "") == 1
    assert not same(Expected("ocr", "EXIT"), "EXITS") and same(Expected("ocr", "EXIT"), "exit")


def test_formulas_are_compared_in_a_child_that_is_bounded() -> None:
    assert same_formula(r"\frac{1}{2}", "0.5") and not same_formula(r"\frac{1}{2}", "0.6")
    assert same_formula("x^2-1", "(x-1)(x+1)") and not same_formula("x^2", "what is it")
    assert not is_formula("9^9^9^9^9") and not same_formula("x^2", "x^" * 200)


@pytest.mark.parametrize(
    "text",
    [
        many("<think>"), many("</think>"), many("<answer>"), many("\\boxed{"), many("\\boxed{}"), many("{"), many("**"),
        many("\\text{"), many("the answer is "), many("Answer: "), many("A or "), many("not "), many("one hundred "), many("1,"),
        many("1/"), many("[1,"), many("- "), many("\n"), many("$"), many("<|begin_of_box|>"), many("so "), many("</answer>"),
        "<think>" + many("x</think>y") + "<answer>B", many("1 "), many("?! "), many("# "), many("(A) "),
        "{" + many('"a":1,') + "}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("style", ["thinking", "non_thinking", "auto", "agentic"])
def test_hostile_replies_are_read_in_linear_time(style: Style, text: str) -> None:
    for kind in ("choice", "number"):
        read = canonical(style, Expected(kind, "A" if kind == "choice" else "1", OPTIONS), text)
        assert read == text.strip() or formats.parse(style, read)


PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "B",
    "A",
    " ",
    "\n",
    r"\boxed{",
    "}",
    "not",
    "or",
    "The answer is",
    "3",
    ".",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join))
def test_what_is_read_is_in_the_exact_form_or_as_it_came(text: str) -> None:
    expected = Expected("choice", "B", OPTIONS)
    read = canonical("thinking", expected, text)
    if read != text.strip():
        reply = formats.parse("thinking", read)
        assert reply.render() == read and canonical("thinking", expected, read) == read


def test_lines_that_cannot_be_graded_say_why() -> None:
    good = {"answer": 3, "reply": {"content": "3"}, "style": "non_thinking"}
    bad = [{"answer": 1}, *(good | change for change in ({"styl": ""}, {"style": "x"}, {"answer_type": "x"}))]
    lines = ["", "{", "[]", *map(json.dumps, [*bad, good])]
    graded = list(graded_lines(lines))
    assert [bool(line.error) for line in graded] == [True] * 6 + [False] and graded[-1].grade == "A"
    assert graded[0].id == "2" and "styl" in graded[3].error and "`answer_type`" in graded[5].error


def test_the_kind_of_an_answer_is_inferred() -> None:
    kinds = {"12": "number", "a bus": "word", "people wait before a temple": "text"}
    assert {answer: question_of({"answer": answer}).answer_type for answer in kinds} == kinds
    assert question_of({"answer": "A", "choices": ["x", "y"]}).answer_type == "choice"
