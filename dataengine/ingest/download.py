"""One URL to a file: bounded in time, bytes, tries and redirects; every way that it can end has a class of its own.

What may pass (PASSING) is tried again, after a pause that doubles, or as long as the server asks for (``Retry-After``),
which holds for all URLs of that host. Bodies are asked for as they are (no compression), and written as they come.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpcore
import httpx

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError
from dataengine.ingest import optout, robots
from dataengine.ingest.addresses import Network, UnresolvedError
from dataengine.ingest.rate_limit import Host, Hosts
from dataengine.media.limits import Limits

_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_SILENCE = ("http_timeout", "http_connect", "http_dns")
#: Failures that another try may not have.
PASSING = frozenset(
    {*_SILENCE, "http_reset", "http_truncated", "http_robots", "http_host", *(f"http_{status}" for status in _AGAIN)}
)
_ROBOTS_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)


class PassingError(InputError):
    """To be tried again, after ``wait`` seconds where the server says so."""

    wait: float | None = None


class Downloader:
    """Of one part; made, used and closed in one event loop."""

    def __init__(self, config: HttpConfig, limits: Limits) -> None:
        self.config, self.limits = config, limits
        self.hosts = Hosts(config)
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

    async def fetch(self, url: str, target: Path) -> None:
        """Write the body to ``target``. Raises InputError: opted_out, bad_url, too_many_bytes or http_*."""
        wait = self.config.backoff
        for last in (n + 1 == self.config.tries for n in range(self.config.tries)):
            try:
                await self._follow(url, target)
                return
            except PassingError as error:
                if last or (error.wait or 0) > self.config.max_wait:
                    raise InputError(error.failure, error.message) from None
                if error.wait is None:
                    await asyncio.sleep(min(wait, self.config.max_wait))
                wait *= 2

    async def _follow(self, given: str, target: Path) -> None:
        url = parsed(given)
        for _ in range(self.config.max_redirects + 1):
            if self.config.robots_txt and not (await self._robots(url, target)).allows(str(url)):
                raise optout.OptedOutError("robots.txt: disallow")
            moved = await self._request(url, target, self.limits.bytes, heed=True)
            if moved is None:
                return
            url = parsed(moved, url)
        raise InputError("http_redirects", f"more than {self.config.max_redirects} redirects")

    async def _request(self, url: httpx.URL, target: Path, most: int, *, heed: bool) -> str | None:
        """One request; where it is redirected to, or None where the body is in ``target``. ``heed``: what headers say
        against its use."""
        host, answered = self.hosts.of(url.host), False
        try:
            async with (
                self.hosts.turn(host),
                asyncio.timeout(self.config.timeout),
                self._pool.stream("GET", _core(url), headers=self._headers(url)) as response,
            ):
                answered = True
                host.silent = 0
                if heed and (response.status == 200 or response.status in _MOVED):
                    optout.check(response.headers, self.config)
                moved = self._judge(response, host, most)
                if moved is None:
                    await _save(response, target, most)
                return moved
        except (TimeoutError, httpcore.TimeoutException):
            error = PassingError("http_timeout", f"not done within {self.config.timeout:g} s")
        except UnresolvedError as unresolved:
            error = PassingError(unresolved.failure, unresolved.message)
        except (httpcore.NetworkError, httpcore.ProtocolError) as raised:
            if any(isinstance(e, ssl.SSLError) for e in _causes(raised)):
                raise InputError("http_tls", "the server's certificate or encryption is not accepted") from None
            if isinstance(raised, httpcore.LocalProtocolError):
                raise InputError("bad_url", f"cannot be asked for: {raised}") from None
            error = _broken(raised, answered)
        host.silent += error.failure in _SILENCE and not answered
        raise error

    def _judge(self, response: httpcore.Response, host: Host, most: int) -> str | None:
        """Where to go instead. Raises InputError for what is no file for us."""
        headers = {name.lower(): value.decode("latin-1").strip() for name, value in response.headers}
        status = response.status
        if status in _MOVED and b"location" in headers:
            return headers[b"location"]
        if status in _AGAIN:
            passing = PassingError(f"http_{status}", f"the server answers {status}")
            passing.wait = _retry_after(headers)
            if passing.wait is not None and passing.wait <= self.config.max_wait:
                self.hosts.pause(host, passing.wait)
            raise passing
        if status != 200:
            raise InputError(f"http_{status}", f"the server answers {status}")
        if headers.get(b"content-encoding", "identity") != "identity":
            raise InputError(
                "http_encoding", f"the server sends {headers[b'content-encoding']}, which nobody asked for"
            )
        size = headers.get(b"content-length", "")
        if size.isdecimal() and int(size) > most:
            raise InputError("too_many_bytes", f"{int(size):,} bytes, limit {most:,}")
        return None

    async def _robots(self, url: httpx.URL, target: Path) -> robots.Robots:
        """The rules of the URL's origin, asked for once."""
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._rules:
                self._rules[origin] = await self._ask_robots(parsed(f"{origin}/robots.txt"), target)
            return self._rules[origin]

    async def _ask_robots(self, url: httpx.URL, target: Path) -> robots.Robots:
        """None there, none to heed. Raises PassingError where the server cannot tell: until it can, nothing is asked for."""
        try:
            for _ in range(_ROBOTS_REDIRECTS + 1):
                moved = await self._request(url, target, robots.MAX_BYTES, heed=False)
                if moved is None:
                    return robots.parse(target.read_bytes().decode("utf-8", "replace"), self.config.product)
                url = parsed(moved, url)
        except InputError as error:
            if error.failure not in PASSING and error.failure.startswith("http_4"):
                return robots.ALLOW_ALL
            raise PassingError("http_robots", f"its robots.txt cannot be read: {error}") from None
        return robots.ALLOW_ALL

    def _headers(self, url: httpx.URL) -> list[tuple[bytes, bytes]]:
        return [
            (b"Host", url.netloc),
            (b"User-Agent", self.config.user_agent.encode()),
            (b"Accept", b"image/*, video/*, */*;q=0.1"),
            (b"Accept-Encoding", b"identity"),
        ]


