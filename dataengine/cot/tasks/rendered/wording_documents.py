"""Questions and answers about rendered documents; which wording is used is drawn from the record's seed."""

from __future__ import annotations

MARKDOWN = {
    "markdown": (
        "Write this page in Markdown.",
        "Give the Markdown source of the page, and nothing else.",
        "Turn the page into Markdown: headings, lists and quotes as you see them.",
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
        "Write this page in HTML: only the elements of the body, one per line, without attributes.",
        "Give the HTML of the page body, each element on its own line and no attributes.",
        "Turn the page into plain HTML. Use h1, h2, p, ul, ol, li and blockquote, one element per line.",
        "Transcribe the page as HTML without attributes, one element per line.",
        "Which HTML would be rendered like this? Write the body only, one element per line, without attributes.",
        "Reconstruct the HTML of this page (no head, no attributes, one element per line).",
        "Convert the document in the picture to HTML elements, each on a line of its own, without attributes.",
        "Reproduce the page in HTML. Leave out html, head and body, and put one element on each line.",
        "Recover the markup of this page: HTML without attributes, one element per line.",
        "Mark up this page: h1 for the title, h2 for headings, p for text, lists and quotes as HTML, one element per line.",
        "I lost the HTML of this page. Write its elements again, one per line and without attributes.",
        "Code this page in simple HTML, one element per line, with no attributes.",
    )
}
COVERED = {
    "covered": (
        "Which word is missing where the line is drawn?",
        "One word was left out in the first printing. Which one?",
        "Fill the gap: which word belongs there?",
        "What is the missing word?",
        "Find the word that the first printing leaves blank.",
        "Which word has to go where the line is?",
        "The first printing has a gap. Use the second one to fill it.",
        "A word is replaced by a line. What was it?",
        "Compare the two printings: which word is only in the second?",
        "Name the word that was left out.",
        "What should be written in the gap?",
        "Which word completes the sentence with the gap?",
    )
}
FINALS: dict[str, tuple[str, ...]] = {
    "covered": (
        "The missing word is {box}.",
        "The gap takes the word {box}.",
        "The answer is {box}.",
        "So the answer is {box}.",
    ),
}
