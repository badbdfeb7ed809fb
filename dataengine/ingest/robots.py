"""robots.txt as RFC 9309 has it: the groups of our product or else those of ``*``, the longest rule that fits, allow on a tie.

The standard library's parser takes the first rule that fits and knows no wildcards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

#: Bytes of a robots.txt that are read (RFC 9309, 2.5: at least 500 KiB).
MAX_BYTES = 512 << 10


@dataclass(frozen=True)
class Robots:
    """``(allow, pattern)`` of the groups that are for us."""

    rules: tuple[tuple[bool, str], ...] = ()

    def allows(self, path: str) -> bool:
        """``path`` with its query, beginning with a slash."""
        path = _normal(path)
        fits = [(len(pattern), allow) for allow, pattern in self.rules if _fits(pattern, path)]
        return max(fits, default=(0, True))[1]


def parse(text: str, product: str) -> Robots:
    """``product`` in lower case."""
    named: dict[str, list[tuple[bool, str]]] = {}
    agents: list[str] = []
    in_rules = False
    for key, value in _lines(text):
        if key == "user-agent":
            agents = [value.lower()] if in_rules else [*agents, value.lower()]
            in_rules = False
            for agent in agents:
                named.setdefault(agent, [])
        elif key in ("allow", "disallow"):
            in_rules = True
            for agent in agents:
                if value:
                    named[agent].append((key == "allow", _normal(value)))
    return Robots(tuple(named.get(product, named.get("*", []))))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield key.strip().lower(), value.strip()


def _normal(path: str) -> str:
    return quote(unquote(path), safe="/*$?=&;:@!,()'+~")


def _fits(pattern: str, path: str) -> bool:
    """Piece by piece, each where it first is: a regular expression could be made to take for ever."""
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if not pattern.endswith("$"):
        return _from(rest, path, len(first)) >= 0
    if not rest:
        return path == first
    at = _from(rest[:-1], path, len(first))
    return 0 <= at <= len(path) - len(rest[-1]) and path.endswith(rest[-1])


def _from(pieces: Sequence[str], path: str, at: int) -> int:
    """Where the last of ``pieces`` ends, each looked for from the end of the one before; -1 where one is not there."""
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return -1
        at = found + len(piece)
    return at
