"""Small corpora and recipes for tests: pictures and clips of soft colours, with captions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
CAPTIONS = ("a red kite over the bay", "two bicycles against a wall", "fog between the hills", "an empty market hall")


def picture(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """A picture of soft colour patches under fine grain, ``(height, width, 3)`` uint8: two seeds are never near-duplicates,
    one seed in two sizes is one."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.integers(-12, 13, (height, width, 1))
    pixels: Pixels = np.clip(np.asarray(patches).astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return pixels


def write_corpus(folder: str | Path, images: int = 4, videos: int = 0, captions: bool = True) -> list[Path]:
    """Write JPEG pictures and two-second MP4 clips, each beside a ``.txt`` with its caption; their paths. The same bytes each
    time."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(images):
        paths.append(folder / f"image-{seed:03d}.jpg")
        Image.fromarray(picture(seed)).save(paths[-1], quality=90)
    for seed in range(videos):
        wide = picture(1000 + seed, 288, 192)
        paths.append(folder / f"video-{seed:03d}.mp4")
        paths[-1].write_bytes(video([wide[:, 2 * n : 2 * n + 192] for n in range(48)]))
    if captions:
        for n, path in enumerate(paths):
            path.with_suffix(".txt").write_text(f"{CAPTIONS[n % len(CAPTIONS)]}, number {n}")
    return paths


def video(frames: Sequence[Pixels], rate: int = 24) -> bytes:
    """H.264 in MP4 of frames of one even size, ``(H, W, 3)`` uint8, encoded on one thread."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode(None))
    return out.getvalue()


def write_recipe(folder: str | Path, **changes: Any) -> Path:
    """Write the smallest recipe over the files of ``folder/in`` with its workspace in ``folder/ws`` and a policy that keeps
    all; ``changes`` replace whole blocks. The path of the recipe."""
    folder = Path(folder)
    rule = {"name": "any", "keep": "width >= 1", "on_missing": "drop", "reason": "no picture"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    blocks = {
        "name": "test",
        "workspace": str(folder / "ws"),
        "workers": 1,
        "sources": [{"type": "folder", "name": "in", "path": str(folder / "in"), "buckets": 1}],
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "Test", "license": "cc0-1.0", "description": "Made for a test."},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(blocks | changes, sort_keys=False))
    return path
