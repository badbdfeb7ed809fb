"""Throughput and busy share of an accelerator in the model stages, beside the bare forward; results compared with a CPU's.

``python benchmarks/gpu_check.py [--device cuda] [--pictures N] [--seconds S]`` prints Markdown. It needs neither Ray nor a
network: torch, open-clip-torch, simplejpeg, av, obstore, pydantic, scikit-learn (for two photographs) and this package.
Weights are random, which costs the same as trained ones. For each model, in one process, one after the other:

- bare: the forward alone, on tensors that lie in device memory, in batches of the stage's size;
- arrays: what the stage gives the model, uint8 arrays in host memory, to vectors or codes in host memory;
- worker, n: the stage's own worker with n decode children, two parts at once: media files in, Parquet files or codes out. Beside
  a GPU a worker has as many children as its share of the node's CPUs less one.

Busy is the time that the bare forward would take for the same pictures, as a share of the time that was taken.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_training
import numpy as np
import torch
import workers
from gpu_corpus import Corpus, Row, jpegs, rate
from numpy.typing import NDArray
from PIL import Image

from dataengine.embed import views
from dataengine.embed.worker import PICTURES, EmbedWorker
from dataengine.media.limits import Limits
from dataengine.models.clip import ClipEncoder
from dataengine.models.device import start_torch
from dataengine.samples.locate import chunks
from dataengine.score.worker import ScoreWorker
from dataengine.storage.workspace import File, Workspace
from dataengine.tokenize.factory import configure
from dataengine.tokenize.kelix import buckets, pixels
from dataengine.tokenize.kelix.network import Network
from dataengine.tokenize.kelix.tokenizer import KelixTokenizer
from dataengine.tokenize.stage import EncodeWorker

_CHUNK = 256
_BATCH, _COMPARED = 256, 64
_PARTS = 4


def clip(name: str, device: str, corpus: Corpus, seconds: float, children: Sequence[int]) -> Iterator[str]:
    """Rows of one CLIP in bf16, and how near its vectors are to a CPU's."""
    import open_clip
    from safetensors.torch import save_model

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "random.safetensors")
        torch.manual_seed(0)
        save_model(open_clip.create_model(name, load_weights=False), str(checkpoint))
        options: dict[str, Any] = {"model": name, "checkpoint": str(checkpoint), "batch_size": _BATCH}
        encoder = ClipEncoder(**options, precision="bf16")
        encoder.setup(device, 1)
        arrays = [prepared(encoder, d) for d in corpus.jpegs[:512]]
        tensors = torch.rand(_BATCH, 3, encoder.min_side or 224, encoder.min_side or 224, device=encoder._device)
        tensors = tensors.to(encoder._dtype)

        def forward() -> int:
            with torch.inference_mode():
                encoder._model.encode_image(tensors)
            return len(tensors)

        def from_arrays() -> int:
            for chunk in chunks(iter(arrays), _CHUNK):
                encoder.pictures(chunk)
            return len(arrays)

        bare = rate(forward, seconds)
        yield str(Row(f"CLIP {name}, bf16, batch {_BATCH}", "bare", bare, bare))
        yield str(Row("", "arrays", rate(from_arrays, seconds), bare))

        def worker() -> EmbedWorker:
            own = ClipEncoder(**options, precision="bf16")
            return EmbedWorker(Limits(), corpus.workspace, own, (PICTURES,), device, 1)

        yield from corpus.through("worker of embed", worker, bare, children, seconds)
        yield from compared_clip(options, device, arrays[:_COMPARED], encoder)


def prepared(encoder: ClipEncoder, data: bytes) -> Any:
    return views.prepare((Limits(), encoder, False), (data, "image"))[0]


