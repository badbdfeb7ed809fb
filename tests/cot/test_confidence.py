"""Step confidence: from token log-probabilities to the choice between paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cot_corpus import pictures
from support.cot_workers import Workshop
from test_cot_checks import check

from dataengine.cot.core.confidence import Confidence, combined, confidence_of
from dataengine.cot.core.formats import Thinking, box
from dataengine.cot.review.choose import choose
from dataengine.models.serving.completion import TokenLogprob
from dataengine.testing import ChatServer, Turn, chat_server

TEXT = "<think>The left is dark. It has 1.5 of it!</think> <answer>So A</answer>"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def tokens(text: str, *values: tuple[str, float]) -> list[TokenLogprob]:
    """One token a letter, each as likely as the part it stands in."""
    found = []
    for place, letter in enumerate(text):
        inside = [v for part, v in values if text.find(part) <= place < text.find(part) + len(part)]
        found.append(TokenLogprob(letter, inside[0] if inside else -0.1))
    return found


def test_steps_are_the_sentences_of_the_reasoning() -> None:
    confidence = confidence_of(TEXT, tokens(TEXT, ("The left is dark.", -0.5), ("1.5", -4.0)))
    assert len(confidence.step_means) == 2 and confidence.step_means[0] == -0.5 == confidence.step_lowest[0]
    assert confidence.step_lowest[1] == confidence.lowest == -4.0 and -1.5 < confidence.step_means[1] < -0.4
    assert confidence.mean is not None and -0.6 < confidence.mean < -0.1


def test_tokens_that_do_not_spell_the_text_give_no_steps() -> None:
    assert confidence_of("other", tokens(TEXT)) == Confidence(-0.1, -0.1)
    assert confidence_of(TEXT, []) == Confidence()
    spelled = [TokenLogprob("<bos>", -9.0), *tokens(TEXT)]
    assert confidence_of(TEXT, spelled).step_means == (-0.1, -0.1)


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(1, 7))
def test_any_text_has_its_numbers(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    confidence = confidence_of(text, [TokenLogprob(p, -float(n)) for n, p in enumerate(pieces)])
    assert len(confidence.step_means) == len(confidence.step_lowest)
    assert all(low <= mean for low, mean in zip(confidence.step_lowest, confidence.step_means, strict=True))
    assert not pieces or confidence.lowest == -float(len(pieces) - 1)


def test_turns_are_taken_together() -> None:
    confidence = combined(
        [(Confidence(-1.0, -2.0, (-1.0,), (-2.0,)), 3), (Confidence(-0.2, -0.4, (-0.2,), (-0.4,)), 1)]
    )
    assert confidence == Confidence(-0.8, -2.0, (-1.0, -0.2), (-2.0, -0.4))
    assert combined([(Confidence(), 3)]) == Confidence()


def test_an_unsure_step_sends_a_path_behind_others_and_to_people() -> None:
    sure, unsure = (
        check(0, "A", confidence=-0.3, step_means=(-0.3, -0.4)),
        check(1, "A", confidence=-0.2, step_means=(-0.1, -3.0)),
    )
    assert choose([sure, unsure], 1.5).chosen == 1
    assert choose([sure, unsure], 1.5, least_step=-2.0).chosen == 0
    assert choose([unsure], 1.5, least_step=-2.0).why == "unsure"
    assert choose([unsure], 1.5, least_step=-4.0).why == ""
    assert choose([check(2, "A")], 1.5, least_step=-2.0).why == ""


@pytest.mark.slow
def test_steps_are_columns_of_paths_and_checks(server: ChatServer, tmp_path: Path) -> None:
    text = Thinking("The left is dark. The right is not.", f"It is {box('A')}").render()
    spelled = [{"token": letter, "logprob": -2.0 if n < 20 else -0.5} for n, letter in enumerate(text)]
    server.reply = lambda body: Turn(text=text, tokens=spelled)
    model = {"type": "openai", "endpoint": server.endpoint, "model": "m"}
    shop = Workshop(tmp_path, sorted(pictures())[:1], {"teachers": [model]})
    shop.questions()
    paths, checks = shop.paths(), shop.checks()
    single = [p for p in paths if "sandbox_output" not in (p.text or "")]
    of_single = [c for c in checks if c.rid in {p.rid for p in single}]
    assert single and len(of_single) == len(single)
    for row in (*single, *of_single):
        assert len(row.step_means) == len(row.step_leasts) == 2
        assert row.step_means[0] < row.step_means[1] == -0.5 and row.least_token == -2.0
    again = Workshop(tmp_path, sorted(pictures())[:1], {"teachers": [model]})
    again.questions()
    assert again.paths() == paths
