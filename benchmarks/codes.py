"""Visual codes a second, and Slow-Fast frames a second, each beside the bare work it cannot do without.

``python benchmarks/codes.py [--images N] [--repeat R] [--only codes|video|buckets]``. All ways run in turn in one process; the
best of R rounds is shown, so that they compare on a machine that does other things too (with ``--cpu``: in CPU seconds).

Codes: the bare tower on tensors in memory, (a) a picture at a time and (b) in packs; encode from arrays in memory, both ways;
and what the tokenize stage does: JPEG bytes → decode child → prepared pixels, read ahead → codes (with ``--cpu`` without
the child). The pictures are crops of two photographs of many sizes; the weights are random, which costs the same as
trained ones. ``--only buckets``: the tower's time a token by the size of a pack.

Video: (a) bare decode of the frames that are looked at, by decord, one thread; (b) our plan: frames, kinds and sizes;
(c) keye-vl-utils, which gives the same (and decodes with as many threads as it likes). Clips are the demo corpus's.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from keye_vl_utils import vision_process as keye
from PIL import Image

from dataengine.demo.corpus import build
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.media.video import frames, slowfast
from dataengine.media.video import reader as video
from dataengine.media.video.sampling import PRESETS
from dataengine.models.device import start_torch
from dataengine.samples.prefetch import Prefetch
from dataengine.storage.pinned_packages import SCIKIT_LEARN
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix import buckets, pixels
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.preparer import Pixels
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

_AHEAD = 4
_TOWERS = {
    "tiny": {"preset": "tiny"},
    "ViT-S (hidden 384, 12 layers), 8 x 8192": {
        "vision": {"hidden": 384, "layers": 12, "heads": 6, "mlp": 1536, "features": 768},
        "quantiser": {"entries": 8192, "dim": 64, "fused": 768},
    },
}


def jpegs(count: int) -> list[bytes]:
    """Crops of two photographs, 200 to 600 px wide."""
    draw = np.random.default_rng(0)
    photos = [
        Image.open(io.BytesIO(SCIKIT_LEARN.read(f"sklearn/datasets/images/{n}.jpg"))) for n in ("china", "flower")
    ]
    made = []
    for n in range(count):
        width, height = int(draw.integers(200, 600)), int(draw.integers(150, 420))
        left, top = int(draw.integers(0, 640 - width)), int(draw.integers(0, 427 - height))
        out = io.BytesIO()
        photos[n % 2].crop((left, top, left + width, top + height)).save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def codes(name: str, settings: dict[str, object], data: list[bytes], repeat: int, clock: Callable[[], float]) -> None:
    start_torch("cpu", 1)
    config = configure({"name": "kelix", "max_tokens": 400, **settings})
    tokenizer = KelixTokenizer(config, Network(config))
    tokenizer.setup("cpu", 1)
    preparer, network = tokenizer.preparer(config), tokenizer.network
    ready = [preparer([np.asarray(Image.open(io.BytesIO(d)).convert("RGB"))]) for d in data]
    tokens = [r.grid[1] * r.grid[2] for r in ready]
    batched = KelixTokenizer(config.model_copy(update={"batch": "buckets"}), network)
    batched.setup("cpu", 1)
    most = buckets.most_tokens(network)

    function, context, answer = "dataengine.tokenize.prepare:prepare", (Limits(), preparer), tokenizer.prepared
    with Sandbox(function, context, workers=1, limits=Limits(), answer=answer) as box:

        def ours() -> None:
            for [outcome] in Prefetch(box.map((d, "image") for d in data), 1, _AHEAD, 1 << 30, lambda _: 0):
                if isinstance(outcome, Ok):
                    tokenizer.encode([outcome.value])

        print(f"\n{name}: {len(data)} pictures, {sum(tokens):,} tokens, one thread for the network")
        ways = {
            "one": towers(network, ready, 1),
            "alone": lambda: tokenizer.encode(ready) and None,
            "many": towers(network, ready, most),
            "batched": lambda: batched.encode(ready) and None,
            "ours": ours,
        }
        took = best(repeat, ways, clock)
    for way, bare, what in (
        ("one", "one", "(a) bare tower, a picture at a time"),
        ("alone", "one", "encode, batch: alone, from arrays in memory"),
        ("many", "many", f"(b) bare tower, batches of {most:,} tokens"),
        ("batched", "many", "encode, batch: buckets, from arrays in memory"),
        ("ours", "one", "ours, from JPEG bytes"),
    ):
        share = f"{took[bare] / took[way]:>7.3f} of ({'a' if bare == 'one' else 'b'})"
        print(f"  {what:<62}{len(data) / took[way]:>8.1f} images/s{share}")


def towers(network: Network, ready: Sequence[Pixels], most: int) -> Callable[[], None]:
    """The tower's forward alone on packs of at most ``most`` tokens that lie in memory, positions included."""
    groups = buckets.batches([r.grid[1] * r.grid[2] for r in ready], most)
    packs = []
    for group in groups:
        sizes = [ready[i].grid[1:] for i in group]
        tensors = torch.cat([pixels.patches(ready[i].frames[0][None]) for i in group], dim=1)
        packs.append((tensors, buckets.joined([network.vision.place(h, w) for h, w in sizes]), sizes))

    def forward() -> None:
        with torch.inference_mode():
            for tensors, place, sizes in packs:
                network.vision(tensors, place, spans=[4 * h * w for h, w in sizes])

    return forward


