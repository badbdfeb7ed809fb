"""What can be told of a caption without looking at the media again: repetition, refusals, boilerplate, script, and pieces of
text, addresses and prices that it may have invented."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataengine.score.base import stored

#: Raised when the same caption would be measured otherwise.
VERSION = "1"

_GRAM = 3
_SHOWN = r"(?:image|picture|photo(?:graph)?|video|clip|frame|scene|illustration|screenshot)s?"
_VERB = (
    r"(?:shows?|showing|depicts?|depicting|displays?|features?|featuring|captures?|presents?|portrays?|contains?|"
    r"illustrates?|is of|seems? to|appears? to)"
)
_BOILERPLATE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:the|this|these|an?)\s+(?:\w+\s+){{0,4}}{_SHOWN}\s+{_VERB}\b",
        rf"\b(?:in|from)\s+(?:the|this|these)\s+{_SHOWN}\b,?\s+(?:we|you|one)\s+(?:can\s+)?see\b",
        r"^(?:sure|certainly|of course|here(?:'s| is| are))\b",
        r"^(?:caption|description|answer)\s*:",
        rf"\b(?:overall|in summary|in conclusion),?\s+(?:the|this)\s+{_SHOWN}\b",
        r"\b(?:creating|adds? to|adding to|evok\w+|conveys?|conveying)\s+(?:an?|the)\s+(?:overall\s+)?"
        r"(?:sense|feeling|atmosphere|mood)\b",
        r"\b(?:as an ai|language model|let me know|feel free|hope this helps)\b",
    )
)
_REFUSAL = re.compile(
    r"\b(?:i|we)(?:'m| am| are)?\s+(?:(?:really\s+|so\s+)?sorry|unable|not able|cannot|can't|can’t|could not|couldn't|won't|"
    r"do not see|don't see)\b|\b(?:as an ai|as a language model)\b"
    r"|\bno (?:image|picture|video) (?:was|is|has been) (?:provided|attached|shown|given)\b"
    r"|\bplease (?:provide|upload|share|attach)\b.{0,40}\b(?:image|picture|photo|video)\b",
    re.IGNORECASE,
)
_BEGINNING = 300
"""Characters in which a refusal stands."""
_QUOTED = re.compile(r'"([^"\n]{2,200})"|“([^”\n]{2,200})”|«([^»\n]{2,200})»|‘([^’\n]{2,200})’(?!\w)')
_URL = re.compile(
    r"\b(?:https?://|www\.)[^\s\"'<>()]{3,200}|\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{2,24}){1,3}\b", re.IGNORECASE
)
_PRICE = re.compile(
    r"(?:[$€£¥₹]\s?\d[\d.,]{0,12}|\b\d[\d.,]{0,12}\s?(?:dollars?|euros?|pounds?|usd|eur|gbp|yen|rupees?)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Measures:
    """Columns of ``MEASURED`` but for the match."""

    words: int
    repetition: float
    refusal: bool
    boilerplate: int
    unread: int | None
    unsupported: int
    script: str | None


def measure(caption: str, read: str | None, known: Iterable[str] = ()) -> Measures:
    """Measures of a caption. ``read``: the text that OCR has read, None where it did not run; ``known``: what else the caption
    may have taken an address or a price from, as the source's captions and what the model was told."""
    words = _words(caption)
    seen = _letters(read or "")
    unread = None if read is None else sum(_letters(piece) not in seen for piece in _quotations(caption))
    sources = _letters(" ".join((read or "", *known)))
    claims = {match[0] for pattern in (_URL, _PRICE) for match in pattern.finditer(caption)}
    unsupported = sum(_letters(claim) not in sources for claim in claims)
    boilerplate = sum(bool(pattern.search(caption)) for pattern in _BOILERPLATE)
    refusal = bool(_REFUSAL.search(caption[:_BEGINNING]))
    return Measures(len(words), repetition(words), refusal, boilerplate, unread, unsupported, script_of(caption))


def repetition(words: Sequence[str]) -> float:
    """Share of the word triples that have occurred before in the text; 0 for fewer than four words."""
    grams = [tuple(words[n : n + _GRAM]) for n in range(len(words) - _GRAM + 1)]
    return stored(1 - len(set(grams)) / len(grams)) if len(grams) > 1 else 0.0


def script_of(text: str) -> str | None:
    """First word of the Unicode names of most letters, in lower case: latin, cyrillic, cjk, arabic, …; None without letters."""
    counts = Counter(unicodedata.name(c, "unknown").split()[0].split("-")[0].lower() for c in text if c.isalpha())
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


def _words(text: str) -> list[str]:
    """Words in lower case; of scripts that are written without spaces each character is one."""
    return re.findall(r"[぀-ヿ㐀-鿿豈-﫿฀-๿]|[^\W぀-ヿ㐀-鿿豈-﫿฀-๿]+(?:['’]\w+)?", text.lower())


def _quotations(caption: str) -> list[str]:
    pieces = (next(filter(None, match.groups()), "") for match in _QUOTED.finditer(caption))
    return [piece for piece in pieces if _letters(piece)]


def _letters(text: str) -> str:
    """Letters and digits alone, case folded: how OCR splits a line must not matter."""
    return "".join(c for c in unicodedata.normalize("NFKC", text[:100_000]).casefold() if c.isalnum())
