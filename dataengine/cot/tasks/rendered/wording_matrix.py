"""Questions about a matrix of characters, by class of instruction."""

from __future__ import annotations

READING: dict[str, tuple[str, ...]] = {
    "row_lr": (
        "Read the {nth} row from left to right, without spaces.",
        "Write down the characters of row {n}, left to right, and nothing else.",
        "What does the {nth} row from the top say, read from left to right? Leave out spaces.",
    ),
    "row_rl": (
        "Read the {nth} row from right to left, without spaces.",
        "Write the characters of row {n} in reverse order, with no spaces between them.",
        "Going from the right edge to the left, which characters are in row {n}? Leave out spaces.",
    ),
    "column_tb": (
        "Read the {nth} column from top to bottom, without spaces.",
        "List the characters of column {n} downwards, with no spaces between them.",
        "Which characters are in the {nth} column from the left, going down? Leave out spaces.",
    ),
    "column_bt": (
        "Read the {nth} column from bottom to top, without spaces.",
        "Give the characters of column {n} upwards, starting at the bottom, with no spaces.",
        "Starting at the bottom of column {n} and going up, what do you read? Leave out spaces.",
    ),
    "row_column": (
        "Write the {row} row from left to right, and right after it the {column} column from top to bottom, without spaces.",
        "Copy the {row} row (left to right), then append the {column} column (top to bottom). No spaces.",
        "First the characters of the {row} row, then those of the {column} column, downwards: give them as one string.",
    ),
    "column_row": (
        "Write the {column} column from top to bottom, and right after it the {row} row from left to right, without spaces.",
        "Copy the {column} column downwards, then append the {row} row from left to right. No spaces.",
        "First the characters of the {column} column, downwards, then those of the {row} row: give them as one string.",
    ),
    "two_rows": (
        "Write the {row} row and, right after it, the {other} row, both from left to right and without spaces.",
        "Join the {row} row and the {other} row, in that order, into one string without spaces.",
        "Copy two rows one after the other: the {row} and then the {other}. No spaces.",
    ),
    "diagonal": (
        "Start in the upper left corner and go down diagonally to the right until you leave the matrix. Which characters "
        "do you pass? Leave out spaces.",
        "Read the diagonal that starts at the upper left corner, downwards, without spaces.",
        "Give the characters on the diagonal from the upper left corner, one from each row, as one string.",
    ),
    "antidiagonal": (
        "Start in the upper right corner and go down diagonally to the left until you leave the matrix. Which characters "
        "do you pass? Leave out spaces.",
        "Read the diagonal that starts at the upper right corner, downwards, without spaces.",
        "Give the characters on the diagonal from the upper right corner, one from each row, as one string.",
    ),
    "cell": (
        "Which character is in the {row} row and the {column} column?",
        "What is at row {r}, column {c}? Give the character only.",
        "Name the character where the {row} row and the {column} column meet.",
    ),
}
LOCATING: dict[str, tuple[str, ...]] = {
    "locate": (
        "Where is {x}? Answer in the form: row 1, column 1.",
        "In which row and column is the character {x}? Use the form: row 1, column 1.",
        "Find {x} and give its place in the form: row 1, column 1.",
    ),
    "row_of": (
        "Find the row with {x} in it and read all of it from left to right, without spaces.",
        "Which characters make up the row that contains {x}? Write them from left to right without spaces.",
        "One row holds the character {x}. Copy that row, without spaces.",
    ),
    "column_of": (
        "Find the column with {x} in it and read all of it from top to bottom, without spaces.",
        "Which characters make up the column that contains {x}? Write them downwards, without spaces.",
        "One column holds the character {x}. Copy that column from top to bottom, without spaces.",
    ),
    "neighbour": (
        "Which character is directly {side} {x}?",
        "Find {x}. What is in the cell directly {side} it?",
        "Look for the only {x} in the matrix and name the character directly {side} it.",
    ),
    "count": (
        "How many times does {x} occur in the matrix?",
        "Count every {x} in this matrix.",
        "How often is the character {x} found in the picture?",
    ),
}
