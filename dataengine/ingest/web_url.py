"""Parsing of http(s) URLs: full rules for any of them, and a short way for plain ones, which must agree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import httpx

from dataengine.errors import InputError

_SAFE = r"[A-Za-z0-9_~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}"
#: A URL that parsing changes in nothing but its scheme and host: origin, target. A path with ``/.`` may have dots to resolve.
_PLAIN = re.compile(
    rf"(https?://[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?)((?:/(?!\.)(?:{_SAFE}|\.)*)+(?:\?(?:{_SAFE}|[./?])*)?)"
)
_ORIGIN = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)(?:[/?][!-~]*)?")
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A URL as it is requested, without userinfo and fragment. ``host``: as text; ``netloc``: in ASCII, with the port unless it
    is the scheme's; ``target``: path and query."""

    scheme: str
    host: str
    netloc: str
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def name(self) -> str:
        """The host in ASCII, without brackets."""
        return httpx.URL(self.origin).raw_host.decode("ascii")


def parsed(url: str, base: WebUrl | None = None) -> WebUrl:
    """A URL, resolved against ``base`` where one is given. Raises InputError ``bad_url``; the message quotes nothing of it."""
    if len(url) <= _LONGEST and (plain := _PLAIN.fullmatch(url)):
        origin = _of_origin(plain[1])
        return WebUrl(origin.scheme, origin.host, origin.netloc, plain[2])
    return _parsed(url, base)


@lru_cache(1 << 14)
def _of_origin(url: str) -> WebUrl:
    return _parsed(url, None)


def _parsed(url: str, base: WebUrl | None) -> WebUrl:
    try:
        result = httpx.URL(url.strip()) if base is None else httpx.URL(str(base)).join(url)
        scheme, host, port = result.scheme, result.host, result.port
    except (httpx.InvalidURL, ValueError):  # of which IDNA's errors are
        raise InputError("bad_url", "not a valid URL") from None
    if scheme not in ("http", "https") or not host:
        raise InputError("bad_url", "not an http:// or https:// URL with a host")
    if port is not None and not 0 < port < 1 << 16:
        raise InputError("bad_url", f"port {port} is not between 1 and 65,535")
    return WebUrl(scheme, host, result.netloc.decode("ascii"), result.raw_path.decode("ascii"))


def host_of(url: str) -> str:
    """The host of a URL; "" where it has none."""
    plain = _ORIGIN.fullmatch(url) if len(url) <= _LONGEST else None
    try:
        return _of_origin(plain[1]).host if plain else _parsed(url, None).host
    except InputError:
        return ""
