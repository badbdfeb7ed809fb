"""Shares of the mix are met exactly, and what is missing is said."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.cot.mix.quotas import PRESETS, Kind, Quotas, apportion, place, plan_quotas, resolve
from dataengine.errors import UsageError

_shares = st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1e6), min_size=1).filter(lambda s: any(s.values()))
_facet = st.dictionaries(st.sampled_from("xy"), st.floats(0, 10))
_counts = st.dictionaries(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"), st.sampled_from("xyz")), st.integers(1, 30)
)


@given(st.integers(0, 10**6), _shares)
def test_quotas_add_up_and_are_within_one_of_the_share(total: int, shares: dict[str, float]) -> None:
    found = apportion(total, shares)
    assert sum(found.values()) == total
    whole = sum(shares.values())
    assert all(abs(found[name] - total * share / whole) < 1 + 1e-6 for name, share in shares.items())


def taken(counts: dict[Kind, int], quotas: Quotas) -> Counter[str]:
    """Records that each cell gives."""
    given_by: Counter[str] = Counter()
    for quota in quotas.quotas:
        if quota.kinds:
            given_by[quota.kinds[0][0]] += min(quota.wanted, sum(counts[kind] for kind in quota.kinds))
    return given_by


@given(_counts, _shares, st.integers(0, 60))
def test_a_total_is_filled_or_its_lack_is_told(counts: dict[Kind, int], shares: dict[str, float], total: int) -> None:
    quotas = plan_quotas(counts, shares, total)
    given_by, wanted = taken(counts, quotas), apportion(total, shares)
    assert given_by.total() + sum(quotas.shortages.values()) == total
    assert all(given_by[name] + quotas.shortages.get(name, 0) == wanted[name] for name in wanted)
    assert quotas == plan_quotas(dict(reversed(counts.items())), shares, total)


@given(_counts, _shares, st.integers(0, 60), _facet, _facet)
def test_facets_share_what_their_cell_has(
    counts: dict[Kind, int], shares: dict[str, float], total: int, tasks: dict[str, float], levels: dict[str, float]
) -> None:
    quotas = plan_quotas(counts, shares, total, tasks, levels)
    kinds = [kind for quota in quotas.quotas for kind in quota.kinds]
    assert len(set(kinds)) == len(kinds) and sum(quota.wanted for quota in quotas.quotas) == total
    assert taken(counts, quotas).total() + sum(quotas.shortages.values()) == total
    for cell, wanted in apportion(total, shares).items():
        assert sum(q.wanted for q in quotas.quotas if q.kinds and q.kinds[0][0] == cell) in (0, wanted)


@given(_counts, _shares)
def test_without_a_total_as_many_as_the_shares_allow(counts: dict[Kind, int], shares: dict[str, float]) -> None:
    quotas = plan_quotas(counts, shares, None)
    available: Counter[str] = Counter()
    for kind, count in counts.items():
        available[kind[0]] += count
    present = [name for name in shares if available[name] and shares[name]]
    assert not set(present) & set(quotas.shortages)
    one_more = taken(counts, quotas).total() + sum(quotas.shortages.values()) + 1
    whole = sum(map(Fraction, shares.values()))
    assert not present or any(one_more * Fraction(shares[name]) / whole > available[name] for name in present)


def test_the_preset_of_the_report() -> None:
    shares = resolve("keye-vl")
    assert sum(shares.values()) == 784_000
    quotas = apportion(784, shares)
    assert (quotas["non_thinking"], quotas["thinking"], quotas["auto_think"]) == (330, 230, 20)
    assert (quotas["think_with_image"], quotas["video/thinking"], quotas["video/non_thinking"]) == (100, 24, 80)
    assert apportion(10, resolve("even")) == dict.fromkeys(PRESETS["even"], 2)


def test_styles_of_a_mode_have_shares_of_their_own() -> None:
    counts = {("video/thinking", "", ""): 50, ("video/non_thinking", "", ""): 50}
    quotas = plan_quotas(counts, {"video/thinking": 1.0, "video/non_thinking": 3.0}, None)
    assert taken(counts, quotas) == {"video/thinking": 16, "video/non_thinking": 50}
    whole = plan_quotas(counts, {"video": 1.0, "thinking": 1.0}, 20)
    assert sum(min(quota.wanted, 100) for quota in whole.quotas if quota.kinds) == 10
    assert whole.shortages == {"thinking": 10}
    assert [set(quota.kinds) for quota in whole.quotas] == [set(), set(counts)]


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
