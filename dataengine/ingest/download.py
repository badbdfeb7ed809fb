"""HTTP download of one URL, bounded in time, bytes, retries and redirects, with a failure class for every outcome.

Transient failures (TRANSIENT) are retried with exponential back-off, or after the server's ``Retry-After``, which then holds
for all URLs of that host. Bodies are requested uncompressed and handed to a Sink as they arrive.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol

import pycurl

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError
from dataengine.ingest import optout, robots
from dataengine.ingest.addresses import UnresolvedError, checked_addresses
from dataengine.ingest.http_client import Headers, HttpClient, TransferError
from dataengine.ingest.rate_limit import Host, RateLimiter
from dataengine.ingest.web_url import WebUrl, parsed
from dataengine.media.limits import Limits

_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_SILENCE = ("http_timeout", "http_connect", "http_dns")
#: Failures that a retry may clear.
TRANSIENT = frozenset(
    {*_SILENCE, "http_reset", "http_truncated", "http_robots", "http_host", *(f"http_{status}" for status in _RETRIED)}
)
_ROBOTS_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_ADDRESS_SECONDS = 60.0
"""How long a host's checked addresses are used before its name is resolved again."""
#: What the HTTP client may raise beside its documented errors.
_UNEXPECTED = (pycurl.error, OSError, ValueError, LookupError)


class TransientError(InputError):
    """A failure to retry; ``wait``: seconds to wait first, if the server states them."""

    wait: float | None = None


class Sink(Protocol):
    """Receives a body."""

    def begin(self, size: int) -> None:
        """A body begins, in place of what an earlier attempt may have left; ``size``: bytes by its header, 0 where none says."""
        ...

    def write(self, chunk: bytes) -> None:
        """The next bytes."""
        ...


class Memory:
    """A Sink that holds the body."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def begin(self, size: int) -> None:
        self._chunks.clear()

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def data(self) -> bytes:
        return b"".join(self._chunks)


class Downloader:
    """Downloads the URLs of one part with shared rate limits; lives in the event loop of ``client``."""

    def __init__(self, client: HttpClient, config: HttpConfig, limits: Limits) -> None:
        self.client, self.config, self.limits = client, config, limits
        self.limiter = RateLimiter(config)
        self._rules: dict[str, robots.Robots] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._addresses: dict[str, tuple[float, list[str]]] = {}

    async def fetch(self, url: str, sink: Sink) -> None:
        """Download ``url`` into ``sink``. Raises InputError (opted_out, bad_url, too_many_bytes or http_*) and what ``sink``
        raises."""
        wait = self.config.backoff
        for last in (n + 1 == self.config.tries for n in range(self.config.tries)):
            try:
                await self._follow(url, sink)
                return
            except _UNEXPECTED as error:
                raise InputError("http_error", f"the request failed: {type(error).__name__}") from error
            except TransientError as error:
                if last or (error.wait or 0) > self.config.max_wait:
                    raise InputError(error.failure, error.message) from None
                if error.wait is None:
                    await asyncio.sleep(min(wait, self.config.max_wait))
                wait *= 2

    async def _follow(self, start: str, sink: Sink) -> None:
        url = parsed(start)
        for _ in range(self.config.max_redirects + 1):
            if self.config.robots_txt and not (await self._robots(url)).allows(str(url)):
                raise optout.OptedOutError("robots.txt: disallow")
            moved = await self._request(url, _Response(self, sink, self.limits.bytes))
            if moved is None:
                return
            url = parsed(moved, url)
        raise InputError("http_redirects", f"more than {self.config.max_redirects} redirects")

    async def _request(self, url: WebUrl, response: _Response) -> str | None:
        """One request: the URL it is redirected to, or None once the body is in its sink."""
        host = response.host = self.limiter.of(url.host)
        try:
            async with self.limiter.turn(host), asyncio.timeout(self.config.timeout):
                await self._send(url, response)
                return response.moved
        except TimeoutError:
            error = TransientError("http_timeout", f"no complete response within {self.config.timeout:g} s")
        except UnresolvedError as unresolved:
            error = TransientError(unresolved.failure, unresolved.message)
        except TransferError as raised:
            if raised.failure not in TRANSIENT:
                raise InputError(raised.failure, raised.message) from None
            error = TransientError(raised.failure, raised.message)
        host.silent += error.failure in _SILENCE and not response.answered
        raise error

    async def _send(self, url: WebUrl, response: _Response) -> None:
        """Request from the first of the host's addresses that accepts the connection."""
        addresses = await self._resolved(url)
        headers = self._headers(url)
        for n, address in enumerate(addresses, 1):
            try:
                await self.client.get(str(url), address, headers, response, self.config.timeout / len(addresses))
                return
            except TransferError as error:
                if n == len(addresses) or error.failure not in ("http_connect", "http_timeout"):
                    raise

    async def _resolved(self, url: WebUrl) -> list[str]:
        """The host's addresses, each checked."""
        now = asyncio.get_running_loop().time()
        until, addresses = self._addresses.get(url.host, (0.0, []))
        if until <= now:
            addresses = await checked_addresses(url.name, self.config.allow_private)
            self._addresses[url.host] = (now + _ADDRESS_SECONDS, addresses)
        return addresses

    async def _robots(self, url: WebUrl) -> robots.Robots:
        """The robots.txt rules of the URL's origin, fetched once."""
        origin = url.origin
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._rules:
                self._rules[origin] = await self._fetch_robots(parsed(f"{origin}/robots.txt"))
            return self._rules[origin]

    async def _fetch_robots(self, url: WebUrl) -> robots.Robots:
        """Fetch a robots.txt; without one everything is allowed. Raises TransientError where the server fails to say whether it
        has one: until then nothing of its origin is fetched (RFC 9309, 2.3.1.4)."""
        text = Memory()
        try:
            for _ in range(_ROBOTS_REDIRECTS + 1):
                moved = await self._request(url, _Response(self, text, robots.MAX_BYTES, heed=False))
                if moved is None:
                    return robots.parse(text.data().decode("utf-8", "replace"), self.config.product)
                url = parsed(moved, url)
        except InputError as error:
            if error.failure not in TRANSIENT and error.failure.startswith("http_4"):
                return robots.ALLOW_ALL
            raise TransientError("http_robots", f"the robots.txt of {url.host} cannot be read: {error}") from None
        return robots.ALLOW_ALL

    def _headers(self, url: WebUrl) -> list[str]:
        return [
            f"Host: {url.netloc}",
            f"User-Agent: {self.config.user_agent}",
            "Accept: image/*, video/*, */*;q=0.1",
            "Accept-Encoding: identity",
        ]


