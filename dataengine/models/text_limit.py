"""Bounds the text that goes to a text encoder, whose tokenizers take time quadratic in the longest word."""

from __future__ import annotations

#: Characters of a text that an encoder reads. Encoders read 32 to 256 tokens, some 1,200 characters of ordinary text, and cut the
#: rest off anyway.
LONGEST = 4000


def capped(text: str) -> str:
    """``text`` as it is up to LONGEST characters; of a longer one its beginning, with runs of white space as one space."""
    return text if len(text) <= LONGEST else " ".join(text[: 10 * LONGEST].split())[:LONGEST]
