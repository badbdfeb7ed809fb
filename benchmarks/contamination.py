"""How the comparison with benchmarks grows: time and peak memory of each preset, samples against items.

``python benchmarks/contamination.py [--items 50000] [--only keye_pretrain]``; about a minute and a half on two cores. Each line
is measured in a process of its own (peak: its resource usage, inputs and interpreter included; compiled code and models are
loaded before the clock starts). Hashes and vectors are those of ``dedup_scale.py``, near copies and blank pictures included;
a fifth of the texts quote 15 words of an item.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from dedup_scale import hashes, vectors
from numpy.typing import NDArray

from dataengine.contamination import presets
from dataengine.contamination.hits import Contamination

SIZES = {"keye_pretrain": 1_000_000, "phash": 1_000_000, "ngram": 1_000_000, "keye_posttrain": 100_000}
_WORDS = 16


def names(samples: int, items: int) -> tuple[dict[str, Any], dict[str, Any]]:
    listed = {"benchmark": [f"b{n % 29:02}" for n in range(items)], "item": [f"{n:06}" for n in range(items)]}
    return {"id": pa.array([f"{n:08}" for n in range(samples)])}, listed


def pictures(samples: int, items: int) -> tuple[pa.Table, pa.Table]:
    made, (mine, listed) = hashes(samples + items), names(samples, items)
    return pa.table({**mine, "phash": made[:samples]}), pa.table({**listed, "phash": made[samples:]})


def texts(samples: int, items: int) -> tuple[pa.Table, pa.Table]:
    rng, (mine, listed) = np.random.default_rng(0), names(samples, items)
    asked, said = (rng.zipf(1.2, (n, _WORDS)) % 30_000 for n in (items, samples))
    quoted = rng.integers(0, samples, samples // 5)
    said[quoted, 1:] = asked[rng.integers(0, items, len(quoted)), 1:]
    mine["text"], listed["text"] = (
        [" ".join(f"{w:x}" for w in row) for row in rows.tolist()] for rows in (said, asked)
    )
    return pa.table(mine), pa.table(listed)


def embeddings(samples: int, items: int) -> tuple[pa.Table, pa.Table]:
    image, (mine, listed) = vectors(samples + items), names(samples, items)
    text = np.random.default_rng(1).normal(1, 1, (samples + items, 64)).astype(np.float16)
    tables = [
        {**named, "image": rows(image[some]), "text": rows(text[some])}
        for named, some in ((mine, slice(None, samples)), (listed, slice(samples, None)))
    ]
    return pa.table(tables[0]), pa.table(tables[1])


def rows(matrix: NDArray[np.float16]) -> pa.Array[Any]:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).ravel()), matrix.shape[1])


PRESETS: dict[str, tuple[Callable[[int, int], tuple[pa.Table, pa.Table]], Callable[..., Contamination]]] = {
    "keye_pretrain": (pictures, presets.keye_pretrain),
    "phash": (pictures, presets.near),
    "ngram": (texts, presets.ngram),
    "keye_posttrain": (embeddings, presets.keye_posttrain),
}


def one(name: str, samples: int, items: int) -> None:
    make, preset = PRESETS[name]
    preset(*make(3000, 300))
    given = make(samples, items)
    begun = time.perf_counter()
    found = preset(*given)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    hit = len(set(found.hits["id"].to_pylist()))
    print(json.dumps({"seconds": seconds, "peak": peak, "hits": len(found.hits), "samples": hit}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--only", choices=PRESETS)
    parser.add_argument("--one", nargs=3)
    given = parser.parse_args()
    if given.one:
        return one(given.one[0], int(given.one[1]), int(given.one[2]))
    for name, size in SIZES.items():
        if given.only in (None, name):
            samples = given.samples or size
            command = [sys.executable, __file__, "--one", name, str(samples), str(given.items)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{name:15} {samples:>11,} samples × {given.items:>7,} items {told['seconds']:8.1f} s {told['peak']:6.2f} GB"
                f"  hits {told['hits']:,}  samples hit {told['samples']:,}",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
