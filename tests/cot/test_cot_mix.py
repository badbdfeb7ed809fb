"""Shares of the mix are met exactly, and what is missing is said."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.cot.mix.quotas import PRESETS, apportion, pick, resolve
from dataengine.errors import UsageError

_shares = st.dictionaries(st.sampled_from("abcde"), st.floats(0, 1e6), min_size=1).filter(lambda s: any(s.values()))
_records = st.lists(st.tuples(st.integers(0, 10**6).map(str), st.sampled_from("abcde")), unique_by=lambda r: r[0])


@given(st.integers(0, 10**6), _shares)
def test_quotas_add_up_and_are_within_one_of_the_share(total: int, shares: dict[str, float]) -> None:
    found = apportion(total, shares)
    assert sum(found.values()) == total
    whole = sum(shares.values())
    assert all(abs(found[name] - total * share / whole) < 1 + 1e-6 for name, share in shares.items())


@given(_records, _shares, st.integers(0, 60), st.integers(0, 3))
def test_a_total_is_filled_or_its_lack_is_told(
    records: list[tuple[str, str]], shares: dict[str, float], total: int, seed: int
) -> None:
    picked = pick(records, shares, total, seed)
    cell = dict(records)
    taken = Counter(cell[id_] for id_ in picked.ids)
    wanted = apportion(total, shares)
    assert len(picked.ids) + sum(picked.shortages.values()) == total
    assert all(taken[name] + picked.shortages.get(name, 0) == wanted[name] for name in wanted)
    assert picked == pick(list(reversed(records)), shares, total, seed)
    assert picked.ids == sorted(set(picked.ids))


@given(_records, _shares)
def test_without_a_total_as_many_as_the_shares_allow(records: list[tuple[str, str]], shares: dict[str, float]) -> None:
    picked = pick(records, shares, None)
    available = Counter(cell for _, cell in records)
    present = [name for name in shares if available[name] and shares[name]]
    assert not set(present) & set(picked.shortages)
    one_more = len(picked.ids) + sum(picked.shortages.values()) + 1
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
    records = [(f"{i:03d}", f"video/{style}") for i, style in enumerate(["thinking", "non_thinking"] * 50)]
    shares = {"video/thinking": 1.0, "video/non_thinking": 3.0}
    picked = pick(records, shares, None)
    assert Counter(dict(records)[i] for i in picked.ids) == {"video/thinking": 16, "video/non_thinking": 50}
    whole = pick(records, {"video": 1.0, "thinking": 1.0}, 20)
    assert len(whole.ids) == 10 and whole.shortages == {"thinking": 10}
    by_mode = pick([(id_, "video") for id_, _ in records], {**shares, "thinking": 4.0}, None)
    assert len(by_mode.ids) == 100 and by_mode.shortages == {"thinking": 100}


def test_the_seed_chooses_among_equals() -> None:
    records = [(str(i), "a") for i in range(100)]
    one, two = (pick(records, {"a": 1.0}, 50, seed).ids for seed in (1, 2))
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
