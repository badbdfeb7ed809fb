"""Questions and answers about rendered charts; which wording is used is drawn from the record's seed."""

from __future__ import annotations

VALUE = {
    "value": (
        "What is the value for {label} in the chart?",
        "How high is the bar of {label}?",
        "Read the bar of {label}. Which number does it show?",
        'Which value does the chart "{title}" give for {label}?',
        "What number belongs to {label}?",
        "Up to which value does the bar of {label} go?",
        "Look at {label}: what is its value?",
        "Tell me how much {label} has in this chart.",
        "According to the chart, what is the figure for {label}?",
        "{title}: what is the number for {label}?",
        "Find {label} on the axis and read its bar.",
        "Give the value shown for {label}.",
    )
}
COMPUTED = {
    "difference": (
        "By how much is the bar of {more} higher than that of {less}?",
        "What is the difference between {more} and {less}?",
        "How much more is shown for {more} than for {less}?",
        "Subtract the value of {less} from that of {more}. What do you get?",
    ),
    "rank": (
        "Which bar is the {nth}?",
        "Name the label of the {nth} bar.",
        "What name stands under the {nth} bar?",
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
        "From which point on does {second} lie above {first}? Give its label.",
        "When does the line of {second} first stand higher than that of {first}?",
        "Where does {second} overtake {first}? Name the first label at which it is higher.",
    ),
    "rise": (
        "Between which two neighbouring labels does {name} rise most? Answer in the form: from A to B.",
        "Where is the steepest rise of {name}? Use the form: from A to B.",
        "Over which single step does the line of {name} gain most? Write it as: from A to B.",
        "Find the largest increase of {name} from one label to the next, in the form: from A to B.",
    ),
}
SOURCE = {
    "csv": (
        "Give the data behind this chart as CSV with the head {head}.",
        "Turn the chart into comma-separated values, with the head {head} and no spaces.",
        "Write out all values of the chart as CSV. The head is {head}.",
        "Which table was this chart drawn from? Answer as CSV, with the head {head}.",
        'Recover the numbers of the chart "{title}" as CSV with the head {head}.',
        "List what the chart shows as CSV, one label a line, under the head {head}.",
    ),
    "markdown": (
        "Give the data behind this chart as a Markdown table with the head {head}.",
        "Turn the chart into a Markdown table with the columns {head}.",
        "Write out all values of the chart as a Markdown table. The head is {head}.",
        "Which table was this chart drawn from? Answer in Markdown, with the head {head}.",
        'Recover the numbers of the chart "{title}" as a Markdown table with the head {head}.',
        "Put what the chart shows into a Markdown table with the columns {head}.",
    ),
}
_NOTE = ' If the chart does not show it, answer with "no" and the name that is missing.'
TRAP = {
    "present": tuple(
        ask + _NOTE
        for ask in (
            "What is the value for {label}?",
            "How high is the bar of {label}?",
            "Read the bar of {label}.",
            "Which number does the chart give for {label}?",
        )
    ),
    "no_bar": tuple(
        ask + _NOTE
        for ask in (
            "What is the value for {label}?",
            "How high is the bar of {label}?",
            "Read the bar of {label}.",
            "Which number does the chart give for {label}?",
            "How much does {label} have?",
        )
    ),
    "claim": (
        "{label} stands at {wrong} in this chart. True? Answer with the value in the chart.",
        "Before quoting {wrong} for {label}, look at the chart: what does it show?",
        "The bar of {label} shows {wrong}, does it not? Answer with the value that it really shows.",
        "Somebody says that {label} has {wrong}. Check the chart and give the right value.",
        "Why is the value of {label} {wrong}? If it is not, just give the value that the chart shows.",
        "A report quotes this chart with {wrong} for {label}. Which value should it quote?",
        "Is {wrong} what the chart shows for {label}? Answer with the value shown.",
    ),
}
_BOXED = ("The answer is {box}", "So the answer is {box}")
FINALS: dict[str, tuple[str, ...]] = {
    "value": ("The bar of {label} shows {box}", *_BOXED),
    "difference": ("The difference is {box}", *_BOXED),
    "rank": ("The {nth} bar is that of {box}", *_BOXED),
    "above": ("The number of bars above {level} is {box}", *_BOXED),
    "crossing": ("{second} is above {first} from {box} on.", *_BOXED),
    "rise": ("The steepest rise is {box}", *_BOXED),
    "present": ("The bar of {label} shows {box}", *_BOXED),
    "no_bar": ("The chart shows {box}", "It cannot be read: {box}", *_BOXED),
    "claim": ("The chart shows {box}", "The right value is {box}", *_BOXED),
    **dict.fromkeys(("csv", "markdown"), _BOXED),
}
_NUMBER = ("{answer}", "It is {answer}.", "The value is {answer}.")
PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("value", "difference", "above", "present", "claim"), _NUMBER),
    **dict.fromkeys(("rank", "crossing"), ("{answer}.", "It is {answer}.")),
    "rise": ("It rises most {answer}.",),
    "no_bar": ("The chart shows {answer}.",),
    **dict.fromkeys(("csv", "markdown"), ("{answer}",)),
}
