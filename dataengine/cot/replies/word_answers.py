"""The word or few words that a text answers with; None where it gives none, or more than one."""

from __future__ import annotations

import re
from itertools import dropwhile

from dataengine.cot.replies.affirmed import affirmed, revises
from dataengine.cot.replies.comparisons import ahead, is_comparison
from dataengine.cot.replies.expected import Expected, words
from dataengine.cot.replies.lead_ins import LEAD_IN
from dataengine.cot.replies.opposites import opposes
from dataengine.cot.replies.statements import says_of

_YES_NO = re.compile(r"(?i)(?:^|[.!?\n]\s{0,3}|\b(?:and|or|but)\s{1,3})(yes|no)\b")
_NO_REFUSAL = re.compile(r"(?i)^no,? (?:doubt|way|idea|question|clue|clear|answer|information|matter)\b")
_NO_THING = re.compile(r"(?i)^no (?!(?:and|but|it|he|she|they|there|the|this|that|i|we|not|because|since|as)\b)[a-z]")
_DENIED = re.compile(r"(?i)^[^,;.]{0,80}\b(?:is|are|was|were|does|do|did|has|have|can)(?:n't| not)\b")
_EXCELS = re.compile(r"(?i)\s{1,3}(?:is|are|was|were|looks?) (?:the )?[a-z]{2,20}(?:er|est)(?: one)?$")
_TURNS = re.compile(r"(?i)\b(?:so|instead|absent|gone|missing|replaced)\b")
_STATES = re.compile(r" (?:is|are|was|were) ")
_LOSES = re.compile(r"(?i)\b(?:lost|loses|lose|(?:was|were|is|are) (?:beaten|defeated))\b")
_PASSIVE = re.compile(r"\b(?:is|are|was|were|being) \w{2,20}ed by\b")
_CLAUSES = re.compile(r"[,;.:]\s|\s(?:and|while|but|whereas)\s")
_SAME_SUBJECT = re.compile(r"(?i)(?:(?:and|but|so)\s)?(?:it|they|this|that|these|those|he|she|which|who)\b")
_FEW = 3
"""Words of a subject, or of the side of a comparison."""


def word(expected: Expected, text: str) -> str | None:
    """The answer without the words around it."""
    if expected.vocabulary:
        return _of_vocabulary(expected, text)
    if is_comparison(text):
        winner = ahead(expected.question, text)
        return winner if winner is not None and len(winner.split()) <= _FEW else None
    if opposes(expected.question, text):
        return None
    if (stated := _of_subject(expected, text)) is not None:
        return stated
    statement = LEAD_IN.sub("", text.replace("’", "'")).strip().strip("\"'“”‘’.")
    statement = _EXCELS.sub("", statement)
    if len(statement.split()) <= 6 and not re.search(r"(?i)\b(?:or|not|nor|neither)\b", statement):
        return re.sub(r"(?i)^(?:an?|the) (?=\w)", "", statement) or None
    return _at_an_end(expected.answer, statement, expected.question)


def _of_subject(expected: Expected, text: str) -> str | None:
    """The answer, where a short sentence says it in the question's own words ("the car is red")."""
    subject, *rest = _STATES.split(f"{words(text)} ")
    known, of = {"this", "that", *words(expected.question).split()}, subject.split()
    answer = words(expected.answer)
    if len(rest) == 1 and subject == answer and known.issuperset(rest[0].split()):
        return expected.answer
    if len(rest) != 1 or not 0 < len(of) <= _FEW or not known.issuperset(of):
        return None
    predicate = " ".join(dropwhile(known.__contains__, rest[0].split()))
    return expected.answer if predicate and predicate == answer else None


def _of_vocabulary(expected: Expected, text: str) -> str | None:
    known = {words(one): one for one in expected.vocabulary}
    if {"yes", "no"} <= known.keys():
        return _yes_or_no(expected.question, text)
    named = {known[one] for one in words(affirmed(text)).split() if one in known}
    return named.pop() if len(named) == 1 else None


def _yes_or_no(question: str, text: str) -> str | None:
    """What a text begins with, unless it goes on to say the opposite; else what it states of what is asked."""
    plain_words = words(text).split()
    if _NO_REFUSAL.match(text) or (revises(text) and {"yes", "no"} <= set(plain_words)):
        return None
    leads = set() if _NO_THING.match(text) else {first.lower() for first in _YES_NO.findall(text)}
    if not leads:
        return says_of(question, text)
    if len(leads) > 1 or plain_words[0] not in leads:
        return None
    [lead] = leads
    rest = re.sub(r"(?i)^\W{0,3}(?:yes|no)\b[\s,.;:!–—-]{0,4}", "", text)
    return lead if says_of(question, rest) in (None, lead) else None


def _at_an_end(answer: str, statement: str, question: str) -> str | None:
    """The answer, where a short sentence begins or ends with it and offers nothing else."""
    phrase, clean = words(answer), words(affirmed(statement))
    if len(statement.split()) > 25 or re.search(r"(?i)\b(?:or|either|if|might|may|could)\b", statement):
        return None
    stating = [clause for clause in _CLAUSES.split(statement) if _STATES.search(clause)]
    if sum(not _SAME_SUBJECT.match(clause) for clause in stating) > 1:
        return None
    if _LOSES.search(statement) and not _LOSES.search(question):
        return None
    passive = _PASSIVE.search(clean) and not _PASSIVE.search(question)
    starts = (
        not passive
        and clean.startswith(f"{phrase} ")
        and not _TURNS.search(statement)
        and not _DENIED.search(statement)
    )
    return answer if starts or clean.endswith(f" {phrase}") else None
