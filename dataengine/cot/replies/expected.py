"""What the answer of a reply is compared with: the right answer, its kind, and what else it could have been."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

KINDS = (
    "choice", "word", "text", "number", "order", "box", "point", "span", "time", "list", "set", "ocr", "formula",
)  # fmt: skip
_NONE: Mapping[str, str] = MappingProxyType({})
_VARIANTS = {
    "gray": "grey", "color": "colour", "colored": "coloured", "center": "centre", "meter": "metre", "airplane": "aeroplane",
    "tv": "television", "fridge": "refrigerator", "bike": "bicycle", "photo": "photograph", "ok": "okay",
}  # fmt: skip
_ARTICLES = frozenset({"the", "a", "an"})


@dataclass(frozen=True)
class Expected:
    """``options``: words by letter, of a choice or an order. ``vocabulary``: all words that such a question can be answered with,
    empty where they are without number. ``question`` is its text, where units may be named."""

    kind: str
    answer: str
    options: Mapping[str, str] = field(default_factory=lambda: _NONE)
    vocabulary: frozenset[str] = frozenset()
    question: str = ""


def listed(names: str) -> frozenset[str]:
    """Words of a list that is written as a text."""
    return frozenset(names.split())


def words(text: str) -> str:
    """Lower-case words without articles and punctuation, in one spelling."""
    return " ".join(_VARIANTS.get(w, w) for w in re.findall(r"[\w%°-]+", text.lower()) if w not in _ARTICLES)


def singular(phrase: str) -> str:
    """A phrase with its last word in the singular, as far as a rule can tell."""
    if re.search(r"[^s]s$", phrase) and len(phrase) > 3 and not phrase.endswith(("us", "is")):
        return re.sub(r"(?<=[a-z])(?:ies)$", "y", phrase) if phrase.endswith("ies") else phrase[:-1]
    return phrase


def holds(text: str, phrase: str) -> bool:
    """Whether the words of a text hold those of a phrase, one after the other; both as ``words`` gives them."""
    return bool(phrase) and f" {phrase} " in f" {text} "
