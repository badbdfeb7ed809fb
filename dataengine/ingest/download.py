"""HTTP download of one URL, bounded in time, bytes, retries and redirects, with a failure class for every outcome.

Transient failures (TRANSIENT) are retried with exponential back-off, or after the server's ``Retry-After``, which then holds
for all URLs of that host. Bodies are requested uncompressed and streamed to disk.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import tempfile
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import anyio
import httpcore
import httpx

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError, RunError
from dataengine.ingest import optout, robots
from dataengine.ingest.addresses import Network, UnresolvedError
from dataengine.ingest.rate_limit import Host, RateLimiter
from dataengine.media.limits import Limits

_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_SILENCE = ("http_timeout", "http_connect", "http_dns")
#: Failures that a retry may clear.
TRANSIENT = frozenset(
    {*_SILENCE, "http_reset", "http_truncated", "http_robots", "http_host", *(f"http_{status}" for status in _RETRIED)}
)
_ROBOTS_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
#: What the HTTP client and its connections may raise beside their documented errors.
_UNEXPECTED = (
    httpx.InvalidURL, httpcore.UnsupportedProtocol, httpcore.ProxyError, httpcore.ConnectionNotAvailable,
    anyio.BrokenResourceError, anyio.BusyResourceError, anyio.ClosedResourceError, anyio.EndOfStream,
    OSError, ValueError, LookupError,
)  # fmt: skip
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
Progress = Callable[[int], None]
"""Called with the size of the body as far as it is known: stated by the server, then received."""


class TransientError(InputError):
    """A failure to retry; ``wait``: seconds to wait first, if the server states them."""

    wait: float | None = None


class Downloader:
    """Downloads the URLs of one part with shared connections and rate limits; lives in one event loop."""

    def __init__(self, config: HttpConfig, limits: Limits) -> None:
        self.config, self.limits = config, limits
        self.limiter = RateLimiter(config)
        self._rules: dict[str, robots.Robots] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=None,
            max_keepalive_connections=config.concurrency,
            keepalive_expiry=5.0,
            network_backend=Network(config.allow_private),
        )

    async def close(self) -> None:
        await self._pool.aclose()

    async def fetch(self, url: str, target: Path, progress: Progress = lambda _: None) -> None:
        """Download ``url`` to ``target``. Raises InputError (opted_out, bad_url, too_many_bytes or http_*) and what ``progress``
        raises."""
        wait = self.config.backoff
        for last in (n + 1 == self.config.tries for n in range(self.config.tries)):
            try:
                await self._follow(url, target, progress)
                return
            except _UNEXPECTED as error:
                raise InputError("http_error", f"the request failed: {type(error).__name__}") from error
            except TransientError as error:
                if last or (error.wait or 0) > self.config.max_wait:
                    raise InputError(error.failure, error.message) from None
                if error.wait is None:
                    await asyncio.sleep(min(wait, self.config.max_wait))
                wait *= 2

    async def _follow(self, start: str, target: Path, progress: Progress) -> None:
        url = parsed(start)
        for _ in range(self.config.max_redirects + 1):
            if self.config.robots_txt and not (await self._robots(url, target)).allows(str(url)):
                raise optout.OptedOutError("robots.txt: disallow")
            moved = await self._request(url, target, self.limits.bytes, progress, heed=True)
            if moved is None:
                return
            url = parsed(moved, url)
        raise InputError("http_redirects", f"more than {self.config.max_redirects} redirects")

    async def _request(self, url: httpx.URL, target: Path, most: int, progress: Progress, *, heed: bool) -> str | None:
        """One request: the URL it is redirected to, or None once the body is in ``target``. ``heed``: obey opt-outs in the
        response's headers."""
        host, answered = self.limiter.of(url.host), False
        try:
            async with (
                self.limiter.turn(host),
                asyncio.timeout(self.config.timeout),
                self._pool.stream("GET", _core(url), headers=self._headers(url)) as response,
            ):
                answered = True
                host.silent = 0
                if heed and (response.status == 200 or response.status in _MOVED):
                    optout.check(response.headers, self.config)
                moved = self._check(response, host, most)
                if moved is None:
                    await _save(response, target, most, progress)
                return moved
        except (TimeoutError, httpcore.TimeoutException):
            error = TransientError("http_timeout", f"no complete response within {self.config.timeout:g} s")
        except UnresolvedError as unresolved:
            error = TransientError(unresolved.failure, unresolved.message)
        except (httpcore.NetworkError, httpcore.ProtocolError) as raised:
            if any(isinstance(e, ssl.SSLError) for e in _causes(raised)):
                raise InputError(
                    "http_tls", "TLS failed: the server's certificate or encryption is not accepted"
                ) from None
            if isinstance(raised, httpcore.LocalProtocolError):
                raise InputError("bad_url", "the URL makes no valid request") from None
            error = _broken(raised, answered)
        host.silent += error.failure in _SILENCE and not answered
        raise error

    def _check(self, response: httpcore.Response, host: Host, most: int) -> str | None:
        """The URL of a redirect, None for a file. Raises InputError for every other response."""
        headers = {name.lower(): value.decode("latin-1").strip() for name, value in response.headers}
        status = response.status
        if status in _MOVED and b"location" in headers:
            return headers[b"location"]
        if status in _RETRIED:
            transient = TransientError(f"http_{status}", f"the server responded with status {status}")
            transient.wait = _retry_after(headers)
            if transient.wait is not None and transient.wait <= self.config.max_wait:
                self.limiter.pause(host, transient.wait)
            raise transient
        if status != 200:
            raise InputError(f"http_{status}", f"the server responded with status {status}")
        if headers.get(b"content-encoding", "identity") != "identity":
            raise InputError("http_encoding", "the server sends a compressed body, which was not requested")
        if (size := _stated(response)) > most:
            raise InputError("too_many_bytes", f"{size:,} bytes, limit {most:,}")
        return None

    async def _robots(self, url: httpx.URL, target: Path) -> robots.Robots:
        """The robots.txt rules of the URL's origin, fetched once."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._rules:
                self._rules[origin] = await self._fetch_robots(parsed(f"{origin}/robots.txt"), target)
            return self._rules[origin]

    async def _fetch_robots(self, url: httpx.URL, target: Path) -> robots.Robots:
        """Fetch a robots.txt; without one everything is allowed. Raises TransientError where the server fails to say whether it
        has one: until then nothing of its origin is fetched (RFC 9309, 2.3.1.4)."""
        try:
            for _ in range(_ROBOTS_REDIRECTS + 1):
                moved = await self._request(url, target, robots.MAX_BYTES, lambda _: None, heed=False)
                if moved is None:
                    return robots.parse(target.read_bytes().decode("utf-8", "replace"), self.config.product)
                url = parsed(moved, url)
        except InputError as error:
            if error.failure not in TRANSIENT and error.failure.startswith("http_4"):
                return robots.ALLOW_ALL
            raise TransientError("http_robots", f"the robots.txt of {url.host} cannot be read: {error}") from None
        return robots.ALLOW_ALL

    def _headers(self, url: httpx.URL) -> list[tuple[bytes, bytes]]:
        return [
            (b"Host", url.netloc),
            (b"User-Agent", self.config.user_agent.encode()),
            (b"Accept", b"image/*, video/*, */*;q=0.1"),
            (b"Accept-Encoding", b"identity"),
        ]


def parsed(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL, resolved against ``base`` where one is given. Raises InputError ``bad_url``; the message quotes nothing of it."""
    try:
        result = httpx.URL(url.strip()) if base is None else base.join(url)
        scheme, host, port = result.scheme, result.host, result.port
    except (httpx.InvalidURL, ValueError):  # of which IDNA's errors are
        raise InputError("bad_url", "not a valid URL") from None
    if scheme not in ("http", "https") or not host:
        raise InputError("bad_url", "not an http:// or https:// URL with a host")
    if port is not None and not 0 < port < 1 << 16:
        raise InputError("bad_url", f"port {port} is not between 1 and 65,535")
    return result


