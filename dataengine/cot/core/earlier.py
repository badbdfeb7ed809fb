"""Finds what a stage has made before of the same samples or questions: rows that would come out equal are copied, not made.

A part keeps a digest of what each unit of its rows (those of a sample, or of a question) was made from. What it holds as a whole
is the same as if nothing were known before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.cot.core.sample_parts import related
from dataengine.cot.core.schemas import INPUTS
from dataengine.storage.workspace import Output, Workspace


@dataclass(frozen=True)
class Unit:
    """Rows that are made together. ``final``: they would come out equal from the same input; else (a model's server failed, a
    decoder took too long) they are made anew when asked for again."""

    rows: list[dict[str, Any]]
    counts: Mapping[str, int] = field(default_factory=dict)
    final: bool = True


@dataclass(frozen=True)
class Earlier:
    """Where a stage commits its parts: below ``folder``, which names code and settings, a folder a part."""

    folder: str
    part: str

    def units(
        self, workspace: Workspace, role: str, schema: pa.Schema, unit: str, inputs: Mapping[str, str]
    ) -> dict[str, Unit]:
        """Those of the wanted units, each with the digest of its input, that an earlier part holds. ``unit`` is the column of
        the table ``role`` that names them."""
        units: dict[str, Unit] = {}
        for output in self._outputs(workspace):
            if len(units) == len(inputs):
                break
            try:
                same = {row["unit"]: row for row in _same(workspace, output, inputs) if row["unit"] not in units}
                if not same:
                    continue
                table = workspace.read_table([output.files[role]], schema)
            except FileNotFoundError:  # removed since, by hand: made anew
                continue
            rows: dict[str, list[dict[str, Any]]] = {name: [] for name in same}
            for row in table.filter(pc.is_in(table[unit], value_set=pa.array(list(same)))).to_pylist():
                rows[row[unit]].append(row)
            units |= {name: Unit(rows[name], json.loads(same[name]["counts"])) for name in same}
        return units

    def _outputs(self, workspace: Workspace) -> Iterator[Output]:
        store = workspace.store
        listed = workspace.each(lambda name: list(store.list(f"{self.folder}/{name}")), related(self.part))
        for entry in (entry for entries in listed for entry in entries):
            try:
                yield Output.from_json(json.loads(store.get(entry.key)))
            except FileNotFoundError:  # made anew by another run
                continue


def _same(workspace: Workspace, output: Output, inputs: Mapping[str, str]) -> list[dict[str, Any]]:
    known = workspace.read_table([output.files["inputs"]], INPUTS)
    return [row for row in known.to_pylist() if row["input"] and inputs.get(row["unit"]) == row["input"]]


def table_of_inputs(units: Mapping[str, Unit], inputs: Mapping[str, str]) -> pa.Table:
    """INPUTS of all units of a part, in their order."""
    rows = [
        {
            "unit": name,
            "input": inputs[name] if unit.final else "",
            "counts": json.dumps(dict(sorted(unit.counts.items()))),
        }
        for name, unit in units.items()
    ]
    return pa.Table.from_pylist(rows, INPUTS)


def rows_in(units: Iterable[Unit]) -> list[dict[str, Any]]:
    """The rows of all units, in order."""
    return [row for unit in units for row in unit.rows]
