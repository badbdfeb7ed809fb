"""Answers that tell the opposite of what is asked: "the right half is darker" to "which half is brighter?"."""

from __future__ import annotations

import re

_PAIRS = (
    ("bright", "dark"), ("light", "dark"), ("large", "small"), ("big", "small"), ("great", "small"), ("tall", "short"),
    ("long", "short"), ("high", "low"), ("near", "far"), ("close", "far"), ("old", "young"), ("old", "new"), ("fast", "slow"),
    ("heavy", "light"), ("warm", "cold"), ("hot", "cold"), ("wide", "narrow"), ("thick", "thin"), ("early", "late"),
    ("strong", "weak"), ("deep", "shallow"), ("sharp", "blur"), ("rich", "poor"), ("loud", "quiet"), ("cheap", "expensive"),
)  # fmt: skip
_FORMS = {
    "far": ("farther", "further", "farthest", "furthest"),
    "more": ("more", "most"),
    "less": ("less", "least", "fewer", "fewest"),
}
_AFTER = re.compile(r"(?i)\b(?:because|since|as|given that|whereas|while|than|other|others|rest)\b")
_DENIED = re.compile(
    r"(?i)\b(?:not|n't) (in|on|shown|visible|present|there|seen|part|depicted|true|correct|mentioned|wearing|holding)\b"
)
_LONGEST = 2000


def _degrees(word: str) -> frozenset[str]:
    """Comparative and superlative of an adjective."""
    stem = word.removesuffix("e") if word.endswith("e") else f"{word[:-1]}i" if word.endswith("y") else word
    doubled = stem + stem[-1] if re.fullmatch(r"[a-z]*[^aeiou][aeiou][gtn]", stem) else stem
    regular = {f"{s}{end}" for s in (stem, doubled) for end in ("er", "est")} | {
        f"{word}ry",
        f"{word}rier",
        f"{word}riest",
    }
    return frozenset(_FORMS.get(word, ())) | regular


_ALIKE = (("large", "big", "great"), ("near", "close"), ("bright", "light"))
"""Adjectives of which one may stand for the other."""
_IRREGULAR = (frozenset({"better", "best"}), frozenset({"worse", "worst"}), frozenset({"more", "most"}))
_OPPOSITES = [
    pair
    for one, other in (*_PAIRS, ("more", "less"))
    for pair in ((_degrees(one), _degrees(other)), (_degrees(other), _degrees(one)))
]


def degrees_of(comparative: str) -> frozenset[str]:
    """A comparative with its superlative, and those of adjectives that mean the same: "larger", "largest" and "bigger"."""
    regular = frozenset({comparative, f"{comparative.removesuffix('r')}st"})
    alike = (frozenset[str]().union(*map(_degrees, words)) for words in _ALIKE)
    return regular.union(*(some for some in (*_IRREGULAR, *alike, _degrees("less")) if comparative in some))


def opposes(question: str, statement: str) -> bool:
    """Whether a statement compares by the opposite of the word that the question compares by, and not by that word, too; or says
    what "is in the picture" where it is asked what is not."""
    if len(question) > _LONGEST or len(statement) > _LONGEST:
        return False
    denied = _DENIED.search(question)
    if denied and re.search(rf"(?i)\b(?:is|are|was|were) {denied[1]}\b", statement):
        return True
    words = set(re.findall(r"[a-z]+", question.lower()))
    stated = set(re.findall(r"[a-z]+", _AFTER.split(statement, maxsplit=1)[0].lower()))
    ours = [one for one, _ in _OPPOSITES if words & one]
    if not ours or any(stated & one for one in ours):
        return False
    return any(words & one and stated & other and not words & other for one, other in _OPPOSITES)
