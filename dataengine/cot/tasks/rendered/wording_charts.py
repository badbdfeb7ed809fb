"""Questions and answers about rendered charts; which wording is used is drawn from the record's seed."""

from __future__ import annotations

_BAR = (
    "What is the value for {label} in the chart?",
    "How high is the bar for {label}?",
    "Read the bar for {label}. Which number does it show?",
    'Which value does the chart "{title}" give for {label}?',
    "What number belongs to {label}?",
    "Up to which value does the bar for {label} go?",
    "Look at {label}: what is its value?",
    "Which figure does this chart show for {label}?",
    "According to the chart, what is the figure for {label}?",
    "{title}: what is the number for {label}?",
    "Find {label} on the axis and read its bar.",
    "Give the value shown for {label}.",
)
VALUE = {"value": _BAR}
COMPUTED = {
    "difference": (
        "By how much is the bar for {more} higher than that for {less}?",
        "What is the difference between {more} and {less}?",
        "How much more is shown for {more} than for {less}?",
        "Subtract the value for {less} from that for {more}. What do you get?",
    ),
    "rank": (
        "Which bar is the {nth}?",
        "Name the label of the {nth} bar.",
        "Which label is under the {nth} bar?",
        "{title}: which entry has the {nth} bar?",
    ),
    "above": (
        "How many bars are higher than {level}?",
        "Count the entries whose value is above {level}.",
        "How many of the values shown exceed {level}?",
        "For how many labels does the chart show more than {level}?",
    ),
    "crossing": (
        "At which label is {second} above {first} for the first time?",
        "From which point on is {second} above {first}? Give its label.",
        "When is the line for {second} first higher than that for {first}? Give the label.",
        "Where does {second} overtake {first}? Name the first label at which it is higher.",
    ),
    "rise": (
        "Between which two neighbouring labels does the line for {name} rise most? Answer in the form: from A to B.",
        "Where does the line for {name} rise most steeply? Use the form: from A to B.",
        "Over which single step does the line for {name} rise most? Write it as: from A to B.",
        "Find the largest increase for {name} from one label to the next, in the form: from A to B.",
    ),
}
SOURCE = {
    "csv": (
        "Give the data behind this chart as CSV with the header {head}.",
        "Turn the chart into comma-separated values, with the header {head} and no spaces after the commas.",
        "Write out all values of the chart as CSV. The header is {head}.",
        "Which table was this chart drawn from? Answer as CSV, with the header {head}.",
        'Recover the numbers of the chart "{title}" as CSV with the header {head}.',
        "List what the chart shows as CSV, one label per line, under the header {head}.",
    ),
    "markdown": (
        "Give the data behind this chart as a Markdown table with the columns {head}.",
        "Turn the chart into a Markdown table with the columns {head}.",
        "Write out all values of the chart as a Markdown table. The columns are {head}.",
        "Which table was this chart drawn from? Answer in Markdown, with the columns {head}.",
        'Recover the numbers of the chart "{title}" as a Markdown table with the columns {head}.',
        "Put what the chart shows into a Markdown table with the columns {head}.",
    ),
}
_NOTE = ' If the chart does not show it, answer with "no" and the name that is missing.'
TRAP = {
    **dict.fromkeys(("asked", "missing"), tuple(ask + _NOTE for ask in _BAR)),
    "claim": (
        "{label} is at {claimed} in this chart. True? Answer with the value in the chart.",
        "Before quoting {claimed} for {label}, look at the chart: what does it show?",
        "The bar for {label} shows {claimed}, doesn't it? Answer with the value that the chart shows.",
        "Somebody says that the value for {label} is {claimed}. Check the chart and give its value.",
        "A report quotes this chart with {claimed} for {label}. Which value does the chart have?",
        "Is {claimed} what the chart shows for {label}? Answer with the value shown.",
    ),
}
_BOXED = ("The answer is {box}.", "So the answer is {box}.")
FINALS: dict[str, tuple[str, ...]] = {
    "value": ("The bar for {label} shows {box}.", *_BOXED),
    "difference": ("The difference is {box}.", *_BOXED),
    "rank": ("The {nth} bar is that for {box}.", *_BOXED),
    "above": ("The number of bars above {level} is {box}.", *_BOXED),
    "crossing": ("{second} is above {first} from {box} on.", *_BOXED),
    "rise": ("The steepest rise is {box}.", *_BOXED),
    "asked": ("The bar for {label} shows {box}.", *_BOXED),
    "missing": ("The chart shows {box}.", "It cannot be read: {box}.", *_BOXED),
    "claim": ("The chart shows {box}.", "The value in the chart is {box}.", *_BOXED),
}
_NUMBER = ("{answer}", "It is {answer}.", "The value is {answer}.")
PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("value", "asked", "claim"), _NUMBER),
    "difference": ("{answer}", "It is {answer}.", "The difference is {answer}."),
    "above": ("{answer}", "It is {answer}.", "The number is {answer}."),
    **dict.fromkeys(("rank", "crossing"), ("{answer}.", "It is {answer}.")),
    "rise": ("{answer}",),
    "missing": ("The chart shows {answer}.",),
}
