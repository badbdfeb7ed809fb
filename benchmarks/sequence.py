"""Packing of sequences: padding by method and length, FLOPs balance, tokenization beside the bare call, and the stages.

    python -m benchmarks sequence --documents 1000000 --rounds 3

Lengths are log-normal, as of captions, answers and pages (median 120, a tail to 8,000). *padding* is the share of all positions
that holds no document, *cut* of the documents that are cut. Pools of 512 sequences are packed by themselves, as the stage does.
*Imbalance* is how much more FLOPs the heaviest of 8 ranks has than their mean, for 64 sequences a step. The stages run in this
process, one after another, over made-up texts; *peak* is what the process's largest memory has grown by at the end of each.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import LossConfig, TextTokenizerConfig
from dataengine.pipeline import execute
from dataengine.progress import Silent, StageReport
from dataengine.sequence.assemble import Assembler
from dataengine.sequence.compose import text_draft
from dataengine.sequence.corpus import text_id
from dataengine.sequence.packing import balance, bins
from dataengine.sequence.special import NAMES
from dataengine.sequence.text_tokenizer import TextTokenizer, parse, resolve, train
from dataengine.testing.in_process import InProcess

_POOL = 512
_WORDS = [
    "the",
    "a",
    "of",
    "on",
    "by",
    "with",
    "red",
    "old",
    "temple",
    "lake",
    "roof",
    "river",
    "stone",
    "house",
    "painting",
]
_WORDS += ["photograph", "morning", "mountain", "garden", "bridge", "water", "standing", "walking", "between", "behind"]
I64 = NDArray[np.int64]


def lengths_of(count: int, longest: int) -> I64:
    """Lengths of documents, of each at most ``longest``."""
    drawn = np.random.default_rng(7).lognormal(np.log(120), 1.1, count)
    return np.clip(drawn.astype(np.int64), 8, longest)


def pools(lengths: I64, length: int) -> list[I64]:
    """Consecutive documents of about as many tokens as 512 sequences have."""
    sums = np.cumsum(lengths)
    count = max(1, int(sums[-1]) // (_POOL * length))
    borders = np.searchsorted(sums, np.arange(1, count) * (int(sums[-1]) / count))
    return np.split(lengths, borders)


def padding(report: harness.Report, lengths: I64, rounds: int) -> None:
    rows = []
    for length in (8_192, 32_768, 131_072):
        some = pools(lengths, length)
        ways: dict[str, Callable[[], Any]] = {
            name: partial(_packed, method, some, length) for name, method in bins.METHODS.items()
        }
        timings = harness.rounds(ways, rounds)
        for name, way in ways.items():
            used = way()
            rows.append([length, name, f"{1 - lengths.sum() / (used * length):.3%}", "0 %", f"{timings[name].cpu:.2f}"])
        ends = np.cumsum(lengths)
        cut = float((((ends - lengths) // length) != ((ends - 1) // length)).mean())
        rows.append(
            [length, "concatenate and cut", f"{1 - ends[-1] / (-(-ends[-1] // length) * length):.3%}", f"{cut:.1%}", ""]
        )
    report.table("Padding", ["length", "method", "padding", "documents cut", "CPU s"], rows)


def _packed(method: Callable[[I64, int], I64], some: list[I64], length: int) -> int:
    return sum(int(method(pool, length).max()) + 1 for pool in some)


def balanced(report: harness.Report, documents: int) -> None:
    """Sequences of which some hold one long document and others many short ones."""
    rows = []
    for length in (32_768, 131_072):
        generator = np.random.default_rng(7)
        long = np.clip(
            generator.lognormal(np.log(length / 8), 0.8, max(200, documents // 400)).astype(np.int64), 8, length
        )
        lengths = generator.permutation(np.concatenate([lengths_of(documents, length), long]))
        groups = [group for pool in pools(lengths, length) for group in _costs(pool, length)]
        costs = np.array(groups)
        order = balance.balanced(costs, 8, 64)
        before, after = (balance.imbalance(c, 8, 64) for c in (costs, costs[order]))
        rows.append(
            [
                length,
                len(costs),
                f"{costs.min() / length:.2f} to {costs.max() / length:.2f}",
                f"{before:.2%}",
                f"{after:.2%}",
            ]
        )
    columns = ["length", "sequences", "FLOPs a token, relative", "imbalance before", "imbalance"]
    report.table("FLOPs over 8 ranks, 64 sequences a step", columns, rows)


def _costs(pool: I64, length: int) -> Iterator[float]:
    for group in bins.sequences_of(bins.best_fit(pool, length)):
        yield balance.flops(pool[group], 4096)


def texts_of(count: int, seed: int = 7) -> list[str]:
    """Short made-up records, some 40 words each."""
    generator = np.random.default_rng(seed)
    sizes = np.clip(generator.lognormal(np.log(30), 0.6, count).astype(np.int64), 4, 400)
    words = np.array(_WORDS)[generator.integers(0, len(_WORDS), int(sizes.sum()))]
    pieces = np.split(words, np.cumsum(sizes)[:-1])
    return [f"{' '.join(piece.tolist())} {n}." for n, piece in enumerate(pieces)]


def tokenization(report: harness.Report, count: int, rounds: int) -> None:
    texts = texts_of(count)
    data = train(texts[:5_000], 4_096)
    tokenizer = parse(data, "it")
    resolved = resolve(tokenizer, TextTokenizerConfig(), list(NAMES), 0, "it")
    assembler = Assembler(TextTokenizer(data, resolved.special, resolved.first_code), "qwen-vl", ())
    loss, ids = LossConfig(), [text_id(text) for text in texts]

    def bare() -> int:
        return sum(len(e.ids) for n in range(0, count, 512) for e in tokenizer.encode_batch(texts[n : n + 512]))

    def ours() -> int:
        total = 0
        for n in range(0, count, 512):
            drafts = [text_draft(*pair, 1.0, loss) for pair in zip(ids[n : n + 512], texts[n : n + 512], strict=True)]
            total += sum(len(document.to_bytes()) for document in assembler.documents(drafts))  # type: ignore[union-attr]
        return total

    timings = harness.rounds({"bare tokenizers": bare, "documents with roles and loss": ours}, rounds)
    tokens = bare()
    base = timings["bare tokenizers"]
    rows = [
        [
            name,
            f"{tokens / t.wall:,.0f}",
            f"{tokens / t.cpu:,.0f}",
            f"{base.wall / t.wall:.2f}",
            f"{base.cpu / t.cpu:.2f}",
        ]
        for name, t in timings.items()
    ]
    report.table("Tokenization", ["way", "tokens/s", "tokens/CPU s", "of bare, wall", "of bare, CPU"], rows)


def stages(report: harness.Report, count: int, length: int) -> None:
    """The stages over made-up texts in Parquet, in this process."""
    from dataengine.catalog import STAGES

    active = [stage for stage in STAGES if stage.name.startswith("sequence.")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts").mkdir()
        each = max(1, -(-count // 8))
        for n in range(0, count, each):
            some = texts_of(min(each, count - n), n)
            pq.write_table(pa.table({"text": some}), folder / "texts" / f"{n:09d}.parquet")
        loaded = _recipe(folder, length)
        plan = [stage for stage in active if stage.active(loaded)]
        begun, before = time.perf_counter(), _peak()
        peaks = Peaks()
        reports = execute(loaded, plan=plan, engine=InProcess(), reporter=peaks)
        seconds = time.perf_counter() - begun
    rows = [
        [r.name, f"{r.seconds:.1f}", f"{count / r.seconds:,.0f}" if r.seconds else "", f"{peaks.of[r.name] - before:,}"]
        for r in reports
    ]
    packed = next(r.counts for r in reports if r.name == "sequence.pack")
    share = packed["padding"] / (packed["padding"] + packed["tokens"])
    rows.append(["all", f"{seconds:.1f}", f"{count / seconds:,.0f}", f"{_peak() - before:,}"])
    title = f"{count:,} texts to {packed['sequences']:,} sequences of {length:,}, padding {share:.3%}"
    report.table(title, ["stage", "s", "documents/s", "peak by its end, MB more"], rows)


class Peaks(Silent):
    """The process's largest memory so far at the end of each stage."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def end(self, report: StageReport) -> None:
        self.of[report.name] = _peak()


def _recipe(folder: Path, length: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "bench",
            "workspace": str(folder / "workspace"),
            "sources": [{"type": "folder", "name": "none", "path": str(folder)}],
            "filter": {"policy": "none.yaml"},
            "tokenize": None,
            "cot": None,
            "sequence": {
                "tokenizer": {"vocab_size": 4_096, "fit_texts": 5_000},
                "sources": [{"type": "text", "name": "texts", "path": str(folder / "texts")}],
                "sets": [{"name": "s", "length": length, "layout": "qwen-vl"}],
            },
            "release": {"title": "t", "license": "other", "description": "d"},
        }
    )


def _peak() -> int:
    """Largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--texts", type=int, default=50_000, help="of the tokenization")
    parser.add_argument("--staged", type=int, default=200_000, help="texts that go through the stages; 0: none")
    parser.add_argument("--length", type=int, default=32_768, help="of the sequences of the stages")
    options = parser.parse_args()
    report = harness.Report("sequence", options)
    padding(report, lengths_of(options.documents, 8_000), options.rounds)
    balanced(report, options.documents)
    tokenization(report, options.texts, options.rounds)
    if options.staged:
        stages(report, options.staged, options.length)
    report.write()


if __name__ == "__main__":
    sys.exit(main())