def parsed(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL, or what it is from ``base``. Raises InputError ``bad_url``."""
    try:
        found = httpx.URL(url.strip()) if base is None else base.join(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError("bad_url", f"no URL: {error}") from None
    if found.scheme not in ("http", "https") or not found.host:
        raise InputError("bad_url", "no http:// or https:// URL with a host")
    if found.port is not None and not 0 < found.port < 1 << 16:
        raise InputError("bad_url", f"{found.port} is no port")
    return found


def host_of(url: str) -> str:
    """The host of a URL; "" where it has none."""
    try:
        return parsed(url).host
    except InputError:
        return ""


def _core(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def fetch_once(url: str, limits: Limits, config: HttpConfig) -> bytes:
    """The body of one URL. Raises InputError, as ``Downloader.fetch``."""

    async def ask(target: Path) -> None:
        downloader = Downloader(config, limits)
        try:
            await downloader.fetch(url, target)
        finally:
            await downloader.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(Path(folder, "body")))
        return Path(folder, "body").read_bytes()


async def _save(response: httpcore.Response, target: Path, most: int) -> None:
    size = 0
    with target.open("wb") as file:
        async for chunk in response.aiter_stream():
            size += len(chunk)
            if size > most:
                raise InputError("too_many_bytes", f"more than the limit of {most:,} bytes")
            file.write(chunk)


def _broken(error: Exception, answered: bool) -> PassingError:
    if isinstance(error, httpcore.ConnectError):
        return PassingError("http_connect", "no connection to the server")
    if isinstance(error, httpcore.ProtocolError) and answered:
        return PassingError("http_truncated", "the connection ended before the body did")
    return PassingError("http_reset", "the connection broke")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(headers: dict[bytes, str]) -> float | None:
    """Seconds; a date is held against the server's own clock."""
    said = headers.get(b"retry-after", "")
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - parsedate_to_datetime(headers[b"date"])).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
