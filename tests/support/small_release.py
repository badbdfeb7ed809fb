"""A finished release of the whole engine, of crops of two photos and clips made of them, with codes and CoT records."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from support.command import dataengine
from support.once import once

NAME = "small"
#: Width and height of the pictures with their captions; of 4:3 exactly one, of none more than one alike.
PICTURES = {
    "square.jpg": (240, 240, "a temple roof."),
    "nearly.png": (300, 240, "trees and a path"),
    "three-to-four.jpg": (320, 240, "exactly three to four"),
    "wide.webp": (420, 200, "a wide view with 花 and a {brace}"),
    "tall.jpg": (200, 400, "a tall view"),
    "silent.jpg": (260, 240, ""),
}
Pixels = NDArray[np.uint8]


def _clip(frames: list[Pixels]) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=12, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 224, 168, "yuv420p"
        for pixels in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))))
        file.mux(stream.encode())
    return out.getvalue()


def _corpus(folder: Path) -> None:
    china, flower = load_sample_images().images
    for n, (name, (w, h, caption)) in enumerate(PICTURES.items()):
        photo = (china, flower)[n % 2]
        Image.fromarray(np.ascontiguousarray(photo[10 * n : 10 * n + h, 40 * n : 40 * n + w])).save(folder / name)
        if caption:
            (folder / name).with_suffix(".txt").write_text(caption)
    still = [china[100:268, 100:324]] * 30
    moving = [flower[60:228, 5 * i : 5 * i + 224] for i in range(36)]
    for name, frames in (("cut.mp4", still + moving), ("pan.mp4", moving[::-1])):
        (folder / name).write_bytes(_clip(frames))
        (folder / name).with_suffix(".txt").write_text(f"a film called {name}")


def recipe(folder: Path, workspace: str, **changes: Any) -> Path:
    told = {
        "name": NAME,
        "workspace": workspace,
        "seed": 5,
        "sources": [{"type": "folder", "name": "mixed", "path": str(folder / "corpus"), "buckets": 1}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": {"tokenizer": {"name": "product", "codebooks": 4, "entries": 32, "max_tokens": 256}},
        "shard": {"target_bytes": "100 KB"},
        "cot": {"mix": "even", "questions_per_sample": 3},
        "release": {"title": "Small", "license": "cc0-1.0", "description": "Made to test."},
        **changes,
    }
    rule = {"name": "wide", "keep": "width >= 8", "on_missing": "drop", "reason": "tiny"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run to the end; not to be changed."""

    def run(folder: Path) -> None:
        (folder / "corpus").mkdir()
        _corpus(folder / "corpus")
        watched = ["--log-file", f"{folder}/run.jsonl", "--metrics", f"{folder}/run.prom", "--metrics", "127.0.0.1:0"]
        dataengine("run", str(recipe(folder, str(folder / "ws"))), *watched, "--lineage", f"{folder}/lineage.jsonl")

    return once(tmp_path_factory, "small-release", run) / "ws"


@pytest.fixture(scope="session")
def watch_folder(workspace: Path) -> Path:
    """Where that run has left its log, metrics and lineage: run.jsonl, run.prom, lineage.jsonl."""
    return workspace.parent


@pytest.fixture(scope="session")
def small(workspace: Path) -> Path:
    """The release; not to be changed."""
    return workspace / "releases" / NAME


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """The release again, to be spoiled."""
    return Path(shutil.copytree(small, tmp_path / "release"))
