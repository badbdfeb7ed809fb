"""The whole way with models, start included, against the bare forwards of the same models; a plain Ray Data script beside.

    python -m benchmarks with_models [--images 4000] [--rounds 1]

Ours is one command, ``dataengine run``: ingest, embeddings of CLIP ViT-B-32 (random weights in bf16, which cost the same as
trained ones), near-duplicates by hash, technical scores and NSFW, a policy, shards, ledger, card. The pictures are those of
``scaling.py`` without copies, so that both networks see all but a few. Bare is what the two need for as many pictures on ready
arrays, in the stages' batches, as many processes of one thread as there are cores; the faster of two tries. The script reads
files with Ray Data, and an actor a core decodes, resizes and runs the same networks, a Parquet table comes out: no duplicates,
no shards, no ledger. Whole commands; a ratio of 1 would be models and nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np
from ingest import SIZE, written
from scaling import pictures

from dataengine.testing import write_recipe

_MODEL = "ViT-B-32"
_SECONDS = 8.0
_RAY_DATA = """
import io, sys
import numpy as np, ray, torch
from PIL import Image
from with_models import networks

pictures, out, weights, cores = sys.argv[1:]


class Models:
    def __init__(self):
        torch.set_num_threads(1)
        self.clip, self.nsfw = networks(weights)

    def __call__(self, batch):
        sides = [Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224)) for data in batch["bytes"]]
        arrays = np.stack([np.asarray(side) for side in sides])
        return {"path": batch["path"], "clip": self.clip(arrays), "nsfw": self.nsfw(arrays)}


# The files need CPUs to be read, too.
ray.init("local", num_cpus=2 * int(cores), include_dashboard=False, logging_level="error")
files = ray.data.read_binary_files(pictures, include_paths=True)
files.map_batches(Models, batch_size=32, concurrency=int(cores), num_cpus=1).write_parquet(out)
"""

Network = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def networks(weights: str) -> tuple[Network, Network]:
    """CLIP's and the NSFW scorer's networks on ``(N, 224, 224, 3)`` uint8, one thread."""
    import torch

    from dataengine.models.clip import ClipEncoder
    from dataengine.score.nsfw import Nsfw

    encoder = ClipEncoder(model=_MODEL, checkpoint=weights, precision="bf16")
    encoder.setup("cpu", 1)
    nsfw = Nsfw()
    nsfw.setup("cpu", 1)

    def clip(arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with torch.inference_mode():
            pixels = torch.from_numpy(arrays).permute(0, 3, 1, 2).to(torch.bfloat16) / 255
            return np.asarray(encoder._model.encode_image(pixels).float())

    def nsfw_of(arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(nsfw._session.run(None, {nsfw._input: arrays.astype(np.float32)})[0][:, 1])

    return clip, nsfw_of


def bare(weights: str, which: int) -> float:
    """Pictures a second of one network in this process, over ``_SECONDS``."""
    network = networks(weights)[which]
    arrays = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), np.uint8)
    network(arrays)
    begun, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - begun) < _SECONDS:
        network(arrays)
        count += len(arrays)
    return count / spent


def bare_rate(weights: str, which: int, cores: int) -> float:
    """Of ``cores`` such processes side by side."""
    command = [sys.executable, __file__, "--bare", weights, str(which)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(cores)]
    return sum(float(process.communicate()[0]) for process in running)


def ours(folder: Path, weights: str) -> list[str]:
    """A recipe over ``folder/in``, run from nothing."""
    shutil.rmtree(folder / "ws", ignore_errors=True)
    sources = [{"type": "folder", "name": "in", "path": str(folder / "in")}]
    clip = {"name": "clip", "model": _MODEL, "checkpoint": weights, "precision": "bf16"}
    scorers = [{"name": "technical"}, {"name": "nsfw"}, clip]
    recipe = write_recipe(folder, workers="auto", sources=sources, score={"scorers": scorers})
    harness.keep_all(folder / "policy.yaml", 8)
    return [*harness.ours(), "run", str(recipe)]


def ray_data(folder: Path, weights: str, cores: int) -> list[str]:
    shutil.rmtree(folder / "ray", ignore_errors=True)
    return [sys.executable, "-c", _RAY_DATA, str(folder / "in"), str(folder / "ray"), weights, str(cores)]


def random_weights(path: Path) -> str:
    import open_clip
    import torch
    from safetensors.torch import save_model

    torch.manual_seed(0)
    save_model(open_clip.create_model(_MODEL, load_weights=False), str(path))
    return str(path)


def measured(
    options: argparse.Namespace, folder: Path, cores: int
) -> tuple[list[float], dict[str, list[harness.Command]]]:
    """Bare rates of the two networks, and the whole commands by way."""
    weights = random_weights(folder / "clip.safetensors")
    written(folder / "in", pictures(options.images, copies=False))
    rates = [max(bare_rate(weights, which, cores) for _ in range(2)) for which in (0, 1)]
    runs: dict[str, list[harness.Command]] = {}
    for _ in range(options.rounds):
        for way, command in (("dataengine run", ours(folder, weights)), ("Ray Data", ray_data(folder, weights, cores))):
            run = harness.command(command, env={"PYTHONPATH": str(Path(__file__).parent)})
            if run.code:
                sys.exit(f"{way}: {run.output[-2000:]}")
            print(f"{way}: {run.seconds:.1f} s", flush=True)
            runs.setdefault(way, []).append(run)
    return rates, runs


def main() -> None:
    parser = harness.parser(__doc__, rounds=1)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(bare(options.bare[0], int(options.bare[1])))
        return
    del options.bare
    report = harness.Report("with_models", options)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        rates, runs = measured(options, Path(name), cores)
    least = sum(options.images / rate for rate in rates)
    rows: list[list[Any]] = [["bare forwards, one after the other", least, "", 1.0, ""]]
    for way, done in runs.items():
        run = sorted(done, key=lambda one: one.seconds)[len(done) // 2]
        rows.append([way, run.seconds, run.cpu, least / run.seconds, run.peak])
    note = f"Bare: CLIP {rates[0]:.1f}, NSFW {rates[1]:.1f} pictures/s on {cores} cores."
    title = f"{options.images:,} JPEG {SIZE[0]}×{SIZE[1]}, whole commands"
    report.table(title, ["way", "seconds", "CPU s", "of bare", "peak GB"], rows, note)
    report.write()


if __name__ == "__main__":
    main()
