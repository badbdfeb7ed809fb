"""Statements that answer a yes-or-no question without "yes" or "no": "there is a dog" to "is there a dog?"."""

from __future__ import annotations

import re

from dataengine.cot.replies.expected import listed, singular

_ASKS = re.compile(r"(?i)(?:is|are|was|were|do|does|did|has|have|can|could|will)\s{1,3}(?P<asked>[^?]{2,200})\?")
_SCENE = re.compile(
    r"(?i)\b(?:(?:shown|visible|seen)\s)?(?:in|on)\s(?:the|this)\s(?:picture|image|photo(?:graph)?|scene|video|clip|frame)\b"
)
_OTHERWISE = re.compile(r"(?i)\b(?:or|not|any other|only|more|fewer|less)\b|n't\b")
_UNCERTAIN = re.compile(
    r"(?i)\b(?:but|however|although|unless|if|or|maybe|perhaps|possibly|might|may|could|should|would|almost|seems?|appears?|"
    r"looks? like|nor|neither|instead|other than|except|without|yes)\b"
)
_NEGATED = re.compile(r"(?i)\b(?:no|not|never|none|nothing|nobody|cannot)\b|n't\b")
_SHORTENED = re.compile(r"n't\b|'(?:s|re|m|ve|d|ll)\b")
_SENTENCE = re.compile(r"(?<=[.!?:])\s+")
_FILLERS = listed(
    "there here is are was were be been am do does did has have had can could will it they he she its their a an the any some "
    "this that these those i we you see visible shown seen present picture image photo photograph scene video clip frame show "
    "shows contain contains depict depicts include includes no not"
)
_FORMS = {"persons": "people", "wears": "wearing", "sits": "sitting", "stands": "standing", "holds": "holding"}
_AFTER = listed(
    "on in at by near under behind beside with over above below inside outside between next from and which who"
)
"""What may be added begins with one of these words, or with a participle."""
_KINDS_OF = listed(
    "red orange yellow green blue purple pink brown black white gray grey beige golden dark light big small large little tiny "
    "huge tall short long young old one two three four five six several many"
)
_LONGEST = 400


def says_of(question: str, statement: str) -> str | None:
    """``yes`` or ``no`` where a short statement repeats what a question asks, or denies it; None where it says something else, or
    less, or with a doubt. What it adds may only follow ("a dog on a sofa"), or be a number, colour or size ("a brown dog")."""
    text = " ".join(statement.replace("’", "'").split())
    asked = _asked(question)
    if asked is None or not text or len(text) > _LONGEST:
        return None
    sentence, *rest = _SENTENCE.split(text)
    if _UNCERTAIN.search(sentence) or any(_UNCERTAIN.search(one) or _NEGATED.search(one) for one in rest):
        return None
    denials = len(_NEGATED.findall(sentence))
    if denials > 1 or not _repeats(_content(asked), _content(sentence)):
        return None
    return "no" if denials else "yes"


def _asked(question: str) -> str | None:
    """What the one yes-or-no question of a text asks, without its verb in front."""
    asks = [one for one in _SENTENCE.split(question.strip()) if one.endswith("?")]
    match = _ASKS.fullmatch(asks[0]) if len(asks) == 1 else None
    return None if match is None or _OTHERWISE.search(match["asked"]) else match["asked"]


def _content(text: str) -> list[str]:
    """Words that say something, in the singular."""
    plain = re.findall(r"[a-z0-9-]+", _SHORTENED.sub(" ", _SCENE.sub(" ", text.lower())))
    return [singular(_FORMS.get(word, word)) for word in plain if word not in _FILLERS]


def _repeats(wanted: list[str], stated: list[str]) -> bool:
    """Whether a statement has the words that are wanted, in their order, and what it adds is allowed."""
    left = list(wanted)
    for word in stated:
        if not left:
            return wanted[-1] not in _AFTER and (word in _AFTER or word.endswith("ing"))
        if word == left[0]:
            left.pop(0)
        elif word not in _KINDS_OF:
            return False
    return bool(wanted) and not left
