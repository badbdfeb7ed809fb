"""Pictures a second that are scored or embedded: the bare model, our path from JPEG bytes, one picture a forward.

``python benchmarks/score_throughput.py [--images N] [--threads T] [--repeat R] [--only conse|clip]``. All ways run in turn
in one process and the best of R rounds is shown, so that they compare on a machine that does other things too.
(a) the image tower on ready tensors, in batches of its usual size; (b) what the stages score (conse) and embed (clip) do:
decode child, prepare, read ahead, model (here without captions, so that both do the same work); (c) the image tower with
one sample a forward (as Data-Juicer does), on ready tensors. The pictures are crops of two photographs as JPEG, 500 × 375;
ViT-B-32 has random weights in bf16, which costs the same as trained ones. What (b) loses is decoding, which shares the CPU
with the model here and would not beside a GPU.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.models.clip import ClipEncoder
from dataengine.models.encoders import picture_vectors
from dataengine.samples.prefetch import Prefetch
from dataengine.score.conse import Conse
from dataengine.storage.pinned_packages import SCIKIT_LEARN

_WARM, _CHUNK = 32, 256
_MODEL = "ViT-B-32"


def jpegs(count: int) -> list[bytes]:
    """Different crops of two photographs."""
    rng = np.random.default_rng(0)
    names = ("china", "flower")
    photos = [Image.open(io.BytesIO(SCIKIT_LEARN.read(f"sklearn/datasets/images/{n}.jpg"))) for n in names]
    made = []
    for n in range(count):
        left, top = int(rng.integers(0, 140)), int(rng.integers(0, 52))
        out = io.BytesIO()
        photos[n % 2].crop((left, top, left + 500, top + 375)).save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


Model = Conse | ClipEncoder


def ours(model: Model, sandbox: Sandbox, data: list[bytes]) -> None:
    """As the stages score and embed: the next batch is formed in a thread while the model works."""
    items = ((d, "image", (model.name,)) if isinstance(model, Conse) else (d, "image") for d in data)
    for chunk in Prefetch(sandbox.map(items), _CHUNK, 2 * _CHUNK, 1 << 27, lambda outcome: outcome.bytes):
        values = [o.value for o in chunk if isinstance(o, Ok)]
        if isinstance(model, Conse):
            model.score([v[model.name] for v in values], [()] * len(values))
        else:
            picture_vectors(model, [whole for whole, *_ in values])


def bare(forward: Callable[[torch.Tensor], Any], tensors: torch.Tensor, size: int) -> None:
    with torch.inference_mode():
        for start in range(0, len(tensors), size):
            forward(tensors[start : start + size])


def measure(model: Model, forward: Any, tensors: torch.Tensor, size: int, data: list[bytes], repeat: int) -> None:
    with decoding(model) as box:
        ways: dict[str, tuple[Callable[[], None], int]] = {
            f"(a) bare model, batches of {size}": (lambda: bare(forward, tensors, size), len(tensors)),
            "(b) ours, from JPEG bytes": (lambda: ours(model, box, data), len(data)),
            "(c) one sample a forward (as Data-Juicer does)": (lambda: bare(forward, tensors, 1), len(tensors)),
        }
        ours(model, box, data[:_WARM])
        best = dict.fromkeys(ways, 0.0)
        for _ in range(repeat):
            for name, (way, count) in ways.items():
                best[name] = max(best[name], count / seconds(way))
    first = next(iter(best.values()))
    for name, rate in best.items():
        print(f"  {name:<50}{rate:>8.1f} images/s{rate / first:>7.2f} of (a)")


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decoding(model: Model) -> Sandbox:
    """The decode child, which gets no weights."""
    if isinstance(model, Conse):
        return Sandbox("dataengine.score.prepare:prepare", (Limits(), [Conse()]), workers=1, limits=Limits())
    context = (Limits(), ClipEncoder(**_options), False)
    return Sandbox("dataengine.embed.views:prepare", context, workers=1, limits=Limits())


_options: dict[str, Any] = {"model": _MODEL, "precision": "bf16"}


def with_conse(data: list[bytes], threads: int, repeat: int) -> None:
    scorer = Conse()
    print(f"conse (EfficientNet-lite0, fp32), loaded in {seconds(lambda: scorer.setup('cpu', threads)):.1f} s")
    tensors = torch.rand(len(data), 3, 224, 224).to(memory_format=torch.channels_last)
    measure(scorer, scorer._classifier.network, tensors, scorer._classifier.batch, data, repeat)


def with_clip(data: list[bytes], threads: int, repeat: int) -> None:
    import open_clip
    from safetensors.torch import save_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        torch.manual_seed(0)
        save_model(open_clip.create_model(_MODEL, load_weights=False), str(path))
        _options["checkpoint"] = str(path)
        encoder = ClipEncoder(**_options)
        print(
            f"clip ({_MODEL}, random weights, bf16), loaded in {seconds(lambda: encoder.setup('cpu', threads)):.1f} s"
        )
        tensors = torch.rand(len(data), 3, 224, 224).to(torch.bfloat16)
        measure(encoder, encoder._model.encode_image, tensors, encoder.batch_size, data, repeat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", choices=("conse", "clip"))
    options = parser.parse_args()
    data = jpegs(options.images)
    print(f"{options.images} JPEGs of 500 × 375, CPU, {options.threads} threads, best of {options.repeat}")
    for name, run in (("conse", with_conse), ("clip", with_clip)):
        if options.only in (None, name):
            run(data, options.threads, options.repeat)


if __name__ == "__main__":
    main()
