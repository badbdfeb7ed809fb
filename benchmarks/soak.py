"""Runs the command on many mixed inputs and samples its memory, descriptors and processes: ``make soak``.

    python benchmarks/soak.py [--inputs 50000] [--bad 0.02] [--seconds 1.0]

Pictures, captions, a few clips and ``--bad`` damaged files, in a folder, a table and tars. While ingest runs, memory and
descriptors of driver, workers and decode children are sampled; the slope of each over the second half of the run is printed,
a thousand inputs. Exit code 1 if the run fails, an input is lost, or a slope is not flat.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image
from processes import roles

from dataengine.testing import picture, video, write_recipe

COMMAND = str(Path(sys.executable).with_name("dataengine"))
ROLES = ("driver", "worker", "decode child")
#: What may be added for every thousand inputs: MB of memory of one process, descriptors of one process, processes.
FLAT = {"MB": 0.5, "descriptors": 0.5, "processes": 0.2}
#: Folders, tables and sets of tars, which take turns: a change of kind is no growth.
BLOCKS = 4
TAR = 170
PAGE = os.sysconf("SC_PAGE_SIZE")
Sample = tuple[float, dict[str, dict[str, float]]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Sample memory, descriptors and processes of a long run.")
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--bad", type=float, default=0.02)
    parser.add_argument("--seconds", type=float, default=1.0, help="between two samples")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        write(folder, options.inputs, options.bad, options.seed)
        buckets = max(2, options.inputs // 500 // BLOCKS)
        recipe = write_recipe(
            folder,
            workers=2,
            dedup={"radius": 0},
            sources=[
                source | {"name": f"{block}-{source['type']}"}
                for block in range(BLOCKS)
                for source in (
                    {"type": "folder", "path": f"{folder}/in/{block}", "buckets": buckets},
                    {"type": "table", "path": f"{folder}/table/{block}/rows.jsonl", "buckets": buckets},
                    {"type": "webdataset", "path": f"{folder}/tars/{block}/*.tar"},
                )
            ],
        )
        return soak(folder, recipe, options.inputs, options.seconds)


def soak(folder: Path, recipe: Path, inputs: int, seconds: float) -> int:
    start = time.monotonic()
    process = subprocess.Popen(
        [COMMAND, "run", str(recipe)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    samples = list(sampled(process, folder / "ws", seconds))
    _, text = process.communicate()
    took = time.monotonic() - start
    if process.returncode:
        print(f"the run ended with exit code {process.returncode}:\n{text[-4000:]}")
        return 1
    ledger = ledger_of(folder)
    print(f"{inputs:,} inputs in {took:.0f} s ({inputs / took:.0f} a second): {json.dumps(ledger)}")
    steep = report(samples)
    lost = inputs - sum(ledger.values())
    print(f"{lost} inputs lost; {len(steep)} slopes not flat{': ' if steep else ''}{', '.join(steep)}")
    return 1 if lost or steep else 0


def ledger_of(folder: Path) -> dict[str, int]:
    """Inputs by outcome."""
    manifest = json.loads((folder / "ws" / "releases" / "test" / "manifest.json").read_bytes())
    outcomes: dict[str, int] = manifest["ledger"]["outcome"]
    return outcomes


def sampled(process: subprocess.Popen[str], workspace: Path, seconds: float) -> Iterator[Sample]:
    """``(inputs read so far, figures by role)`` while ingest runs, as long as the process lives."""
    markers = workspace / "stages" / "ingest" / "parts"
    counted: dict[str, int] = {}
    while process.poll() is None:
        time.sleep(seconds)
        if list((workspace / "stages" / "ingest").glob("*.json")):
            continue
        for path in markers.glob("*.json") if markers.exists() else ():
            if path.name not in counted:
                with suppress(ValueError, OSError):
                    counted[path.name] = json.loads(path.read_bytes())["counts"]["inputs"]
        yield sum(counted.values()), figures(process.pid)


def figures(leader: int) -> dict[str, dict[str, float]]:
    """Mean memory (MB, without what is shared) and descriptors of a process, and number of processes, by role."""
    seen: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for pid, role in roles(leader).items():
        with suppress(OSError, ValueError, IndexError):
            _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
            if role:
                seen[role].append(((resident - shared) * PAGE / 1e6, len(os.listdir(f"/proc/{pid}/fd"))))  # noqa: PTH208
    return {
        role: {
            "MB": float(np.mean([memory for memory, _ in values])),
            "descriptors": float(np.mean([count for _, count in values])),
            "processes": float(len(values)),
        }
        for role, values in seen.items()
    }


def report(samples: list[Sample]) -> list[str]:
    """Print first, last and slope of each figure; the names of those that are not flat, or could not be measured."""
    steep = []
    print(f"{'':28}{'at half':>10}{'at end':>10}{'a thousand inputs':>20}")
    for role in ROLES:
        for name, bound in FLAT.items():
            points = [(done, values[role][name]) for done, values in samples if done and role in values]
            points = points[len(points) // 2 :]
            if len(points) < 4 or points[-1][0] == points[0][0]:
                print(f"{role:14}{name:14}{'too few samples':>20}")
                steep.append(f"{role} {name} (not measured: more --inputs)")
                continue
            slope = float(np.polyfit([x / 1000 for x, _ in points], [y for _, y in points], 1)[0])
            print(f"{role:14}{name:14}{points[0][1]:10.1f}{points[-1][1]:10.1f}{slope:20.2f}")
            if slope > bound:
                steep.append(f"{role} {name}")
    return steep


def write(folder: Path, inputs: int, bad: float, seed: int) -> None:
    """``inputs`` files, a third each in a folder, a table and tars; every five-hundredth is a clip."""
    rng = random.Random(seed)
    tile = picture(seed, 512, 512)
    wide = picture(seed + 1, 160, 64)
    clips = [video([wide[:, n + k : n + k + 64] for n in range(24)]) for k in range(0, 64, 8)]
    for block in range(BLOCKS):
        places = [folder / name / str(block) for name in ("in", "table", "tars")]
        for place in places:
            place.mkdir(parents=True)
        rows, members = [], []
        for n in range(block * inputs // BLOCKS, (block + 1) * inputs // BLOCKS):
            clip = n % 500 == 7
            free = b"\0\0\0\x10free" + n.to_bytes(8, "big")
            data = clips[n // 500 % len(clips)] + free if clip else jpeg(tile, rng)
            if rng.random() < bad:
                data = damaged(data, rng)
            name = f"{n:07d}.{'mp4' if clip else 'jpg'}"
            if n % 3 == 0:
                (places[0] / name).write_bytes(data)
                (places[0] / f"{n:07d}.txt").write_text(f"caption {n}")
            elif n % 3 == 1:
                (places[1] / name).write_bytes(data)
                rows.append(json.dumps({"path": name, "caption": f"caption {n}"}))
            else:
                members.append((name, data))
                if len(members) == TAR:
                    write_tar(places[2], members)
        write_tar(places[2], members)
        (places[1] / "rows.jsonl").write_text("\n".join(rows))


def jpeg(tile: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], rng: random.Random) -> bytes:
    """A crop of the tile with a patch of its own."""
    x, y = rng.randrange(448), rng.randrange(448)
    crop = tile[y : y + 64, x : x + 64].copy()
    crop[8:24, 8:24] = np.frombuffer(rng.randbytes(16 * 16 * 3), np.uint8).reshape(16, 16, 3)
    out = io.BytesIO()
    Image.fromarray(crop).save(out, "JPEG", quality=80)
    return out.getvalue()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut off, overwritten, emptied, or something else."""
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(20, len(data) // 2)]
    if kind == 1:
        return data[:200] + rng.randbytes(len(data) - 200) if len(data) > 200 else b"short"
    return b"" if kind == 2 else b"<html>404</html>"


def write_tar(folder: Path, members: list[tuple[str, bytes]]) -> None:
    """Write a tar of what has come together, and begin anew."""
    if not members:
        return
    with tarfile.open(folder / f"{members[0][0].partition('.')[0]}.tar", "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    members.clear()


if __name__ == "__main__":
    sys.exit(main())
