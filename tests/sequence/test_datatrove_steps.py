"""Filters and near-deduplication by datatrove."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from dataengine.config.sequence import DatatroveStep, MinhashStep
from dataengine.errors import UsageError
from dataengine.sequence import near_duplicates
from dataengine.sequence.corpus import Text, text_id
from dataengine.sequence.datatrove_steps import check, run
from dataengine.sequence.near_duplicates import Signatures

pytest.importorskip("datatrove")
LONG = (
    "The roof of the old temple by the lake shines in the evening light while boats pass below the stone bridge. " * 3
)


def texts(*values: str) -> list[Text]:
    return [Text(text_id(value), value) for value in values]


def test_each_dropped_text_has_its_reason() -> None:
    step = DatatroveStep(filter="RegexFilter", args={"regex_exp": "lake"})
    given = [*texts(LONG, "no water here"), Text("x", "", failure="bad_row", message="m")]
    outcomes = [(text.failure, outcome) for text, outcome in run(given, [step])]
    assert outcomes == [("RegexFilter", "filtered"), ("", ""), ("bad_row", "failed")]


def deduplicated(*files: list[str]) -> list[tuple[int, int]]:
    """File and number of the near-duplicates of texts in files."""
    signed = []
    for some in files:
        blob = bytearray()
        sizes = near_duplicates.sign(some, MinhashStep(), blob.extend)
        signed.append(Signatures(sizes, partial(_read, bytes(blob))))
    return list(near_duplicates.duplicates(signed, MinhashStep()))


def _read(blob: bytes, offset: int, size: int) -> bytes:
    return blob[offset : offset + size]


@pytest.mark.slow
@pytest.mark.parametrize("together", [2, 1000])
@pytest.mark.parametrize("cuts", [(), (1,), (4, 4, 7)])
def test_near_duplicates_leave_the_first_however_texts_are_divided(
    monkeypatch: pytest.MonkeyPatch, together: int, cuts: tuple[int, ...]
) -> None:
    monkeypatch.setattr(near_duplicates, "_SIGNED_TOGETHER", together)
    some = [
        f"{LONG}{'Again. ' * (n // 3)}" if n % 3 else " ".join(chr(97 + n) * (m + 2) for m in range(60))
        for n in range(9)
    ]
    some += [LONG, "", "short"]
    borders = [0, *cuts, len(some)]
    files = [some[a:b] for a, b in pairwise(borders)]
    starts = dict(enumerate(borders))
    gone = [starts[file] + number for file, number in deduplicated(*files)]
    assert gone == [*(n for n in range(9) if n % 3 and n > 1), 9]
    assert deduplicated([]) == []


def test_near_duplicates_are_looked_for_once() -> None:
    with pytest.raises(UsageError, match="one `minhash` step at most"):
        check([MinhashStep(), MinhashStep()])


def test_a_filter_that_draws_does_so_alike_in_each_run() -> None:
    step = DatatroveStep(filter="SamplerFilter", args={"rate": 0.5})
    some = texts(*(f"Text {n}." for n in range(40)))
    first, second = ([outcome for _, outcome in run(some, [step])] for _ in range(2))
    assert first == second and set(first) == {"", "filtered"}


def test_a_text_that_a_filter_cannot_judge_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    from datatrove.pipeline.filters import RegexFilter

    def judge(_self: Any, document: Any) -> bool:
        return bool(1 / document.text.count("."))

    monkeypatch.setattr(RegexFilter, "filter", judge)
    step = DatatroveStep(filter="RegexFilter", args={"regex_exp": "x"})
    outcomes = [(t.failure, t.message, outcome) for t, outcome in run(texts("One.", "Two"), [step])]
    assert outcomes == [("", "", ""), ("filter_failed", "RegexFilter: ZeroDivisionError", "failed")]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (DatatroveStep(filter="URLFilter"), "URLFilter fails on plain text: AssertionError: .*url"),
        (MinhashStep(language="none"), "minhash: Language 'none'"),
    ],
)
def test_steps_that_cannot_judge_any_text(step: DatatroveStep | MinhashStep, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check([step]) if isinstance(step, MinhashStep) else list(run(texts("One."), [step]))


def test_minhash_has_buckets() -> None:
    with pytest.raises(ValueError, match="minhash: num_buckets 0: 1 or more"):
        MinhashStep(minhash={"num_buckets": 0})


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"filter": "NoFilter"}, "datatrove has no filter 'NoFilter'; it has C4"),
        ({"filter": "RegexFilter", "args": {"expression": "x"}}, "RegexFilter: .*argument"),
        ({"filter": "RegexFilter", "args": {"regex_exp": "("}}, "RegexFilter: .*unterminated"),
    ],
)
def test_wrong_steps(step: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check([DatatroveStep.model_validate(step)])
