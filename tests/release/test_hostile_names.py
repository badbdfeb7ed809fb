"""Names, captions and messages from data on the card and the report: text, whatever markup or hidden characters they hold."""

from __future__ import annotations

import re

import pytest
import yaml
from support.release_manifest import manifest

from dataengine.release.card import card
from dataengine.release.card_text import fenced, table
from dataengine.release.html_parts import escaped

HIDDEN = "\x1b[2J\u202e\u2066\u200b\x85"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("[win](http://x.example)", r"\[win\](http://x.example)"),
        ("![x](http://x.example/p.png)", r"!\[x\](http://x.example/p.png)"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("a|b\r\n| c |", r"a\|b \| c \|"),
        ("`code` \\|", r"\`code\` \\\|"),
        ("train-image-00000 (1.0)", "train-image-00000 (1.0)"),
    ],
)
def test_a_cell_is_text(value: str, cell: str) -> None:
    assert table(("a",), [(value,)]).splitlines()[-1] == f"| {cell} |"


@pytest.mark.parametrize("text", ["````", "```\n````\n`````", "~~~", "plain", "`" * 1000])
def test_a_fence_is_not_ended_by_what_is_in_it(text: str) -> None:
    block = fenced(text)
    fence = re.match("`+", block)
    assert fence and block == f"{fence[0]}text\n{text}\n{fence[0]}" and fence[0] not in text


def test_the_card_hides_nothing() -> None:
    text = card(manifest(title=f"Cats {HIDDEN}", description=f"About {HIDDEN}"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", text)
    assert yaml.safe_load(text.split("---\n")[1])["pretty_name"].startswith("Cats ")


def test_the_report_hides_nothing_and_obeys_nothing() -> None:
    shown = escaped(f"<img src=x onerror=alert(1)> \"' {HIDDEN}")
    assert shown == "&lt;img src=x onerror=alert(1)&gt; &quot;&#x27; \\x1b[2J\\u202e\\u2066\\u200b\\x85"
