"""Unicode normalisation in time linear in the text: runs of combining marks are bounded, which Python sorts in quadratic time."""

from __future__ import annotations

import unicodedata
from typing import Literal

#: Combining marks in a row that are kept, as in the Stream-Safe Text Format (UAX 15, section 13).
MARKS = 30
_SHORT = 1000
"""Characters up to which a text is normalised as it is."""


def normalised(form: Literal["NFC", "NFKC"], text: str) -> str:
    """``unicodedata.normalize``; of a text of more than 1,000 characters, after at most 30 combining marks in a row the others
    are left out."""
    return unicodedata.normalize(form, text if len(text) <= _SHORT or text.isascii() else _stream_safe(text))


def _stream_safe(text: str) -> str:
    kept, run = list[str](), 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MARKS:
            kept.append(character)
    return "".join(kept)
