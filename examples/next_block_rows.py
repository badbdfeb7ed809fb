"""Turn a release into packed rows for next-block prediction, and print rows per second of one process.

    python examples/next_block_rows.py workspace/releases/NAME
    python examples/next_block_rows.py workspace/releases/NAME --tokenizer qwen3/tokenizer.json --max-length 16000

docs/training.md describes the rows. Without --tokenizer, Qwen's ids come from a package.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import webdataset as wds
from tokenizers import Tokenizer

from dataengine.shards.codes import codes_of_sample
from dataengine.tokenize.pack import Sample, document, pack
from dataengine.tokenize.text import QwenText
from dataengine.tokenize.vocabulary import Encode, Layout


def encoder(path: str | None) -> Encode:
    """The text tokenizer of a tokenizer.json; names of special tokens in a caption are encoded as plain text."""
    if path is None:
        return QwenText().encode
    tokenizer = Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def samples(release: Path, split: str, layout: Layout, max_length: int) -> Iterator[Sample]:
    """Media first, then the caption; samples longer than a pack are skipped."""
    shards = sorted(str(path) for path in (release / "shards").glob(f"{split}-*.tar"))
    for fields in wds.WebDataset(shards, shardshuffle=False):
        sample = document([codes_of_sample(fields), fields["txt"].decode()], layout, vision_loss=True)
        if len(sample.rows) <= max_length:
            yield sample
        else:
            print(f"skipped: {fields['__key__']} has {len(sample.rows):,} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--tokenizer", metavar="JSON")
    parser.add_argument("--max-length", type=int, default=16_000)
    options = parser.parse_args()
    tokenizer = json.loads((options.release / "manifest.json").read_bytes())["tokenizer"]
    layout = Layout(tuple(tokenizer["codebook_sizes"]), encoder(options.tokenizer))
    began, rows, count, packs, padding = time.perf_counter(), 0, 0, 0, 0
    for packed in pack(samples(options.release, options.split, layout, options.max_length), layout, options.max_length):
        packs += 1
        count += int(packed.sample_idx.max()) + 1
        padding += int((packed.sample_idx < 0).sum())
        rows += len(packed.rows)
    seconds = time.perf_counter() - began
    print(
        f"{count:,} samples, {rows - padding:,} rows of {layout.width} tokens, {packs:,} packs, {padding:,} rows of padding"
    )
    print(f"{(rows - padding) / seconds:,.0f} rows/s")


if __name__ == "__main__":
    main()
