"""RQ and VQ codes beside float64 arithmetic, resumed fits, and vectors that cannot be fitted on."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import InputError, RunError, UsageError
from dataengine.index.codes import codebooks, quality, residual
from dataengine.index.codes.codebooks import Codebooks
from dataengine.index.codes.encoder import VectorEncoder
from dataengine.index.codes.nearest_items import NearestItems
from dataengine.index.codes.text import to_codes, to_text, tokens


def clustered(count: int, dim: int = 16, groups: int = 20, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(groups, dim)) * 2
    return (means[rng.integers(0, groups, count)] + rng.normal(size=(count, dim))).astype(np.float32)


def fitted(vectors: Any, levels: int = 3, size: int = 16, **options: Any) -> list[Any]:
    return residual.fit(vectors.copy(), levels, size, iterations=8, seed=5, **options)


def exact(vectors: Any, levels: list[Any]) -> Any:
    """Codes by the definition, in float64, and what they leave."""
    left, codes = vectors.astype(np.float64), []
    for centres in levels:
        distances = ((left[:, None] - centres[None].astype(np.float64)) ** 2).sum(-1)
        codes.append(distances.argmin(1))
        left = left - centres[codes[-1]]
    return np.stack(codes, axis=1), (left**2).sum(1)


def test_codes_are_those_of_the_definition() -> None:
    vectors = clustered(1500)
    levels = fitted(vectors)
    codes, errors = residual.ResidualEncoder(levels).encode(vectors)
    wanted, left = exact(vectors, levels)
    assert (codes == wanted).mean() > 0.999 and codes.dtype == np.int32
    assert errors == pytest.approx(left, rel=1e-3)
    decoded = residual.ResidualEncoder(levels).decode(codes)
    assert ((vectors - decoded) ** 2).sum(1) == pytest.approx(errors, rel=1e-3, abs=1e-5)


def test_each_level_is_k_means_of_what_the_levels_before_leave() -> None:
    vectors = clustered(1200)
    levels = fitted(vectors, 3)
    shares = []
    for n in range(3):
        _, errors = residual.ResidualEncoder(levels[: n + 1]).encode(vectors)
        shares.append(errors.sum() / (vectors**2).sum())
    assert 0.5 > shares[0] > shares[1] > shares[2] > 0
    first, _ = residual.ResidualEncoder(levels[:1]).encode(vectors)
    for centre in range(16):
        members = vectors[first[:, 0] == centre]
        assert np.abs(members.mean(0) - levels[0][centre]).max() < 0.35, "Lloyd's steps are nearly at rest"


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_a_vector_has_the_same_codes_whoever_is_beside_it(seed: int, count: int) -> None:
    vectors, levels = clustered(2100, seed=1), [clustered(24, seed=n) for n in (2, 3)]
    encoder = residual.ResidualEncoder(levels)
    rows = np.random.default_rng(seed).permutation(len(vectors))[:count]
    whole, _ = encoder.encode(vectors)
    assert (encoder.encode(vectors[rows])[0] == whole[rows]).all()


def test_a_killed_fit_goes_on_to_the_same_codebooks() -> None:
    vectors, saved = clustered(900), dict[int, Any]()

    def save(level: int, centres: Any) -> None:
        if level == 2:
            raise KeyboardInterrupt
        saved[level] = centres

    with pytest.raises(KeyboardInterrupt):
        fitted(vectors, 4, save=save)
    assert sorted(saved) == [0, 1]
    again = fitted(vectors, 4, saved=saved.get)
    assert all((a == b).all() for a, b in zip(again, fitted(vectors, 4), strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_codebooks_do_not_depend_on_threads(threads: int) -> None:
    vectors = clustered(3000)
    assert all((a == b).all() for a, b in zip(fitted(vectors, threads=threads), fitted(vectors), strict=True))


BAD = [
    ("not finite", np.where(np.arange(800).reshape(50, 16) == 7, np.nan, 1).astype("f4"), "not finite"),
    ("fewer than codes", clustered(15), "15 vectors are too few for 16 codes a level: set `size`"),
    ("all equal", np.ones((50, 16), np.float32), "only 1 of 50 vectors differ.*look at what is embedded"),
    ("few differ", np.repeat(clustered(9), 6, axis=0), "only 9 of 54 vectors differ"),
]


@pytest.mark.parametrize(("vectors", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_vectors_that_cannot_give_so_many_codes(vectors: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        fitted(vectors)


def test_as_many_codes_as_vectors_leave_nothing_and_later_levels_unused() -> None:
    vectors = clustered(16)
    codes, errors = residual.ResidualEncoder(fitted(vectors, 2)).encode(vectors)
    assert len(set(codes[:, 0])) == 16 and errors.max() < 1e-9


def test_nearest_items_by_distance_and_number() -> None:
    items, vectors = clustered(60, seed=3), clustered(1100, seed=4)
    items[7] = items[3]
    codes = NearestItems(items, 25).encode(vectors)
    distances = ((vectors[:, None].astype(np.float64) - items[None]) ** 2).sum(-1)
    assert codes.shape == (1100, 25) and codes.min() >= 1 and codes.max() <= 60
    nearest = np.take_along_axis(distances, codes - 1, axis=1)
    assert nearest == pytest.approx(np.sort(distances, axis=1)[:, :25], rel=1e-4, abs=1e-4)
    both = (codes == 4).any(1) & (codes == 8).any(1)
    assert both.any() and ((codes == 4).argmax(1) < (codes == 8).argmax(1))[both].all(), "of equals the smaller number"
    assert NearestItems(items[:3], 25).encode(vectors).shape == (1100, 3)


def test_a_vector_that_is_not_usable_has_no_codes() -> None:
    vectors = clustered(6)
    vectors[1], vectors[4, 3] = 0, np.inf
    levels = [clustered(8, seed=n) for n in (1, 2)]
    made = Codebooks(tuple(levels), "m", clustered(5), tuple("abcde"), 2)
    table = VectorEncoder(made).table(vectors)
    assert [n for n in range(6) if table["rq"][n].as_py() is None] == [1, 4]
    assert table["vq"].null_count == table["rq_error"].null_count == 2
    assert [len(v) for v in table["vq"].drop_null().to_pylist()] == [2] * 4


def test_codebooks_are_kept_as_they_are_and_refuse_other_vectors(tmp_path: Path) -> None:
    levels = tuple(clustered(8, seed=n) for n in (1, 2))
    made = Codebooks(levels, "clip-1", clustered(3), ("x", "y", "z"), 2)
    (tmp_path / "c.safetensors").write_bytes(made.to_bytes())
    read = codebooks.read(str(tmp_path / "c.safetensors"))
    assert read.id == made.id and read.item_ids == ("x", "y", "z") and (read.levels[1] == levels[1]).all()
    with pytest.raises(RunError, match=r"vectors are of siglip, the codebooks .* of clip-1: vectors of two models"):
        VectorEncoder(read).table(clustered(2), "siglip")
    with pytest.raises(RunError, match=r"have 17 components, the codebooks .* are for 16"):
        VectorEncoder(read).table(clustered(2, 17))
    data = bytearray(made.to_bytes())
    data[-2] ^= 1
    with pytest.raises(RunError, match=r"damaged|has no codebooks"):
        codebooks.from_bytes(bytes(data))
    with pytest.raises(RunError, match="has no codebooks"):
        codebooks.from_bytes(b"no tensors")
    with pytest.raises(UsageError, match="no such file"):
        codebooks.read(str(tmp_path / "other.safetensors"))
    (tmp_path / "weights.pt").write_bytes(b"\x9c no pickle")
    with pytest.raises(RunError, match=r"as weights alone: name a file of `codes fit`"):
        codebooks.read(str(tmp_path / "weights.pt"))


def test_published_weights_are_read_as_weights_alone(tmp_path: Path) -> None:
    import torch

    levels = [torch.from_numpy(clustered(8, seed=n)) for n in (1, 2, 3)]
    torch.save({f"centroids.{n}": level for n, level in enumerate(levels)}, tmp_path / "model.pt")
    read = codebooks.read(str(tmp_path / "model.pt"))
    assert read.sizes == (8, 8, 8) and (read.levels[2] == levels[2].numpy()).all() and read.model == ""
    torch.save({"centroids.0": Path("/")}, tmp_path / "code.pt")
    with pytest.raises(RunError, match="weights alone"):
        codebooks.read(str(tmp_path / "code.pt"))


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=26))
def test_the_text_form_gives_the_codes_back(codes: list[int]) -> None:
    assert to_codes(to_text(codes)) == codes


def test_the_text_form_is_the_published_one() -> None:
    assert to_text([340, 6566, 5603]) == "<|sid_begin|><s_a_340><s_b_6566><s_c_5603><|sid_end|>"
    assert tokens(2, 2) == ["<|sid_begin|>", "<|sid_end|>", "<s_a_0>", "<s_a_1>", "<s_b_0>", "<s_b_1>"]
    for text in ("", "<s_a_1>", "<|sid_begin|><|sid_end|>", to_text([1, 2]).replace("_b_", "_c_"), to_text([1]) + " "):
        with pytest.raises(InputError, match="no semantic id"):
            to_codes(text)


def test_quality_of_levels() -> None:
    assert quality.level({0: 5, 3: 5}, 8) == quality.Level(8, 0.25, 2.0)
    assert quality.level({}, 8) == quality.Level(8, 0.0, 0.0)
    codes = [(1, 2), (1, 2), (1, 3), (4, 4), (4, 4), (4, 4)]
    sharing = Counter(Counter(codes).values())
    assert quality.collision_rate(sharing) == pytest.approx(5 / 6, abs=1e-4)
    assert quality.collision_rate({}) == 0.0
    tally = quality.Tally((5, 8))
    for piece in (codes[:2], [], codes[2:]):
        tally.add(np.array(piece, np.int32).reshape(-1, 2), np.full(len(piece), 0.25))
    assert tally.quality() == {
        "levels": [asdict(quality.level({1: 3, 4: 3}, 5)), asdict(quality.level({2: 2, 3: 1, 4: 3}, 8))],
        "error": 0.25,
        "collision_rate": quality.collision_rate(sharing),
    }
    assert quality.Tally((5,)).quality()["error"] is None
