from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine_fixtures import Parted

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.shards import assign_distributed
from dataengine.shards.assign import assign, cuts
from dataengine.shards.order import halves, splits_of

SPLITS = {"train": 0.8, "validation": 0.2}
ids = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), unique=True, max_size=60)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    given_ids = draw(ids)
    kinds = [draw(st.sampled_from(["image", "image", "video"])) for _ in given_ids]
    sizes = [draw(st.one_of(st.integers(0, 5000), st.integers(0, 10**12))) for _ in given_ids]
    return _table(given_ids, kinds, sizes)


def _table(given_ids: list[str], kinds: list[str], sizes: list[int]) -> pa.Table:
    schema = pa.schema({"id": pa.string(), "kind": pa.string(), "bytes": pa.int64()})
    return pa.table([given_ids, kinds, sizes], schema=schema)


def _random(count: int, sizes: object = 1000, kind: str = "image", seed: int = 0) -> pa.Table:
    raw = np.random.default_rng(seed).bytes(16 * count)
    given_ids = [raw[16 * i : 16 * i + 16].hex() for i in range(count)]
    return _table(given_ids, [kind] * count, np.broadcast_to(np.asarray(sizes), count).tolist())


def _bytes(kept: pa.Table, assigned: pa.Table) -> Counter[str]:
    size = dict(zip(kept["id"].to_pylist(), kept["bytes"].to_pylist(), strict=True))
    total: Counter[str] = Counter()
    for row in assigned.to_pylist():
        total[row["shard"]] += size[row["id"]]
    return total


@settings(deadline=None)
@given(tables(), st.integers(1, 10**6), st.integers(0, 3))
def test_each_sample_lies_in_one_place_and_places_have_no_gaps(kept: pa.Table, target: int, seed: int) -> None:
    found = assign(kept, target_bytes=target, seed=seed, splits=SPLITS)
    assert found.schema == contracts.ASSIGNMENT
    rows = found.to_pylist()
    assert sorted(r["id"] for r in rows) == sorted(kept["id"].to_pylist())
    assert rows == sorted(rows, key=lambda r: (r["shard"], r["position"]))
    kinds = dict(zip(kept["id"].to_pylist(), kept["kind"].to_pylist(), strict=True))
    shards: dict[str, list[int]] = {}
    for row in rows:
        split, family, _ = row["shard"].rsplit("-", 2)
        assert (split, family) == (row["split"], kinds[row["id"]])
        shards.setdefault(row["shard"], []).append(row["position"])
    assert all(p == list(range(len(p))) for p in shards.values())
    numbers: dict[str, list[int]] = {}
    for name in shards:
        numbers.setdefault(name.rpartition("-")[0], []).append(int(name[-5:]))
    assert all(sorted(n) == list(range(len(n))) for n in numbers.values())


