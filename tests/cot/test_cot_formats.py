"""The five text forms, letter by letter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.cot.core.formats import (
    IMAGE_MARK,
    Agentic,
    AutoPlain,
    AutoThinking,
    FormatError,
    Plain,
    Reply,
    Step,
    Thinking,
    box,
    boxed,
    parse,
    to_blocks,
    to_text,
    with_switch,
    without_switch,
)
from dataengine.cot.core.record import Style

_TAGS = (
    "<think",
    "</think",
    "<answer",
    "</answer",
    "<analysis",
    "</analysis",
    "sandbox_output>",
    "```",
    "\\boxed",
    "<image>",
)
_free = st.text(max_size=60).filter(lambda t: t.strip() and not any(tag in t for tag in _TAGS))
_inside = st.recursive(
    _free.map(lambda t: t.replace("{", "").replace("}", "") or "x"), lambda s: s.map("{{{}}}".format)
).filter(lambda t: t.strip())
_answers = st.builds(lambda a, x, b: f"{a}{box(x)}{b}", _free, _inside, st.text(alphabet="ab .", max_size=5))
_replies: dict[Style, st.SearchStrategy[Reply]] = {
    "thinking": st.builds(Thinking, _free, _answers),
    "non_thinking": st.builds(Plain, _free),
    "auto": st.builds(AutoPlain, _free, _free) | st.builds(AutoThinking, _free, _free, _answers),
    "agentic": st.builds(
        Agentic, st.lists(st.builds(Step, _free, _free, _free), min_size=1, max_size=3).map(tuple), _free, _answers
    ),
}


def test_the_forms_are_those_of_the_report() -> None:
    assert Thinking("hm", box("20")).render() == r"<think>hm</think> <answer>\boxed{20}</answer>"
    assert Plain("20.").render() == "20."
    easy = "<analysis>Easy. Therefore, /no_think mode is more appropriate.</analysis> 20."
    assert AutoPlain("Easy.", "20.").render() == easy
    hard = "<analysis>Hard. Therefore, /think mode is more appropriate.</analysis>"
    assert AutoThinking("Hard.", "hm", box("20")).render() == hard + r"<think>hm</think><answer>\boxed{20}</answer>"
    step = Step("Look.", "zoom(2)", IMAGE_MARK)
    assert Agentic((step,), "I see.", box("20")).render() == (
        "<think>Look.\n```python\nzoom(2)\n```\n<sandbox_output> <image> </sandbox_output>\nI see.</think> "
        r"<answer>\boxed{20}</answer>"
    )


@pytest.mark.parametrize("style", sorted(_replies))
@given(data=st.data())
def test_parsing_undoes_rendering(style: Style, data: st.DataObject) -> None:
    reply = data.draw(_replies[style])
    assert parse(style, reply.render()) == reply


@pytest.mark.parametrize("style", ["thinking", "auto", "agentic"])
@given(data=st.data())
def test_anything_less_than_the_exact_form_is_refused(style: Style, data: st.DataObject) -> None:
    """Without its first or its last bracket, or with a space before it, a reply is not in its form."""
    text = data.draw(_replies[style]).render()
    tags = list(re.finditer(r"</?(think|answer|analysis|sandbox_output)>", text))
    at = data.draw(st.sampled_from([tags[0].start(), tags[-1].end() - 1]))
    for broken in (text[:at] + text[at + 1 :], f" {text}"):
        with pytest.raises(FormatError):
            parse(style, broken)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("thinking", r"<think>a</think><answer>\boxed{1}</answer>"),  # no space
        ("thinking", r"<think>a</think> <answer>1</answer>"),  # no box
        ("thinking", r"<think>a</think> <answer>\boxed{1} \boxed{2}</answer>"),
        ("thinking", r"<think>a</think> <answer>\boxed{}</answer>"),
        ("thinking", "<think>a</think> <answer>\\boxed{1}</answer>\n"),
        ("thinking", r"<think>a</think> <answer>\boxed{1</answer>"),
        ("thinking", r"<think> </think> <answer>\boxed{1}</answer>"),
        ("thinking", r"<think>a<think>b</think> <answer>\boxed{1}</answer>"),
        ("non_thinking", r"<answer>1</answer>"),
        ("non_thinking", ""),
        ("auto", "<analysis>a Therefore, /no_think mode is more appropriate.</analysis>1"),
        ("auto", "<analysis>a Therefore, /think mode is more appropriate.</analysis> 1"),
        ("auto", "<analysis>a</analysis> 1"),
        ("agentic", r"<think>a</think> <answer>\boxed{1}</answer>"),  # no step
        ("agentic", "<think>a\n```python\nzoom(2)\n```\nb</think> <answer>\\boxed{1}</answer>"),  # no output
    ],
)
def test_near_misses_are_refused(style: Style, text: str) -> None:
    with pytest.raises(FormatError):
        parse(style, text)


def test_boxes_may_hold_balanced_braces() -> None:
    assert boxed(Thinking("a", r"so \boxed{\frac{1}{2}} it is")) == r"\frac{1}{2}"
    assert boxed(Plain("1")) is None


@given(st.text(max_size=40).filter(lambda t: not t.endswith(("/think", "_think"))), st.sampled_from(sorted(_replies)))
def test_switches_come_off_as_they_went_on(text: str, style: Style) -> None:
    for switches in ("card", "paper"):
        assert without_switch(with_switch(text, style, switches), style, switches) == text


def test_switches() -> None:
    assert with_switch("Why?", "thinking") == "Why?/think"
    assert with_switch("Why?", "non_thinking") == "Why?/no_think"
    assert with_switch("Why?", "auto") == "Why?"
    with pytest.raises(FormatError):
        without_switch("Why?/no_think", "auto")
    with pytest.raises(FormatError):
        with_switch("Why?/think", "thinking")


@given(st.lists(_free, min_size=1, max_size=4))
def test_text_and_blocks_are_the_same(pieces: list[str]) -> None:
    images = [f"obs:{i}" for i in range(len(pieces) - 1)]
    text = IMAGE_MARK.join(pieces)
    assert to_text(to_blocks(text, images)) == (text, images)
    with pytest.raises(FormatError):
        to_blocks(text, [*images, "obs:9"])
