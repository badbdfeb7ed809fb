"""Clips that were cut from one video are no duplicates of each other, unless the recipe says so."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dedup_tables import unique
from support.grouping import edges_of, expected_groups, groups_of, rules
from support.in_process import made_here

from dataengine import contracts
from dataengine.config.recipe import load
from dataengine.dedup.groups import Rules
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.testing import picture, video, write_recipe

SCENE = [0x1111 << 4 * n for n in range(10)]
OTHER = [0x7777777777 << 2 * n for n in range(10)]


def clip(id_: str, parent: str | None, hashes: list[int], **more: Any) -> dict[str, Any]:
    return {"id": id_, "parent": parent, "kind": "video", "frame_hashes": hashes, **more}


def apart(radius: int = 0, reach: float | None = 2.0) -> Rules:
    return replace(rules(radius, reach=reach), apart=True)


@pytest.mark.parametrize(
    ("rows", "separate", "together", "siblings"),
    [
        pytest.param(
            [clip("a1", "A", SCENE), clip("a2", "A", SCENE), clip("a3", "A", SCENE[:8])],
            "a1 a2 a3",
            "a1 a1 a1",
            2,
            id="clips of one video",
        ),
        pytest.param(
            [clip("a1", "A", SCENE), clip("b1", "B", SCENE), clip("c", None, SCENE)],
            "a1 a1 a1",
            "a1 a1 a1",
            0,
            id="clips of two videos and a whole one",
        ),
        pytest.param(
            [clip(f"{v}{n}", v, SCENE, width=w) for v, w in (("a", 640), ("b", 1280)) for n in (1, 2)],
            "b1 b1 b1 b2",
            "b1 b1 b1 b1",
            1,
            id="two encodings of one scene, of which the better keeps both clips",
        ),
        pytest.param(
            [clip("a1", "A", SCENE), clip("a2", "A", SCENE[2:]), clip("w", None, SCENE, width=1280)],
            "w w w",
            "w w w",
            0,
            id="the whole video is the best",
        ),
        pytest.param(
            [clip("a1", "A", SCENE), clip("a2", "A", SCENE[4:] + OTHER[:4]), clip("b1", "B", SCENE[8:] + OTHER[:8])],
            "a1 a2 a2",
            "a1 a1 a1",
            0,
            id="no chain through a sibling",
        ),
    ],
)
def test_representatives(
    duck: DuckDBEngine, rows: list[dict[str, Any]], separate: str, together: str, siblings: int
) -> None:
    table = unique(*rows)
    edges = edges_of(duck, table, 0)
    groups, facts = groups_of(duck, table, edges, apart())
    assert " ".join(groups["representative"].to_pylist()) == separate
    assert facts.get("siblings", 0) == siblings and facts["cut"] == 0
    groups, facts = groups_of(duck, table, edges, rules(0, reach=2))
    assert " ".join(groups["representative"].to_pylist()) == together and "siblings" not in facts


def test_a_day_of_one_camera_costs_no_round_a_clip(duck: DuckDBEngine) -> None:
    table = unique(*(clip(f"{n:06d}", "camera", SCENE) for n in range(20_000)), clip("stranger", "B", OTHER))
    groups, facts = groups_of(duck, table, edges_of(duck, table, 0), apart())
    assert groups["representative"] == groups["id"]
    assert facts == {"chained": 0, "cut": 0, "group_sizes": {}, "siblings": 19_999}


def test_nor_does_a_chain_beyond_it(duck: DuckDBEngine) -> None:
    """Two copies of a still that are too far from the camera's clips to be theirs, behind one that is near both."""
    stills = [("b", 0b111), ("c", 0b111111), ("d", 0b111111111), ("e", 0b111111111)]
    table = unique(
        *({"id": f"a{n:05d}", "parent": "camera", "phash": 0, "width": 9} for n in range(12_000)),
        *({"id": id_, "phash": phash, "width": 1} for id_, phash in stills),
    )
    frames = [
        [("a00000", f"a{n:05d}", 0) for n in range(1, 12_000)],
        [("a00000", "b", 3), ("b", "c", 3), ("c", "d", 3)],
    ]
    rows = [{"a": a, "b": b, "kind": "perceptual", "distance": float(d)} for some in frames for a, b, d in some]
    edges = pa.Table.from_pylist([*rows, {"a": "d", "b": "e", "kind": "perceptual", "distance": 0.0}], contracts.EDGES)
    groups, facts = groups_of(duck, table, edges, apart(3))
    chosen = dict(zip(groups["id"].to_pylist(), groups["representative"].to_pylist(), strict=True))
    assert [chosen[id_] for id_, _ in stills] == ["a00000", "a00000", "d", "d"] and chosen["a11999"] == "a11999"
    assert facts == {"chained": 1, "cut": 2, "group_sizes": {"2": 1, "3": 1}, "siblings": 11_999}


