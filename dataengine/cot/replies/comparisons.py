"""Comparison sentences: which side "the dog is larger than the cat" puts ahead, where the question asks by the same word."""

from __future__ import annotations

import re

from dataengine.cot.replies.opposites import degrees_of

_SENTENCE = re.compile(
    r"(?i)^(?:(?:yes|so|thus|hence|therefore|clearly|here|in (?:this|the) (?:picture|image|photo)|"
    r"i (?:think|believe|see)(?: that)?)[,:]?\s{1,3})?"
    r"(?P<first>[^,;:.\n]{1,80}?)\s{1,3}(?:is|are|was|were|looks?|seems?|appears?|has|have|runs?|weighs?|stands?|moves?|costs?)"
    r"\s{1,3}(?:(?:much|far|clearly|slightly|noticeably|visibly|considerably|a (?:bit|little|lot))\s{1,3})?"
    r"(?P<degree>more|less|fewer|[a-z]{2,20}er|better|worse)\s{1,3}(?:[a-z]{2,20}\s{1,3}){0,2}?than\s{1,3}"
    r"(?P<second>[^,;:.\n]{1,80}?)\.?$"
)
_NEGATED = re.compile(r"(?i)\b(?:not|no|never|neither|nor|nothing|nobody|none)\b|n't\b")
_LONGEST = 400


def is_comparison(statement: str) -> bool:
    """Whether a text is one sentence of the form "X is COMPARATIVE than Y"."""
    return len(statement) <= _LONGEST and "than" in statement and _SENTENCE.match(statement.strip()) is not None


def ahead(question: str, statement: str) -> str | None:
    """The side that a sentence of the form "X is COMPARATIVE than Y" puts first, of the word by which the question compares, too
    ("larger", "largest"); None where it is no such sentence, is negated, or compares by another word."""
    statement = statement.strip()
    if len(statement) > _LONGEST or "than" not in statement or _NEGATED.search(statement):
        return None
    match = _SENTENCE.match(statement)
    if match is None:
        return None
    question_words = set(re.findall(r"[a-z]+", question.lower()))
    compared = statement[match.start("degree") : match.start("second")].lower()
    stated = set(re.findall(r"[a-z]+", compared)) - {"than", "more", "less", "fewer"}
    degree = match["degree"].lower()
    if degree in ("more", "less", "fewer"):
        same = bool(degrees_of(degree) & question_words) and (not stated or bool(stated & question_words))
    else:
        same = bool(degrees_of(degree) & question_words)
    return re.sub(r"(?i)^(?:an?|the)\s", "", match["first"].strip()) if same else None