def compared_clip(options: dict[str, Any], device: str, arrays: list[Any], bf16: ClipEncoder) -> Iterator[str]:
    vectors = {}
    for where, threads in (("cpu", os.cpu_count() or 1), (device, 1)):
        encoder = ClipEncoder(**{**options, "batch_size": _COMPARED}, precision="fp32")
        encoder.setup(where, threads)
        vectors[where] = np.concatenate(encoder.pictures(arrays))
    exact = np.abs(vectors["cpu"] - vectors[device]).max()
    cosine = (vectors["cpu"] * np.concatenate(bf16.pictures(arrays))).sum(1).min()
    yield f"| | {len(arrays)} vectors, CPU fp32 beside it | fp32: off by ≤ {exact:.1e} | bf16: cosine ≥ {cosine:.5f} |"


def kelix(
    preset: dict[str, Any], title: str, device: str, corpus: Corpus, seconds: float, children: Sequence[int]
) -> Iterator[str]:
    """Rows of the Kelix tokenizer's encode in bf16, and how many codes are a CPU's."""
    torch.manual_seed(0)
    config = configure({"name": "kelix", "max_tokens": 400, "batch": "buckets", "dtype": "bfloat16", **preset})
    network = Network(config)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    tokenizer = KelixTokenizer(config, network)
    tokenizer.setup(device, 1)
    preparer = tokenizer.preparer(config)
    ready = [preparer([np.asarray(Image.open(io.BytesIO(d)))]) for d in corpus.jpegs[:256]]
    height, width = (side // pixels.TOKEN for side in ready[0].frames[0].shape[:2])
    size = max(1, buckets.most_tokens(network) // (height * width))
    stacked = np.stack([ready[n % len(ready)].frames[0] for n in range(size)])
    tensors, place = pixels.patches(stacked, str(network.device), network.dtype), network.vision.place(height, width)

    def forward() -> int:
        with torch.inference_mode():
            tokenizer._coder(network.vision(tensors, place).flatten(0, 1))
        return size

    def from_arrays() -> int:
        for chunk in chunks(iter(ready), tokenizer.together):
            tokenizer.encode(chunk)
        return len(ready)

    def worker() -> EncodeWorker:
        made = EncodeWorker(Limits(), corpus.workspace, checkpoint=File("unused", "", 0), base="0" * 16, device=device)
        made._tokenizer = tokenizer
        return made

    bare = rate(forward, seconds)
    yield str(Row(f"{title}, {height * width} tokens a picture", f"bare, {size} a batch", bare, bare))
    yield str(Row("", "arrays", rate(from_arrays, seconds), bare))
    yield from corpus.through("worker of tokenize.encode", worker, bare, children, seconds)
    yield from compared_codes(config, weights, device, ready[: min(8, _COMPARED)])


def compared_codes(config: Any, weights: dict[str, Any], device: str, ready: list[Any]) -> Iterator[str]:
    codes: dict[str, NDArray[Any]] = {}
    for where, dtype, batch in (
        ("cpu", "float32", "alone"),
        (device, "float32", "alone"),
        (f"{device} ", "bfloat16", "alone"),
        (f"{device}  ", "bfloat16", "buckets"),
    ):
        alone = config.model_copy(update={"batch": batch, "dtype": dtype})
        network = Network(alone)
        network.load_state_dict(weights)
        tokenizer = KelixTokenizer(alone, network)
        tokenizer.setup(where.strip(), os.cpu_count() or 1)
        codes[where] = np.concatenate([c.tokens for c in tokenizer.encode(ready)])
    same = [(codes["cpu"] == codes[where]).mean() for where in (device, f"{device} ")]
    yield (
        f"| | {codes['cpu'].size:,} codes, CPU float32 beside it | float32: {same[0]:.4%} equal "
        f"| bfloat16: {same[1]:.2%} equal |"
    )
    ties = (codes[f"{device} "] == codes[f"{device}  "]).mean()
    yield f"| | | bfloat16 in packs, attention for variable lengths, beside alone | {ties:.3%} equal (the rest are ties) |"


def nsfw(device: str, corpus: Corpus, seconds: float, children: Sequence[int]) -> Iterator[str]:
    """Rows of the NSFW scorer, or why it was skipped; its scores beside a CPU's."""
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    if device != "cpu" and "CUDAExecutionProvider" not in providers:
        yield f"| NSFW | skipped: ONNX Runtime has {', '.join(providers)} here | | |"
        return
    from dataengine.score.nsfw import Nsfw

    scorers = {where: Nsfw() for where in dict.fromkeys((device, "cpu"))}
    for where, scorer in scorers.items():
        scorer.setup(where, 1)
    scorer, arrays = (
        scorers[device],
        [scorers["cpu"].prepare([np.asarray(Image.open(io.BytesIO(d)))]) for d in corpus.jpegs[:256]],
    )
    pixels = np.zeros((scorer._batch, 224, 224, 3), np.float32)

    def forward() -> int:
        scorer._session.run(None, {scorer._input: pixels})
        return len(pixels)

    def from_arrays() -> int:
        scorer.score(arrays, [()] * len(arrays))
        return len(arrays)

    def worker() -> ScoreWorker:
        made = ScoreWorker(Limits(), corpus.workspace, [{"name": "nsfw"}], device, 1)
        made.setup()
        return made

    corpus = replace(corpus, parts=[replace(part, spec=(part.spec, {})) for part in corpus.parts])
    bare = rate(forward, seconds)
    yield str(Row(f"NSFW, batch {scorer._batch}", "bare (ONNX Runtime copies its input)", bare, bare))
    yield str(Row("", "arrays", rate(from_arrays, seconds), bare))
    yield from corpus.through("worker of score", worker, bare, children, seconds)
    there, here = (s.score(arrays[:_COMPARED], [()] * _COMPARED)["nsfw"] for s in (scorer, scorers["cpu"]))
    yield f"| | {_COMPARED} scores, CPU beside it | off by ≤ {max(abs(a - b) for a, b in zip(there, here, strict=True)):.1e} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--pictures", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", choices=("clip", "kelix", "nsfw", "training"))
    parser.add_argument("--children", type=int, nargs="*", help="decode processes; 1, half of the cores, all but one")
    parser.add_argument(
        "--small", action="store_true", help="ViT-B-32 and a tiny tokenizer alone, to try the script on a CPU"
    )
    options = parser.parse_args()
    if options.small:
        global _BATCH, _COMPARED
        _BATCH = _COMPARED = 4
    start_torch(options.device, 1)
    card = torch.cuda.get_device_name() if options.device.startswith("cuda") else platform.processor() or "CPU"
    cores = len(os.sched_getaffinity(0))
    print(f"{card}, {cores} CPU cores, torch {torch.__version__}, Python {platform.python_version()}", flush=True)
    children = options.children or sorted({1, max(1, cores // 2), max(1, cores - 1)})
    print("\n| model | way | pictures/s | of bare (busy) |\n| --- | --- | ---: | ---: |", flush=True)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        data, workspace = jpegs(options.pictures), Workspace(folder)
        corpus = Corpus(workspace, data, workers.media(workspace, _PARTS, data))
        for row in rows(options, corpus, children):
            print(row, flush=True)
    print(f"\n{time.perf_counter() - begun:.0f} s in all.")


def rows(options: argparse.Namespace, corpus: Corpus, children: Sequence[int]) -> Iterator[str]:
    device, seconds = options.device, options.seconds
    if options.only in (None, "clip"):
        for name in ("ViT-B-32",) if options.small else ("ViT-B-32", "ViT-L-14"):
            yield from clip(name, device, corpus, seconds, children)
    if options.only in (None, "kelix"):
        preset, title = ("tiny", "tiny") if options.small else ("kelix", "so400m tower, 8 × 8192")
        yield from kelix({"preset": preset}, f"Kelix encode, {title}, bf16", device, corpus, seconds, children)
    if options.only in (None, "nsfw"):
        yield from nsfw(device, corpus, seconds, children)
    if options.only in (None, "training"):
        yield ""
        yield from gpu_training.lines(device, corpus.jpegs[:1024], options.small, max(children))


if __name__ == "__main__":
    main()