@settings(deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(kept: pa.Table, random: object) -> None:
    order = np.random.default_rng(kept.num_rows).permutation(kept.num_rows)
    again = pa.concat_tables([kept.take(order[: len(order) // 2]), kept.take(order[len(order) // 2 :])])
    one, two = (assign(t, target_bytes=9000, seed=1, splits=SPLITS) for t in (kept, again))
    assert one.equals(two)


@settings(deadline=None)
@given(tables(), st.integers(0, 60))
def test_a_split_does_not_depend_on_other_samples_or_the_seed(kept: pa.Table, count: int) -> None:
    whole = assign(kept, target_bytes=9000, seed=1, splits=SPLITS)
    some = assign(kept.slice(0, count), target_bytes=500, seed=2, splits=SPLITS)
    split = dict(zip(whole["id"].to_pylist(), whole["split"].to_pylist(), strict=True))
    assert all(split[r["id"]] == r["split"] for r in some.to_pylist())


@settings(deadline=None)
@given(tables(), st.integers(1000, 10**6))
def test_shards_are_off_by_less_than_their_largest_sample(kept: pa.Table, target: int) -> None:
    found = assign(kept, target_bytes=target, seed=0, splits={"train": 1.0})
    size = dict(zip(kept["id"].to_pylist(), kept["bytes"].to_pylist(), strict=True))
    largest = {"image": 0, "video": 0}
    for id_, kind in zip(kept["id"].to_pylist(), kept["kind"].to_pylist(), strict=True):
        largest[kind] = max(largest[kind], size[id_] if size[id_] <= target else 0)
    members = Counter(found["shard"].to_pylist())
    for name, total in _bytes(kept, found).items():
        if total > target and members[name] == 1:
            continue  # a giant's own shard
        assert total <= 1.5 * target + largest[name.split("-")[1]]


@pytest.mark.parametrize("count", [1000, 1001, 1037, 5555, 9999])
def test_equal_media_give_even_shards_the_last_one_included(count: int) -> None:
    kept = _random(count, 1000)
    total = _bytes(kept, assign(kept, target_bytes=50_000, seed=3, splits=SPLITS))
    for split in SPLITS:
        mine = [b for name, b in total.items() if name.startswith(split)]
        assert max(mine) / min(mine) <= 1.1
        assert 0.85 < np.mean(mine) / 50_000 < 1.15


def test_like_media_give_even_shards() -> None:
    kept = _random(20_000, np.random.default_rng(1).lognormal(11, 0.6, 20_000).astype(np.int64))
    total = _bytes(kept, assign(kept, target_bytes=20_000_000, seed=3, splits={"train": 1.0}))
    assert len(total) > 50 and max(total.values()) / min(total.values()) <= 1.1


def test_shares_of_the_splits() -> None:
    found = assign(_random(50_000), target_bytes=10**6, seed=0, splits={"train": 0.9, "test": 0.03, "val": 0.07})
    share = {k: n / 50_000 for k, n in Counter(found["split"].to_pylist()).items()}
    assert abs(share["train"] - 0.9) < 0.005 and abs(share["test"] - 0.03) < 0.003 and abs(share["val"] - 0.07) < 0.004


def test_a_giant_has_a_shard_of_its_own_and_the_rest_stay_even() -> None:
    sizes = np.full(400, 1000)
    sizes[123] = 10**9
    kept = _random(400, sizes)
    total = _bytes(kept, assign(kept, target_bytes=40_000, seed=0, splits={"train": 1.0}))
    assert sorted(total.values())[-1] == 10**9
    rest = sorted(total.values())[:-1]
    assert len(rest) == 10 and rest[-1] / rest[0] <= 1.1


def test_fewer_samples_than_shards_and_empty_splits() -> None:
    tiny = _table(["0" * 31 + "1", "f" * 31 + "0"], ["image", "video"], [100, 100])
    found = assign(tiny, target_bytes=10, seed=0, splits={"train": 0.5, "x": 0.3, "y": 0.2})
    assert found["shard"].to_pylist() == ["train-image-00000", "y-video-00000"]
    nothing = assign(tiny.slice(0, 0), target_bytes=10, seed=0, splits=SPLITS)
    assert nothing.num_rows == 0 and nothing.schema == contracts.ASSIGNMENT


def test_the_seed_shuffles() -> None:
    kept = _random(300)
    orders = [assign(kept, target_bytes=10**9, seed=s, splits={"train": 1.0})["id"].to_pylist() for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    rank = np.argsort(np.argsort(orders[0]))
    assert abs(np.corrcoef(rank, np.arange(300))[0, 1]) < 0.2


def test_mistakes_are_named() -> None:
    twice = _table(["a" * 32, "b" * 32, "a" * 32], ["image"] * 3, [1] * 3)
    with pytest.raises(RunError, match="duplicate sample ids to assign to shards, the first is aaaa"):
        assign(twice, target_bytes=10, seed=0, splits=SPLITS)
    with pytest.raises(RunError, match="audio"):
        assign(_table(["a" * 32], ["audio"], [1]), target_bytes=10, seed=0, splits=SPLITS)
    for bad in ("a", "g" * 32, "A" * 32, "a" * 33):
        with pytest.raises(RunError, match="32"):
            assign(_table([bad], ["image"], [1]), target_bytes=10, seed=0, splits=SPLITS)


@given(ids)
def test_ids_are_read_as_numbers(given_ids: list[str]) -> None:
    high, low = halves(
        pa.chunked_array([pa.array(given_ids, pa.string()).slice(1), pa.array(given_ids[:1], pa.string())])
    )
    expected = given_ids[1:] + given_ids[:1]
    assert [f"{int(a):016x}{int(b):016x}" for a, b in zip(high, low, strict=True)] == expected


def test_borders_of_splits() -> None:
    low = [0, 2**63 - 1, 2**63, 2**64 - 1]
    samples = pa.table({"id": [f"{n:032x}" for n in low]})
    assert splits_of(samples, {"b": 0.5, "a": 0.5}).tolist() == [0, 0, 1, 1]
    assert splits_of(samples, {"a": 1.0}).tolist() == [0] * 4


@given(st.lists(st.integers(0, 10**12), max_size=50), st.integers(1, 20))
def test_cuts_leave_no_run_empty(sizes: list[int], shards: int) -> None:
    found = cuts(np.array(sizes, np.int64), shards)
    assert len(found) < shards and (np.diff(found) > 0).all()
    assert ((found > 0) & (found < len(sizes))).all()


def test_clips_of_one_video_are_in_one_split() -> None:
    videos = _random(40, seed=5)["id"].to_pylist()
    clips = _random(400, kind="video", seed=6)
    parents = pa.array([videos[i % 40] if i % 4 else None for i in range(400)], pa.string())
    kept = clips.append_column("parent", parents)
    split = dict(
        zip(
            *(assign(kept, target_bytes=9000, seed=1, splits=SPLITS)[c].to_pylist() for c in ("id", "split")),
            strict=True,
        )
    )
    of_video: dict[str, set[str]] = {}
    for clip, parent in zip(clips["id"].to_pylist(), parents.to_pylist(), strict=True):
        of_video.setdefault(parent or clip, set()).add(split[clip])
    assert {len(one) for one in of_video.values()} == {1} and len(set(split.values())) == len(SPLITS)
    alone = assign(_table(videos, ["video"] * 40, [1] * 40), target_bytes=9000, seed=2, splits=SPLITS).to_pylist()
    assert all(of_video[row["id"]] == {row["split"]} for row in alone if row["id"] in of_video)
    ranged = assign_distributed.ranges(assign_distributed.Rules(9000, 1, SPLITS), 3, kept)
    runs = dict(zip(ranged["id"].to_pylist(), ranged["run"].to_pylist(), strict=True))
    assert {(split[one], run) for one, run in runs.items()} == {
        (name, n * 2 + 1) for n, name in enumerate(sorted(SPLITS))
    }


@pytest.mark.slow
@settings(deadline=None)
@given(tables(), st.integers(1, 10**6), st.integers(0, 3), st.integers(1, 4), st.integers(1, 20))
def test_ranges_of_the_order_give_the_rows_of_one_pass(
    kept: pa.Table, target: int, seed: int, parts: int, rows: int
) -> None:
    """As on a cluster: each worker sees some ranges of the shuffled order, and what comes before them as sums."""
    whole = assign(kept, target_bytes=target, seed=seed, splits=SPLITS)
    with pytest.MonkeyPatch.context() as patch, Parted(parts, seed) as engine:
        patch.setattr(assign_distributed, "ROWS_A_RANGE", rows)
        found = engine.collect(
            assign_distributed.assigned(engine, engine.frame(kept), assign_distributed.Rules(target, seed, SPLITS))
        )
    assert found.sort_by([("shard", "ascending"), ("position", "ascending")]).cast(contracts.ASSIGNMENT) == whole
