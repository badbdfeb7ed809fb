"""Options of commands that run stages: those of a run, and what the command prints."""

from __future__ import annotations

from dataclasses import dataclass

from dataengine.runs.options import RunOptions


@dataclass(frozen=True)
class CommandOptions(RunOptions):
    """``quiet``: nothing but errors is printed; ``as_json``: one JSON object at the end, in place of tables."""

    quiet: bool = False
    as_json: bool = False

    @property
    def tables(self) -> bool:
        """Whether the command shows tables about what it has made."""
        return not (self.dry_run or self.quiet or self.as_json)
