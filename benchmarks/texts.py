"""Texts: the track `text` beside a bare loop over datatrove's filters, and MinHash of captions beside datatrove's.

    python benchmarks/texts.py [--texts 4000] [--captions 20000] [--only filters minhash]

"worker" is what a run does: the confined child, its pipe, the table; "bare" is a loop in one process over the same filters with
the same thresholds, language identification and detector of personal data. The child lives on, as in a run, and its CPU
counts. Texts are sentences of this project's documentation, alone (as captions) and a few lines of them (as text in pictures).

MinHash: captions of two such sentences, a tenth of them once more with a word changed. Ours compares runs of five characters, or
of five words as datatrove does, and verifies each pair; datatrove writes signatures and the pairs that share a bucket.
"""

from __future__ import annotations

import random
import re
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import harness
import pyarrow as pa

from dataengine.annotate.text.track import track
from dataengine.annotate.text.worker import TextWorker
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate_text import TextConfig
from dataengine.dedup.shingles import Shingles
from dataengine.dedup.text import text_pairs
from dataengine.media.limits import Limits
from dataengine.models.language_id import LanguageIdentifier
from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.workspace import Output, Workspace
from dataengine.timings import Meter

_THRESHOLD = 0.8


def sentences() -> list[str]:
    """Of the documentation, without tables and code."""
    prose = []
    for page in sorted((harness.ROOT / "docs").glob("*.md")):
        text = re.sub(r"^ *```[\s\S]*?^ *```$|^\|.*$|^#.*$", "", page.read_text(), flags=re.M)
        prose += [" ".join(piece.split()) for piece in re.split(r"(?<=[.:;])\s+", re.sub(r"[`*\[\]]", "", text))]
    return list(dict.fromkeys(s for s in prose if len(s.split()) >= 4))


def texts(count: int, seed: int = 1) -> list[tuple[str, str]]:
    """Kind and text: three captions to one text in a picture."""
    draw, source = random.Random(seed), sentences()
    return [
        ("caption", f"{draw.choice(source)} No. {n}")
        if n % 4
        else ("ocr", "\n".join(draw.choice(source) for _ in range(5)) + f"\n{n}")
        for n in range(count)
    ]


def filters(report: harness.Report, count: int, rounds: int) -> None:
    config, pairs, round_ = TextConfig(), texts(count), [0]
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )
    from datatrove.pipeline.formatters import PIIFormatter

    classes = (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter)
    names = ("gopher_quality", "gopher_repetition", "c4", "fineweb")
    bare = [cls(**(config.parameters(name) or {})) for cls, name in zip(classes, names, strict=True)]
    languages, pii = LanguageIdentifier(), PIIFormatter()

    def reason(one: Any, text: str) -> str:
        answer = one.filter(Document(text=text, id=""))
        keeps, why = answer if isinstance(answer, tuple) else (answer, "dropped")
        return "pass" if keeps else why

    def loop() -> list[Any]:
        return [
            ([one.filter(Document(text=text, id="")) for one in bare], languages.identify(text), pii.format(text))
            for _, text in pairs
        ]

    with tempfile.TemporaryDirectory() as folder:
        expected = [{name: reason(one, text) for name, one in zip(names, bare, strict=True)} for _, text in pairs[:200]]
        worker = TextWorker(Limits(), Workspace(folder), track(config), config, "cpu", 1)
        rows = [
            Located(f"{n:032x}", "image", "jpg", 1, (), "media/a.tar", n, {"texts": [text], "url": None})
            for n, text in enumerate(pairs)
        ]

        def worked() -> Output:
            round_[0] += 1  # a part of another name: the table is written anew
            return worker.process(Part(f"part-{round_[0]}", "", rows))

        table = worker.workspace.read_table([worked().files[TABLE]], worker.track.schema)
        judged = [{name: entry[name] for name in names} for [entry] in table["texts"].to_pylist()[:200]]
        assert judged == expected, "the worker says what the filters say"
        loop()
        seconds: dict[str, list[float]] = {"bare loop": [], "worker": []}
        meter = Meter()
        for _ in range(rounds):
            for name, way in (("bare loop", loop), ("worker", worked)):
                meter.take()
                way()
                work = meter.take()
                seconds[name].append(work.cpu + work.decode_cpu)
        worker.close()
    cpu = {name: statistics.median(some) for name, some in seconds.items()}
    lines = [[name, s, cpu["bare loop"] / s, count / s] for name, s in cpu.items()]
    report.table(f"{count:,} texts", ["way", "CPU s", "speed beside bare", "texts per CPU second"], lines)


def captions(count: int, seed: int = 2) -> tuple[list[str], int]:
    """Captions, and how many are copies with one word changed."""
    draw, source = random.Random(seed), sentences()
    originals = [f"{draw.choice(source)} {draw.choice(source)} {n}" for n in range(count - count // 11)]
    copies = []
    for text in originals[: count // 11]:
        words = text.split()
        words[draw.randrange(len(words))] = "other"
        copies.append(" ".join(words))
    return originals + copies, len(copies)


def minhash(report: harness.Report, count: int, rounds: int) -> None:
    corpus, planted = captions(count)
    column, offset = pa.chunked_array([pa.array(corpus)]), len(corpus) - planted
    pairs: dict[str, set[tuple[int, int]]] = {}

    def ours(name: str, how: Shingles) -> None:
        result = text_pairs(column, _THRESHOLD, how)
        pairs[name] = set(zip(result.i.tolist(), result.j.tolist(), strict=True))

    ways: dict[str, Callable[[], object]] = {
        "ours, 5 characters": lambda: ours("ours, 5 characters", Shingles()),
        "ours, 5 words": lambda: ours("ours, 5 words", Shingles("word", 5, whole_short=False)),
        "datatrove, signatures and buckets": lambda: pairs.update(
            {"datatrove, signatures and buckets": _datatrove(corpus)}
        ),
    }
    timings = harness.rounds(ways, rounds)
    rows = [
        [name, t.cpu, count / t.cpu, len(pairs[name]), sum((n, offset + n) in pairs[name] for n in range(planted))]
        for name, t in timings.items()
    ]
    head = ["way", "CPU s", "captions per CPU second", "pairs", f"of {planted:,} planted copies"]
    report.table(f"MinHash of {count:,} captions", head, rows)


def _datatrove(corpus: Sequence[str]) -> set[tuple[int, int]]:
    """Pairs that share one of its 14 buckets of 8 hashes."""
    import struct

    import xxhash
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupSignature
    from loguru import logger

    logger.disable("datatrove")
    with tempfile.TemporaryDirectory() as folder:
        config = MinhashConfig()
        documents = (Document(text=text, id=str(n)) for n, text in enumerate(corpus))
        step = MinhashDedupSignature(f"{folder}/signatures", config)
        step._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())  # its own call fails with xxhash 4
        step.run(documents)  # type: ignore[arg-type]
        for bucket in range(config.num_buckets):
            buckets = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)
            buckets.run(rank=bucket, world_size=config.num_buckets)
        data = [path.read_bytes() for path in sorted(Path(folder, "buckets").glob("*.dups"))]
    records = [record for part in data for record in struct.iter_unpack("<4I", part)]
    return {(min(a, b), max(a, b)) for _, a, _, b in records}


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--captions", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", choices=["filters", "minhash"], default=["filters", "minhash"])
    options = parser.parse_args()
    report = harness.Report("texts", options)
    if "filters" in options.only:
        filters(report, options.texts, options.rounds)
    if "minhash" in options.only:
        minhash(report, options.captions, options.rounds)
    report.write()


if __name__ == "__main__":
    main()
