"""What a sentence affirms: negated parts dropped, abstentions and doubts seen."""

from __future__ import annotations

import re

_CLAUSE = re.compile(
    r"[,;.!?\n。，；]\s{0,4}|(?i:(?<!everything)(?<!everyone)(?<!anything)(?<!\ball))\s(?=but\b)|"
    r"\s(?=however\b|rather\b(?! than)|instead\b(?! of)|while\b|whereas\b|although\b)|\s(?:-|–|—)\s"
)
_NEGATION = re.compile(
    r"(?i)\b(?:not|never|neither|nor|cannot|rather than|instead of|other than|except|unlike|different from|without|as opposed to|"
    r"than|isn't|aren't|wasn't|weren't|doesn't|don't|didn't|can't|couldn't|won't|wouldn't|shouldn't|hasn't|haven't|excluding|"
    r"doubt(?:s|ed|ful)?|unlikely|(?:everything|everyone|anything|all) but|if(?=[^,;.]{0,80}\b(?:were|was|had)\b)|"
    r"wrong|incorrect|rule out|ruled out|false|(?:could|might|may) (?:look|seem|appear))\b|"
    r"不是|而非|并非|不"
)
_NOT_ONLY = re.compile(r"(?i)\b(?:not only|no doubt|without (?:a )?doubt|why not|not to mention|other than that)\b")
_ABSTAINS = re.compile(
    r"(?i)\b(?:can(?:'t|not| not) (?:be )?(?:tell|determine[d]?|say|said|see|seen|answer(?:ed)?|identif\w+|count(?:ed)?|read)|"
    r"could(?:n't| not) (?:tell|determine|see|say)|not sure|unsure|unclear|uncertain|don't know|do not know|impossible to|"
    r"no idea|"
    r"unable to|not possible|not enough information|insufficient|hard to (?:tell|say)|difficult to (?:tell|say)|"
    r"undetermined|indeterminate|i'm sorry|i am sorry|as an ai)\b|无法|不确定|不知道|看不清"
)
_DOUBTS = re.compile(
    r"(?i)\b(?:perhaps|possibly|maybe|(?:could|might|may)(?: well| also| still| even)? (?:be|have been))\b|可能|也许|大概"
)
_ASIDE = re.compile(
    rf"(?is)(?:[,;.(]|\s[-–—])\s{{0,3}}(?:(?:and|but|which|it|this|that|they|he|she|these)\s{{1,3}}){{0,2}}"
    rf"(?={_DOUBTS.pattern.removeprefix('(?i)')})(?=[^.;\n]{{2,30}} \w)"
)
_RESTRICTS = re.compile(
    r"(?i)\d|\b(?:more|fewer|less|other|others|another|some|several|few|couple|pair|twice|double|half|many|yes|no|none|not)\b"
)
_CONTRAST = re.compile(r"(?i)\b(?:but|however|yet|on a closer look|looking closer)\b|但")
_REVISES = re.compile(
    r"(?i)\b(?:wait|actually|correction|scratch that|on second thought|let me (?:re|correct|check again)|hmm|i was wrong|"
    r"to correct myself)\b|等等|不对"
)


def affirmed(text: str) -> str:
    """The text without what it negates: from a negation to the end of its clause."""
    text = _NOT_ONLY.sub(" ", text.replace("’", "'"))
    if not _NEGATION.search(text):
        return text
    kept, at = list[str](), 0
    for border in (*_CLAUSE.finditer(text), None):
        end = border.start() if border else len(text)
        clause = text[at:end]
        negation = _NEGATION.search(clause)
        kept.append(clause[: negation.start()] if negation else clause)
        kept.append(text[border.start() : border.end()] or " " if border else "")
        at = border.end() if border else end
    return "".join(kept)


def settled(text: str) -> str:
    """The text without what it only supposes: what comes after the "but" of a doubt ("there could be 3, but I see 2"); empty
    where doubt is all there is."""
    if not _DOUBTS.search(text):
        return text
    tail = _CONTRAST.split(text)[-1]
    return "" if tail == text or _DOUBTS.search(tail) else tail


def without_aside(text: str) -> str:
    """The text without a doubt at its end that leaves a number, or a yes or no, as it is ("3 people, perhaps a family");
    ``text`` has its number words as digits."""
    aside = _ASIDE.search(text)
    return text if aside is None or _RESTRICTS.search(text, aside.end()) else text[: aside.start()]


def abstains(text: str) -> bool:
    """Whether a text says that it cannot say."""
    return bool(_ABSTAINS.search(text.replace("’", "'")))


def revises(text: str) -> bool:
    """Whether a text takes something back."""
    return bool(_REVISES.search(text))
