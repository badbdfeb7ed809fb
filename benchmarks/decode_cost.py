"""CPU of each stage's decode child a picture, in units of one full RGB decode of it.

``python -m benchmarks decode_cost [--images N] [--size 500x375] [--kept 0.5]``. Calls what the stages' children call, in this
process: JPEG crops of two photographs, one thread. *Decodes* is the time in the JPEG decoder over that of one full decode; *the
rest* is all else that the child does with the pixels. The last row is a recipe with all of these stages, of whose pictures the
share ``--kept`` is tokenized and reasoned about.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import harness
import numpy as np
from ingest import PICTURES
from PIL import Image
from threadpoolctl import threadpool_limits

from dataengine.cot.core.decoded import decoded as cot_sample
from dataengine.embed import views
from dataengine.ingest.decode_task import DecodeSettings, decode
from dataengine.media.image import jpeg
from dataengine.media.limits import Limits
from dataengine.media.sandbox.malloc import keep_freed_memory
from dataengine.media.video.sampling import SlowFast
from dataengine.models.encoders import StandIn
from dataengine.score import prepare as scores
from dataengine.score.factory import build
from dataengine.tokenize.kelix.preparer import PixelPreparer
from dataengine.tokenize.patches import Patcher

LIMITS = Limits()
Work = Callable[[bytes], object]


@dataclass
class Clock:
    """CPU seconds in the JPEG decoder."""

    seconds: float = 0.0


@contextmanager
def timed_decoder() -> Iterator[Clock]:
    clock, plain = Clock(), jpeg.decode

    def timed(*arguments: Any) -> Any:
        begun = time.thread_time()
        try:
            return plain(*arguments)
        finally:
            clock.seconds += time.thread_time() - begun

    jpeg.decode = timed
    try:
        yield clock
    finally:
        jpeg.decode = plain


def stages() -> dict[str, tuple[Work, bool]]:
    """What a child does with the bytes of a picture, and whether only kept pictures come that far."""
    encoder, video = StandIn(), SlowFast()
    models = list(build([{"name": "nsfw"}, {"name": "conse"}]))
    names = tuple(s.name for s in models)
    plain = DecodeSettings(LIMITS)
    full = DecodeSettings(LIMITS, technical=True, fingerprints=True)
    product, kelix = Patcher(4, 1024, video), PixelPreparer(4, 1024, video)
    return {
        "ingest, nothing but facts and hash": (lambda d: decode(plain, d), False),
        "ingest, technical scores and fingerprint": (lambda d: decode(full, d), False),
        "embed (stand-in)": (lambda d: views.prepare((LIMITS, encoder, True), (d, "image")), False),
        "score: nsfw, conse": (lambda d: scores.prepare((LIMITS, models), (d, "image", names)), False),
        "tokenize: product": (lambda d: product([jpeg.decode(d, "RGB", None)]), True),
        "tokenize: kelix": (lambda d: kelix([jpeg.decode(d, "RGB", None)]), True),
        "CoT: facts": (lambda d: cot_sample("0", "image", d, LIMITS).picture(), True),
    }


def pictures(count: int, size: tuple[int, int]) -> list[bytes]:
    photos = [
        Image.open(PICTURES / name).convert("RGB").resize((2 * size[0], 2 * size[1]))
        for name in ("china.jpg", "flower.jpg")
    ]
    rng, made = np.random.default_rng(0), []
    for n in range(count):
        left, top = (int(rng.integers(0, side + 1)) for side in size)
        out = io.BytesIO()
        photos[n % 2].crop((left, top, left + size[0], top + size[1])).save(
            out, "JPEG", quality=int(rng.integers(80, 96))
        )
        made.append(out.getvalue())
    return made


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--kept", type=float, default=0.5)
    options = parser.parse_args()
    report = harness.Report("decode_cost", options)
    keep_freed_memory()
    cv2.setNumThreads(1)
    width, height = map(int, options.size.split("x"))
    data = pictures(options.images, (width, height))
    of_kept = {name: kept for name, (_, kept) in stages().items()}
    clocks = dict.fromkeys(of_kept, 0.0)
    ways: dict[str, Callable[[], object]] = {"full": lambda: [jpeg.decode(d, "RGB", None) for d in data]}

    def over(name: str, work: Work) -> Callable[[], object]:
        def run() -> None:
            with timed_decoder() as clock:
                for d in data:
                    work(d)
            clocks[name] += clock.seconds

        return run

    with threadpool_limits(1):
        timings = harness.rounds(
            ways | {name: over(name, work) for name, (work, _) in stages().items()}, options.rounds
        )
    each = {name: t.cpu / len(data) * 1e3 for name, t in timings.items()}
    unit = each.pop("full")
    passes = (options.rounds + 1) * len(data)  # one round is not counted in the timings
    decodes = {name: seconds / passes * 1e3 / unit for name, seconds in clocks.items()}
    rows = [[name, each[name], decodes[name], each[name] / unit - decodes[name]] for name in each]
    summed = [name for name in each if name not in ("ingest, nothing but facts and hash", "tokenize: product")]
    shares = {name: options.kept if of_kept[name] else 1.0 for name in summed}
    total = [
        sum(shares[n] * value for n, value in zip(each, column, strict=True) if n in shares)
        for column in zip(*(r[1:] for r in rows), strict=True)
    ]
    codes = sum(shares[n] * decodes[n] for n in summed if n != "CoT: facts" and not n.startswith("score"))
    rows.append([f"all of them, kelix, {options.kept:g} kept", *total])
    report.table(
        f"{len(data)} JPEG {width}×{height}; one full RGB decode is {unit:.3f} ms",
        ["stage", "CPU ms a picture", "decodes", "the rest, in decodes"],
        rows,
        f"From ingest to codes, with embeddings and without scores by models: {codes:.2f} decodes.",
    )
    report.write()


if __name__ == "__main__":
    main()
