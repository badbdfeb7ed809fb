"""Questions and answers about rendered tables; which wording is used is drawn from the record's seed."""

from __future__ import annotations

VALUE = {
    "value": (
        "What does the table give for {row} under {column}?",
        "Which number stands in the row of {row} and the column {column}?",
        "Read the entry for {row} in the column {column}.",
        "What is the value of {row} for {column}?",
        "Look up {row} under {column}.",
        "Find the cell where {row} and {column} meet. What does it say?",
        "According to the table, what is {row}'s number for {column}?",
        "Go to the row {row}. What is written under {column}?",
        "In the column {column}, which number belongs to {row}?",
        "How much does {row} have under {column}?",
        "What number is listed for {row} in {column}?",
        "Tell me the figure for {row} and {column}.",
    )
}
COMPUTED = {
    "row_sum": (
        "What is the sum of all values in the row of {name}?",
        "Add up every number in the row {name}.",
        "How much does {name} have in total, over all columns?",
        "Find the total of the row {name}.",
    ),
    "column_sum": (
        "What do all values in the column {name} add up to?",
        "Add up the column {name}.",
        "What is the total under {name}, over all rows?",
        "Find the sum of the numbers in the column {name}.",
    ),
    "difference": (
        "Under {column}, by how much is the value of {more} larger than that of {less}?",
        "How much more does {more} have than {less} in the column {column}?",
        "What is the difference between {more} and {less} under {column}?",
        "Subtract the entry of {less} from that of {more} in the column {column}. What is left?",
    ),
    "rank": (
        "Which row has the {nth} value under {column}?",
        "Who or what comes out {nth} in the column {column}?",
        "Sort the rows by {column}, largest first: which one has the {nth} number?",
        "Name the row with the {nth} entry in the column {column}.",
    ),
    "change": (
        "Which row grows most from {before} to {after}?",
        "From {before} to {after}, whose value increases by the largest amount?",
        "Compare the columns {before} and {after}: for which row is the increase largest?",
        "Which row shows the biggest gain between {before} and {after}?",
    ),
}
SOURCE = {
    "markdown": (
        "Write this table in Markdown.",
        "Transcribe the table as a Markdown table, and write nothing else.",
        "Convert the picture into Markdown source.",
        "Reproduce the table using Markdown pipes.",
    ),
    "csv": (
        "Write this table as comma-separated values, head included.",
        "Transcribe the table as CSV, one row a line, and write nothing else.",
        "Give the contents of the table in CSV form.",
        "Turn the table into CSV, with no spaces after the commas.",
    ),
    "html": (
        "Write this table in HTML: one line a row, th in the head, td elsewhere, no attributes.",
        "Transcribe the table as plain HTML, each tr on a line of its own, without attributes.",
        "Give HTML source that produces this table; put every row on one line and use no attributes.",
        "Reproduce the table as an HTML table with th cells in the first row and one tr a line.",
    ),
    "json": (
        "Write this table as a JSON list with one object a row, numbers as numbers.",
        "Transcribe the table as JSON: a list of objects whose keys are the column heads.",
        "Give the rows of the table as JSON objects in a list, on one line.",
        "Turn the table into a JSON array; each row becomes an object, keyed by the heads.",
    ),
}
_NOTE = ' If the table has no such entry, answer with "no" and the name that is missing.'
TRAP = {
    "present": tuple(
        ask + _NOTE
        for ask in (
            "What does the table give for {row} under {column}?",
            "Which number stands for {row} in the column {column}?",
            "Look up {row} under {column}.",
        )
    ),
    "no_row": tuple(
        ask + _NOTE
        for ask in (
            "What does the table give for {row} under {column}?",
            "Which number stands for {row} in the column {column}?",
            "Read {row}'s entry for {column}.",
            "How much does {row} have under {column}?",
        )
    ),
    "no_column": tuple(
        ask + _NOTE
        for ask in (
            "What does the table give for {row} under {column}?",
            "Which number stands for {row} in the column {column}?",
            "Look up {row} under {column}.",
            "What is {row}'s figure for {column}?",
        )
    ),
    "claim": (
        "For {row} under {column} a reader noted {wrong}. Give the number that is printed there.",
        "The table says that {row} has {wrong} under {column}, does it not? Answer with the number that it really gives.",
        "Somebody read {wrong} for {row} in the column {column}. Which number stands there?",
        '"{row}: {wrong} under {column}" is how the table was copied. What is the right number?',
        "Given that {row} has {wrong} under {column}: check this in the table and give the number that is there.",
        "Is {wrong} right for {row} in the column {column}? Answer with the number in the table.",
    ),
}
_BOXED = ("The answer is {box}", "So the answer is {box}")
_NONE = ("The table has {box}", "It cannot be looked up: {box}", *_BOXED)
FINALS: dict[str, tuple[str, ...]] = {
    "value": ("The entry is {box}", *_BOXED),
    "row_sum": ("The total of the row is {box}", *_BOXED),
    "column_sum": ("The total of the column is {box}", *_BOXED),
    "difference": ("The difference is {box}", *_BOXED),
    "rank": ("The {nth} value belongs to {box}", *_BOXED),
    "change": ("The largest increase is that of {box}", *_BOXED),
    "present": ("The entry is {box}", *_BOXED),
    "no_row": _NONE,
    "no_column": _NONE,
    "claim": ("The table gives {box}", "The right number is {box}", *_BOXED),
    **dict.fromkeys(("markdown", "csv", "html", "json"), _BOXED),
}
PLAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("value", "row_sum", "column_sum", "difference", "present", "claim"),
        ("{answer}", "It is {answer}.", "The number is {answer}."),
    ),
    **dict.fromkeys(("rank", "change"), ("{answer}.", "It is {answer}.")),
    **dict.fromkeys(("no_row", "no_column"), ("The table has {answer}.",)),
    **dict.fromkeys(("markdown", "csv", "html", "json"), ("{answer}",)),
}
