"""Questions and answers about rendered tables; which wording is used is drawn from the record's seed."""

from __future__ import annotations

_ENTRY = (
    "What does the table give for {row} under {column}?",
    "Which number is in the row for {row} and the column {column}?",
    "Read the entry for {row} in the column {column}.",
    "What is the value for {row} under {column}?",
    "Look up {row} under {column}.",
    "Find the cell where {row} and {column} meet. What does it say?",
    "According to the table, what is the number for {row} under {column}?",
    "Go to the row for {row}. What is written under {column}?",
    "In the column {column}, which number belongs to {row}?",
    "Which figure is entered for {row} under {column}?",
    "What number is listed for {row} in {column}?",
    "Tell me the figure for {row} and {column}.",
)
VALUE = {"value": _ENTRY}
COMPUTED = {
    "row_sum": (
        "What is the sum of all values in the row for {name}?",
        "Add up every number in the row for {name}.",
        "What is the total for {name} over all columns?",
        "Find the total of the row for {name}.",
    ),
    "column_sum": (
        "What do all values in the column {name} add up to?",
        "Add up the column {name}.",
        "What is the total under {name}, over all rows?",
        "Find the sum of the numbers in the column {name}.",
    ),
    "difference": (
        "Under {column}, by how much is the value for {more} larger than that for {less}?",
        "How much higher is the number for {more} than that for {less} in the column {column}?",
        "What is the difference between {more} and {less} under {column}?",
        "Subtract the entry for {less} from that for {more} in the column {column}. What is left?",
    ),
    "rank": (
        "Which row has the {nth} value under {column}?",
        "Which entry of the first column has the {nth} number under {column}?",
        "Sort the rows by {column}, largest first: which one has the {nth} number?",
        "Name the row with the {nth} entry in the column {column}.",
    ),
    "change": (
        "Which row grows most from {before} to {after}?",
        "From {before} to {after}, which row increases by the largest amount?",
        "Compare the columns {before} and {after}: for which row is the increase largest?",
        "Which row shows the biggest gain between {before} and {after}?",
    ),
}
SOURCE = {
    "markdown": (
        "Write this table in Markdown.",
        "Transcribe the table as a Markdown table, and write nothing else.",
        "Convert the table in the picture to Markdown source.",
        "Reproduce the table using Markdown pipes.",
    ),
    "csv": (
        "Write this table as comma-separated values, header row included.",
        "Transcribe the table as CSV, one row per line, and write nothing else.",
        "Give the contents of the table in CSV form.",
        "Turn the table into CSV, with no spaces after the commas.",
    ),
    "html": (
        "Write this table in HTML: one line per row, th in the header row, td elsewhere, no attributes.",
        "Transcribe the table as plain HTML, each tr on a line of its own, without attributes.",
        "Give HTML source that produces this table; put every row on one line and use no attributes.",
        "Reproduce the table as an HTML table with th cells in the first row and one tr per line.",
    ),
    "json": (
        "Write this table as a JSON list with one object per row, numbers as numbers.",
        "Transcribe the table as JSON: a list of objects whose keys are the column headings.",
        "Give the rows of the table as JSON objects in a list, on one line.",
        "Turn the table into a JSON array; each row becomes an object, keyed by the column headings.",
    ),
}
_NOTE = ' If the table has no such entry, answer with "no" and the name that is missing.'
TRAP = {
    **dict.fromkeys(("asked", "missing"), tuple(ask + _NOTE for ask in _ENTRY)),
    "claim": (
        "For {row} under {column} a reader noted {claimed}. Give the number that is printed there.",
        "The table says {claimed} for {row} under {column}, doesn't it? Answer with the number in the table.",
        "Somebody read {claimed} for {row} in the column {column}. Which number is in the table?",
        '"{row}: {claimed} under {column}" is how the table was copied. Which number does the table have?',
        "Is it true that {row} has {claimed} under {column}? Answer with the number in the table.",
        "Is {claimed} right for {row} in the column {column}? Answer with the number in the table.",
    ),
}
_BOXED = ("The answer is {box}.", "So the answer is {box}.")
_NONE = ("The table has {box}.", "There is nothing to look up: {box}.", *_BOXED)
FINALS: dict[str, tuple[str, ...]] = {
    "value": ("The entry is {box}.", *_BOXED),
    "row_sum": ("The total of the row is {box}.", *_BOXED),
    "column_sum": ("The total of the column is {box}.", *_BOXED),
    "difference": ("The difference is {box}.", *_BOXED),
    "rank": ("The {nth} value is that for {box}.", *_BOXED),
    "change": ("The largest increase is that for {box}.", *_BOXED),
    "asked": ("The entry is {box}.", *_BOXED),
    "missing": _NONE,
    "claim": ("The table gives {box}.", "The number in the table is {box}.", *_BOXED),
}
PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("value", "row_sum", "column_sum", "difference", "asked", "claim"),
        ("{answer}", "It is {answer}.", "The number is {answer}."),
    ),
    **dict.fromkeys(("rank", "change"), ("{answer}.", "It is {answer}.")),
    "missing": ("The table has {answer}.",),
}
