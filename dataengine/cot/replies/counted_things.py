"""What a number in a reply counts, beside what the question asks for: "4 tables" are no 4 chairs, "chapter 4" counts nothing.

The rule knows no synonyms but a few of the commonest, and which words are kinds of others (a man is a person). A noun that it
does not know is another thing.
"""

from __future__ import annotations

import re

from dataengine.cot.replies.expected import listed, singular
from dataengine.cot.replies.quantities import LONGEST_QUESTION, unit_asked
from dataengine.cot.replies.units import SCALES

_ASKED = re.compile(r"(?i)\b(?:how many|number of|count(?: up)?)\s{1,3}((?:[a-z'-]{1,24}\s{0,2}){1,7})")
_WORD = re.compile(r"[a-z'-]+")
_PHRASE = re.compile(r"\s{0,3}((?:[A-Za-z'-]{1,24}\s{0,2}){1,5})")
_STOPS = listed(
    "a an i you we they it he she that which who this these those there here and or but so because since if while as than "
    "with without for from to by per in on at inside outside near behind under over above below between around across along "
    "through beside next is are was were be been do does did has have had can could will would should may might must appear "
    "appears seem seems altogether overall total each exactly not no yes more fewer less left remaining out up each again "
    "instead also too then when where what how into onto during after before"
)
_SKIPPED = listed("of the these those more other others different distinct all such individual separate")
_ADJECTIVES = listed(
    "red orange yellow green blue purple pink brown black white gray grey dark light bright big small large little tiny huge "
    "tall short long young old new visible whole full empty open closed separate single main similar same identical round"
)
_ENDINGS = ("ed", "ing", "ly", "ful", "ish", "en", "ous", "ic", "al", "less")
_ANYTHING = listed("item object thing one piece instance example unit element entry kind type sort them number time")
_IRREGULAR = {
    "people": "person", "persons": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot", "mice": "mouse",
    "geese": "goose", "teeth": "tooth", "leaves": "leaf", "knives": "knife", "shelves": "shelf", "buses": "bus",
    "glasses": "glass",
    "boxes": "box", "dishes": "dish", "watches": "watch", "benches": "bench", "couches": "couch", "branches": "branch",
    "potatoes": "potato", "tomatoes": "tomato", "pedestrians": "pedestrian", "matches": "match", "brushes": "brush",
}  # fmt: skip
_SAME = (
    "lamp light", "car automobile auto", "bicycle bike", "motorcycle motorbike", "sofa couch", "boat ship", "cup mug",
    "child kid", "plane airplane aeroplane aircraft", "picture photo image photograph", "tv television screen", "phone cellphone",
    "clip video", "shot scene", "letter character", "word term", "girl woman", "boy man", "rabbit bunny", "road street",
    "stone rock", "bag handbag", "glass tumbler", "store shop", "row line", "shape figure", "dot point circle", "step stair",
)  # fmt: skip
_KINDS = {
    "person human individual adult figure": "man woman child kid boy girl guy lady player pedestrian passenger worker student "
    "rider skier surfer tourist spectator adult gentleman farmer soldier officer dancer runner cyclist baby toddler teenager",
    "animal creature pet": "dog cat cow horse sheep bird elephant zebra giraffe bear duck chicken goat pig fish rabbit lion "
    "tiger "
    "monkey penguin puppy kitten deer goose swan mouse owl fox wolf camel donkey insect butterfly",
    "vehicle": "car truck bus van bicycle bike motorcycle motorbike taxi train boat ship tram lorry automobile plane airplane",
    "fruit": "apple orange banana pear grape lemon lime strawberry cherry peach melon mango pineapple plum kiwi",
    "vegetable": "carrot potato tomato onion pepper cucumber broccoli cabbage pea bean",
    "shape figure": "circle square triangle rectangle star pentagon hexagon diamond oval ellipse cross ball cube sphere cylinder",
    "building": "house church tower castle temple barn skyscraper hut",
    "plant": "tree flower bush palm rose tulip cactus",
    "furniture": "chair table sofa couch bed desk bench stool cabinet shelf",
    "symbol character sign": "letter digit number cross arrow star",
    "utensil": "knife fork spoon",
    "colour color": "red orange yellow green blue purple pink brown black white gray grey",
}  # fmt: skip
_ALIKE = [frozenset(line.split()) for line in _SAME]
_BELOW = [(frozenset(names.split()), frozenset(kinds.split())) for names, kinds in _KINDS.items()]
_LABEL = re.compile(
    r"(?i)(?:\b(?P<label>step|figure|fig\.?|image|picture|frame|row|column|option|question|part|panel|page|line|number|no\.|"
    r"chapter|volume|section|room|gate|route|platform|highway|exit|floor|level|grade|class|lesson|unit|article|act|scene|"
    r"episode|season|version|lane|player|size|type|phase|model|channel|apartment|track|bus|terminal|booth|lot)\s{0,2}|#)$"
)
_NAME = re.compile(
    r"[a-z,]\s(?!(?:Answer|Total|Count|Result|Number|Exactly|About|Only|And|Or)\s)[A-Z][A-Za-z]{2,20}\s$"
)
_RATED = re.compile(r"(?i)\b(?:rated|rating of|aged|ranked|costs?|weighs?|lasts?)\s{1,3}$")
_ASKS_RATING = re.compile(
    r"(?i)\b(?:rat(?:ed|ing)|age|aged|old|rank\w*|cost\w*|weigh\w*|last\w*|long|heavy|much|price)\b"
)


