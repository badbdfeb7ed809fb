"""Text pairs: shingles by the definition, exact similarities, the recall that the bands promise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.dedup.minhash import ALGORITHM, Bands, bands_for, candidates, signatures
from dataengine.dedup.shingles import Shingles, normalise, shingle_sets
from dataengine.dedup.text import TextPairs, text_pairs

WORDS = tuple("abcdefghijklmnopqrstuvwxyz"[n : n + 1 + n % 6] for n in range(26))


def column(texts: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


def shingles(text: str | None, how: Shingles) -> set[tuple[str, ...]]:
    """The definition, in Python strings."""
    units = normalise(text).split() if how.unit == "word" else list(normalise(text))
    size = min(how.size, len(units)) if how.whole_short else how.size
    return {tuple(units[n : n + size]) for n in range(len(units) - size + 1)} if units else set()


def similarity(one: str | None, other: str | None, how: Shingles) -> float:
    x, y = shingles(one, how), shingles(other, how)
    return len(x & y) / len(x | y) if x | y else 0.0


def captions(n: int, seed: int) -> list[str]:
    """Random ones, half of them others with one or two words changed."""
    rng = np.random.default_rng(seed)
    made = [rng.choice(WORDS, rng.integers(6, 25)).tolist() for _ in range(n // 2)]
    for _ in range(n - len(made)):
        words = list(made[rng.integers(0, n // 2)])
        for _ in range(rng.integers(1, 3)):
            words[rng.integers(0, len(words))] = str(rng.choice(WORDS))
        made.append(words)
    return [" ".join(words) for words in made]


def as_tuples(pairs: TextPairs) -> list[tuple[int, int, float]]:
    return list(zip(pairs.i.tolist(), pairs.j.tolist(), pairs.similarity.tolist(), strict=True))


@given(
    st.lists(st.none() | st.text("ab ß東 .É", max_size=12), max_size=8),
    st.sampled_from(["word", "char"]),
    st.integers(1, 4),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_shingle_sets_are_those_of_the_definition(texts: list[str | None], unit: str, size: int, short: bool) -> None:
    how = Shingles(unit, size, short)  # type: ignore[arg-type]
    made = shingle_sets(column(texts), how)
    expected = [shingles(text, how) for text in texts]
    assert made.sizes.tolist() == [len(s) for s in expected]
    for n, wanted in enumerate(expected):
        got = set(made.hashes[made.starts[n] : made.starts[n + 1]].tolist())
        for m, other in enumerate(expected):
            against = set(made.hashes[made.starts[m] : made.starts[m + 1]].tolist())
            assert len(got & against) == len(wanted & other)


def test_case_width_and_punctuation_do_not_matter() -> None:
    assert normalise("  A Red_dog,  RUNS! ") == normalise("a red dog runs") == "a red dog runs"
    assert normalise("ﬁne Straße") == "fine strasse"
    assert normalise(None) == normalise("…!") == ""


@pytest.mark.slow
@pytest.mark.parametrize("how", [Shingles(), Shingles("word", 2)])
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_pairs_are_exact_and_nearly_all_are_found(how: Shingles, threshold: float) -> None:
    texts = list({frozenset(shingles(t, how)): t for t in captions(300, seed=1)}.values())
    found = as_tuples(text_pairs(column(texts), threshold, how))
    assert found == sorted(found)
    for i, j, alike in found:
        assert i < j and alike == pytest.approx(similarity(texts[i], texts[j], how)) and alike >= threshold
    expected = {
        (i, j) for j in range(len(texts)) for i in range(j) if threshold <= similarity(texts[i], texts[j], how) < 1
    }
    assert len(expected) > 30
    assert len(expected - {(i, j) for i, j, _ in found}) <= 0.01 * len(expected)


def test_the_same_pairs_again_and_for_another_seed_nearly_the_same() -> None:
    texts = column(captions(2000, seed=2))
    once, again, other = text_pairs(texts, 0.8), text_pairs(texts, 0.8), text_pairs(texts, 0.8, seed=7)
    assert as_tuples(once) == as_tuples(again)
    assert len(set(as_tuples(once)) ^ set(as_tuples(other))) <= 0.01 * len(once.i)


def test_equal_and_absent_texts() -> None:
    found = text_pairs(column(["A dog.", None, "a  DOG", "", "?!", "a dog", "another thing altogether"]), 0.9)
    assert as_tuples(found) == [(0, 2, 1.0), (0, 5, 1.0)]
    assert found.left_out == 3


def test_equal_texts_are_a_star() -> None:
    found = text_pairs(column(["image of a product", *["a blank page"] * 50_000]), 0.9)
    assert set(found.i.tolist()) == {1} and len(found.j) == 49_999
    assert found.candidates == 0


@pytest.mark.parametrize("texts", [[], ["one"], [None, ""]])
def test_no_pairs(texts: list[str | None]) -> None:
    assert as_tuples(text_pairs(column(texts), 0.5)) == []


def test_a_crowded_bucket_is_linear_and_says_what_it_left() -> None:
    texts = column([f"product photo of the same big red house near the river number {n}" for n in range(3000)])
    found = text_pairs(texts, 0.7, largest_bucket=20)
    assert found.skipped > 0
    assert 2000 < found.candidates <= 22 * 20 * 3000
    assert text_pairs(texts.slice(0, 100), 0.7, largest_bucket=100).skipped == 0


def test_bands_find_what_they_promise() -> None:
    for threshold in (0.3, 0.5, 0.8, 0.95, 1.0):
        bands = bands_for(threshold)
        assert bands.chance(threshold) >= 0.995 and bands.number * bands.rows <= 128
        assert Bands(128 // (bands.rows + 1), bands.rows + 1).chance(threshold) < 0.995 or bands.rows == 128
    assert bands_for(0.001) == Bands(128, 1)


def test_signatures_estimate_similarity() -> None:
    how = Shingles("word", 1)
    texts = ["a b c d e f g h i j", "a b c d e f g h x y"]
    rows = signatures(shingle_sets(column(list(texts)), how), 4096)
    assert float((rows[0] == rows[1]).mean()) == pytest.approx(8 / 12, abs=0.03)


def test_the_signature_algorithm_is_the_one_our_version_names() -> None:
    from rensa import RMinHash

    assert RMinHash.ALGORITHM_VERSION == ALGORITHM


def test_candidates_share_a_band() -> None:
    rows = np.array([[1, 2, 3, 4], [1, 2, 9, 9], [8, 8, 9, 9], [0, 0, 0, 0]], np.uint32)
    (i, j), skipped = candidates(rows, Bands(2, 2), 10)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (1, 2)] and skipped == 0


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        text_pairs(column(["a"]), 0)
    with pytest.raises(ValueError, match="shingles"):
        Shingles("word", 0)
