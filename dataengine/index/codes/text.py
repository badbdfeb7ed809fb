"""The text form of semantic ids that the open release of OneRec publishes, a letter a level:
``<|sid_begin|><s_a_340><s_b_6566><s_c_5603><|sid_end|>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from dataengine.errors import InputError

BEGIN, END = "<|sid_begin|>", "<|sid_end|>"
MOST_LEVELS = len(ascii_lowercase)
_CODE = re.compile(r"<s_([a-z])_(\d+)>")


def to_text(codes: Iterable[int]) -> str:
    """Text of one item's codes, first level first. Raises ValueError for more levels than letters."""
    listed = list(codes)
    if len(listed) > MOST_LEVELS:
        raise ValueError(f"{len(listed)} levels are more than there are letters")
    return BEGIN + "".join(map(token, range(len(listed)), listed)) + END


def token(level: int, code: int) -> str:
    """The token of a code, as ``<s_a_340>`` of level 0."""
    return f"<s_{ascii_lowercase[level]}_{code}>"


def tokens(levels: int, size: int) -> list[str]:
    """All tokens that a vocabulary needs: the two marks, then the codes level by level."""
    return [BEGIN, END, *(token(level, code) for level in range(levels) for code in range(size))]


def to_codes(text: str) -> Sequence[int]:
    """Codes of a text. Raises InputError for anything that ``to_text`` does not write."""
    body = text.removeprefix(BEGIN).removesuffix(END)
    codes = [int(code) for _, code in _CODE.findall(body)]
    if not codes or len(codes) > MOST_LEVELS or to_text(codes) != text:
        raise InputError(
            "bad_semantic_id", f"{text[:200]!r} is no semantic id: expected {to_text([340, 6566])} and the like"
        )
    return codes
