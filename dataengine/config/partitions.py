"""Partitions of a source: its path holds ``{date}`` or ``{partition}``, and each run names the values that it takes up."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from dataengine.config.sources import SourceModel
from dataengine.errors import UsageError

DATE, ANY = "{date}", "{partition}"
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,63}")
#: Days that one range may have.
_DAYS = 3660
S = TypeVar("S", bound=SourceModel)


def is_partitioned(path: str) -> bool:
    """True for a path with a placeholder."""
    return DATE in path or ANY in path


def at(source: S, value: str) -> S:
    """The source of one partition. Raises UsageError where the path wants a day, and ``value`` is none."""
    path: str = getattr(source, "path")  # noqa: B009  each kind of source has one
    name: str = getattr(source, "name")  # noqa: B009
    if DATE in path and _day(value) is None:
        raise UsageError(f"`{value}` is no day of the calendar (YYYY-MM-DD), which {DATE} in {path} stands for")
    filled = path.replace(DATE, value).replace(ANY, value)
    return source.model_copy(update={"path": filled, "name": f"{name}-{value}"})


def values(named: Iterable[str]) -> tuple[str, ...]:
    """The named partitions, once each, ordered; ``FIRST..LAST`` is a range of days. Raises UsageError for what names none."""
    return tuple(sorted({value for name in named for value in _each(name)}))


def _each(name: str) -> Iterator[str]:
    first, dots, last = name.partition("..")
    if dots:
        start, end = _day(first), _day(last)
        if start is None or end is None or end < start or (end - start).days >= _DAYS:
            raise UsageError(f"`{name}` is no range of days: use FIRST..LAST, as 2026-11-01..2026-11-07")
        yield from (str(start + datetime.timedelta(days=n)) for n in range((end - start).days + 1))
    elif _VALUE.fullmatch(name):
        yield name
    else:
        raise UsageError(
            f"`{name}` names no partition: use up to 64 letters, digits, `.`, `_`, `=`, `+` and `-`, as 2026-11-28, or a "
            "range of days, as 2026-11-01..2026-11-07"
        )


def _day(text: str) -> datetime.date | None:
    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        return None
    return day if str(day) == text else None  # ISO 8601 has other forms: 20261128, 2026-W48-6
