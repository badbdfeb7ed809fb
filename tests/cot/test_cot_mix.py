"""Shares of the mix are met exactly, and what is missing is said."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.cot.core.seeded import Draw
from dataengine.cot.mix.quality import Evidence, quality, repeats
from dataengine.cot.mix.quotas import Facets, Kind, Quotas, Supply, apportion, place, plan_quotas
from dataengine.cot.questions.build import Turns
from dataengine.cot.tasks.mix_shares import PRESETS, resolve
from dataengine.errors import UsageError

_shares = st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1e6), min_size=1).filter(lambda s: any(s.values()))
_facet = st.dictionaries(st.sampled_from("xy"), st.floats(0, 10))
_supply = st.dictionaries(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"), st.sampled_from("xyz")),
    st.builds(Supply, st.integers(0, 30), st.integers(0, 5)),
)


@given(st.integers(0, 10**6), _shares)
def test_quotas_add_up_and_are_within_one_of_the_share(total: int, shares: dict[str, float]) -> None:
    found = apportion(total, shares)
    assert sum(found.values()) == total
    whole = sum(shares.values())
    assert all(abs(found[name] - total * share / whole) < 1 + 1e-6 for name, share in shares.items())


def taken(supply: dict[Kind, Supply], quotas: Quotas) -> Counter[str]:
    """Uses that each cell gives."""
    given_by: Counter[str] = Counter()
    for quota in quotas.quotas:
        if quota.kinds:
            given_by[quota.kinds[0][0]] += min(quota.wanted, sum(supply[kind].most for kind in quota.kinds))
    return given_by


@given(_supply, _shares, st.integers(0, 60), _facet, _facet, st.booleans())
def test_what_is_planned_is_there_and_what_is_missing_is_reported(
    supply: dict[Kind, Supply],
    shares: dict[str, float],
    total: int,
    tasks: dict[str, float],
    levels: dict[str, float],
    fill: bool,
) -> None:
    quotas = plan_quotas(supply, shares, total, Facets(tasks, levels), fill)
    kinds = [kind for quota in quotas.quotas for kind in quota.kinds]
    assert len(set(kinds)) == len(kinds)
    wanted, given_by = apportion(total, shares), taken(supply, quotas)
    assert {cell.name: cell.wanted for cell in quotas.cells} == wanted
    for cell in quotas.cells:
        short = quotas.shortages.get(cell.name, 0)
        assert short == max(cell.wanted - cell.planned, 0) and (fill or cell.planned == cell.wanted - short)
        below = sum(n for name, n in quotas.shortages.items() if name.startswith(f"{cell.name}/"))
        assert given_by[cell.name] == cell.planned - (0 if fill else below)
    assert quotas == plan_quotas(dict(reversed(supply.items())), shares, total, Facets(tasks, levels), fill)


@given(_supply, _shares, st.integers(0, 60))
def test_a_total_is_reached_where_there_is_enough(
    supply: dict[Kind, Supply], shares: dict[str, float], total: int
) -> None:
    quotas = plan_quotas(supply, shares, total)
    there = sum(one.uses for (cell, *_), one in supply.items() if shares.get(cell))
    assert min(total, there) <= taken(supply, quotas).total() <= total
    assert quotas.scarcest or not quotas.shortages or not there


@given(_supply, _shares)
def test_without_a_total_all_are_cut_to_the_scarcest_or_half_of_the_shares_are_full(
    supply: dict[Kind, Supply], shares: dict[str, float]
) -> None:
    uses: Counter[str] = Counter()
    for kind, one in supply.items():
        uses[kind[0]] += one.uses
    present = [name for name in shares if uses[name] and shares[name]]
    cut, filled = plan_quotas(supply, shares, None, fill=False), plan_quotas(supply, shares, None)
    whole = sum(map(Fraction, shares.values()))
    assert not set(present) & set(cut.shortages)
    one_more = sum(cell.wanted for cell in cut.cells) + 1
    assert not present or any(one_more * Fraction(shares[name]) / whole > uses[name] for name in present)
    full = [name for name in present if filled.shortages.get(name, 0) == 0]
    assert 2 * sum(shares[name] for name in full) >= sum(shares[name] for name in present) * (1 - 1e-9)
    assert taken(supply, filled).total() >= taken(supply, cut).total()


def test_a_scarce_mode_does_not_cut_the_others() -> None:
    shares = dict.fromkeys(("a", "b", "c", "d"), 1.0)
    supply = {(name, "", ""): Supply(n) for name, n in {"a": 100, "b": 80, "c": 70, "d": 5}.items()}
    filled, cut = plan_quotas(supply, shares, None), plan_quotas(supply, shares, None, fill=False)
    assert [(c.name, c.planned) for c in filled.cells] == [("a", 100), ("b", 80), ("c", 70), ("d", 5)]
    assert (filled.scarcest, filled.shortages) == ("d", {"c": 10, "d": 75})
    assert [c.planned for c in cut.cells] == [5, 5, 5, 5] and cut.scarcest == "d"
    spare = plan_quotas(supply | {("d", "", "x"): Supply(0, 30)}, shares, 80)
    assert [c.planned for c in spare.cells] == [20, 20, 20, 20] and not spare.shortages


def test_shares_within_a_cell_are_exact() -> None:
    cell = "thinking/thinking"
    supply = {(cell, task, difficulty): Supply(10) for task in "xy" for difficulty in ("easy", "hard")}
    exact = plan_quotas(supply, {cell: 1.0}, 16, Facets({"x": 3, "y": 1}, {"easy": 1, "hard": 1}))
    assert {quota.kinds[0][1:]: quota.wanted for quota in exact.quotas} == {
        ("x", "easy"): 6, ("x", "hard"): 6, ("y", "easy"): 2, ("y", "hard"): 2
    }  # fmt: skip
    assert plan_quotas(supply, {cell: 1.0}, 36, Facets({"x": 1})).shortages == {cell: 16}
    short = plan_quotas(supply, {cell: 1.0}, 36, Facets({"x": 3, "y": 1}))
    assert {quota.kinds[0][1]: quota.wanted for quota in short.quotas} == {"x": 20, "y": 16}
    assert short.shortages == {f"{cell}/x": 7}


def test_the_preset_of_the_report() -> None:
    shares = resolve("keye-vl")
    assert sum(shares.values()) == 784_000
    quotas = apportion(784, shares)
    assert (quotas["non_thinking"], quotas["thinking"], quotas["auto_think"]) == (330, 230, 20)
    assert (quotas["think_with_image"], quotas["video/thinking"], quotas["video/non_thinking"]) == (100, 24, 80)
    assert apportion(10, resolve("even")) == dict.fromkeys(PRESETS["even"], 2)


@pytest.mark.parametrize("per_sample", [1, 2, 4])
def test_questions_are_asked_in_the_shares_of_the_mix(per_sample: int) -> None:
    mix = resolve("keye-vl")
    shares = {name: share for name, share in mix.items() if not name.startswith("video")}  # those of a picture
    asked: Counter[str] = Counter()
    for sample in range(3000):
        turns = Turns(Draw(1, sample), mix)
        asked.update(turns.next(shares) for _ in range(per_sample))
    whole = sum(shares.values())
    assert all(abs(asked[name] / asked.total() / share * whole - 1) < 0.25 for name, share in shares.items()), asked


def test_even_shares_come_one_after_another() -> None:
    turns = Turns(Draw(1, "even"), dict.fromkeys("abc", 2.0))
    first = [turns.next("abc") for _ in range(3)]
    assert sorted(first) == list("abc") and turns.order == first
    assert [turns.next("abc") for _ in range(4)] == [*first, first[0]]
    assert [turns.next("b") for _ in range(2)] == ["b", "b"]


def test_styles_of_a_mode_have_shares_of_their_own() -> None:
    supply = {("video/thinking", "", ""): Supply(50), ("video/non_thinking", "", ""): Supply(50)}
    cut = plan_quotas(supply, {"video/thinking": 1.0, "video/non_thinking": 3.0}, None, fill=False)
    assert taken(supply, cut) == {"video/thinking": 16, "video/non_thinking": 50}
    whole = plan_quotas(supply, {"video": 1.0, "thinking": 1.0}, 20, fill=False)
    assert sum(quota.wanted for quota in whole.quotas if quota.kinds) == 10
    assert whole.shortages == {"thinking": 10}
    assert [set(quota.kinds) for quota in whole.quotas] == [set(), set(supply)]


@pytest.mark.parametrize(
    ("evidence", "score"),
    [
        (Evidence("thinking", "hard"), 3),  # nothing was measured
        (Evidence("thinking", "hard", guessed=0.0), 4),  # never 5 by rule
        (Evidence("thinking", "hard", guessed=0.5, judged=5), 1),
        (Evidence("thinking", "hard", prior=0.95, others=9), 1),
        (Evidence("thinking", "hard", prior=0.95, others=3), 3),
        (Evidence("thinking", "hard", prior=0.3, others=9), 4),
        (Evidence("thinking", "easy", guessed=0.0, judged=5), 5),
        (Evidence("thinking", "easy", judged=5), 4),
        (Evidence("thinking", "hard", guessed=0.0, judged=2), 2),
        (Evidence("thinking", "easy", guessed=0.0), 3),
        (Evidence("non_thinking", "easy", guessed=0.0), 2),
        (Evidence("auto", "medium", guessed=0.25), 3),
    ],
)
def test_quality_follows_what_is_measured(evidence: Evidence, score: int) -> None:
    assert quality(evidence) == score


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0, 2.0, 2.75])
def test_repeats_are_whole_and_their_mean_is_the_weight(weight: float) -> None:
    counts = [repeats(weight, 3, str(n)) for n in range(4000)]
    assert set(counts) <= {int(weight), int(weight) + 1} and abs(sum(counts) / 4000 - weight) < 0.03
    assert counts == [repeats(weight, 3, str(n)) for n in range(4000)]


def test_the_seed_chooses_among_equals() -> None:
    ids = [str(i) for i in range(100)]
    one, two = (sorted(ids, key=lambda id_: place(seed, id_))[:50] for seed in (1, 2))
    assert one != two and 15 < len(set(one) & set(two)) < 35


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("odd", "even, keye-vl"),
        ({"dreaming": 1.0}, "dreaming"),
        ({"video": 1.0, "video/thinking": 1.0}, "both have a share"),
        ({"thinking/auto": 1.0}, "thinking/auto"),
        ({"thinking": -1.0}, "from 0 up"),
        ({"thinking": 0.0}, "above 0"),
        ({"thinking": float("nan")}, "from 0 up"),
        ({}, "above 0"),
    ],
)
def test_mistakes_are_named(config: str | dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        resolve(config)
