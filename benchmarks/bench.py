"""A named list of benchmarks that fits into half an hour on two quiet cores, and one page of what they printed.

``python -m benchmarks bench [--out DIR] [--only NAME ...]``: each in a process of its own; ``DIR/README.md`` holds their tables
in the order of the list, and names what failed or took too long.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import harness


@dataclass(frozen=True)
class Entry:
    """One benchmark, its options, and the seconds after which it is stopped."""

    name: str
    options: tuple[str, ...] = ()
    limit: int = 300

    @property
    def tells(self) -> bool:
        """Whether it writes tables of its own; of others, what they print is kept."""
        return "harness.Report(" in (harness.ROOT / "benchmarks" / f"{self.name}.py").read_text()


#: The limits add up to less than half an hour.
LIST = (
    Entry("ingest", ("--rounds", "3"), 240),
    Entry("decode_cost", (), 60),
    Entry("shard_write", (), 120),
    Entry("align", (), 180),
    Entry("feed", (), 240),
    Entry("urls", ("--images", "4000", "--rounds", "1"), 240),
    Entry("dedup_scale", ("hamming",), 180),
    Entry("scaling", ("--sizes", "1000", "5000"), 420),
    Entry("cost_model", (), 30),
)


def main() -> None:
    parser = harness.parser(__doc__, rounds=0)
    parser.add_argument("--only", nargs="+", choices=[entry.name for entry in LIST], default=[])
    options = parser.parse_args()
    out = options.out or harness.ROOT / "build" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    pages, failed = [], []
    for entry in LIST:
        if not options.only or entry.name in options.only:
            page, fault = run(entry, out)
            pages.append(page)
            failed += [fault] if fault else []
    head = ["# Benchmarks", *(f"Failed: {fault}" for fault in failed)]
    (out / "README.md").write_text("\n\n".join([*head, *pages]) + "\n")
    print(f"{out / 'README.md'}: {len(pages) - len(failed)} of {len(pages)} benchmarks")
    sys.exit(bool(failed))


def run(entry: Entry, out: Path) -> tuple[str, str]:
    """What to print of a benchmark as Markdown, and why it failed, if it did."""
    told = out / f"{entry.name}.md"
    told.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks", entry.name, *entry.options]
    begun = time.monotonic()
    done = harness.command(command + (["--out", str(out)] if entry.tells else []), timeout=entry.limit)
    seconds = time.monotonic() - begun
    print(f"{entry.name}: {seconds:.0f} s", flush=True)
    (out / f"{entry.name}.log").write_text(done.output)
    if done.code:
        why = f"stopped after {entry.limit} s" if seconds >= entry.limit else f"exit {done.code}"
        return f"## {entry.name}\n\n{why}; its output is in {entry.name}.log", f"{entry.name}, {why}"
    return told.read_text() if told.exists() else f"## {entry.name}\n\n```text\n{done.output.strip()}\n```", ""


if __name__ == "__main__":
    main()
