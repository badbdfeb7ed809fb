"""Downloads from a real server on loopback: every end has its class, and no host is asked more than it should be."""

from __future__ import annotations

import itertools
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pycurl
import pytest
from support.web_server import HOSTS, Page, Web, web

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError
from dataengine.ingest.addresses import is_public
from dataengine.ingest.crawl import Crawler, round_robin
from dataengine.ingest.download import TRANSIENT, Downloader, fetch_once
from dataengine.ingest.occurrence import Occurrence, fetch
from dataengine.ingest.optout import OptedOutError
from dataengine.media.limits import Limits

BODY = bytes(range(256)) * 40
LIMITS = Limits(bytes=100_000)


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as server:
        yield server


def polite(**changes: Any) -> HttpConfig:
    quick = {"delay": 0, "backoff": 0.01, "timeout": 60, "max_wait": 2, "allow_private": True}
    return HttpConfig.model_validate(quick | changes)


def crawl(items: list[Occurrence], config: HttpConfig) -> Iterator[Occurrence]:
    crawler = Crawler()
    try:
        yield from crawler.crawl(items, config, LIMITS)
    finally:
        crawler.close()


def outcomes(urls: list[str], config: HttpConfig) -> dict[str, bytes | str]:
    """The body, or the class of failure."""
    items = round_robin([Occurrence(f"t#{n}", url) for n, url in enumerate(urls)])
    found: dict[str, bytes | str] = {}
    for item, asked in zip(crawl(items, config), items, strict=True):
        try:
            found[asked.location] = item.read(LIMITS)
        except InputError as error:
            found[asked.location] = error.failure
    return found


ENDS = {
    "/good": (Page(BODY), BODY, 1),
    "/chunkless": (Page(BODY, length=-1), BODY, 1),
    "/empty": (Page(b""), "empty", 1),
    "/gone": (Page(status=404), "http_404", 1),
    "/forbidden": (Page(status=403), "http_403", 1),
    "/nothing-new": (Page(status=304), "http_304", 1),
    "/broken": (Page(status=500), "http_500", 3),
    "/broken-once": (Page(BODY, first=[Page(status=500)]), BODY, 2),
    "/busy": (Page(BODY, first=[Page(status=429, headers=(("Retry-After", "0"),))] * 2), BODY, 3),
    "/come-back-tomorrow": (Page(status=503, headers=(("Retry-After", "86400"),)), "http_503", 1),
    "/reset": (Page(BODY, how="reset"), "http_reset", 3),
    "/truncated": (Page(BODY, how="truncated"), "http_truncated", 3),
    "/truncated-once": (Page(BODY, first=[Page(BODY, how="truncated")]), BODY, 2),
    "/silent": (Page(how="silent", seconds=600), "http_timeout", 2),
    "/slow": (Page(BODY, how="slow"), "http_timeout", 2),
    "/large": (Page(bytes(100_001)), "too_many_bytes", 1),
    "/larger-than-said": (Page(bytes(100_001), length=-1), "too_many_bytes", 1),
    "/huge": (Page(b"x", length=10**12), "too_many_bytes", 1),
    "/packed": (Page(b"x", headers=(("Content-Encoding", "gzip"),)), "http_encoding", 1),
    "/moved": (Page(status=302, headers=(("Location", "/good"),)), BODY, 1),
    "/loop": (Page(status=301, headers=(("Location", "loop"),)), "http_redirects", 6),
    "/to-a-file": (Page(status=302, headers=(("Location", "file:///etc/passwd"),)), "bad_url", 1),
    "/to-no-name": (Page(status=302, headers=(("Location", "http://xn--a/"),)), "bad_url", 1),
    "/to-a-bucket": (Page(status=302, headers=(("Location", "s3://bucket/key"),)), "bad_url", 1),
    "/to-no-place": (Page(status=302, headers=(("Location", "http://[::1"),)), "bad_url", 1),
    "/to-no-port": (Page(status=302, headers=(("Location", "//127.0.0.1:99999/"),)), "bad_url", 1),
    "/odd-wait": (Page(BODY, first=[Page(status=503, headers=(("Retry-After", "Mon, 1 Jan 9999999999 0:0:0 GMT"),))]), BODY, 2),
    "/noai": (Page(BODY, headers=(("X-Robots-Tag", "nosnippet, NoAI"),)), "opted_out", 1),
    "/tdm": (Page(BODY, headers=(("tdm-reservation", "1"), ("tdm-policy", "/policy.json"))), "opted_out", 1),
    "/tdm-free": (Page(BODY, headers=(("tdm-reservation", "0"),)), BODY, 1),
}  # fmt: skip


def test_every_end_has_its_class(site: Web) -> None:
    site.pages = {path: page for path, (page, _, _) in ENDS.items()}
    tries = {"/silent": 2, "/slow": 2}
    found = outcomes([site.url(p) for p in ENDS if p not in tries], polite(concurrency_per_host=8))
    found |= outcomes([site.url(p) for p in tries], polite(tries=2, timeout=2, concurrency_per_host=2))
    assert found == {site.url(path): end for path, (_, end, _) in ENDS.items()}
    asked = {path: site.asked(path) for path in ENDS}
    assert asked == {path: count + (path == "/good") for path, (_, _, count) in ENDS.items()}
    assert site.agents == {"dataengine"}


