"""Videos that may be pieces of one are never shown as of different ones."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dataengine.cot.questions.distractors import Arc, Sample
from dataengine.cot.questions.origins import origin_lists, origins


def shared(a: str, b: str, meta_a: str | None = None, meta_b: str | None = None) -> bool:
    return bool(set(origins("videos", a, meta_a)) & set(origins("videos", b, meta_b)))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("concert/drums.webm", "concert/title.mpg"),
        ("street/taxi.mkv", "street/fence.avi"),
        ("rows.jsonl#films/a/x.mp4", "films/a/y.mp4"),
        ("rows.jsonl#https://host.org/film/x.mp4", "rows.parquet#https://HOST.org/film/y.mp4?t=1"),
        ("00000.tar/film/000.mp4", "00001.tar/film/001.mp4"),
        ("one/holiday_01.mp4", "two/holiday_02.mp4"),
        ("holiday part 1.mp4", "Holiday - Part 2.mp4"),
        ("dQw4w9WgXcQ_10_20.mp4", "dQw4w9WgXcQ_30_45.mp4"),
        ("film.mp4#t=0.000,2.500", "film.mp4#t=2.500,5.000"),
    ],
)
def test_pieces_share_a_folder_or_the_beginning_of_a_name(a: str, b: str) -> None:
    assert shared(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("earth.mp4", "passenger.mp4"),
        ("video_0001.mp4", "video_0002.mp4"),
        ("00000.tar/000.mp4", "00000.tar/001.mp4"),
        ("rows.jsonl#https://host.org/x.mp4", "rows.jsonl#https://host.org/y.mp4"),
        ("0a1b2c.mp4", "0a1b9d.mp4"),
        ("rows.jsonl#row 1", "rows.jsonl#row 2"),
        ("films/a/x.mp4", "films/b/y.mp4"),
    ],
)
def test_the_root_of_a_source_and_general_names_say_nothing(a: str, b: str) -> None:
    assert not shared(a, b)


def test_titles_and_addresses_of_the_source_count() -> None:
    assert shared("1.mp4", "2.mp4", '{"title": "Spiral Sessions - drums"}', '{"title": "Spiral Sessions - title"}')
    assert shared("1.mp4", "2.mp4", '{"url": "https://h.org/a/1.mp4"}', '{"url": "https://h.org/a/2.mp4"}')
    assert not shared("1.mp4", "2.mp4", '{"title": "Spiral Sessions"}', '{"title": "Earth at night"}')


def test_all_occurrences_of_a_video_count() -> None:
    rows = [
        {"id": "x", "source": "s", "uri": "a/1.mp4", "meta": None},
        {"id": "x", "source": "t", "uri": "b/1.mp4", "meta": None},
    ]
    [row] = origin_lists(pa.Table.from_pylist(rows)).to_pylist()
    assert row == {"id": "x", "origins": ["in s/a", "in t/b"]}


def test_partners_are_of_other_origins() -> None:
    films = ["concert", "earth", "concert", "street", "rabbit", "street"]
    ring = Arc([Sample(str(n), str(n), (), frozenset(), frozenset({film})) for n, film in enumerate(films)])
    assert ring.partners(0, 3) == ["1", "3", "4"] and ring.partners(3, 3) == ["4", "0", "1"]
    assert Arc(ring.samples[:3]).partners(0, 2) == []
