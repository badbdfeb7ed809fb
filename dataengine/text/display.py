"""Escapes control, bidirectional and invisible characters of text from data, for terminals, logs and pages."""

from __future__ import annotations

import re

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_LINES = re.compile(f"[{_HIDDEN}]")
_LINE = re.compile(f"[\t\n{_HIDDEN}]")


def visible(text: str) -> str:
    """``text`` on one line, with each control, bidirectional or invisible character as its Python escape: ``\\x1b``, ``\\u202e``.
    Joiners, which scripts and emoji need, stay."""
    return _LINE.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """As ``visible``, with tabs and line feeds left as they are."""
    return _LINES.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