def test_what_cannot_be_asked_for() -> None:
    ends = {
        **dict.fromkeys(("http://", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:0/"), "bad_url"),
        **dict.fromkeys(("http://xn--a/", "http://xn--/", "http://\ud83d/", "http://user:pa/ss@host/"), "bad_url"),
        **dict.fromkeys(("http://a..b/", f"http://{'a' * 64}.test/", f"http://h/{'a' * 70_000}"), "bad_url"),
        "http://nobody.invalid/x": "http_dns",
        "http://127.0.0.1:9/": "http_connect",
    }
    assert outcomes(list(ends), polite(tries=1)) == ends
    with pytest.raises(InputError) as caught:
        fetch_once("http://user:sesame/x@host/", LIMITS, polite())
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("error", [LookupError(), UnicodeError("x"), OSError("x"), pycurl.error(1, "x")])
def test_what_the_client_raises_is_a_failure(error: Exception, site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Downloader, "_request", broken)
    assert outcomes([site.url("/a")], polite()) == {site.url("/a"): "http_error"}
    assert "http_error" not in TRANSIENT


def test_private_addresses_are_not_asked(site: Web) -> None:
    site.pages["/a"] = Page(BODY)
    site.pages["/inside"] = Page(status=302, headers=(("Location", site.url("/a", HOSTS[1])),))
    urls = [
        site.url("/a"),
        f"http://localhost:{site.port}/a",
        f"http://2130706433:{site.port}/a",
        "http://[::ffff:10.0.0.1]/",
    ]
    assert set(outcomes(urls, polite(allow_private=False)).values()) == {"http_blocked"}
    with pytest.raises(InputError, match="http_blocked"):
        fetch(urls[0], LIMITS)
    assert site.seen == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:220:1::1", True), ("10.1.2.3", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:192.168.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("0.0.0.0", False),
        ("::a00:1", False), ("::8.8.8.8", False), ("64:ff9b:1::808:808", False), ("fec0::1", False), ("3fff::1", False),
        ("2001:0:808:808:8000:63bf:f7f7:f7f7", False), ("2a00::5efe:10.0.0.1", False), ("::ffff:0:8.8.8.8", False),
        ("192.0.0.8", False), ("192.88.99.1", False), ("ff0e::1", False), ("5f00::1", False), ("2002:a00:1::", False),
        ("::ffff:8.8.8.8", True), ("64:ff9b::808:808", True), ("2002:808:808::", True),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_host_is_asked_gently(site: Web) -> None:
    urls = [site.url(f"/{n}", host) for host in HOSTS for n in range(8)]
    site.pages = {f"/{n}": Page(BODY) for n in range(8)}
    begun = time.monotonic()
    outcomes(urls, polite(concurrency_per_host=1, delay=0.05))
    for host in HOSTS:
        times = [at - begun for at, h, _ in site.seen if h == host]
        assert len(times) == 8 and all(at > 0.05 * n - 0.001 for n, at in enumerate(times)), (
            "none before its time; a busy machine makes them later, and single gaps shorter"
        )
        assert site.most[host] == 1
    hosts = [h for _, h, _ in site.seen]
    assert sum(a != b for a, b in itertools.pairwise(hosts)) > 4, "hosts take turns"


def test_retry_after_holds_for_the_whole_host(site: Web) -> None:
    wait = (("Retry-After", "1"),)
    site.pages = {f"/{n}": Page(BODY) for n in range(6)}
    site.pages["/0"].first = [Page(status=429, headers=wait)]
    found = outcomes([site.url(f"/{n}") for n in range(6)], polite(concurrency_per_host=1))
    assert set(found.values()) == {BODY}
    times = [at for at, _, _ in site.seen]
    assert site.seen[0][2] == "/0" and times[1] - times[0] > 0.9, "nothing came in between"


def test_a_host_that_does_not_answer_is_given_up(site: Web) -> None:
    site.pages = {f"/{n}": Page(how="silent", seconds=600) for n in range(9)}
    found = outcomes(
        [site.url(f"/{n}") for n in range(9)], polite(concurrency_per_host=1, timeout=1.5, tries=1, give_up_after=3)
    )
    assert sorted(found.values(), key=str) == ["http_host"] * 6 + ["http_timeout"] * 3
    assert len(site.seen) == 3
    assert {"http_host", "http_timeout"} <= TRANSIENT


OPT_OUTS: list[tuple[tuple[tuple[str, str], ...], dict[str, Any], str]] = [
    ((("X-Robots-Tag", "noimageai"),), {}, "X-Robots-Tag: noimageai"),
    ((("X-Robots-Tag", "none"),), {}, "X-Robots-Tag: noindex"),
    ((("X-Robots-Tag", "noindex, noai"),), {"x_robots_tag": ["noai"]}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "noindex"),), {"x_robots_tag": ["noai"]}, ""),
    ((("X-Robots-Tag", "otherbot: noai"),), {}, ""),
    ((("X-Robots-Tag", "otherbot: nofollow, noai"),), {}, ""),
    ((("X-Robots-Tag", "otherbot: nofollow, DataEngine: noai"),), {}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "otherbot: noai"), ("X-Robots-Tag", "noai")), {}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "somebot: noai"),), {"user_agent": "SomeBot/2.1 (+https://x.test)"}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "*: noai"),), {}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, max-snippet: 5"),), {}, ""),
    ((("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST, noai"),), {}, "X-Robots-Tag: noai"),
    ((("X-Robots-Tag", "all"),), {}, ""),
    ((("TDM-Reservation", " 1 "),), {}, "TDM-Reservation: 1"),
    ((("TDM-Reservation", "1"),), {"tdm_reservation": False}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "changes", "signal"), OPT_OUTS)
