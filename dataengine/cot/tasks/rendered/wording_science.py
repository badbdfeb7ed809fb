"""Questions and answers about rendered problems, clocks, maps and flow charts; the wording is drawn from the record's seed."""

from __future__ import annotations

PROBLEM = {
    "expression": (
        "What is the value of this expression?",
        "Work out the expression in the picture.",
        "Calculate what is written here.",
        "What is the result of this expression?",
    ),
    "equation": (
        "Solve the equation for {name}.",
        "Which number does {name} stand for?",
        "What must {name} be for this equation to hold?",
        "Find the value of {name}.",
    ),
    "area": (
        "What is the area of the rectangle, in square {unit}?",
        "How many square {unit} does the rectangle cover?",
        "Find the area of the figure in square {unit}.",
    ),
    "perimeter": (
        "What is the perimeter of the rectangle, in {unit}?",
        "How long is the way around the rectangle, in {unit}?",
        "Find the perimeter of the figure in {unit}.",
    ),
    "triangle": (
        "How large is the unmarked angle, in degrees?",
        "Find the angle with the question mark, in degrees.",
        "What is the third angle of the triangle, in degrees?",
        "The drawing may not be exact; from the two marked angles, what is the third in degrees?",
    ),
}
CLOCK = {
    "clock": (
        "What time does the clock show? Write it like 7:05.",
        "Read the clock. Use the form 7:05.",
        "What time is it on this clock, written like 7:05?",
        "Tell the time in the form 7:05.",
        "Look at both hands: what time is it? Answer like 7:05.",
        "Give the time on the dial, as in 7:05.",
    ),
    "later": (
        "What time will it be {more} minutes after the time shown? Write it like 7:05.",
        "The clock runs on for {more} minutes. What time does it show then? Use the form 7:05.",
        "Add {more} minutes to the time on the clock. Answer like 7:05.",
        "A train leaves {more} minutes after the time shown. When is that? Write it like 7:05.",
        "If the clock is right, what time will it be in {more} minutes? Use the form 7:05.",
        "In {more} minutes, what will the hands show? Answer like 7:05.",
    ),
}
FLOW = {
    "flow": (
        "Follow the boxes from {start} to the end. Which number comes out?",
        "What number belongs in the last box?",
        "Start with {start} and do what each box says. What is the result?",
        "Work through the chart from top to bottom: what comes out at the end?",
        "Which number does the chain of steps produce?",
        "What replaces the question mark?",
        "The number {start} goes in at the top. What comes out at the bottom?",
        "Carry out all steps of the flow chart. What is the final number?",
        'Find the number in the box marked "end".',
        "After all the operations, what has {start} become?",
        "Go through the steps one by one and give the last value.",
        "What does the flow chart end with?",
    )
}
MAP: dict[str, tuple[str, ...]] = {
    "walk": (
        "From {town}, go {a} {side} and {b} {up}. Which town do you reach?",
        "Which town is {a} {side} and {b} {up} of {town}?",
        "A rider leaves {town}, rides {a} {side} and then {b} {up}. Where does the ride end?",
        "Name the town that you come to by going {a} {side} and {b} {up} from {town}.",
        "Start in {town}. Move {a} to the {side} and {b} to the {up}. Which town is there?",
        "Which town do you get to by going {a} {side} of {town} and then {b} {up}?",
    ),
    "nearest": (
        "Moving along the squares only, which town is nearest to {town}?",
        "Which town can be reached from {town} in the fewest squares, moving only {way}?",
        "Counting moves {way}, which town is closest to {town}?",
        "What is the nearest town to {town} if only moves {way} count?",
        "Somebody in {town} wants the shortest way to another town, moving only {way}. Which one is it?",
        "Name {town}'s nearest neighbour, measured in moves {way}.",
    ),
}
MAP["nearest"] = tuple(one.replace("{way}", "up, down, left or right") for one in MAP["nearest"])
_BOXED = ("The answer is {box}.", "So the answer is {box}.")
FINALS: dict[str, tuple[str, ...]] = {
    "expression": ("The value is {box}.", *_BOXED),
    "equation": ("The solution is {box}.", "So {name} is {box}.", *_BOXED),
    "area": ("The area in square {unit} is {box}.", *_BOXED),
    "perimeter": ("The perimeter in {unit} is {box}.", *_BOXED),
    "triangle": ("The third angle, in degrees, is {box}.", *_BOXED),
    "clock": ("The clock shows {box}.", *_BOXED),
    "later": ("It will be {box}.", *_BOXED),
    "flow": ("The number at the end is {box}.", *_BOXED),
    "walk": ("The town is {box}.", *_BOXED),
    "nearest": ("The nearest town is {box}.", *_BOXED),
}
PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("expression", "equation", "area", "perimeter", "triangle"),
        ("{answer}", "It is {answer}.", "The answer is {answer}."),
    ),
    **dict.fromkeys(("clock", "later"), ("{answer}",)),
}
