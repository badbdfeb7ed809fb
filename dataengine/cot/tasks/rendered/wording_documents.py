"""Questions and answers about rendered documents; which wording is used is drawn from the record's seed."""

from __future__ import annotations

MARKDOWN = {
    "markdown": (
        "Write this page in Markdown.",
        "Give the Markdown source of the page, and nothing else.",
        "Turn the picture into Markdown: headings, lists and quotes as you see them.",
        "Transcribe the page as Markdown.",
        "Which Markdown text would be rendered like this?",
        "Reconstruct the Markdown file that this page was made from.",
        "Convert the document in the picture to Markdown.",
        "Reproduce the page in Markdown, with one empty line between blocks.",
        "Recover the Markdown behind this page.",
        "Type this page as Markdown; use hyphens for bullets.",
        "I lost the source of this page. Please write it again in Markdown.",
        "Render this page back into Markdown text.",
    )
}
HTML = {
    "html": (
        "Write this page in HTML: only the body's elements, one a line, without attributes.",
        "Give the HTML of the page body, each element on its own line and no attributes.",
        "Turn the picture into plain HTML. Use h1, h2, p, ul, ol, li and blockquote, one element a line.",
        "Transcribe the page as HTML without attributes, one element a line.",
        "Which HTML would be shown like this? Write the body only, an element a line, without attributes.",
        "Reconstruct the HTML of this page (no head, no attributes, one element a line).",
        "Convert the document in the picture to HTML elements, each on a line of its own, without attributes.",
        "Reproduce the page in HTML. Leave out html, head and body, and put one element on each line.",
        "Recover the markup of this page: HTML without attributes, an element a line.",
        "Mark up this page: h1 for the title, h2 for headings, p for text, lists and quotes as HTML, one element a line.",
        "I lost the HTML of this page. Write its elements again, one a line and without attributes.",
        "Code this page in simple HTML, one element a line, with no attributes.",
    )
}
COVERED = {
    "covered": (
        "Which word is missing where the line is drawn?",
        "One word was left out in the first printing. Which one?",
        "Fill the gap: which word belongs there?",
        "What is the missing word?",
        "Find the word that the first printing leaves blank.",
        "Which word has to stand in place of the line?",
        "The first printing has a gap. Use the second one to fill it.",
        "A word is replaced by a line. What was it?",
        "Compare both printings: which word is only in the second?",
        "Name the word that was left out.",
        "What should be written into the gap?",
        "Which word completes the sentence with the gap?",
    )
}
RECEIPT = {
    "total": (
        "What is the total of this receipt?",
        "How much did everything cost together?",
        "Add up all lines of the receipt. What is the sum?",
        "The total is not printed. What should it be?",
        "How much was owed in all?",
    ),
    "change": (
        "How much change was given?",
        "The customer paid in cash. How much came back?",
        "What is the change on this purchase?",
        "After paying in cash, how much money did the customer get back?",
    ),
    "line": (
        "On which goods was most money spent?",
        "Which line of the receipt costs most, counting the number of pieces?",
        "What did the customer spend most on?",
        "Which goods made up the largest amount?",
    ),
}
NOTICE = {
    "date": (
        "On which date is the {what}?",
        "When is the {what}? Give the day and the month.",
        "What date does the notice give?",
    ),
    "place": (
        "Where is the {what} held?",
        "In which place does the {what} take place?",
        "What is the venue of the {what}?",
    ),
    "time": (
        "At what time does the {what} begin?",
        "When does the {what} start? Give the time.",
        "What is the starting time?",
    ),
    "host": ("Who hosts the {what}?", "What is the name of the host?", "Whose name is given as host of the {what}?"),
    "fee": (
        "What does entry to the {what} cost?",
        "How much is the entry fee?",
        "Which price does the notice give for entry?",
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
        "Somebody waits at the door since {now} on {day}. After how many minutes does it open?",
        "You reach the door at {now} on {day}. In how many minutes can you go in?",
        "On {day} at {now} the shop is still shut. How many minutes remain until it opens?",
    ),
    "open_minutes": (
        "For how many minutes is the shop open on {day}?",
        "How long, in minutes, are the opening hours on {day}?",
        "Counted in minutes, how long can one shop on {day}?",
        "How many minutes lie between opening and closing on {day}?",
    ),
}
TIMELINE = {
    "timeline": (
        "Put the cards in the order of time, earliest first. Answer with their letters.",
        "In which order did these things happen? Give the letters, oldest first.",
        "Sort the events by date and list their letters, separated by commas.",
        "Arrange the lines from the earliest to the latest date. Answer with letters.",
        "Which letter comes first, second and so on if the events are ordered by date?",
        "Give the letters of the events in the order in which they took place.",
        "Order the entries by their dates, beginning with the earliest. Letters only.",
        "List the letters from the first event to the last.",
        "What is the right order of these events in time? Use the letters.",
        "Read the dates and put the letters into their order.",
        "Starting with the earliest, give the letters of all events.",
        "Bring the events into chronological order; answer with the letters.",
    )
}
_BOXED = ("The answer is {box}", "So the answer is {box}")
FINALS: dict[str, tuple[str, ...]] = {
    "covered": ("The missing word is {box}", "The gap takes the word {box}", *_BOXED),
    "total": ("The total is {box}", *_BOXED),
    "change": ("The change was {box}", *_BOXED),
    "line": ("Most was spent on {box}", *_BOXED),
    "until_closing": ("The minutes that are left: {box}", *_BOXED),
    "until_opening": ("The minutes to wait: {box}", *_BOXED),
    "open_minutes": ("The shop is open for {box}", *_BOXED),
    "timeline": ("The order is {box}", "In the order of time: {box}", *_BOXED),
}

_NUMBER = ("{answer}", "It is {answer}.", "That is {answer}.")
PLAIN: dict[str, tuple[str, ...]] = {
    "total": _NUMBER,
    "change": _NUMBER,
    "line": ("{answer}.", "Most was spent on {answer}."),
    "minutes": ("{answer} minutes.", "It is {answer} minutes."),
    "timeline": ("{answer}", "The order is {answer}."),
}
