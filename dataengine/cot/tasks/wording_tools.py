"""Wording templates of the think-with-image tasks; which one is used is drawn from the record's seed."""

from __future__ import annotations

VIEW_QUESTIONS = (
    "Take the picture {view}. Is the {first} of the result {more} than its {second}, on average?",
    "Suppose you have the picture {view}. On average, is the {first} then {more} than the {second}?",
    "Consider this picture {view}. Comparing averages, is the {first} {more} than the {second}?",
    "With the picture {view}, would the {first} be {more} on average than the {second}?",
)
LOOKS = (
    "The question is about the picture {view}, so I make that view.",
    "Rather than imagine it, I look at the picture {view}.",
    "First I need to see the picture {view}.",
)
MEASURES = (
    "With this view in hand I measure the {noun} of its {first} and of its {second} ({scale}).",
    "Now the numbers: {noun} of the {first}, then of the {second}; {scale}.",
    "To compare the two halves fairly I measure their {noun}, the {first} first. Here {scale}.",
)
HALVES = {
    "yes": (
        "The {first} has {value} and the {second} {other}: the {first} is ahead by {gap}, so it is {more}.",
        "{value} against {other} is a lead of {gap} for the {first}. It is indeed {more}.",
        "So the {first} is {more}: {value} compared with {other}, which is {gap} above it.",
    ),
    "no": (
        "The {first} has {value} and the {second} {other}: the {first} is behind by {gap}, so it is not {more}.",
        "{value} against {other} puts the {first} {gap} behind. It is not {more}.",
        "It is the other way round: the {second} has {other}, the {first} only {value}, {gap} less.",
    ),
}
VERDICTS = {
    "yes": ("Yes, the {first} is {more} than the {second}. {box}", "The {first} is indeed {more}: {box}"),
    "no": ("No, the {first} is not {more} than the {second}. {box}", "The {first} is not {more} here: {box}"),
}

CELL_QUESTIONS = (
    "Divide the picture into quarters, and each quarter into a grid of 4 × 4 cells. Which quarter holds the cell that is "
    "the {extreme} of all on average?\n{options}",
    "Cut each quarter of the picture into 4 × 4 equal cells and average every cell. Where does the {extreme} cell lie?"
    "\n{options}",
    "Among all cells of a fine grid, 4 × 4 in each quarter of the picture, one is the {extreme}. In which quarter is it?"
    "\n{options}",
)
SEARCHES = (
    "I look for the {end} {noun} among the 4 × 4 cells of each quarter, in the order of the options ({scale}).",
    "For every quarter, in the order given, I measure its cell of {end} {noun}; {scale}.",
    "An eye is easily misled by the surroundings, so I measure the {end} {noun} of the cells in each quarter. Here {scale}.",
)
ZOOMS = (
    "The {part} stands out with {value}. I enlarge it to look at the place.",
    "{value} is the {end} of these and belongs to the {part}; let me see it from close up.",
    "The {end} value is {value}, in the {part}. I crop to it to make sure.",
)
CELLS = (
    "The {second} comes next with {other}, {gap} away, so there is no doubt: {letter}.",
    "Its nearest rival, the {second}, has {other}, a difference of {gap}. The answer is {letter}.",
    "No other quarter comes closer than {gap} (the {second} has {other}). Option {letter}.",
)
CELL_ANSWERS = (
    "The {extreme} cell lies in the {part}. {box}",
    "It is in the {part}: {box}",
    "The {part} holds the {extreme} cell: {box}",
)
