"""Of a photograph and its copies the original stands for all, however the copies were stretched."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.dedup_tables import unique
from support.grouping import groups_of, rules
from support.in_process import made_here
from support.photos import photos

from dataengine import contracts
from dataengine.config.recipe import load
from dataengine.dedup.effective_resolution import effective_pixels
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.media.image.detail import detail
from dataengine.media.image.pixels import Pixels
from dataengine.testing.corpus import write_recipe

__all__ = ["photos"]

#: Pillow's, and OpenCV's, whose bicubic is another.
PILLOW = {k: Image.Resampling[k] for k in ("BILINEAR", "BICUBIC", "LANCZOS", "NEAREST")}
OPENCV = {"LINEAR": cv2.INTER_LINEAR, "CUBIC": cv2.INTER_CUBIC, "LANCZOS4": cv2.INTER_LANCZOS4}


def saved(picture: Image.Image, quality: int | None) -> Image.Image:
    """As JPEG of this quality and opened again; as it is without one."""
    if quality is None:
        return picture
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return Image.open(out)


def scaled(picture: Image.Image, scale: float, kernel: str) -> Image.Image:
    size = round(picture.width * scale), round(picture.height * scale)
    if kernel in OPENCV:
        return Image.fromarray(cv2.resize(np.asarray(picture), size, interpolation=OPENCV[kernel]))
    return picture.resize(size, PILLOW[kernel])


def counted(pictures: list[Image.Image]) -> list[int]:
    """Effective pixels of copies of one picture."""
    rows = [
        {"component": 1, "width": p.width, "height": p.height, "detail": detail(np.asarray(p.convert("RGB")))}
        for p in pictures
    ]
    return effective_pixels(pa.Table.from_pylist(rows)).tolist()


@pytest.mark.parametrize("kernel", ["BILINEAR", "BICUBIC", "LANCZOS", *OPENCV])
@pytest.mark.parametrize("name", ["china", "rocket", "astronaut", "chelsea", "coffee", "flower"])
def test_the_original_outdoes_what_was_stretched_from_it(name: str, kernel: str, photos: dict[str, Pixels]) -> None:
    original = Image.fromarray(photos[name])
    copies = [saved(scaled(original, s, kernel), q) for s in (1.25, 2) for q in (75, 85, 95)]
    for quality in (None, 95):
        first, *others = counted([saved(original, quality), *copies])
        assert first == original.width * original.height and max(others) < first, (quality, first, others)


@pytest.mark.parametrize("scale", [1.25, 2])
def test_lines_repeated_by_nearest_neighbours_add_nothing(scale: float, photos: dict[str, Pixels]) -> None:
    for name in ("china", "rocket", "coffee"):
        original = Image.fromarray(photos[name])
        first, stretched = counted([original, scaled(original, scale, "NEAREST")])
        assert stretched < first, name


@pytest.mark.parametrize("name", ["china", "rocket", "astronaut", "chelsea", "coffee", "flower"])
def test_a_larger_original_outdoes_crops_and_shrunk_copies(name: str, photos: dict[str, Pixels]) -> None:
    original = Image.fromarray(photos[name])
    width, height = original.size
    copies = [saved(scaled(original, s, k), q) for s in (0.5, 0.8) for k in ("BICUBIC", "LANCZOS") for q in (75, 95)]
    copies += [original.crop((n, n, width - n, height - n)) for n in (8, 20, 40)]
    first, *others = counted([original, *copies])
    assert first == width * height > max(others)


def test_saving_again_is_left_to_what_decides_next(photos: dict[str, Pixels]) -> None:
    original = Image.fromarray(photos["coffee"])
    assert len(set(counted([saved(original, quality) for quality in (None, 95, 85, 75)]))) == 1


def test_a_thumbnail_stretched_to_the_size_of_the_original_is_less(photos: dict[str, Pixels]) -> None:
    original = Image.fromarray(photos["coffee"])
    first, back = counted([original, scaled(original, 0.5, "LANCZOS").resize(original.size)])
    assert back < first


def test_of_soft_copies_the_pixels_count() -> None:
    rows = [
        {"component": 1, "width": 1411, "height": 1411, "detail": 0.188},
        {"component": 1, "width": 1058, "height": 1058, "detail": 0.244},
    ]
    assert effective_pixels(pa.Table.from_pylist(rows)).tolist() == [1411**2, 1058**2]


def test_small_and_flat_pictures_have_none() -> None:
    assert detail(np.zeros((95, 400, 3), np.uint8)) is None
    assert detail(np.full((200, 200, 3), 90, np.uint8)) is None
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    assert detail(noise) == pytest.approx(np.sqrt(0.8), abs=0.02), "its spectrum is flat"


def test_without_measures_pixels_decide() -> None:
    table = unique({"id": "a", "phash": 7, "width": 100}, {"id": "b", "phash": 7, "width": 125})
    edges = pa.Table.from_pylist(
        [{"a": "a", "b": "b", "kind": "perceptual", "distance": 0.0, "version": "1"}], contracts.EDGES
    )
    engine = DuckDBEngine()
    try:
        groups, _ = groups_of(engine, table, edges, rules())
        assert groups["representative"].to_pylist() == ["b", "b"]
    finally:
        engine.close()


@pytest.mark.parametrize("scorers", [["technical"], []], ids=["measured at ingest", "decoded again"])
def test_a_run_keeps_the_original(scorers: list[str], photos: dict[str, Pixels], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    original = Image.fromarray(photos["china"])
    original.save(tmp_path / "in" / "original.png")
    Image.fromarray(photos["flower"]).save(tmp_path / "in" / "other.png")
    for scale, kernel, quality in ((1.25, "LANCZOS", 95), (2, "BICUBIC", 75)):
        scaled(original, scale, kernel).save(tmp_path / "in" / f"{kernel}.jpg", quality=quality)
    score = {"scorers": [{"name": name} for name in scorers], "device": "cpu"}
    run = made_here(load(write_recipe(tmp_path, score=score)), "dedup")
    uri = {r["id"]: r["uri"] for r in run.table("ingest", "samples", contracts.SAMPLES).to_pylist()}
    groups = run.table("dedup", "groups", contracts.GROUPS).to_pylist()
    assert {uri[g["id"]]: uri[g["representative"]] for g in groups} == {
        **dict.fromkeys(("original.png", "LANCZOS.jpg", "BICUBIC.jpg"), "original.png"),
        "other.png": "other.png",
    }
    assert run.records["dedup.detail"].counts == {"pictures": 3, "decoded": 0 if scorers else 3}
    run.close()


def test_many_equal_copies_cost_no_more_than_the_different_ones() -> None:
    """Compared one by one, these would take a minute."""
    kinds = [(100, 100, 0.6), (200, 200, 0.3), (200, 200, 0.6)]
    rows = [{"component": "c", "width": w, "height": h, "detail": d} for w, h, d in kinds * 30_000]
    pixels = effective_pixels(pa.Table.from_pylist(rows)).reshape(-1, 3)
    assert (pixels == [10_000, 9_999, 40_000]).all()
