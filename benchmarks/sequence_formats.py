"""Packed sequences read from each format beside a bare loop over a tar, summaries inserted, and block masks without dense ones.

``python benchmarks/sequence_formats.py [--sequences N] [--length L]``. The bare loop walks the 512-byte headers of the tar itself
and hands each ``.npy`` to ``np.load``; ours checks every header and the shapes of every sequence besides. The SHA-256 of a local
file is compared the first time that an opened set reads it. All arrays of every sequence are summed, so that nothing is left
unread. Files are in the page cache; ways take turns.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import harness
import numpy as np

from dataengine.sequence.formats.description import Format, SetDescription
from dataengine.sequence.formats.reader import READERS, SequenceSet, open_set
from dataengine.sequence.formats.writer import write_set
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.summary.flex import block_lists, grouped_order, mask_mod
from dataengine.sequence.summary.insert import insert
from dataengine.sequence.summary.packed import with_summaries
from dataengine.sequence.summary.settings import SummarySettings
from dataengine.sequence.summary.visibility import Visibility, visibility

IDS, CODEBOOKS = 150_000, 8


def packed(seed: int, length: int, width: int) -> PackedSequence:
    """Ten documents of random tokens."""
    rng = np.random.default_rng(seed)
    borders = np.linspace(0, length, 11).astype(np.int32)
    spans = tuple(DocumentSpan(rng.bytes(16).hex(), "captions", int(a), int(b)) for a, b in pairwise(borders))
    shape = (length,) if width == 1 else (length, width)
    positions = np.concatenate([np.arange(span.stop - span.start, dtype=np.int32) for span in spans])
    roles, loss = np.full(length, Role.TEXT, np.uint8), np.ones(length, np.uint8)
    return PackedSequence(rng.integers(0, IDS, shape, dtype=np.int32), roles, loss, positions, borders, spans)


def described(form: Format, length: int, width: int) -> SetDescription:
    return SetDescription(
        name="bench",
        format=form,
        layout="codes" if width == 1 else "blocks",
        split="train",
        length=length,
        width=width,
        first_code=IDS,
        end_of_text=0,
        eob=1,
    )


def bare(path: Path) -> int:
    """Members by hand: name and size from each header, ``np.load`` for arrays."""
    data, at, total = path.read_bytes(), 0, 0
    while name := data[at : at + 100].rstrip(b"\0"):
        size = int(data[at + 124 : at + 135], 8)
        payload = data[at + 512 : at + 512 + size]
        if name.endswith(b".npy"):
            total += int(np.load(io.BytesIO(payload)).sum())
        else:
            json.loads(payload)
        at += 512 + -(-size // 512) * 512
    return total


def summed(sequences: Iterator[PackedSequence]) -> int:
    return sum(
        int(s.tokens.sum())
        + int(s.roles.sum())
        + int(s.loss_mask.sum())
        + int(s.positions.sum())
        + int(s.cu_seqlens.sum())
        for s in sequences
    )


def by_format(form: Format, folder: Path) -> int:
    suffix = {Format.webdataset: "tar", Format.parquet: "parquet", Format.datasets: "arrow"}[form]
    return sum(summed(s for _, s in READERS[form](path)) for path in sorted(folder.glob(f"*.{suffix}")))


def _again(stored: SequenceSet) -> int:
    """Files that this set has read before: each was checked the first time."""
    return summed(iter(stored))


def by_webdataset(folder: Path) -> int:
    import webdataset

    total = 0
    for sample in webdataset.WebDataset([str(p) for p in sorted(folder.glob("*.tar"))], shardshuffle=False).decode():
        total += sum(int(value.sum()) for name, value in sample.items() if name.endswith(".npy"))
    return total


def reading(report: harness.Report, options: Any, width: int) -> None:
    rows = [packed(seed, options.length, width) for seed in range(options.sequences)]
    expected = summed(iter(rows))
    with tempfile.TemporaryDirectory() as where:
        for form in (Format.webdataset, Format.parquet, Format.datasets):
            write_set(described(form, options.length, width), Path(where, form), {"a": rows})
        tars = Path(where, Format.webdataset)
        ways: dict[str, Callable[[], int]] = {
            "bare loop over the tar": lambda: bare(tars / "a.tar"),
            "ours, tar": partial(by_format, Format.webdataset, tars),
            "ours, tar, SHA-256 checked": lambda: summed(iter(open_set(str(tars)))),
            "ours, tar, checked, second epoch": partial(_again, open_set(str(tars))),
            "webdataset's own reader": partial(by_webdataset, tars),
            "ours, Parquet": partial(by_format, Format.parquet, Path(where, Format.parquet)),
            "ours, Arrow of datasets": partial(by_format, Format.datasets, Path(where, Format.datasets)),
        }
        assert {way() for way in ways.values()} == {expected}, "all read the same numbers"
        timings = harness.rounds(ways, options.rounds)
    base = timings["bare loop over the tar"].cpu
    table = [
        (name, options.sequences / t.cpu, options.sequences * options.length / t.cpu / 1e6, base / t.cpu)
        for name, t in timings.items()
    ]
    title = f"Sequences of {options.length:,} positions of {width} token{'s' * (width > 1)}, by CPU time"
    report.table(title, ["way", "sequences/s", "M positions/s", "of the bare loop"], table)


def inserting(report: harness.Report, options: Any) -> None:
    one = packed(0, options.length, 1)
    many = [one] * options.sequences
    layout = SummarySettings()
    timings = harness.rounds({"inserted": lambda: [with_summaries(s, layout) for s in many]}, options.rounds)
    rate = options.sequences * options.length / timings["inserted"].cpu / 1e6
    report.table("Summary tokens inserted", ["positions", "M positions/s"], [(f"{options.length:,}", rate)])


def seen(length: int) -> Visibility:
    tokens = np.zeros(length, np.int32)
    return visibility(insert(tokens, tokens, np.array([0, length], np.int32), SummarySettings()), 128)


def masks(report: harness.Report, options: Any) -> None:
    from torch.nn.attention.flex_attention import create_block_mask

    table = []
    for length in options.masks:
        one = seen(length)
        order = grouped_order(one)
        ways: dict[str, Callable[[], object]] = {"ours": partial(block_lists, one, order=order)}
        if length <= options.dense_up_to:
            mod = mask_mod(one)
            ways["dense"] = partial(create_block_mask, mod, None, None, one.length, one.length, device="cpu")
        timings = harness.rounds(ways, options.rounds, warm=False)
        shares = [block_lists(one).computed, block_lists(one, order=order).computed, one.keys() / one.length**2]
        dense = f"{timings['dense'].cpu:.3g}" if "dense" in timings else "-"
        table.append((f"{length:,}", timings["ours"].cpu, dense, *(f"{share:.1%}" for share in shares)))
    columns = [
        "text tokens",
        "block_lists, CPU s",
        "create_block_mask, CPU s",
        "blocks computed",
        "text and summaries apart",
        "pairs",
    ]
    report.table("Block masks of the summary layout, 128 chunks of 8 as a window", columns, table)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--sequences", type=int, default=400)
    parser.add_argument("--length", type=int, default=8192)
    parser.add_argument("--masks", type=int, nargs="+", default=[8192, 32_768, 131_072])
    parser.add_argument("--dense-up-to", type=int, default=8192)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    report = harness.Report("sequence_formats", options)
    for width in (1, CODEBOOKS + 1):
        reading(report, options, width)
    inserting(report, options)
    masks(report, options)
    report.write()


if __name__ == "__main__":
    main()
