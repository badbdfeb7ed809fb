"""Which addresses a download connects to, and what is kept between two requests: connections, within bounds, and nothing else."""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pycurl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.web_server import HOSTS, Page, Web, web

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError, RunError
from dataengine.ingest import addresses, download, http_client
from dataengine.ingest.crawl import Crawler
from dataengine.ingest.download import Memory, fetch_once
from dataengine.ingest.http_client import _Transfer
from dataengine.ingest.occurrence import Occurrence
from dataengine.ingest.spool import Body, NoRoomError, Spool
from dataengine.media.limits import Limits

LIMITS = Limits(bytes=1_000_000)
BODY = bytes(range(256)) * 40


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as server:
        server.pages["/a"] = Page(BODY)
        yield server


@pytest.fixture
def crawler() -> Iterator[Crawler]:
    made = Crawler()
    yield made
    made.close()


def config(**changes: Any) -> HttpConfig:
    quick = {"delay": 0, "backoff": 0, "timeout": 60, "tries": 1, "allow_private": True}
    return HttpConfig.model_validate(quick | changes)


def results(crawler: Crawler, urls: list[str], settings: HttpConfig) -> list[bytes | str]:
    ends: list[bytes | str] = []
    for occurrence in crawler.crawl([Occurrence(f"t#{n}", url) for n, url in enumerate(urls)], settings, LIMITS):
        try:
            ends.append(occurrence.read(LIMITS))
        except InputError as error:
            ends.append(error.failure)
    return ends


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Names resolve to these addresses, the last answer for ever; 127.0.0.1 counts as public."""
    left = list(answers)

    async def lookup(host: str) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(addresses, "_lookup", lookup)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == HOSTS[0])


def test_an_open_connection_gives_no_way_past_the_check(site: Web, crawler: Crawler) -> None:
    url = site.url("/a")
    assert results(crawler, [url], config()) == [BODY]
    assert results(crawler, [url, url], config(allow_private=False)) == ["http_blocked"] * 2
    assert len(site.seen) == 1


def test_one_private_address_among_several_blocks_the_host(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, [HOSTS[0], HOSTS[1]])
    with pytest.raises(InputError, match="http_blocked"):
        fetch_once(f"http://a.test:{site.port}/a", LIMITS, config(allow_private=False))
    assert site.seen == []


def test_a_name_that_resolves_to_another_address_later(
    site: Web, crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_ADDRESS_SECONDS", 0)
    resolve(monkeypatch, [HOSTS[0]], [HOSTS[1]])
    strict = config(allow_private=False, concurrency=1)
    assert results(crawler, [f"http://a.test:{site.port}/a"] * 2, strict) == [BODY, "http_blocked"]
    assert [host for _, host, _ in site.seen] == [HOSTS[0]]


def test_a_redirect_to_a_private_address(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, [HOSTS[0]], [HOSTS[1]])
    site.pages["/inside"] = Page(status=302, headers=(("Location", f"//b.test:{site.port}/a"),))
    with pytest.raises(InputError, match="http_blocked"):
        fetch_once(f"http://a.test:{site.port}/inside", LIMITS, config(allow_private=False))
    assert [(host, path) for _, host, path in site.seen] == [(HOSTS[0], "/inside")]


def test_sockets_are_made_for_the_checked_address_only() -> None:
    transfer = _Transfer(Memory(), HOSTS[0])  # type: ignore[arg-type]
    place = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    assert transfer.open(pycurl.SOCKTYPE_IPCXN, (*place, (HOSTS[1], 80))) == pycurl.SOCKET_BAD
    with transfer.open(pycurl.SOCKTYPE_IPCXN, (*place, (HOSTS[0], 80))) as made:
        assert made.family == socket.AF_INET


def test_the_next_address_where_one_refuses(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.9", "::1", HOSTS[0]])
    assert fetch_once(f"http://a.test:{site.port}/a", LIMITS, config()) == BODY
    assert f"Host: a.test:{site.port}\r\n" in site.heads[0]


def test_neither_proxy_nor_cookie_nor_credentials(
    site: Web, crawler: Crawler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password sesame")
    monkeypatch.setenv("HOME", str(tmp_path))
    site.pages["/cookie"] = Page(BODY, headers=(("Set-Cookie", "id=1; Path=/"), ("Alt-Svc", 'h2=":9"')))
    url = site.url("/a").replace("//", "//user:barley@")
    assert results(crawler, [site.url("/cookie"), url], config(concurrency=1)) == [BODY] * 2
    names = {line.partition(":")[0] for head in site.heads for line in head.splitlines()[1:] if line}
    assert names == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


def test_connections_are_kept_from_part_to_part_within_bounds(
    crawler: Crawler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_IDLE_SECONDS", 300)
    with web(["0.0.0.0"]) as many:
        many.pages["/a"] = Page(BODY)
        urls = [many.url("/a", f"127.1.{n // 200}.{n % 200 + 1}") for n in range(400)]
        assert results(crawler, urls, config(concurrency=16)) == [BODY] * 400
        end = time.monotonic() + 60
        while many.open > 16 and time.monotonic() < end:  # the server sees later than the client that one is closed
            time.sleep(0.01)
        assert many.open <= 16
        assert results(crawler, urls[:1] * 8, config(concurrency=16, concurrency_per_host=1)) == [BODY] * 8
        before = many.opened
        assert results(crawler, urls[:1] * 8, config(concurrency=16, concurrency_per_host=1)) == [BODY] * 8
        assert many.opened == before, "the connection of the part before"


def test_a_second_response_without_a_request_is_not_the_next_urls(site: Web, crawler: Crawler) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    site.pages["/split"] = Page(head + b"mine" + head + b"evil", how="raw", seconds=-1)
    urls = [site.url(path) for path in ("/split", "/a", "/split", "/a")]
    assert results(crawler, urls, config(concurrency=1)) == [b"mine", BODY] * 2


def test_bytes_without_end(site: Web) -> None:
    site.pages["/headers"] = Page(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 99, how="endless")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    site.pages["/chunks"] = Page(chunked + b"64\r\n" + bytes(100) + b"\r\n" + b"1\r\nx\r\n" * 50_000, how="endless")
    for path, failure in (("/headers", "http_invalid"), ("/chunks", "http_invalid")):
        with pytest.raises(InputError) as caught:
            fetch_once(site.url(path), LIMITS, config())
        assert caught.value.failure == failure


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of ``a.test``, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=a.test")
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.test")]), False).sign(
        key, hashes.SHA256()
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path_factory.mktemp("tls") / "a.pem"
    path.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()) + signed.public_bytes(pem))
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "end"),
    [("a.test", True, BODY), ("a.test", False, "http_tls"), ("b.test", True, "http_tls")],
)
def test_certificates_are_checked_by_name(
    certificate: Path, host: str, trusted: bool, end: bytes | str, monkeypatch: pytest.MonkeyPatch, crawler: Crawler
) -> None:
    resolve(monkeypatch, [HOSTS[0]])
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with web(tls=context) as server:
        server.pages["/a"] = Page(BODY)
        assert results(crawler, [f"https://{host}:{server.port}/a"] * 2, config(allow_private=False)) == [end] * 2


def test_certificates_of_authorities_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, site: Web) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(RunError, match="SSL_CERT_FILE"):
        fetch_once(site.url("/a").replace("http:", "https:"), LIMITS, config())


def test_bodies_lie_in_memory_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataengine.ingest.spool._MEMORY", 1000)
    monkeypatch.setattr("dataengine.ingest.spool._LIMIT", 2000)
    spool = Spool(tmp_path)
    small, large, late = (Body(spool, n) for n in range(3))
    for body, chunk in ((small, b"s" * 600), (large, b"l" * 300), (large, b"m" * 300)):
        body.write(chunk)
    first, second = small.finish(Occurrence("a")), large.finish(Occurrence("b"))
    assert first.data == b"s" * 600 and second.data is None
    assert Path(second.location).read_bytes() == b"l" * 300 + b"m" * 300
    late.write(b"x" * 400)
    with pytest.raises(NoRoomError):
        late.write(b"x" * 401)
    for body in (small, large, late):
        body.discard()
    assert list(tmp_path.iterdir()) == [] and spool.hold(1000) and spool.fits(9, 2000)
