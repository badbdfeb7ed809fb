"""A plugin file: the exporter ``captions_csv``, a table of ids and captions of a release.

``dataengine export plugin captions_csv RELEASE OUT --plugin examples/plugins/captions_csv.py --set separator=";"``
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import dataengine
from dataengine.errors import UsageError
from dataengine.release.reader import Published


class CaptionsCsv:
    """``OUT/captions.csv``: id, shard and caption of each sample with one."""

    name = "captions_csv"

    def __init__(self, *, separator: str = ",") -> None:
        if len(separator) != 1:
            raise UsageError(f"captions_csv: separator is one character, not {separator!r}")
        self.separator = separator

    def export(self, release: Published, out: str, split: str) -> Mapping[str, int]:
        rows = 0
        Path(out).mkdir(parents=True, exist_ok=True)
        with (Path(out) / "captions.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            table.writerow(["id", "shard", "caption"])
            for tar in release.shards(split):
                for id_, members in release.read(tar):
                    if caption := members["txt"].decode():
                        table.writerow([id_, tar.path, caption])
                        rows += 1
        return {"rows": rows}


EXPORTERS: list[type[dataengine.Exporter]] = [CaptionsCsv]
