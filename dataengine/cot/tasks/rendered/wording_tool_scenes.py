"""Questions, thoughts and answers about writing that takes a tool to read; the wording is drawn from the record's seed."""

from __future__ import annotations

QUESTIONS: dict[str, tuple[str, ...]] = {
    "faint_text": (
        "Something is written here in very faint letters. What stands after the name {name}?",
        "The writing hardly differs from its ground. What does it say next to {name}?",
        "Make the faint text readable and tell me what belongs to {name}.",
        "What is written behind {name}? The ink is almost as light as the paper.",
        "The letters are nearly invisible. Which word and number go with {name}?",
        "Bring out the writing in this picture. What does the line of {name} say?",
        "At first sight the picture looks empty. What does it say about {name}?",
        "Find the line that begins with {name} and read the rest of it. The contrast is very low.",
        "This scan has lost nearly all of its contrast. What follows {name}?",
        "There is pale writing on this sheet. Read what comes after {name}.",
        "Which word and number were noted for {name}? You may have to strengthen the contrast.",
        "Look closely: grey on grey, what is written for {name}?",
    ),
    "turned_text": (
        "This page was scanned the wrong way round. What stands after the name {name}?",
        "Turn the page upright. What does it say next to {name}?",
        "The sheet lies on its side or on its head. What belongs to {name}?",
        "What is written behind {name}? The page is not upright.",
        "Which word and number go with {name} on this turned page?",
        "Read the line of {name}, whichever way the page has to be turned.",
        "Somebody put the note into the scanner at an angle of its own. What does it say about {name}?",
        "Find the line that begins with {name} and read the rest of it; the picture needs turning first.",
        "The picture is rotated. What follows {name}?",
        "Rotate the note until it can be read. What comes after {name}?",
        "Which word and number were noted for {name} on the turned sheet?",
        "The writing does not run from left to right here. What is written for {name}?",
    ),
    "mirrored_text": (
        "This note is shown as in a mirror. What stands after the name {name}?",
        "The picture has been flipped. What does it say next to {name}?",
        "Undo the mirroring and tell me what belongs to {name}.",
        "What is written behind {name}? The letters are reversed.",
        "Which word and number go with {name} in this mirror writing?",
        "Read the line of {name} in the flipped picture.",
        "The scan came out mirrored. What does it say about {name}?",
        "Find the line of {name} and read the rest of it; the picture is mirrored.",
        "Somebody mirrored this page. What follows {name}?",
        "Flip the note back. What comes after {name}?",
        "Which word and number were noted for {name}, once the page is no longer mirrored?",
        "Left and right, or top and bottom, are swapped here. What is written for {name}?",
    ),
    "tiny_text": (
        "There is a very small note on this sheet. What stands after the name {name}?",
        "Enlarge the tiny writing. What does it say next to {name}?",
        "Somewhere on the sheet are a few small lines. What belongs to {name}?",
        "What is written behind {name}? The letters are tiny.",
        "Which word and number go with {name} in the small print?",
        "Find the small note and read the line of {name}.",
        "The writing is too small to read at this size. What does it say about {name}?",
        "Zoom in on the note. What is the rest of the line that begins with {name}?",
        "Look for the small print: what follows {name}?",
        "Most of this sheet is empty, but not all of it. Read what comes after {name}.",
        "Which word and number were noted for {name} in the little note?",
        "One corner has a note in tiny letters. What is written for {name}?",
    ),
}
THOUGHTS: dict[str, tuple[str, ...]] = {
    "faint_text": (
        "The letters hardly stand out from the ground, so I raise the contrast, and do so twice.",
        "It is grey on grey. I make the contrast much stronger to see what is written.",
        "Nearly nothing can be seen like this; a far stronger contrast should bring out the letters.",
    ),
    "turned_text": (
        "The lines do not run the right way. I turn the picture until they do.",
        "The page is not upright, so I rotate it first.",
        "To read it comfortably I turn the page so that its lines run from left to right.",
    ),
    "mirrored_text": (
        "The letters are mirrored. I flip the picture back.",
        "This is mirror writing, so I undo the mirroring first.",
        "The page was flipped; flipping it again should make it readable.",
    ),
    "tiny_text": (
        "The note is small. I crop to it and enlarge it.",
        "I cut out the part with the writing and zoom in.",
        "The letters are too small at this size, so I go to the note and enlarge it.",
    ),
}
CLOSINGS = (
    "Now it can be read: {listed}. After {name} stands {answer}.",
    "The lines say: {listed}. The one of {name} gives {answer}.",
    "Now I read {listed}, so {answer} belongs to {name}.",
)
FINALS = ("After {name} it says {box}", "{name}: {box}", "What belongs to {name} is {box}")
