"""Wording templates of the auto-think tasks; which one is used is drawn from the record's seed."""

from __future__ import annotations

GLANCES = {
    "dark": ("Is this picture dark on the whole?", "Would you call this picture a dark one, overall?"),
    "bright": ("Is this picture bright on the whole?", "Would you call this picture a bright one, overall?"),
    "wide": ("Is this picture wider than it is tall?", "Is the width of this picture larger than its height?"),
    "tall": ("Is this picture taller than it is wide?", "Is the height of this picture larger than its width?"),
}
EASY = (
    "This asks for one overall impression that can be read off directly, with nothing to compare step by step.",
    "A single look at the whole picture settles this; there is nothing to count or to work out.",
    "The question is simple: one property of the picture as a whole, yes or no.",
)
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
    "Ordering {n} parts takes an estimate for each and several comparisons, so a quick guess would easily go wrong.",
    "There are {n} parts to estimate and to sort by {noun}; this needs more than one step.",
    "The answer depends on how {n} values compare with one another, which should be worked out carefully.",
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