def host_of(url: str) -> str:
    """The host of a URL; "" where it has none."""
    try:
        return parsed(url).host
    except InputError:
        return ""


def _core(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def fetch_once(url: str, limits: Limits, config: HttpConfig) -> bytes:
    """Download one URL into memory. Raises InputError as ``Downloader.fetch``."""

    async def download(target: Path) -> None:
        downloader = Downloader(config, limits)
        try:
            await downloader.fetch(url, target)
        finally:
            await downloader.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(download(Path(folder, "body")))
        return Path(folder, "body").read_bytes()


async def _save(response: httpcore.Response, target: Path, most: int, progress: Progress) -> None:
    size = 0
    progress(_stated(response))
    try:
        with target.open("wb") as file:
            async for chunk in response.aiter_stream():
                size += len(chunk)
                if size > most:
                    raise InputError("too_many_bytes", f"more than the limit of {most:,} bytes")
                progress(size)
                file.write(chunk)
    except OSError as error:
        if error.errno in _DISK:
            raise RunError(
                f"downloads cannot be written to {target.parent}: {error.strerror}; set TMPDIR and rerun"
            ) from None
        raise


def _stated(response: httpcore.Response) -> int:
    """The body's size by its header, 0 where none is stated."""
    sizes = [value.strip() for name, value in response.headers if name.lower() == b"content-length"]
    return int(sizes[0]) if sizes and sizes[0].isdigit() and len(sizes[0]) <= 20 else 0


def _broken(error: Exception, answered: bool) -> TransientError:
    if isinstance(error, httpcore.ConnectError):
        return TransientError("http_connect", "the connection to the server failed")
    if isinstance(error, httpcore.ProtocolError) and answered:
        return TransientError("http_truncated", "the connection closed before the body was complete")
    return TransientError("http_reset", "the connection was reset")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: dict[bytes, str]) -> float | None:
    """Seconds of a Retry-After header; a date is compared with the server's own clock."""
    value = headers.get(b"retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers[b"date"])).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