def bucket_sizes(
    name: str, settings: dict[str, object], data: list[bytes], repeat: int, clock: Callable[[], float]
) -> None:
    """Microseconds a token of the bare tower by tokens of a batch: what ``buckets.TOKENS`` is chosen by."""
    start_torch("cpu", 1)
    config = configure({"name": "kelix", "max_tokens": 400, **settings})
    network, preparer = Network(config), KelixTokenizer.preparer(config)
    ready = [preparer([np.asarray(Image.open(io.BytesIO(d)).convert("RGB"))]) for d in data]
    took = best(repeat, {str(n): towers(network, ready, n) for n in (256, 512, 1024, 2048, 4096, 8192)}, clock)
    count = sum(r.grid[1] * r.grid[2] for r in ready)
    print(
        f"\n{name}: "
        + ", ".join(f"{n}: {1e6 * s / count:.1f}" for n, s in took.items())
        + " us a token by tokens of a batch"
    )


def clips(folder: Path) -> dict[str, bytes]:
    """Videos of the demo corpus whose frames decord numbers rightly."""
    build(folder)
    found = {}
    for path in sorted(p for p in (folder / "videos").rglob("*") if p.is_file()):
        data = path.read_bytes()
        try:
            clip = video.probe(data, Limits())
        except InputError:
            continue
        if frames.decord_is_exact(clip.media.demuxer, clip.codec, clip.closed):
            found[path.name] = data
    return found


def slow_fast(found: dict[str, bytes], repeat: int) -> None:
    frames.decord()  # before keye-vl-utils imports it with CUDA libraries that crash torch
    plans = {name: slowfast.plan(data, PRESETS["released"], Limits()) for name, data in found.items()}
    shown = sum(len(plan.indices) for plan in plans.values())

    def decode() -> None:
        for name, data in found.items():
            reader = frames.decord().VideoReader(io.BytesIO(data), num_threads=1)
            for start in range(0, len(plans[name].indices), 8):
                reader.get_batch(plans[name].indices[start : start + 8]).asnumpy()

    def ours() -> None:
        for data in found.values():
            slowfast.plan(data, PRESETS["released"], Limits())

    def theirs() -> None:
        for data in found.values():
            keye.fetch_video({"video": data})

    equal = sum(_equal(plans[name], data) for name, data in found.items())
    print(
        f"\nSlow-Fast: {len(found)} clips, {shown} frames looked at; {equal} of {len(found)} plans equal keye-vl-utils'"
    )
    took = best(repeat, {"decode": decode, "ours": ours, "theirs": theirs})
    for way, what in (("decode", "(a) bare decode"), ("ours", "(b) ours"), ("theirs", "(c) keye-vl-utils")):
        ratios = f"{took['decode'] / took[way]:>7.2f} of (a){took['theirs'] / took[way]:>7.2f} of (c)"
        print(f"  {what:<62}{shown / took[way]:>8.1f} frames/s{ratios}")


def _equal(plan: slowfast.Plan, data: bytes) -> bool:
    _, told = keye.fetch_video({"video": data})
    sizes = [told[name] for name in ("height", "width", "fast_height", "fast_width")]
    return list(plan.kinds) == told["frame_types"].tolist() and [*plan.slow, *plan.fast] == sizes


def best(
    repeat: int, ways: dict[str, Callable[[], None]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Shortest of ``repeat`` rounds in seconds, the ways in turn."""
    took = dict.fromkeys(ways, float("inf"))
    for _ in range(repeat):
        for name, way in ways.items():
            begun = clock()
            way()
            took[name] = min(took[name], clock() - begun)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=["codes", "video", "buckets"])
    parser.add_argument("--cpu", action="store_true", help="codes in CPU seconds of this process, on a busy machine")
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    for name, settings in _TOWERS.items():
        if given.only in (None, "codes"):
            codes(name, settings, jpegs(given.images), given.repeat, clock)
        if given.only == "buckets":
            bucket_sizes(name, settings, jpegs(given.images), given.repeat, clock)
    if given.only in (None, "video"):
        with tempfile.TemporaryDirectory() as folder:
            slow_fast(clips(Path(folder) / "corpus"), given.repeat)


if __name__ == "__main__":
    main()
