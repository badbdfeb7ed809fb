"""k-means for the codebooks: faiss against scikit-learn from one start, centres without vectors, and the checks before."""

from __future__ import annotations

import io
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny_kelix
from support.planned import Tables, sample

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import RunError, UsageError
from dataengine.models.lloyd import lloyd
from dataengine.storage.store import Store
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix.centres import clusters
from dataengine.tokenize.kelix.reservoir import reservoir
from dataengine.tokenize.kelix_checks import Corpus, check_config, check_corpus, check_memory, corpus_of, memory
from dataengine.tokenize.sample import PatchSample


def blobs(count: int, dim: int, groups: int) -> Any:
    generator = np.random.default_rng(0)
    means = generator.normal(size=(groups, dim)) * 4
    return (means[generator.integers(0, groups, count)] + generator.normal(size=(count, dim))).astype(np.float32)


def test_faiss_finds_what_scikit_learn_finds_from_the_same_start() -> None:
    from sklearn.cluster import KMeans

    x = blobs(3000, 12, 20)
    start = x[:20].copy()
    found, dead = lloyd(x, start, 15)
    model = KMeans(20, init=start, n_init=1, max_iter=15, tol=0, algorithm="lloyd").fit(x)
    assert dead == 0

    def inertia(centres: Any) -> float:
        return float(((x[:, None] - centres[None]) ** 2).sum(-1).min(1).sum())

    assert inertia(found) == pytest.approx(inertia(model.cluster_centers_), rel=1e-5)
    again, _ = lloyd(x, start, 15)
    assert np.array_equal(found, again)


def test_a_centre_without_vectors_moves_to_a_far_one() -> None:
    x = np.concatenate([np.zeros((50, 4)), np.ones((50, 4)), np.full((1, 4), 9.0)]).astype(np.float32)
    start = np.stack([x[0], x[60], np.full(4, 500.0)]).astype(np.float32)
    found, _ = lloyd(x, start, 0)
    assert (np.unique(((x[:, None] - found[None]) ** 2).sum(-1).argmin(1))).tolist() == [0, 1, 2]


def test_equal_vectors_take_one_centre_and_no_vector_is_taken_from_a_centre_that_has_no_other() -> None:
    x = np.concatenate([np.zeros((50, 4)), np.full((3, 4), 9.0), np.full((1, 4), 5.0)]).astype(np.float32)
    start = np.stack([x[0], *(np.full(4, 500.0 + n) for n in range(4))]).astype(np.float32)
    centres, moved = lloyd(x, start, 3)
    assert {(0.0,) * 4, (5.0,) * 4, (9.0,) * 4} <= {tuple(c) for c in centres.tolist()} and moved == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_centres_depend_neither_on_memory_nor_on_parts(tmp_path: Path, parts: int) -> None:
    x, store = blobs(9000, 6, 40), Store(str(tmp_path))
    fewer = PatchSample(6000, 0)
    fewer.add("a", x)
    expected = fewer.rows()
    keys = PatchSample(9000, 0)
    keys.add("a", x)
    for n, some in enumerate(np.array_split(np.random.default_rng(1).permutation(9000), parts)):
        out = io.BytesIO()
        np.savez(out, keys=keys.keys()[some], rows=keys.rows()[some])
        store.put(f"{n}.npz", out.getvalue())
    files = [f"{n}.npz" for n in range(parts)]
    found = []
    for held in (1e9, 1000.0):
        with reservoir(store, files, 6000, 6, held) as rows:
            assert isinstance(rows, np.memmap) == (held < 1e6) and np.array_equal(rows, expected)
            found.append(clusters(rows, 4100, iterations=3, seed=0).centres)
    assert np.array_equal(*found)
    free = namedtuple("free", "free")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: free(100))
        with pytest.raises(
            RunError, match=r"6,000 vectors for the centres take 0\.0 GB, the temporary folder .* TMPDIR"
        ):
            reservoir(store, files, 6000, 6, 1000.0).__enter__()


