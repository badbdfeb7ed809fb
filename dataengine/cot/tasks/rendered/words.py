"""Words that rendered pictures are filled with: names, places, goods, and characters of several scripts."""

from __future__ import annotations

from collections.abc import Sequence

from dataengine.cot.core.seeded import Draw

TOWNS = (
    "Arlen", "Bexford", "Calder", "Dunmoor", "Elvick", "Farley", "Gorham", "Halden", "Ilmar", "Jorvik", "Kestrel",
    "Lorne", "Marwick", "Norwell", "Oakham", "Pelham", "Quinby", "Rowan", "Selby", "Torvey", "Upton", "Varley",
    "Wexham", "Yarrow",
)  # fmt: skip
NAMES = (
    "Amara", "Boris", "Chiara", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaori", "Leila",
    "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Stefan", "Tomoko", "Ulrich", "Vera", "Wanda", "Yusuf",
)  # fmt: skip
GOODS = (
    "apples", "beans", "candles", "dates", "eggs", "figs", "grapes", "honey", "ink", "jam", "kettles", "lamps",
    "melons", "nuts", "olives", "pears", "quilts", "rice", "soap", "tea", "umbrellas", "vases", "walnuts", "yarn",
)  # fmt: skip
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NOUNS = (
    "anchor", "bridge", "copper", "desert", "engine", "forest", "garden", "harbor", "island", "jacket", "kitchen",
    "ladder", "market", "needle", "orchard", "pocket", "quarry", "river", "saddle", "temple", "valley", "window",
    "yellow", "zipper", "basket", "candle", "dragon", "feather", "guitar", "hammer", "lantern", "mirror", "pepper",
    "rocket", "silver", "tunnel", "violin", "whistle",
)  # fmt: skip
SENTENCES = (
    "The ferry leaves from the north pier.", "Bring your own cup and spoon.", "Rooms are cleaned before noon.",
    "The garden is closed in heavy rain.", "Tickets are sold at the gate.", "Please keep the windows shut at night.",
    "The library moves to the upper floor.", "Parking is free on market days.", "Lost keys are kept at the desk.",
    "The water is safe to drink.", "Dogs are welcome in the courtyard.", "The lift holds six people.",
    "Tea is served in the old kitchen.", "The bridge opens for tall boats.", "New members meet in the hall.",
    "The museum shop takes no cards.",
)  # fmt: skip
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

#: Characters that are not mistaken for one another, by script.
SCRIPTS: dict[str, str] = {
    "Latin letters": "ABCDEFGHJKLMNPQRTUVWXY",
    "digits": "2345679",
    "Japanese kana": "あいうえおかきけこさしせそたちてとなにのはまみむめもやゆらりるれわ",
    "Korean syllables": "가나다라마바사아자차카타파하고노도로모보소오조",
    "Chinese characters": "山水火木金土日月人口田石竹米羊虫見言車門雨青魚鳥馬高黒花草星雪風電海空",
    "rare characters": "龘鬱麤靐齉爨犇猋淼焱鱻羴",
    "symbols": "★☆◆◇●○■□▲△▼▽♠♣♥♦♪☀☂☃☎",
}


def some(draw: Draw, items: Sequence[str], count: int) -> list[str]:
    """``count`` different items in drawn order."""
    return draw.shuffled(items)[:count]


def ordinal(number: int) -> str:
    """1 as "first"."""
    return ORDINALS[number - 1]


def joined(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def signed(change: int) -> str:
    """ "+5", "-3", "0"."""
    return f"{change:+d}" if change else "0"