def is_label(before: str, after: str, question: str) -> bool:
    """Whether the text before a number makes it the name of something ("chapter 4", "the Boeing 747"), which is not asked for."""
    phrase = _PHRASE.match(after)
    nouns = [_single(w) for w in _until_stop(phrase[1].lower()) if w not in _ADJECTIVES] if phrase else []
    if nouns and nouns[0] in asked_for(question):
        return False
    if match := _LABEL.search(before):
        label = match["label"]
        return not label or not re.search(rf"(?i)\b(?:what|which) (?:\w{{1,20}} )?{re.escape(label)}\b", question)
    if _RATED.search(before):
        return not _ASKS_RATING.search(question)
    name = _NAME.search(before)
    return name is not None and name[0][2:].strip().lower() not in question.lower()


def counts_other(after: str, unit: str, question: str) -> bool:
    """Whether a number is one of other things than the question asks for, by the text ``after`` it and its ``unit``."""
    asked = asked_for(question)
    if not asked or asked & _ANYTHING or unit == "%":
        return False
    if re.match(r"-[a-z]", after):
        return singular(after[1:].split()[0].lower().rstrip(".,")) not in asked
    if unit:
        return unit_asked(question) == "" and not re.match(
            rf"(?i)\s{{0,3}}(?:{'|'.join(map(re.escape, asked))})", after
        )
    phrase = _PHRASE.match(after)
    return phrase is not None and _other(_until_stop(phrase[1].lower()), asked)


def counted_other(text: str, question: str) -> bool:
    """The same of a text that is a number with what it counts, as it would stand in a box."""
    match = re.match(r"[^\w]{0,4}(?:about |exactly |only |there are |there is )?\d[\d.,]*", text)
    if match is None:
        return False
    after = text[match.end() :]
    scale, _, rest = after.strip().partition(" ")
    return counts_other(f" {rest}" if scale.lower() in SCALES or scale in SCALES else after, "", question)


def asked_for(question: str) -> frozenset[str]:
    """Nouns of which a question asks the number, in the singular, with the words that go with them; empty where it asks none, or
    for an amount in units."""
    if unit_asked(question):
        return frozenset()
    nouns = set[str]()
    for match in _ASKED.finditer(question[:LONGEST_QUESTION]):
        words = [word for word in _WORD.findall(match[1].lower()) if word not in _SKIPPED]
        nouns |= {_single(word) for word in _until_stop(" ".join(words)) if word not in _ADJECTIVES}
    return frozenset(nouns)


def _until_stop(phrase: str) -> list[str]:
    words = []
    for word in _WORD.findall(phrase):
        if word in _STOPS:
            break
        if word != "of":
            words.append(word)
        elif not words:
            break
    return words


def _other(words: list[str], asked: frozenset[str]) -> bool:
    """Whether a phrase names something else than what is asked for."""
    named = [word for word in words if word not in _ADJECTIVES]
    nouns = map(_single, named)
    if any(noun in asked or noun in _ANYTHING or _alike(noun, asked) for noun in nouns):
        return False
    return any(word.endswith("s") or word in _IRREGULAR or not word.endswith(_ENDINGS) for word in named)


def _alike(noun: str, asked: frozenset[str]) -> bool:
    if any(noun in same and asked & same for same in _ALIKE):
        return True
    return any((noun in kinds and asked & names) or (noun in names and asked & kinds) for names, kinds in _BELOW)


def _single(word: str) -> str:
    word = word.removesuffix("'s").strip("'")
    return _IRREGULAR.get(word) or singular(word)
