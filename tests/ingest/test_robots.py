"""robots.txt: RFC 9309's rules and examples (section 5) hold for what Protego makes of them."""

from __future__ import annotations

import pytest

from dataengine.ingest.robots import parse

SITE = "https://example.org"
SIMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("anybot", "/", True), ("anybot", "/example/x", False), ("anybot", "/a.gif", False), ("anybot", "/a.gif?x", True),
        ("foobot", "/example/page.html", True), ("foobot", "/example/allowed.gif", True), ("foobot", "/example/", False),
        ("foobot", "/publications/", False), ("barbot", "/example/page.html", False), ("bazbot", "/a.gif", True),
        ("quxbot", "/example/page.html", True),
    ],
)  # fmt: skip
def test_groups(agent: str, path: str, allowed: bool) -> None:
    assert parse(SIMPLE, agent).allows(SITE + path) is allowed


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /example/page/\nAllow: /example/page/disallowed.gif$", "/example/page/disallowed.gif", True),
        ("Allow: /p\nDisallow: /", "/page", True),
        ("Disallow: /page\nAllow: /page", "/page", True),
        ("Disallow:", "/x", True),
        ("Disallow: /a%3cd", "/a<d", False),
        ("Disallow: /ü", "/%C3%BC/x", False),
        ("Disallow: /*/b*c  # comment", "/a/bxxc/d", False),
        ("Disallow: /.*", "/ab", True),
        ("Disallow: /a*b*$", "/axbx", False),
        ("Disallow: /a*b$", "/axbx", True),
        ("Disallow: /a*bb*b$", "/abb", True),
        ("Disallow: /a$", "/ab", True),
        ("Disallow: /" + "*a" * 40 + "b", "/" + "a" * 5000, True),
        ("Nonsense\n: x\nAllow /", "/x", True),
        ("Disallow /x", "/x", False),
        ("Disallow: //x", "//x/y", False),
        ("Disallow: /a?b=1", "/a?b=1&c", False),
    ],
)
def test_rules(rules: str, path: str, allowed: bool) -> None:
    assert parse(f"\ufeffuser-agent: *\r\n{rules}", "anybot").allows(SITE + path) is allowed


def test_groups_of_one_name_are_one() -> None:
    robots = parse("User-agent: a\nDisallow: /x\n\nUser-agent: b\nDisallow: /\n\nUser-agent: A\nDisallow: /y\n", "a")
    assert [robots.allows(SITE + p) for p in ("/x", "/y", "/z")] == [False, False, True]
