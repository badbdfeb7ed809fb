"""Read a release with a PyTorch DataLoader, as a trainer does, and print samples per second.

    python examples/dataloader.py RELEASE [--workers 2] [--batch 32]

RELEASE is a folder or an s3:// prefix. Pictures are decoded, cropped to a square and stacked; captions stay text. Shards are
split among ranks (RANK, WORLD_SIZE) and workers, so there must be at least as many.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import webdataset as wds
from PIL import Image
from torch.utils.data import DataLoader

from dataengine.readers.fsspec_s3 import register, shards

register()  # s3:// for webdataset, in this process and in each worker

SIDE = 224


def sample(fields: dict[str, Any]) -> dict[str, Any]:
    """A picture ``(3, SIDE, SIDE) uint8``, its caption, and the number of its visual tokens (0 if the release has no codes)."""
    picture = Image.open(io.BytesIO(fields["jpg"])).convert("RGB")
    scale = SIDE / min(picture.size)
    sized = picture.resize([max(SIDE, round(side * scale)) for side in picture.size])
    pixels = np.asarray(sized)[:SIDE, :SIDE]
    codes = np.load(io.BytesIO(fields["codes.npy"])) if "codes.npy" in fields else np.empty((0, 0))
    return {
        "pixels": torch.from_numpy(pixels.copy()).permute(2, 0, 1),
        "text": fields["txt"].decode(),
        "tokens": len(codes),
    }


def batches(release: str, split: str, workers: int, batch: int) -> Iterator[dict[str, Any]]:
    """Batches of one pass over a split's pictures."""
    urls = shards(release, split)
    readers = max(workers, 1) * int(os.environ.get("WORLD_SIZE", "1"))
    if len(urls) < readers:
        print(f"warning: {len(urls)} shards for {readers} readers: some will have nothing to read")
    pipeline = wds.WebDataset(urls, shardshuffle=False, nodesplitter=wds.split_by_node, empty_check=False).map(sample)
    context = "spawn" if workers else None  # a forked process cannot use the S3 client of the one it was forked from
    yield from DataLoader(pipeline, batch_size=batch, num_workers=workers, multiprocessing_context=context)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("--split", default="train")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    start, seen = time.monotonic(), 0
    for batch in batches(options.release, options.split, options.workers, options.batch):
        seen += len(batch["text"])
    seconds = time.monotonic() - start
    print(f"{seen:,} samples, {seen / seconds:,.1f} samples/s")


if __name__ == "__main__":
    main()
