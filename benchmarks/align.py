"""Pairs a second and core that are confirmed as copies on thumbnails, in batches and pair by pair as before.

``python -m benchmarks align [--pairs N] [--rounds R]``. Pictures: crops of two photographs, and of each an edited copy. *Dense*:
pairs among few pictures, as a poor embedding gives; *sparse*: each picture in one pair, which costs most. The
function that was replaced is kept beside the tests; both give the same answers, which is checked. One thread each; CPU
seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import harness
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--pairs", type=int, default=256)
    options = parser.parse_args()
    from dedup.test_align import old_compared, pictures

    from dataengine.dedup.confirm import compared
    from dataengine.dedup.confirmation_cache import CHUNK, tiled
    from dataengine.media.image.fingerprint import thumbnail

    rng = np.random.default_rng(0)
    every = np.stack([thumbnail(np.asarray(p)) for p in pictures(rng, (2 * options.pairs + 2) // 3)])
    dense = np.array([(i, j) for i in range(64) for j in range(i + 1, 64)])
    dense = dense[tiled(dense)][: options.pairs]
    sparse = rng.permutation(len(every))[: 2 * options.pairs].reshape(-1, 2)
    report = harness.Report("align", options)
    rows = []
    for name, pairs in (("dense", dense), ("sparse", sparse)):
        few = pairs[: max(1, options.pairs // 8)]  # the old way takes its time
        old = np.array([old_compared(every[i], every[j]) for i, j in few])
        if not np.array_equal(compared(every, few), old):
            raise SystemExit("the two ways differ")
        timings = harness.rounds(
            {
                "pair by pair": lambda few=few: [old_compared(every[i], every[j]) for i, j in few],
                "batch": lambda pairs=pairs: [
                    compared(every, pairs[k : k + CHUNK]) for k in range(0, len(pairs), CHUNK)
                ],
            },
            options.rounds,
        )
        before, now = len(few) / timings["pair by pair"].cpu, len(pairs) / timings["batch"].cpu
        rows.append([name, len(np.unique(pairs)) / len(pairs), before, now, 1000 / now, now / before])
    columns = ["pairs", "pictures a pair", "before, pairs/s", "now, pairs/s", "ms a pair", "ratio"]
    report.table("Pairs confirmed a second and core", columns, rows)
    report.write()


if __name__ == "__main__":
    main()