def test_who_opts_out(site: Web, headers: tuple[tuple[str, str], ...], changes: dict[str, Any], signal: str) -> None:
    site.pages["/x"] = Page(BODY, headers=headers)
    if not signal:
        assert fetch_once(site.url("/x"), LIMITS, polite(**changes)) == BODY
        return
    with pytest.raises(OptedOutError) as caught:
        fetch_once(site.url("/x"), LIMITS, polite(**changes))
    assert caught.value.signal == pickle.loads(pickle.dumps(caught.value)).signal == signal
    assert caught.value.failure == "opted_out" and signal in caught.value.message


def test_an_opt_out_on_the_way_counts(site: Web) -> None:
    site.pages["/x"] = Page(BODY)
    site.pages["/from"] = Page(status=307, headers=(("Location", "/x"), ("X-Robots-Tag", "noai")))
    assert outcomes([site.url("/from")], polite()) == {site.url("/from"): "opted_out"}
    assert site.asked("/x") == 0


def test_robots_txt_is_asked_for_once_and_heeded(site: Web) -> None:
    rules = b"User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /private\nAllow: /private/but-this\n"
    site.pages = {p: Page(BODY) for p in ("/a", "/private/x", "/private/but-this")}
    site.pages["/robots.txt"] = Page(rules, first=[Page(status=500)])
    urls = [site.url(p) for p in ("/a", "/private/x", "/private/but-this")]
    found = outcomes(urls, polite(robots_txt=True))
    assert found == dict(zip(urls, [BODY, "opted_out", BODY], strict=True))
    assert site.asked("/private/x") == 0 and site.asked("/robots.txt") == 2
    del site.pages["/robots.txt"]
    assert set(outcomes(urls, polite(robots_txt=True)).values()) == {BODY}, "none there, none to heed"
    site.pages["/robots.txt"] = Page(status=500)
    assert set(outcomes(urls, polite(robots_txt=True, tries=1)).values()) == {"http_robots"}


def test_the_order_is_fixed_and_leaving_early_ends_it(site: Web, tmp_path: Path) -> None:
    site.pages = {f"/{n}": Page(BODY, first=[Page(status=500)] * (n % 3)) for n in range(20)}
    local = tmp_path / "a.jpg"
    local.write_bytes(b"local")
    items = round_robin(
        [Occurrence(f"t#{n:02}", site.url(f"/{n}", HOSTS[n % 2])) for n in range(20)] + [Occurrence("t#z", str(local))]
    )
    assert [i.uri for i in items[:3]] == ["t#z", "t#00", "t#01"]
    assert [i.uri for i in crawl(items, polite())] == [i.uri for i in items]
    running = crawl(items, polite())
    assert next(running).read(LIMITS) == b"local" and next(running).read(LIMITS) == BODY
    running.close()  # type: ignore[attr-defined]


def lying(folder: Path) -> int:
    """Bytes of the files of a folder, some of which go while they are counted: two looks count none for another twice."""
    sizes = 0
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes += file.stat().st_size
    return sizes


def test_the_spool_counts_what_is_on_its_way(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any order of arrival no more lies on disk than the limit, and the one body whose turn it is."""
    size, limit = 90_000, 400_000
    site.pages = {f"/{n}": Page(bytes([n]) * size, length=-1 if n % 2 else None) for n in range(30)}
    for name, value in (("_LIMIT", limit), ("_EXPECTED", 1000), ("_MEMORY", 0)):
        monkeypatch.setattr(f"dataengine.ingest.spool.{name}", value)
    items = round_robin([Occurrence(f"t#{n:02}", site.url(f"/{n}", HOSTS[n % 2])) for n in range(30)])
    most, end = 0, time.monotonic() + 60
    for item, wanted in zip(crawl(items, polite(concurrency_per_host=16)), items, strict=True):
        folder = Path(item.location).parent
        time.sleep(0.02)
        while (most := max(most, min(lying(folder), lying(folder)))) <= size and time.monotonic() < end:
            time.sleep(0.02)  # until others have come while one has its turn
        assert item.uri == wanted.uri and len(item.read(LIMITS)) == size
    assert size < most <= limit + size
