"""Questions whose answers are grounding strings; which wording is used follows from what is asked about."""

from __future__ import annotations

from dataengine.cot.core.seeded import Draw

_TAIL = " Write <|object_ref_start|>NAME<|object_ref_end|><|{shape}_start|>[{at}]<|{shape}_end|>, in thousandths of the sides."
_BOX, _POINT, _POLYGON = (
    _TAIL.format(shape=shape, at=at)
    for shape, at in (("box", "[x1, y1, x2, y2], …"), ("point", "[x, y], …"), ("polygon", "[[x1, y1], [x2, y2], …], …"))
)
_WHERE = (
    "Where is {what}?",
    "Locate {what} in the picture.",
    "Find {what}.",
    "Mark {what}.",
    "Detect {what}.",
    'Ground the phrase "{what}".',
    "Show where {what} can be seen.",
    "In which place or places is {what}?",
    "Give the place of {what}.",
    "Search the picture for {what}.",
    "Which part of the picture shows {what}?",
    "Say where {what} is.",
)
_LINE = " Write <|ocr_text_start|>TEXT<|ocr_text_end|><|box_start|>[[x1, y1, x2, y2]]<|box_end|>, a line each."
_EVENT = " Write <|clip_time_start|>[START, END]<|clip_time_end|> EVENT, in seconds."
QUESTIONS: dict[str, tuple[str, ...]] = {
    "box": tuple(one + _BOX for one in _WHERE),
    "point": tuple(one + _POINT for one in _WHERE),
    "polygon": tuple(one + _POLYGON for one in _WHERE),
    "what": (
        "What is at {what}?",
        "What can be seen at {what}?",
        "Name the thing at {what}.",
        "Which object is at {what}?",
        "Say what {what} marks.",
        "What does the marked place {what} show?",
    ),
    "read": (
        "What does the text at {what} say?",
        "Read what is written at {what}.",
        "Which words stand at {what}?",
        "Transcribe the text at {what}.",
        "What is written in the place {what}?",
        "Give the text found at {what}.",
    ),
    "read all": tuple(
        one + _LINE
        for one in (
            "Read all text in the picture and say where it stands.",
            "List every piece of text with its place.",
            "Which texts are in the picture, and where?",
            "Transcribe the text of this picture together with its boxes.",
        )
    ),
    "when": tuple(
        one + _EVENT
        for one in (
            "When does this happen: {what}?",
            "At what time of the video can this be seen: {what}?",
            "Find the time of this event: {what}.",
            "From when until when does this take place: {what}?",
            "Locate this event in time: {what}.",
            "Which stretch of the video shows this: {what}?",
        )
    ),
    "events": tuple(
        one + _EVENT + " One line each, in order."
        for one in (
            "What happens in the video, and when?",
            "List the events of this video with their times.",
            "Describe the course of the video, event by event.",
            "Give a timeline of this video.",
        )
    ),
}


def choose(kind: str, what: str) -> str:
    """The question about ``what``; equal things are asked in equal words."""
    return Draw("grounding", kind, what).choice(QUESTIONS[kind]).replace("{what}", what)
