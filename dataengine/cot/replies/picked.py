"""The one answer in a few words or a sentence, by the kind of the question; None where it gives none or more than one."""

from __future__ import annotations

import re
import string
from itertools import dropwhile

from dataengine.cot.replies.affirmed import affirmed, revises, settled, without_aside
from dataengine.cot.replies.coordinates import label_of
from dataengine.cot.replies.expected import Expected, holds, words
from dataengine.cot.replies.number_words import roman, with_digits
from dataengine.cot.replies.opposites import opposes
from dataengine.cot.replies.quantities import _NUMBER, multiplied, plain, quantity, relative, value_of
from dataengine.cot.replies.times import seconds
from dataengine.cot.replies.totals import taken_back, total_of
from dataengine.cot.replies.units import SCALES, unit_of
from dataengine.cot.replies.wrappers import bare

_LETTERS = string.ascii_uppercase
_ALONE = re.compile(r"\(?\[?([A-Z])\]?\)?[.:)]?")
_LEADING = re.compile(r"\(?([A-Z])(?:\)[.:]?|[.:](?=\s|$)|\s[-–—:](?=\s)|,?\s(?=because\b|since\b))\s{0,4}")
_LAST = re.compile(r"[:：]\s{0,3}\(?([A-Z])\)?\.?$")
_NAMED = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]andidate|[Cc]hoice|[Cc]aption|[Ll]etter|[Aa]nswer)\s{1,3}|选项?\s{0,2})\(?([A-Z])\b(?!')|\(([A-Z])\)"
)
_SEQUENCE = re.compile(r"\b[A-Z](?:(?:\s*+(?:[,<>\-–→/;]|then|and)\s*+(?:(?:then|and)\b)?+\s*+|[^\S ]*+ \s*+)[A-Z])+\b")
_RELATED = re.compile(r"(?i)\b(?:after|before|last|first|second|earlier|later|preced\w+|follow\w*|between)\b")
_LEAD_IN = re.compile(
    r"(?i)^(?:(?:so|thus|hence|therefore|then|well|yes|ok(?:ay)?|in conclusion|overall|因此|所以)[,:\s]{1,3})?"
    r"(?:(?:it|this|that|they|these|he|she|there|here)(?:'s|'re| is| are| was| were| looks like| seems to be| appears to be|"
    r" shows?)|"
    r"(?:the|this) (?:picture|image|photo|text|sign|word|label|object|animal|person|vehicle|answer|colou?r)"
    r"(?: (?:reads|says|shows|is|contains|depicts))|i (?:can )?see|reads?|says?|probably|most likely|likely|mostly|mainly|"
    r"这是|是)"
    r"[:\s]{0,3}(?:mostly |mainly |probably |most likely |likely |clearly |definitely |either )?"
)
_YES_NO = re.compile(r"(?i)(?:^|[.!?\n]\s{0,3}|\b(?:and|or|but)\s{1,3})(yes|no)\b")
_SKIPPED = re.compile(
    r"(?i)(?:\b(?:step|figure|fig\.?|image|picture|frame|row|column|option|question|part|panel|page|line|number)\s{0,2}|#)$"
)
_BOUNDED = re.compile(
    r"(?i)(?:\b(?:at least|at most|more than|less than|fewer than|greater than|over|under|up to|above|below|almost|between|"
    r"close to|no more than|no less than|minimum of|maximum of|not|"
    r"half of|twice|double|triple|all but|all except|everything but)|[<>≥≤±√])\s{0,3}(?:the\s)?$"
)
_RANGED = re.compile(
    r"(?i)^\s{0,2}(?:\+(?!\s{0,2}\d)|or more|or fewer|or less|or so|(?:or|to|-|–|—|~|/|out of|\.{2,3}|…)\s{0,2}\d)"
)
_THAN = re.compile(r"(?i)(?<!rather )(?<!other )\bthan\b")
_REVERSED = re.compile(r"(?i)\b(?:revers\w*|backwards?)\b")
_LESSER = re.compile(r"(?i)\b(?:(?<!at )least|(?<!or )less)\b")
_NO_REFUSAL = re.compile(r"(?i)^no,? (?:doubt|way|idea|question|clue|clear|answer|information|matter)\b")
_DENIED = re.compile(r"(?i)^[^,;.]{0,80}\b(?:is|are|was|were|does|do|did|has|have|can)(?:n't| not)\b")
_EXCELS = re.compile(r"(?i)\s{1,3}(?:is|are|was|were|looks?) (?:the )?[a-z]{2,20}(?:er|est)(?: one)?$")
_TURNS = re.compile(r"(?i)\b(?:so|instead|absent|gone|missing|replaced)\b")
_READS = re.compile(
    r"(?is)(?:(?:the|this|that) (?:\w{1,20} ){1,3}|it )(?:reads|says|shows|is)[:,]?\s{1,3}[\"“]([^\"“”]{1,2000})[\"”]"
)
_STATES = re.compile(r" (?:is|are|was|were) ")
_LOSES = re.compile(r"(?i)\b(?:lost|loses|lose|(?:was|were|is|are) (?:beaten|defeated))\b")
_PASSIVE = re.compile(r"\b(?:is|are|was|were|being) \w{2,20}ed by\b")
_CLAUSES = re.compile(r"[,;.:]\s|\s(?:and|while|but|whereas)\s")
_SAME_SUBJECT = re.compile(r"(?i)(?:(?:and|but|so)\s)?(?:it|they|this|that|these|those|he|she|which|who)\b")
_LONGEST = 4000
_FEW = 3
"""Words of a number with what it counts."""


def pick(expected: Expected, text: str) -> str | None:
    """The answer as it would stand in a box."""
    text = bare(text)
    if expected.kind == "number" or {"yes", "no"} <= expected.vocabulary:
        text = _without_aside(text)
    if expected.kind in ("choice", "number", "order", "word"):
        text = settled(text)
    if not text or len(text) > _LONGEST:
        return None
    match expected.kind:
        case "choice":
            return _choice(expected, text)
        case "number":
            return _number(expected, text)
        case "order":
            return _order(expected, text)
        case "box":
            return label_of(text, 4)
        case "point":
            return label_of(text, 2)
        case "word":
            return _word(expected, text)
        case "ocr" if (read := _READS.fullmatch(text)) and '"' not in expected.answer and "“" not in expected.answer:
            return read[1]
        case _:
            return text


def _without_aside(text: str) -> str:
    digits = with_digits(text) if len(text) <= _LONGEST else text
    short = without_aside(digits)
    return text if short == digits else short


def _choice(expected: Expected, text: str) -> str | None:
    if alone := _ALONE.fullmatch(text):
        return alone[1]
    if small := re.fullmatch(r"\(?([a-z])[.)]?", text):
        return small[1].upper() if small[1].upper() in expected.options else None
    if lead := _LEADING.match(text):
        return _consistent(expected, lead[1], text[lead.end() :])
    if last := _LAST.search(text):
        return _consistent(expected, last[1], text[: last.start()])
    statement = affirmed(text).strip()
    if alone := _ALONE.fullmatch(re.sub(r"(?i)^but\s", "", _LEAD_IN.sub("", statement).strip()).rstrip(",.")):
        return alone[1]
    if (
        opposes(expected.question, statement)
        or _compares(expected, text)
        or (_LESSER.search(statement) and not _LESSER.search(expected.question))
    ):
        return None
    exact = [letter for letter, option in expected.options.items() if words(option) == words(statement)]
    if len(exact) == 1:
        return exact[0]
    named = {a or b for a, b in _NAMED.findall(statement)} & (set(expected.options) or set(_LETTERS))
    if len(named) == 1 and not re.search(r"(?i)\bor\b|\bboth\b", statement):
        return _consistent(expected, named.pop(), statement)
    return None if named else _by_words(expected, statement)


def _compares(expected: Expected, text: str) -> bool:
    """Whether a text sets two options against each other, which is no choice of one."""
    plain_words = words(text)
    held = sum(holds(plain_words, words(option)) for option in expected.options.values())
    letters = {a or b for a, b in _NAMED.findall(text)}
    return bool(_THAN.search(text)) and max(held, len(letters)) > 1


def _consistent(expected: Expected, letter: str, rest: str) -> str | None:
    """The letter, unless what is said with it is another option, or a second letter."""
    rest = affirmed(rest)
    others = {a or b for a, b in _NAMED.findall(rest)} | set(
        re.findall(r"(?:\bor|\band|[,/&])\s{0,3}\(?([A-Z])\b(?!')", rest)
    )
    if (others & set(expected.options)) - {letter}:
        return None
    by_words = _by_words(expected, rest)
    return letter if by_words in (None, letter) else None


def _by_words(expected: Expected, text: str) -> str | None:
    """The only option whose words a text holds; one that lies inside of another that it holds does not count."""
    plain_words = words(text)
    held = {letter: words(option) for letter, option in expected.options.items() if holds(plain_words, words(option))}
    held = {a: x for a, x in held.items() if not any(x != y and holds(y, x) for y in held.values())}
    return next(iter(held)) if len(held) == 1 else None


def _order(expected: Expected, text: str) -> str | None:
    count = len(expected.options) or len(re.findall(r"[A-Z]", expected.answer))
    if re.fullmatch(r"[A-Z]{2,8}", text) and len(set(text)) == len(text) == count:
        return ", ".join(text)
    statement = affirmed(text)
    if _REVERSED.search(statement):
        return None
    runs = {", ".join(re.findall(r"\b[A-Z]\b", run)) for run in _SEQUENCE.findall(statement)}
    runs = {run for run in runs if len(set(run.split(", "))) == count == len(run.split(", "))}
    if runs:
        return runs.pop() if len(runs) == 1 else None
    if _RELATED.search(statement):
        return None
    letters = re.findall(r"(?<![\w'])[A-Z](?![\w'])", statement)
    if len(letters) == len(set(letters)) == count:
        return ", ".join(letters)
    return None if letters else _order_by_words(expected, statement)


def _order_by_words(expected: Expected, text: str) -> str | None:
    plain_words = f" {words(text)} "
    at = {letter: plain_words.find(f" {words(option)} ") for letter, option in expected.options.items()}
    if (
        len(at) < 2
        or min(at.values()) < 0
        or any(plain_words.count(f" {words(o)} ") > 1 for o in expected.options.values())
    ):
        return None
    return ", ".join(sorted(at, key=lambda letter: at[letter]))


def _word(expected: Expected, text: str) -> str | None:
    if expected.vocabulary:
        return _of_vocabulary(expected.vocabulary, text)
    if opposes(expected.question, text):
        return None
    if (stated := _of_subject(expected, text)) is not None:
        return stated
    statement = _LEAD_IN.sub("", text.replace("’", "'")).strip().strip("\"'“”‘’.")
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


def _of_vocabulary(vocabulary: frozenset[str], text: str) -> str | None:
    known = {words(word): word for word in vocabulary}
    plain_words = words(text).split()
    if {"yes", "no"} <= known.keys():
        if _NO_REFUSAL.match(text) or (revises(text) and {"yes", "no"} <= set(plain_words)):
            return None
        leads = {first.lower() for first in _YES_NO.findall(text)}
        return leads.pop() if len(leads) == 1 and plain_words[0] in leads else None
    named = {known[word] for word in words(affirmed(text)).split() if word in known}
    return named.pop() if len(named) == 1 else None


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


def _number(expected: Expected, text: str) -> str | None:
    if multiplied(text, expected.question) or relative(text, expected.question):
        return None
    if value := roman(text):
        return value
    if seconds(text) is not None and quantity(text) is None:
        return text
    if taken_back(plain(text), expected.question):
        return None
    statement = plain(affirmed(text))
    mentions = _mentions(statement)
    for whole in (text, statement):
        if quantity(whole) is not None:
            return whole if len(whole.split()) <= _FEW or not mentions else next(iter(mentions.values()))
    if mentions is None:
        return None
    if len(mentions) == 1:
        return next(iter(mentions.values()))
    _, equals, result = statement.rpartition("=")
    if not equals:
        return total_of(statement)
    return result.strip() if len(result) < 60 and quantity(result) is not None else None


def _mentions(text: str) -> dict[tuple[object, str], str] | None:
    """Numbers in a sentence by value and unit, as they are written; None where one is a bound or one end of a range."""
    mentions: dict[tuple[object, str], str] = {}
    for match in _NUMBER.finditer(text):
        before, after = text[max(0, match.start() - 24) : match.start()], text[match.end() : match.end() + 40]
        if (
            re.search(r"[\w.,:/^]$", before)
            or _SKIPPED.search(before)
            or re.match(r"[.:,/]\d|(?:st|nd|rd|th)\b", after)
        ):
            continue
        if re.search(r"(?:^|\n)\s{0,4}$", before) and re.match(r"[.)]\s", after) and "\n" in text:
            continue
        if _BOUNDED.search(before) or _RANGED.match(after):
            return None
        value = value_of(match)
        scale, _, rest = after.strip().partition(" ")
        unit, _ = unit_of(rest if scale.lower() in SCALES else after, match["money"] or "")
        if value is None or (re.match(r"[A-Za-z]", after) and not unit):
            continue
        size = SCALES.get(scale.lower(), 1)
        written = f"{match[0].strip()} {scale if size != 1 else ''} {unit}".strip()
        mentions.setdefault((value * size, unit), written)
    units = {unit for _, unit in mentions} - {""}
    bare_values = {value for value, unit in mentions if not unit}
    if len(units) <= 1 and len({value for value, _ in mentions}) == 1 and bare_values:
        return dict([max(mentions.items(), key=lambda item: len(item[1]))])
    return mentions
