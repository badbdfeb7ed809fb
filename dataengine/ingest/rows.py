"""A row of a table, loaded only where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dataengine.errors import InputError
from dataengine.text.cleaning import Repairs

Columns = dict[str, Any]
Skip = Callable[[int], bool]
"""Whether the row of this number is not wanted; it is not parsed then."""


@dataclass(frozen=True)
class Row:
    """``number``: from 1, a CSV's header included; 0 for what is wrong with the whole table. ``media``: the value in the column
    of paths or URLs, cleaned. ``load``: all columns, cleaned, with what was repaired; raises InputError."""

    number: int
    media: Any
    load: Callable[[], tuple[Columns, Repairs]]


def never(_number: int) -> bool:
    """A Skip for all rows."""
    return False


def failed(number: int, error: InputError) -> Row:
    """A row, or with number 0 a table, that cannot be read."""

    def load() -> tuple[Columns, Repairs]:
        raise error

    return Row(number, None, load)


def listed(names: list[str]) -> str:
    """Column names for a message; of many, or long ones, the beginning."""
    short = [name if len(name) <= 60 else f"{name[:60]}…" for name in names[:20]]
    return ", ".join(short) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")