_picture = st.fixed_dictionaries(
    {
        "phash": st.sampled_from([0, 1, 3, 7, 0xF, 0x1F, 0xFF]),
        "width": st.integers(1, 3),
        "parent": st.sampled_from([None, "A", "B"]),
    }
)


@pytest.mark.slow
@given(
    st.lists(_picture, min_size=1, max_size=12),
    st.integers(1, 3),
    st.sampled_from([1.0, 2.0, None]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_groups_are_those_of_the_rule(
    duck: DuckDBEngine, rows: list[dict[str, Any]], radius: int, reach: float | None, rng: random.Random
) -> None:
    table = unique(*({"id": f"{n:02d}", **row} for n, row in enumerate(rows)))
    edges = edges_of(duck, table, radius)
    groups, facts = groups_of(duck, table, edges, apart(radius, reach))
    chosen = dict(zip(groups["id"].to_pylist(), groups["representative"].to_pylist(), strict=True))
    assert chosen == expected_groups(table, edges, radius, reach, apart=True)
    shuffled = table.take(pa.array(rng.sample(range(len(rows)), len(rows)), pa.int64()))
    assert groups_of(duck, shuffled, edges, apart(radius, reach)) == (groups, facts)


def test_cut_videos_and_their_copies(tmp_path: Path) -> None:
    """A slow pan is cut in three; a file of the same bytes and a smaller one of the same scene are cut, too."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, wide, step in (("a.mp4", picture(5, 204, 128), 12), ("b.mp4", picture(5, 102, 64), 24)):
        width = wide.shape[1] * 16 // 17
        frames = [wide[:, n // step : n // step + width] for n in range(72)]
        (folder / name).write_bytes(video(frames, 12))
    (folder / "copy.mp4").write_bytes((folder / "a.mp4").read_bytes())
    cut = {"detector": "content", "frame_accurate": True, "min_seconds": 1, "max_seconds": 2}
    source = {"type": "folder", "name": "in", "path": str(folder), "buckets": 1, "clips": cut}
    kept = {}
    for sibling_clips in (False, True):
        recipe = load(write_recipe(tmp_path, sources=[source], dedup={"sibling_clips": sibling_clips}))
        run = made_here(recipe, "dedup")
        samples = run.table("ingest", "samples", contracts.SAMPLES).to_pylist()
        groups = {row["id"]: row for row in run.table("dedup", "groups", contracts.GROUPS).to_pylist()}
        ids = {row["uri"]: row["id"] for row in samples}
        assert [i for uri, i in sorted(ids.items()) if uri.startswith("a.mp4")] == [
            i for uri, i in sorted(ids.items()) if uri.startswith("copy.mp4")
        ], "the same bytes are one sample, whole or cut"
        kept[sibling_clips] = sorted({uri for uri, i in ids.items() if groups[i]["representative"] == i})
        assert run.records["dedup"].parts["all"].facts.get("siblings", 0) == (0 if sibling_clips else 2)
    assert {uri.split("#")[0] for uri in kept[False]} == {"a.mp4", "copy.mp4"}
    assert len(kept[False]) == 6 and len(kept[True]) == 2
