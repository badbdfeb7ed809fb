"""Opt-outs in HTTP response headers: ``X-Robots-Tag`` and ``TDM-Reservation``. (Opt-outs in the file: ``media/c2pa.py``.)

``X-Robots-Tag`` (as search engines document it) is a list of directives; a directive after ``name:`` applies to that agent
only, and so do those that follow it in the same header. ``TDM-Reservation: 1`` reserves text and data mining (W3C
community group, TDM Reservation Protocol); a policy that it may link to is not read, so the file stays reserved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError

Headers = Sequence[tuple[bytes, bytes]]

_AGENT = re.compile(r"[a-z*][a-z0-9_-]*")
_WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
_SHORT = {"none": ("noindex", "nofollow")}


class OptedOutError(InputError):
    """The file's maker or server opted out of its use; ``signal``: the directive, ``by``: where it stands."""

    def __init__(self, signal: str, by: str = "its server") -> None:
        super().__init__("opted_out", f"{by} says {signal}")
        self.signal, self.by = signal, by

    def __reduce__(self) -> tuple[type[OptedOutError], tuple[str, str]]:
        return type(self), (self.signal, self.by)


def check(headers: Headers, config: HttpConfig) -> None:
    """Raises OptedOutError for the first opt-out that the recipe obeys: ``X-Robots-Tag: …``, then ``TDM-Reservation: 1``."""
    present = set(directives(headers, config.product))
    for name in config.x_robots_tag:
        if name in present:
            raise OptedOutError(f"X-Robots-Tag: {name}")
    if config.tdm_reservation and any(value.strip() == b"1" for value in _values(headers, b"tdm-reservation")):
        raise OptedOutError("TDM-Reservation: 1")


def directives(headers: Headers, product: str) -> Iterator[str]:
    """Directives of X-Robots-Tag for all agents and for ``product``, in lower case."""
    for value in _values(headers, b"x-robots-tag"):
        applies = True
        for piece in value.decode("latin-1").lower().split(","):
            name, colon, rest = (part.strip() for part in piece.partition(":"))
            if colon and name in _WITH_VALUE:
                continue
            if colon and _AGENT.fullmatch(name):
                applies, name = name in ("*", product), rest
            if applies:
                yield from _SHORT.get(name, (name,))


def _values(headers: Headers, wanted: bytes) -> Iterator[bytes]:
    return (value for name, value in headers if name.lower() == wanted)
