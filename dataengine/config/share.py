"""Share of a stage's parts (``3/8``), for processes that make one stage between them: the tasks of a job array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from dataengine.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Every ``of``-th part from the ``number``-th on, counted from 1. By position, so that shares differ by one part at most."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """``3/8``: the third of eight. Raises UsageError."""
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
        number, of = (int(n) for n in match.groups()) if match else (0, 0)
        if not 1 <= number <= of:
            raise UsageError(f"--parts {text}: a share is NUMBER/OF, from 1/OF to OF/OF, such as 3/8")
        return cls(number, of)

    @property
    def whole(self) -> bool:
        return self.of == 1

    def select(self, parts: Sequence[T]) -> list[T]:
        """The parts of this share, in their order."""
        return list(parts[self.number - 1 :: self.of])

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Share()
