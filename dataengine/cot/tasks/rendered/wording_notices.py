"""Questions and answers about rendered receipts, notices, opening hours and cards; the wording is drawn by seed."""

from __future__ import annotations

RECEIPT = {
    "total": (
        "What is the total of this receipt, in {unit}?",
        "How many {unit} did everything cost together?",
        "Add up all lines of the receipt. What is the sum in {unit}?",
        "The total is not printed. How many {unit} should it be?",
        "How many {unit} were owed in all?",
    ),
    "change": (
        "How much change was given, in {unit}?",
        "The customer paid in cash. How many {unit} came back?",
        "What is the change on this purchase, in {unit}?",
        "After paying in cash, how many {unit} did the customer get back?",
    ),
    "line": (
        "On which goods was the most money spent?",
        "Which goods on the receipt cost the most, counting all pieces?",
        "What did the customer spend the most on?",
        "Which goods made up the largest amount?",
    ),
}
NOTICE = {
    "date": (
        "On which date is the {what}?",
        "When is the {what}? Give the day and the month.",
        "What date does the notice give for the {what}?",
    ),
    "place": (
        "Where is the {what} held?",
        "At which place can you attend the {what}?",
        "What is the venue of the {what}?",
    ),
    "time": (
        "At what time does the {what} begin?",
        "When does the {what} start? Give the time.",
        "What is the starting time of the {what}?",
    ),
    "host": (
        "Who hosts the {what}?",
        "What is the name of the host of the {what}?",
        "Whose name is given as the host of the {what}?",
    ),
    "fee": (
        "What does entry to the {what} cost?",
        "How much is the entry fee of the {what}?",
        "Which price does the notice give for entry to the {what}?",
    ),
}
HOURS = {
    "until_closing": (
        "It is {day}, {now}. For how many more minutes is the shop open?",
        "On {day} at {now}, how many minutes are left until the shop closes?",
        "You reach the door at {now} on {day}. In how many minutes does it close?",
        "How many minutes of opening time remain at {now} on {day}?",
    ),
    "until_opening": (
        "It is {day}, {now}. How many minutes is it until the shop opens?",
        "Somebody comes to the closed door at {now} on {day}. After how many minutes does the shop open?",
        "You reach the door at {now} on {day}. In how many minutes can you go in?",
        "On {day} at {now} the shop is still shut. How many minutes remain until it opens?",
    ),
    "open_minutes": (
        "For how many minutes is the shop open on {day}?",
        "How long, in minutes, are the opening hours on {day}?",
        "Counted in minutes, for how long can you shop on {day}?",
        "How many minutes are there between opening and closing on {day}?",
    ),
}
TIMELINE = {
    "timeline": (
        "Put the lines in chronological order, earliest first. Answer with their letters.",
        "In which order did these things happen? Give the letters, oldest first.",
        "Sort the events by date and list their letters, separated by commas.",
        "Arrange the lines from the earliest to the latest date. Answer with letters.",
        "Which letter comes first, second and so on if the events are ordered by date?",
        "Give the letters of the events in the order in which they took place.",
        "Order the entries by their dates, beginning with the earliest. Letters only.",
        "List the letters from the first event to the last.",
        "What is the correct order of these events in time? Use the letters.",
        "Read the dates and put the letters in chronological order.",
        "Starting with the earliest, give the letters of all events.",
        "Bring the events into chronological order; answer with the letters.",
    )
}
_BOXED = ("The answer is {box}.", "So the answer is {box}.")
FINALS: dict[str, tuple[str, ...]] = {
    "total": ("The total in {unit} is {box}.", *_BOXED),
    "change": ("The change in {unit} was {box}.", *_BOXED),
    "line": ("The most was spent on {box}.", *_BOXED),
    "until_closing": ("The shop closes in {box} minutes.", *_BOXED),
    "until_opening": ("The shop opens in {box} minutes.", *_BOXED),
    "open_minutes": ("The shop is open for {box} minutes.", *_BOXED),
    "timeline": ("The order is {box}.", "In chronological order: {box}.", *_BOXED),
}
