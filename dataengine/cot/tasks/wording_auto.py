"""Wording templates of the auto-think tasks; which one is used is drawn from the record's seed."""

from __future__ import annotations

GLANCES = {
    "dark": ("Is this picture dark on the whole?", "Would you call this picture a dark one, overall?"),
    "bright": ("Is this picture bright on the whole?", "Would you call this picture a bright one, overall?"),
    "wide": ("Is this picture wider than it is tall?", "Is the width of this picture larger than its height?"),
    "tall": ("Is this picture taller than it is wide?", "Is the height of this picture larger than its width?"),
}
EASY = (
    "This asks for one overall impression, and the picture is far from the border between yes and no.",
    "A single look at the whole picture settles this; it is a clear case.",
    "The question is simple: one property of the picture as a whole, and it is plain to see.",
    "Nothing has to be counted or compared here, and the picture leaves no doubt.",
)
CLOSE = (
    "This asks for one overall impression, but the picture is not far from the border between yes and no.",
    "The question is simple, yet the picture is no extreme case, so a closer look is better.",
    "A first glance could be wrong here, because the picture is only moderately one or the other.",
    "It takes an estimate for the picture as a whole, and the case is not an extreme one.",
)
ESTIMATES = {
    "brightness": (
        "On a scale where 0 is black and 255 is white, the whole picture comes to about {value}. That is in its {half} half.",
        "Averaged over all of it, the picture has about {value}, where 0 is black and 255 is white. So it is in the {half} half.",
    ),
    "aspect": (
        "I compare the two sides: the width is about {value} thousandths of the height, so it is the {half} side.",
        "Measured against the height, the width comes to about {value} thousandths. The width is therefore the {half} side.",
    ),
}
HALVES = {
    ("brightness", True): "upper",
    ("brightness", False): "lower",
    ("aspect", True): "longer",
    ("aspect", False): "shorter",
}
VERDICTS = ("So the answer is {box}.", "All in all: {box}.", "On the whole, {box}.")
SHORT = {
    "yes": ("Yes.", "Yes, it is.", "Yes, quite clearly."),
    "no": ("No.", "No, it is not.", "No, quite clearly not."),
}
RANKINGS = (
    "Put these parts of the picture in order, from lowest to highest {noun}. Answer with their letters.\n{options}",
    "Sort these parts of the picture by {noun}, lowest first. Give the letters in order.\n{options}",
    "Rank the following parts by increasing {noun} and list their letters.\n{options}",
)
HARD = (
    "Ordering {n} parts takes an estimate for each, and some of them are close, so a quick guess would easily go wrong.",
    "There are {n} parts to sort by {noun}, and not all of them differ clearly; this needs more than one step.",
    "The answer depends on how {n} values compare with one another, and some are close enough to be mixed up.",
    "At least two of the {n} parts have much the same {noun}, so each should be estimated with care.",
)
APART = (
    "The {n} parts differ so much in {noun} that their order can be seen at once.",
    "There are {n} parts to sort by {noun}, and each is far from the next, so no estimates have to be written out.",
    "The {n} values are far apart, which leaves no doubt about their order.",
    "Sorting {n} parts by {noun} is easy here, because no two of them are close.",
)
OPENINGS = (
    "I estimate the {noun} of each part ({scale}).",
    "First the {noun} of every part, where {scale}.",
    "Let me write down the {noun} part by part; {scale}.",
)
READINGS = (
    "{letter}, the {part}: {value}.",
    "The {part} ({letter}) has {value}.",
    "{letter} is the {part}, with {value}.",
)
SORTED = ("From lowest to highest that is {chain}.", "Sorted: {chain}.", "In increasing order: {chain}.")
ANSWERS = ("The order is {box}", "From lowest to highest: {box}", "Sorted by {noun}: {box}")
