"""Question-answer pairs from a source's metadata, in many shapes, and caption distractors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.config.cot import QuestionsConfig, SourceQAConfig
from dataengine.cot.core.source_qa import Distractor, Pair, pairs_of
from dataengine.cot.questions.distractors import Arc, Sample, ring_position

QA = QuestionsConfig(source_qa=SourceQAConfig())


def pairs(meta: Any, config: QuestionsConfig = QA) -> list[Pair]:
    return pairs_of(json.dumps(meta), config, "src/a.jpg")


def one(**pair: Any) -> Pair:
    [result] = pairs({"qa": [pair]})
    return result


@pytest.mark.parametrize(
    ("pair", "kind", "answer"),
    [
        ({"answer": "42"}, "number", "42"),
        ({"answer": 42}, "number", "42"),
        ({"answer": "-1.5"}, "number", "-1.5"),
        ({"answer": "yes"}, "word", "yes"),
        ({"answer": "a red fire engine"}, "text", "a red fire engine"),
        ({"answer": "12", "answer_type": "word"}, "word", "12"),
        ({"answer": ["dog", "dog"]}, "word", "dog"),
        ({"answer": "B", "choices": ["cat", "dog"]}, "choice", "B"),
        ({"answer": "(b)".upper(), "choices": ["cat", "dog"]}, "choice", "B"),
        ({"answer": "dog", "choices": ["cat", "dog"]}, "choice", "B"),
        ({"answer": 0, "choices": ["cat", "dog"]}, "choice", "A"),
        ({"answer": 4, "choices": [3, 4]}, "choice", "B"),
        ({"answer": "dog", "choices": {"A": "cat", "B": "dog"}}, "choice", "B"),
    ],
)
def test_answers_are_of_a_type(pair: dict[str, Any], kind: str, answer: str) -> None:
    result = one(question="what?", **pair)
    assert (result.answer_type, result.answer, result.problem, result.place) == (kind, answer, "", "src/a.jpg")


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ({"answer": "mouse", "choices": ["cat", "dog"]}, "the answer is none of the choices"),
        ({"answer": 7, "choices": ["cat", "dog"]}, "the answer is none of the choices"),
        ({"answer": "cat", "choices": ["cat"]}, "not 2 to 6 choices"),
        ({"answer": "cat", "choices": [*"abcdefg", "cat"]}, "not 2 to 6 choices"),
        ({"answer": "cat", "choices": ["cat", "cat"]}, "duplicate or empty choices"),
        ({"answer": "cat", "choices": "cat or dog"}, "choices are not a list"),
        ({"answer": "cat", "choices": ["cat", ["dog"]]}, "choices are not texts"),
        ({"answer": "9" * 400, "answer_type": "number"}, "the answer is not a number"),
        ({"answer": "many", "answer_type": "number"}, "the answer is not a number"),
        ({"answer": ["dog", "cat"]}, "no question with one answer"),
        ({"answer": None}, "no question with one answer"),
        ({"answer": " "}, "no question with one answer"),
    ],
)
def test_what_cannot_be_asked_says_why(pair: dict[str, Any], why: str) -> None:
    assert one(question="what?", **pair).problem == why


def test_pairs_are_found_where_the_recipe_says() -> None:
    own = QuestionsConfig(source_qa=SourceQAConfig(key=None, question="q", answer="a"))
    assert [p.question for p in pairs({"q": "why?", "a": "so"}, own)] == ["why?"]
    assert [p.question for p in pairs({"qa": json.dumps([{"question": "<image>\nwhy?", "answer": "so"}])})] == ["why?"]
    assert [p.answer for p in pairs({"qa": {"question": "why?", "answer": "so"}})] == ["so"]
    assert pairs({"other": 1}) == pairs({"qa": "no json"}) == pairs({"qa": [1, None]}) == pairs_of(None, QA, "") == []


def test_conversations_are_pairs_of_turns() -> None:
    turns = [("human", "<image>\nHow many?"), ("gpt", "3"), ("human", "Of what?"), ("gpt", "birds"), ("human", "?")]
    config = QuestionsConfig(source_qa=SourceQAConfig(key="conversations"))
    found = pairs({"conversations": [{"from": who, "value": said} for who, said in turns]}, config)
    assert [(p.question, p.answer) for p in found] == [("How many?", "3"), ("Of what?", "birds")]


def test_metadata_answers_the_recipes_questions() -> None:
    config = QuestionsConfig(metadata={"place": "Where is this?", "year": "When was this?", "none": "?"})
    result = pairs({"place": "Lhasa", "year": 1998, "x": 1}, config)
    assert [(p.question, p.answer, p.answer_type) for p in result] == [
        ("Where is this?", "Lhasa", "word"),
        ("When was this?", "1998", "number"),
    ]


def sample(number: int, caption: str = "", parent: str = "", near: frozenset[str] = frozenset()) -> Sample:
    return Sample(f"{number:032x}", parent or f"{number:032x}", (caption,) if caption else (), near)


def ring(samples: Sequence[Sample], seed: int) -> dict[str, Callable[[int], tuple[list[Distractor], list[str]]]]:
    """For each sample its distractors and partners, so many of each."""
    arc = Arc(sorted(samples, key=lambda s: ring_position(seed, s.id)))
    return {
        one.id: lambda count, at=at: (arc.distractors(at, count), arc.partners(at, count))  # type: ignore[misc]
        for at, one in enumerate(arc.samples)
    }


CAPTIONS = (
    "a dog runs over grass",
    "two boats at sea",
    "the old town hall",
    "snow on high mountains",
    "bread on a table",
)


@given(st.permutations(range(5)), st.integers(0, 50))
def test_neighbours_do_not_depend_on_the_order_of_arrival(order: list[int], seed: int) -> None:
    samples = [sample(n, CAPTIONS[n]) for n in range(5)]
    first, other = ring(samples, seed), ring([samples[n] for n in order], seed)
    for id_ in first:
        assert first[id_](3) == other[id_](3)
        assert len({d.id for d in first[id_](3)[0]} - {id_}) == 3


def test_nothing_alike_stands_beside_a_sample() -> None:
    samples = [sample(n, CAPTIONS[n], near=frozenset({f"{1:032x}"}) if n == 0 else frozenset()) for n in range(4)]
    samples += [sample(8, "a dog runs over wet grass"), sample(9, CAPTIONS[4], parent=samples[0].id)]
    first = ring(samples, 1)[samples[0].id]
    assert {d.text for d in first(5)[0]} == {CAPTIONS[2], CAPTIONS[3]}
    assert set(first(3)[1]) == {samples[n].id for n in (2, 3, 4)}
    assert first(4)[1] == []


def test_samples_without_captions_have_no_distractors() -> None:
    samples = [sample(0), *(sample(n, CAPTIONS[n]) for n in range(1, 4))]
    assert ring(samples, 1)[samples[0].id](3)[0] == []