def test_a_share_of_each_part_is_enough_for_the_smallest_keys_of_all() -> None:
    x = blobs(4000, 3, 5)
    whole, part = PatchSample(500, 7), PatchSample(500, 7, share=0.25)
    for each in (whole, part):
        for n, some in enumerate(np.array_split(x, 10)):
            each.add(f"{n}", some)
    assert sum(len(k) for k in part._smallest._keys) < 1300
    assert np.array_equal(whole.rows(), part.rows()) and np.array_equal(whole.keys(), part.keys())


def test_many_centres_come_by_faiss_and_the_same_again() -> None:
    x = blobs(6000, 4, 50)
    one, again = (clusters(x, 5000, iterations=2, seed=s) for s in (3, 3))
    assert one.centres.shape == (5000, 4) and np.array_equal(one.centres, again.centres)
    assert not np.array_equal(one.centres, clusters(x, 5000, iterations=2, seed=4).centres)


@pytest.mark.parametrize("count", [64, 5000])
def test_too_few_vectors_and_damaged_ones(count: int) -> None:
    with pytest.raises(RunError, match=f"10 visual tokens are too few for {count:,} codebook entries"):
        clusters(np.zeros((10, 4), np.float32), count, iterations=1, seed=0)
    with pytest.raises(RunError, match="not finite numbers"):
        clusters(np.full((6000, 4), np.nan, np.float32), count, iterations=1, seed=0)


def test_a_corpus_is_counted_by_the_table_engine(duck: DuckDBEngine, tmp_path: Path) -> None:
    """Of five samples the last is not kept; a video has a still a second of its frames, at most four."""
    cases = [
        (("a",), 56, "image"),
        ((), 84, "image"),
        (("a", ""), 56, "video"),
        (("", "b"), 1, "image"),
        (("c",), 56, "image"),
    ]
    rows = [
        sample(n, "m", captions, kind) | {"width": side, "height": side, "frames": 9 if kind == "video" else 1}
        for n, (captions, side, kind) in enumerate(cases)
    ]
    tables = Tables(tmp_path, duck, rows, held_out=0.0)
    tables.decide(lambda row: row["id"] != rows[4]["id"])
    assert corpus_of(tables.run, configure(tiny_kelix.SMALL)) == Corpus(4, 3, 4 + 9 + 16 + 4)


def test_a_corpus_that_cannot_fill_the_codebooks_is_refused_before_training() -> None:
    config = configure(tiny_kelix.SMALL)
    check_corpus(config, Corpus(16, 16, 64))
    with pytest.raises(RunError, match="15 samples give 60 visual tokens, too few for 64 codebook entries"):
        check_corpus(config, Corpus(15, 15, 60))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"training": {"centre_tokens": 60_000}, "quantiser": {"entries": 8192}},
            "60,000 are too few vectors for 65,536",
        ),
        ({"quantiser": {"centre_dim": 7}}, "centre_dim 7 is not vision.features 192"),
        ({"training": {"tower": "nowhere.safetensors"}}, "training.tower nowhere.safetensors"),
        ({"preset": "kelix"}, "objective.path Qwen3-0.6B: no such folder"),
    ],
)
def test_what_a_recipe_alone_rules_out_is_found_first(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_config(configure({"name": "kelix", **change}))


def test_memory_is_counted_before_it_is_needed() -> None:
    config = configure({"name": "kelix"})
    need = memory(config, {"tower": 100, "lm": 1000}, ["lm"])
    assert need.model == 4 * (1100 + 3 * 100) and need.centres == 16 * 1024 * 192 + 4 * 60_000 * 192
    bounded = configure({"name": "kelix", "training": {"centre_memory": 0.001}})
    assert memory(bounded, {}, []).centres == 16 * 1024 * 192 + 1_000_000
    assert bounded.model_dump() == config.model_dump(), "no part of what a tokenizer's id is a digest of"
    with pytest.raises(RunError, match=r"the centres need about 1000000\.0 GB, cpu here has"):
        check_memory(10**15, "cpu", "the centres")
    check_memory(1000, "cpu", "nothing much")
