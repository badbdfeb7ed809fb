"""Wording templates of the think-with-image tasks; which one is used is drawn from the record's seed."""

from __future__ import annotations

VIEW_QUESTIONS = (
    "Take the picture {view}. On average, is the {first} of the result {more} than its {second}?",
    "Suppose the picture is {view}. On average, is the {first} then {more} than the {second}?",
    "Consider this picture {view}. Comparing averages, is the {first} {more} than the {second}?",
    "With the picture {view}, would the {first} be {more} on average than the {second}?",
    "Imagine the picture {view}. Is its {first} {more} than its {second}, taken as a whole?",
    "If the picture were {view}, would the {first} be {more} on average than the {second}?",
    "The question is about the picture {view}: is the {first} {more} on average than the {second}?",
    "Look at the picture {view}. Averaged over all pixels, is the {first} {more} than the {second}?",
    "Compare two halves of the picture {view}. Is the {first} {more} on average than the {second}?",
    "Once the picture is {view}, is the {first} {more} than the {second}, on average?",
    "Think of the picture {view}. By the mean over all pixels, is its {first} {more} than its {second}?",
    "Would you call the {first} {more} than the {second} in the picture {view}, going by averages?",
)
LOOKS = (
    "The question is about the picture {view}, so I make that view.",
    "Rather than imagine it, I look at the picture {view}.",
    "First I need to see the picture {view}.",
    "I start by making the view in question: the picture {view}.",
    "Before comparing anything, I want the picture {view} in front of me.",
    "What counts is the picture {view}. I make it.",
)
MEASURES = (
    "With this view at hand, I measure the {noun} of its {first} and of its {second} ({scale}).",
    "Now the numbers: {noun} of the {first}, then of the {second}; {scale}.",
    "To compare the two halves fairly, I measure their {noun}, the {first} first. Here {scale}.",
    "Next I measure the {noun} of both halves, the {first} and then the {second}; {scale}.",
    "The comparison takes two numbers, the {noun} of the {first} and that of the {second}. On this scale {scale}.",
    "I measure rather than guess: {noun}, first of the {first}, then of the {second} ({scale}).",
)
HALVES = {
    "yes": (
        "The {first} has {value} and the {second} {other}: the {first} is ahead by {gap}, so it is {more}.",
        "{value} against {other} is a lead of {gap} for the {first}. It is indeed {more}.",
        "So the {first} is {more}: {value} compared with {other}, a difference of {gap}.",
        "The {first} comes to {value}, the {second} to {other}. With a lead of {gap}, the {first} is {more}.",
        "Of the two values, {value} and {other}, that of the {first} is higher by a difference of {gap}. So it is {more}.",
        "By a difference of {gap}, {value} to {other}, the {first} is {more}.",
    ),
    "no": (
        "The {first} has {value} and the {second} {other}: the {first} is behind by {gap}, so it is not {more}.",
        "{value} against {other} puts the {first} {gap} behind. It is not {more}.",
        "It is the other way round: the {second} has {other}, the {first} only {value}, {gap} less.",
        "The {first} comes to {value}, the {second} to {other}. The {first} is {gap} behind, so it is not {more}.",
        "Of the two values, {value} and {other}, the second is higher by a difference of {gap}, so the {first} is not {more}.",
        "By a difference of {gap}, {other} to {value}, the {second} is {more}, not the {first}.",
    ),
}
VERDICTS = {
    "yes": (
        "Yes, the {first} is {more} than the {second}. {box}",
        "The {first} is indeed {more}: {box}",
        "On average the {first} is {more}, so {box}",
        "{box}: the {first} is {more}.",
    ),
    "no": (
        "No, the {first} is not {more} than the {second}. {box}",
        "The {first} is not {more} here: {box}",
        "On average the {first} is not {more}, so {box}",
        "{box}: the {first} is not {more}.",
    ),
}

CELL_QUESTIONS = (
    "Divide the picture into quarters, and each quarter into a grid of 4 × 4 cells. Which quarter holds the cell that is "
    "the {extreme} of all on average?\n{options}",
    "Cut each quarter of the picture into 4 × 4 equal cells and average every cell. Where does the {extreme} cell lie?"
    "\n{options}",
    "Among all cells of a fine grid, 4 × 4 in each quarter of the picture, one is the {extreme}. In which quarter is it?"
    "\n{options}",
    "Lay a grid of 4 × 4 cells over each quarter of the picture. In which quarter is the {extreme} cell, by the mean of its "
    "pixels?\n{options}",
    "Each quarter of the picture consists of 4 × 4 equal cells. Which quarter has the {extreme} one?\n{options}",
    "Where is the {extreme} cell if every quarter of the picture is cut into 4 × 4 cells?\n{options}",
    "Average the pixels of each cell in a grid of 4 × 4 cells a quarter. Which quarter contains the {extreme} cell?\n{options}",
    "Of the 64 cells of the picture, 4 × 4 in each quarter, find the {extreme}. Which quarter is it in?\n{options}",
    "In which quarter of the picture does the {extreme} of all cells lie, with 4 × 4 cells a quarter?\n{options}",
    "Split the quarters of the picture into 4 × 4 cells each. The {extreme} cell is in which of them?\n{options}",
    "Which quarter has the {extreme} cell when each is divided into 4 × 4 cells of equal size?\n{options}",
    "A grid divides each quarter of the picture into 4 × 4 cells. Name the quarter with the {extreme} cell.\n{options}",
)
SEARCHES = (
    "I look for the {end} {noun} among the 4 × 4 cells of each quarter, in the order of the options ({scale}).",
    "For every quarter, in the order given, I measure its cell of {end} {noun}; {scale}.",
    "An eye is easily misled by the surroundings, so I measure the {end} {noun} of the cells in each quarter. Here {scale}.",
    "One number a quarter will do: the {end} {noun} of its cells, in the order of the options. On this scale {scale}.",
    "I let the tool find the {end} {noun} among the cells of each quarter, in the order in which they are listed ({scale}).",
    "First I need the {end} {noun} of a cell in each quarter, in the given order; {scale}.",
)
ZOOMS = (
    "The {part} stands out with {value}. I enlarge it to look at the place.",
    "{value} is the {end} of these and belongs to the {part}; let me look at it more closely.",
    "The {end} value is {value}, in the {part}. I crop to it to make sure.",
    "The {part} has the {end} value, {value}. I want to see that quarter enlarged.",
    "With {value} the {part} has the {end} cell. I enlarge this quarter.",
    "Of these, {value} is the {end}; it is that of the {part}, which I now look at.",
)
CELLS = (
    "The {second} comes next with {other}, {gap} away, so there is no doubt: {letter}.",
    "The nearest competitor, the {second}, has {other}, a difference of {gap}. The answer is {letter}.",
    "No other quarter comes closer than {gap} (the {second} has {other}). Option {letter}.",
    "Next in order is the {second} with {other}, a difference of {gap}. That makes it option {letter}.",
    "The {second} follows with {other}, {gap} away. So the answer is {letter}.",
    "A difference of {gap} to the {second}, which has {other}, settles it: option {letter}.",
)
CELL_ANSWERS = (
    "The {extreme} cell lies in the {part}. {box}",
    "It is in the {part}: {box}",
    "The {part} holds the {extreme} cell: {box}",
    "The cell in question is in the {part}: {box}",
)
