"""What a corpus costs on a named cluster: core hours, accelerator hours, days and money from measured rates.

``python -m benchmarks cost_model [--samples 10e9] [--rates FILE.json]``. A rate is units a second of one core or of one
accelerator; FILE holds ``{"STAGE": rate}`` and replaces rates below. Each says where it was measured. Stages are taken as
linear in the samples; the searches for pairs are not, and their rates hold at ten billion only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import harness


@dataclass(frozen=True)
class Cluster:
    """What is rented. ``busy``: share of the time in which cores and accelerators do work that is counted here."""

    cores: int = 4096
    accelerators: int = 64
    core_hour: float = 0.04
    accelerator_hour: float = 3.0
    busy: float = 0.7


@dataclass(frozen=True)
class Step:
    """One stage: units of work a sample, units a second of one core or accelerator, and where the rate comes from."""

    name: str
    rate: float
    source: str
    units: float = 1.0
    on: str = "core"


_GPU = "docs/performance.md, H200 with 15 decode children"
_PAPER = "docs/dedup-measurements.md, at ten billion"
STEPS = (
    Step("ingest", 495, "10,000 JPEGs of 500 × 375 in 10.1 s on two cores"),
    Step("technical scores", 2700, "0.37 ms of a core a picture, at ingest with the pixels at hand"),
    Step("decoding for two models", 276, _GPU, units=2),
    Step("CLIP ViT-L-14", 1834, _GPU, on="accelerator"),
    Step("Kelix encode, of kept pictures", 225, _GPU, units=0.5, on="accelerator"),
    Step("perceptual edges, radius 6", 17_900, f"155 core hours: {_PAPER}"),
    Step("semantic edges", 115_700, f"a day of one GPU: {_PAPER}", on="accelerator"),
    Step("alignment of candidates", 1000, "benchmarks align, pairs that share no picture", units=10),
    Step("groups, decisions, places, ledger", 16_000, f"173 core hours of DuckDB: {_PAPER}"),
    Step(
        "shards written and published, of kept pictures",
        2000,
        "docs/s3.md, 250 MB/s on two cores, 60 KB each",
        units=0.5,
    ),
    Step("verify, of kept pictures", 9000, "docs/s3.md, 0.85 of SHA-256, 60 KB each", units=0.5),
)


@dataclass(frozen=True)
class Line:
    """Hours of one step on one core or accelerator, and days and money on the cluster."""

    name: str
    hours: float
    on: str
    days: float
    money: float
    source: str


def cost(samples: float, cluster: Cluster, rates: Mapping[str, float] | None = None) -> list[Line]:
    """A line a step. Raises ValueError for a rate of no step."""
    if unknown := set(rates or {}) - {step.name for step in STEPS}:
        raise ValueError(f"no step is called {', '.join(sorted(unknown))}; steps: {', '.join(s.name for s in STEPS)}")
    lines = []
    for step in STEPS:
        hours = samples * step.units / (rates or {}).get(step.name, step.rate) / 3600
        many, price = (
            (cluster.cores, cluster.core_hour)
            if step.on == "core"
            else (cluster.accelerators, cluster.accelerator_hour)
        )
        hours_rented = hours / cluster.busy
        source = "given" if step.name in (rates or {}) else step.source
        lines.append(Line(step.name, hours, step.on, hours_rented / many / 24, hours_rented * price, source))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--samples", type=float, default=10e9)
    parser.add_argument("--rates", type=Path, help="JSON of measured rates by step")
    parser.add_argument("--cores", type=int, default=Cluster.cores)
    parser.add_argument("--accelerators", type=int, default=Cluster.accelerators)
    options = parser.parse_args()
    rates = json.loads(options.rates.read_text()) if options.rates else None
    cluster = Cluster(cores=options.cores, accelerators=options.accelerators)
    lines = cost(options.samples, cluster, rates)
    report = harness.Report("cost_model", options)
    shown: list[list[object]] = [[x.name, x.on, x.hours, x.days, round(x.money), x.source] for x in lines]
    days, money = sum(x.days for x in lines), round(sum(x.money for x in lines))
    report.table(
        f"{options.samples:,.0f} samples, {cluster.cores:,} cores, {cluster.accelerators} accelerators",
        ["stage", "on", "hours of one", "days", "money", "rate from"],
        [*shown, ["sum, one stage after the other", "", "", days, money, ""]],
        f"Busy {cluster.busy:.0%}; {cluster.core_hour} a core hour, {cluster.accelerator_hour} an accelerator hour.",
    )
    report.write()


if __name__ == "__main__":
    main()
