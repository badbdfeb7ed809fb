"""Visual codes a second, and Slow-Fast frames a second, each beside the bare work it cannot do without.

``python benchmarks/codes.py [--images N] [--repeat R] [--only codes|video]``. All ways run in turn in one process and the
best of R rounds is shown, so that they compare on a machine that does other things too.

Codes: (a) the bare network, forward on ready tensors, a picture at a time and in padded batches of like length; (b) what the
tokenize stage does: JPEG bytes → decode child → prepared pixels, read ahead → codes. The pictures are crops of two
photographs of many sizes; the weights are random, which costs the same as trained ones.

Video: (a) bare decode of the frames that are looked at, by decord, one thread; (b) our plan: frames, kinds and sizes;
(c) keye-vl-utils, which gives the same (and decodes with as many threads as it likes). Clips are the demo corpus's.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
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
from dataengine.tokenize.kelix.quantiser import Coder
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer

_TOKENS = 4096
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


def codes(name: str, settings: dict[str, object], data: list[bytes], repeat: int) -> None:
    start_torch("cpu", 1)
    config = configure({"name": "kelix", "max_tokens": 400, **settings})
    tokenizer = KelixTokenizer(config, Network(config))
    tokenizer.setup("cpu", 1)
    preparer, network = tokenizer.preparer(config), tokenizer.network
    coder = Coder(network.quantiser)
    ready = [preparer([np.asarray(Image.open(io.BytesIO(d)).convert("RGB"))]).frames[0] for d in data]
    tokens = [f.shape[0] * f.shape[1] // pixels.TOKEN**2 for f in ready]
    groups = buckets.batches(tokens, _TOKENS)
    tensors = [pixels.patches(f[None]) for f in ready]
    places = [network.vision.place(f.shape[0] // pixels.TOKEN, f.shape[1] // pixels.TOKEN) for f in ready]

    def alone() -> None:
        with torch.inference_mode():
            for tensor, place in zip(tensors, places, strict=True):
                coder(network.vision(tensor, place)[0])

    def batched() -> None:
        for group in groups:
            buckets.encode(network, coder, [ready[i] for i in group])

    function, context, answer = "dataengine.tokenize.prepare:prepare", (Limits(), preparer), tokenizer.prepared
    with Sandbox(function, context, workers=1, limits=Limits(), answer=answer) as box:

        def ours() -> None:
            for [outcome] in Prefetch(box.map((d, "image") for d in data), 1, _AHEAD, 1 << 30, lambda _: 0):
                if isinstance(outcome, Ok):
                    tokenizer.encode([outcome.value])

        print(f"\n{name}: {len(data)} pictures, {sum(tokens):,} tokens, one thread for the network")
        waste = buckets.padding(tokens, groups)
        found = best(repeat, {"alone": alone, "batched": batched, "ours": ours})
    for way, what in (
        ("alone", "(a) bare network, a picture at a time"),
        ("batched", f"(a) bare network, batches of {_TOKENS} tokens, {waste:.1%} of them padding"),
        ("ours", "(b) ours, from JPEG bytes"),
    ):
        rate = len(data) / found[way]
        print(f"  {what:<62}{rate:>8.1f} images/s{found['alone'] / found[way]:>7.2f} of (a)")


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


def best(repeat: int, ways: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Shortest of ``repeat`` rounds in seconds, the ways in turn."""
    took = dict.fromkeys(ways, float("inf"))
    for _ in range(repeat):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            took[name] = min(took[name], time.perf_counter() - begun)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=["codes", "video"])
    given = parser.parse_args()
    if given.only != "video":
        for name, settings in _TOWERS.items():
            codes(name, settings, jpegs(given.images), given.repeat)
    if given.only != "codes":
        with tempfile.TemporaryDirectory() as folder:
            slow_fast(clips(Path(folder) / "corpus"), given.repeat)


if __name__ == "__main__":
    main()
