"""Runs the command on hostile inputs of every kind and prints what must become of each, and what did: ``make torture``.

    python benchmarks/torture.py [--seed N] [--folder DIR] [--only SOURCE] [--all]

Without ``--all`` the table has only what is not as expected. Exit code 1 if anything is not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from dataengine.contracts import SAMPLES
from dataengine.testing import Expected, torture
from dataengine.verify.verify import verify

COMMAND = str(Path(sys.executable).with_name("dataengine"))
#: No run of these inputs takes as long.
SECONDS = 900
SOURCES = ("rows", "urls", "files", "tars", "media")
Row = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the command on hostile inputs.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="a new folder for the inputs, kept; else a temporary one")
    parser.add_argument("--only", choices=SOURCES, help="one source of the recipe")
    parser.add_argument("--all", action="store_true", help="print all inputs, not only those that are not as expected")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return check(options.folder or Path(temporary, "torture"), options.seed, options.all, options.only)


def check(folder: Path, seed: int, show_all: bool, only: str | None) -> int:
    expected = [e for e in torture(folder, seed) if only in (None, e.source)]
    if only:
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
        recipe["sources"] = [s for s in recipe["sources"] if s["name"] == only]
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    start = time.monotonic()
    run = subprocess.run(
        [COMMAND, "run", f"{folder}/recipe.yaml", "--accept"],
        timeout=SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    if run.returncode:
        print(f"the run ended with exit code {run.returncode}:\n{run.stderr[-4000:]}")
        return 1
    release = folder / "ws" / "releases" / "torture"
    rows = list(outcomes(expected, pq.read_table(release / "ledger.parquet").to_pylist(), captions(folder / "ws")))
    wrong = [row for row in rows if row[4] != "yes"]
    for row in rows if show_all else wrong:
        print(" | ".join(cell.encode("unicode_escape").decode()[:90] for cell in row))
    errors = verify(str(release)).errors
    print(
        f"{len(expected)} hostile inputs (seed {seed}) in {seconds:.0f} s: {len(rows) - len(wrong)} as expected, ",
        end="",
    )
    print(f"{len(wrong)} not; the ledger balances, verify finds {len(errors)} errors")
    return 1 if wrong or errors else 0


def captions(workspace: Path) -> dict[tuple[str, str], list[str]]:
    """Captions of each sample by source and uri."""
    rows: list[Row] = []
    for path in sorted((workspace / "samples").glob("*.parquet")):
        rows += pq.read_table(path, columns=["source", "uri", "captions"]).to_pylist()
    assert {"source", "uri", "captions"} <= set(SAMPLES.names)
    return {(row["source"], row["uri"]): row["captions"] for row in rows}


def outcomes(
    expected: Sequence[Expected], ledger: Sequence[Row], texts: dict[tuple[str, str], list[str]]
) -> Iterator[tuple[str, str, str, str, str]]:
    """``(input, what it is, expected, outcome, "yes" or "NO")`` of each input, then of those that were not expected."""
    left = {(row["source"], row["uri"]): row for row in ledger}
    for one in expected:
        key = (one.source, one.input)
        row = left.pop(key, None)
        want = " or ".join(one.failures) or "kept"
        outcome = "absent" if row is None else row["failure"] or row["outcome"]
        good = outcome in (one.failures or ("kept",))
        if good and one.captions is not None and texts.get(key) != list(one.captions):
            good, want, outcome = False, f"captions {one.captions!r}", f"captions {texts.get(key)!r}"
        if row is not None and row["message"]:
            outcome += f" ({row['message']})"
        yield f"{one.source}: {one.input}", one.what, want, outcome, "yes" if good else "NO"
    for (source, uri), row in sorted(left.items()):
        yield f"{source}: {uri}", "", "no such input", f"{row['failure'] or row['outcome']} ({row['message']})", "NO"


if __name__ == "__main__":
    sys.exit(main())
