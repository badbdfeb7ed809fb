"""Questions about a line of small print, by what the sheet lists, and the sentences that end a reply to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ASKS: Mapping[str, tuple[str, ...]] = {
    "names": (
        "What is written next to {key}?",
        "Which word and number are entered for {key}?",
        "Read the entry for {key}.",
        "What does the line for {key} say?",
        "Find {key} in the list. What is written beside the name?",
        "Give the word and the number in the line for {key}.",
    ),
    "timetable": (
        "At what time is the departure to {key}?",
        "When does the service to {key} leave?",
        "What departure time is given for {key}?",
        "Read the time in the line for {key}.",
        "Find {key} in the timetable. What time is printed beside it?",
        "Which departure time is listed for {key}?",
    ),
    "prices": (
        "What does one {key} cost?",
        "What is the price of one {key}?",
        "Which price is listed for the {key}?",
        "Read the price in the line “{key}”.",
        "Find the {key} in the list. What does it cost?",
        "How much is one {key}?",
    ),
    "rooms": (
        "Which room is {key} in?",
        "What is {key}'s room number?",
        "Read the room number in the line for {key}.",
        "Find {key} in the list. Which room number is printed beside the name?",
        "In which room can {key} be found?",
        "What room number is listed for {key}?",
    ),
}
FINALS: Mapping[str, tuple[str, ...]] = {
    "names": (
        "Next to {key} it says {box}.",
        "The entry for {key} is {box}.",
        "The line for {key} says {box}.",
        "{key}: {box}",
    ),
    "timetable": (
        "The departure to {key} is at {box}.",
        "The service to {key} leaves at {box}.",
        "The time listed for {key} is {box}.",
        "To {key}: {box}",
    ),
    "prices": (
        "One {key} costs {box}.",
        "The price of one {key} is {box}.",
        "The {key} is listed at {box}.",
        "Price of the {key}: {box}",
    ),
    "rooms": (
        "{key} is in room {box}.",
        "{key}'s room number is {box}.",
        "The room listed for {key} is {box}.",
        "{key}'s room: {box}",
    ),
}
CLOSINGS = (
    "Now the lines are legible. “{key}” stands {near}, and beside it is {answer}.",
    "The letters can be read now. I find “{key}” {near}; the second column gives {answer}.",
    "At this size both columns are clear: “{key}” is {near}, with {answer} to its right.",
    "I go down the first column until I reach “{key}”, which is {near}. The entry beside it reads {answer}.",
    "The lines are sharp enough to read. “{key}” is listed {near}; its entry is {answer}.",
    "Reading the first column, I find “{key}” {near}. In the same line stands {answer}.",
    "That settles it: “{key}” is {near}, and the text next to it is {answer}.",
)


def questions(contexts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Question templates by ``CONTEXT KIND``: each sentence about the page before each question about its contents."""
    return {
        f"{context} {kind}": tuple(f"{sentence} {ask}" for sentence in sentences for ask in asks)
        for context, sentences in contexts.items()
        for kind, asks in ASKS.items()
    }
