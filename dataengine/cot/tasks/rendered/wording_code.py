"""Questions and answers about rendered programs; which wording is used is drawn from the record's seed."""

from __future__ import annotations

SOURCE = {
    "source": (
        "Transcribe this {language} code exactly. Write nothing but the code.",
        "Type out the {language} source in the picture, with its indentation and nothing else.",
        "Copy the code shown here, line by line, without any remarks of your own.",
        "Turn this screenshot of {language} back into text. Give only the code.",
        "What does the {language} file in the picture contain? Answer with its text alone.",
        "Write down the program exactly as it is shown, without a fence around it.",
        "Read the code and reproduce it letter by letter.",
        "I need the {language} in this picture as text; keep every space at the start of a line.",
        "OCR this code. Output the code only.",
        "Give the source code that is shown, unchanged.",
        "Please recover the {language} text of this picture, and add nothing to it.",
        "Reproduce the listing. Line breaks and indentation must be those of the picture.",
    )
}
LINE = {
    "line": (
        "What does line {n} of this code say? Leave out the spaces before it.",
        "Copy the {nth} line of the listing, without its indentation.",
        "Read line {n} and write it down without leading spaces.",
        "Which code is on line {n}? Do not indent it.",
        "Quote the {nth} line of the {language} code, without indentation.",
        "Go by the line numbers: what is on line {n}? Leave out leading spaces.",
        "Give line {n} exactly, but without the spaces at its start.",
        "Find the {nth} line and transcribe it without leading spaces.",
        "Write out line {n} of the {language} code, without indentation.",
        "Line {n}, please, with no leading spaces.",
        "Transcribe only the {nth} line, without its indentation.",
        "What is written on the {nth} line? Do not indent it.",
    )
}
HIDDEN = {
    "hidden": (
        "Line {n} is covered. What must it say for the comment at the end to be true? Leave out leading spaces.",
        "One line is hidden. Judging by what the program prints, what is line {n}? Do not indent it.",
        "Restore line {n} so that the program prints what the comment says. Leave out its indentation.",
        "The {nth} line is covered. Write the missing line without leading spaces.",
        "Fill in the covered line; the last line says what is printed. Do not indent your answer.",
        "Which statement belongs on line {n}? The comment shows the output. No leading spaces.",
        "Work out the hidden {nth} line from the output given at the end, and write it without indentation.",
        "What was on line {n}, given the output in the comment? Answer without leading spaces.",
        "Complete the program: write line {n}, without indentation, so that the comment is right.",
        "A bar hides line {n}. Deduce it from the rest and write it without leading spaces.",
        "The output is known, line {n} is not. Give that line without its indentation.",
        "Recover the covered line of this program. Write it without leading spaces.",
    )
}
PRINTED = {
    "printed": (
        "What does this program print?",
        "Run the code in your head. What is the output?",
        "What is the output of this code?",
        "Which output do you get when this program runs?",
        "Follow the program step by step: what does it print?",
        "What will be printed?",
        "Determine the output of the program shown.",
        "If this code is executed, what appears on the screen?",
        "Trace the code and give its output.",
        "Work out what this program prints.",
        "Predict the output of this code.",
        "Say what is printed when this code runs.",
    )
}
FINALS: dict[str, tuple[str, ...]] = {
    "hidden": ("The covered line is {box}.", "Line {n} reads {box}.", "So the missing line is {box}."),
    "printed": ("The program prints {box}.", "The output is {box}.", "So it prints {box}."),
}