@dataclass
class _Response:
    """Receives a response: the URL of a redirect, or the body of a file of at most ``most`` bytes. ``heed``: obey opt-outs in its
    headers."""

    downloader: Downloader
    sink: Sink
    most: int
    heed: bool = True
    host: Host = field(init=False)
    answered: bool = False
    moved: str | None = None
    size: int = 0

    def head(self, status: int, headers: Headers) -> bool:
        """Raises InputError for everything but a redirect or a file."""
        self.answered = True
        self.host.silent = 0
        if self.heed and (status == 200 or status in _MOVED):
            optout.check(headers, self.downloader.config)
        values = {name: value.decode("latin-1") for name, value in headers}
        if status in _MOVED and b"location" in values:
            self.moved = values[b"location"]
            return False
        self._check(status, values)
        self.sink.begin(_stated(values))
        return True

    def body(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.most:
            raise InputError("too_many_bytes", f"more than the limit of {self.most:,} bytes")
        self.sink.write(chunk)

    def _check(self, status: int, headers: dict[bytes, str]) -> None:
        if status in _RETRIED:
            raise self._retried(status, _retry_after(headers))
        if status != 200:
            raise InputError(f"http_{status}", f"the server responded with status {status}")
        if headers.get(b"content-encoding", "identity") != "identity":
            raise InputError("http_encoding", "the server sends a compressed body, which was not requested")
        if (size := _stated(headers)) > self.most:
            raise InputError("too_many_bytes", f"{size:,} bytes, limit {self.most:,}")

    def _retried(self, status: int, wait: float | None) -> TransientError:
        transient = TransientError(f"http_{status}", f"the server responded with status {status}")
        transient.wait = wait
        if wait is not None and wait <= self.downloader.config.max_wait:
            self.downloader.limiter.pause(self.host, wait)
        return transient


def fetch_once(url: str, limits: Limits, config: HttpConfig) -> bytes:
    """Download one URL into memory. Raises InputError as ``Downloader.fetch``."""
    sink = Memory()

    async def download() -> None:
        client = HttpClient()
        try:
            await Downloader(client, config, limits).fetch(url, sink)
        finally:
            await client.close()

    asyncio.run(download())
    return sink.data()


def _stated(headers: dict[bytes, str]) -> int:
    """The body's size by its header, 0 where none is stated."""
    size = headers.get(b"content-length", "")
    return int(size) if size.isdecimal() and len(size) <= 20 else 0


def _retry_after(headers: dict[bytes, str]) -> float | None:
    """Seconds of a Retry-After header; a date is compared with the server's own clock."""
    value = headers.get(b"retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers[b"date"])).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
