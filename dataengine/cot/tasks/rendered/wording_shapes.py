"""Questions and answers about drawn scenes of shapes; which wording is used is drawn from the record's seed."""

from __future__ import annotations

COUNT = {
    "colour": (
        "How many {colour} shapes are there?",
        "Count the shapes that are {colour}.",
        "How many of the shapes have the colour {colour}?",
        "What is the number of {colour} shapes in the picture?",
        "Of all shapes shown, how many are {colour}?",
    ),
    "form": (
        "How many {forms} are there, whatever their colour?",
        "Count the {forms} in this picture.",
        "How many of the shapes are {forms}?",
        "What is the number of {forms} shown?",
        "Over all colours, how many {forms} can you find?",
    ),
    "other": (
        "How many shapes are there that are neither {colour} nor {forms}?",
        "Leave out the {forms} and everything that is {colour}. How many shapes remain?",
        "Count the shapes, but skip the {forms} and whatever is {colour}.",
        "If all {forms} and all {colour} shapes were removed, how many shapes would be left?",
    ),
}
ATTRIBUTE = {
    "attribute": (
        "What colour is the {form}?",
        "Which colour does the {form} have?",
        "Name the colour of the {form} in this picture.",
        "In what colour is the {form} drawn?",
        "There is one {form} here. What is its colour?",
        "Look at the {form}. What colour is it?",
        "Find the {form} and give its colour.",
        "Say which colour the {form} is.",
        "The picture has a single {form}; which colour was it given?",
        "What is the colour of the only {form}?",
        "Which colour was used for the {form}?",
        "Tell me the {form}'s colour.",
    )
}
OBJECT = {
    "object": (
        "Which shape is {colour}?",
        "What is the {colour} shape?",
        "Name the shape that is {colour}.",
        "One of the shapes is {colour}. What kind of shape is it?",
        "What kind of shape has the colour {colour}?",
        "Find the {colour} shape and say what it is.",
        "What shape does the {colour} figure have?",
        "Only one thing in the picture is {colour}. Which shape is it?",
        "Which figure was drawn in {colour}?",
        "Look for the colour {colour}. Which shape has it?",
        "Say what the {colour} figure is.",
        "One shape is drawn in {colour}. Which one?",
    )
}
RELATION = {
    "relation": (
        "Which shape comes next {side} the {name}, in the same {line} of the grid? Give colour and shape.",
        "What is the nearest shape {side} the {name} within its {line} of the grid? Answer with colour and shape.",
        "Start at the {name}. What is the first shape {side} it in the same {line}? Name colour and shape.",
        "Find the {name}. Which shape is closest {side} it, looking along its {line} only? Give colour and shape.",
        "Looking along the {line} of the {name}, which shape do you meet first {side} it? Name colour and shape.",
        "Stay in the {line} of the {name}. Which shape is the first one {side} it? Colour and shape, please.",
        "Name the shape (with its colour) that is the nearest one {side} the {name} in its {line}.",
        "If you move from the {name} along its {line}, which shape {side} it do you reach first? Give colour and shape.",
        "What is nearest {side} the {name} when only its own {line} of the grid counts? Give colour and shape.",
        "Within the {line} that holds the {name}, which shape is next {side} it? Answer with colour and shape.",
        "Tell me the colour and shape of the nearest figure {side} the {name} in the same {line}.",
        "Of the shapes {side} the {name} in its {line}, which is the closest? Give colour and shape.",
    )
}
_FORM = (
    "as <|object_ref_start|>NAME<|object_ref_end|><|{shape}_start|>[[{at}]]<|{shape}_end|>, in thousandths of the sides"
)
_BOX = _FORM.format(shape="box", at="left, top, right, bottom")
_POINT = _FORM.format(shape="point", at="x, y")
BOX = {
    "box": tuple(
        f"{ask} {tail}."
        for ask, tail in (
            ("Give the bounding box of the {name},", _BOX),
            ("Where is the {name}? Answer with its box,", _BOX),
            ("Mark the {name} with a box,", _BOX),
            ("Draw a tight box around the {name} and write it", _BOX),
            ("Locate the {name}: write its box", _BOX),
            ("Find the {name} and return its bounding box", _BOX),
            ("Which box encloses the {name}? Write it", _BOX),
            ("Detect the {name}. Output its box", _BOX),
            ("I need the edges of the {name}: write them", _BOX),
            ("Enclose the {name} as closely as possible and give the box", _BOX),
            ('Ground the phrase "{name}" in the picture with a box,', _BOX),
            ("Box the {name}; write the result", _BOX),
        )
    )
}
POINT = {
    "point": tuple(
        f"{ask} {tail}."
        for ask, tail in (
            ("Point to the middle of the {name},", _POINT),
            ("Where is the centre of the {name}? Write the point", _POINT),
            ("Give the point at the centre of the {name},", _POINT),
            ("Click on the middle of the {name}: write where that is,", _POINT),
            ("Mark the {name} with a point at its centre, written", _POINT),
            ("Touch the {name} in its middle and give the point", _POINT),
            ("Show me the {name} with one point in its middle,", _POINT),
            ("Write the position of the middle of the {name}", _POINT),
            ("Locate the {name} by its centre point,", _POINT),
            ('Ground the phrase "{name}" with a point at its centre,', _POINT),
            ("Which point is in the middle of the {name}? Write it", _POINT),
            ("Put a point on the centre of the {name} and write it", _POINT),
        )
    )
}
_NOTE = ' If there is no such shape, answer with "no" and what is missing.'
TRAP = {
    kind: tuple(ask + _NOTE for ask in asks)
    for kind, asks in {
        "colour_of": (
            "What colour is the {form}?",
            "Which colour does the {form} have?",
            "Name the colour of the {form}.",
            "Find the {form} and say what colour it is.",
        ),
        "side_of": (
            "Is the {name} in the left or the right half of the picture?",
            "On which side of the picture is the {name}, left or right?",
            "Find the {name}: is it left or right of the middle?",
            "In which half is the {name}, the left or the right one?",
        ),
        "level_of": (
            "Is the {name} above or below the middle of the picture?",
            "Seen from the middle of the picture, is the {name} above or below?",
            "Find the {name}. Is it above or below the middle?",
            "Where is the {name}, above the middle of the picture or below it?",
        ),
        "nearest_to": (
            "Which shape is closest to the {name}? Give colour and shape.",
            "What is the nearest neighbour of the {name}? Answer with colour and shape.",
            "Name the colour and shape of what is nearest to the {name}.",
            "Which of the other shapes is closest to the {name}? Give its colour, too.",
        ),
    }.items()
}
_BOXED = ("The answer is {box}.", "So the answer is {box}.")
_COUNTED = ("{there} {box} {things}.", *_BOXED)
FINALS: dict[str, tuple[str, ...]] = {
    "colour": ("The number of {colour} shapes is {box}.", *_COUNTED),
    "form": ("The number of {forms} is {box}.", *_COUNTED),
    "other": ("The number of shapes that remain is {box}.", *_COUNTED),
    "relation": ("The next shape {side} the {name} is the {box}.", "It is the {box}."),
    "colour_of": ("The {form} is {box}.", *_BOXED),
    "side_of": ("The {name} is on this side: {box}.", *_BOXED),
    "level_of": ("Seen from the middle, the {name} is {box}.", *_BOXED),
    "nearest_to": ("Closest to the {name} is the {box}.", "It is the {box}."),
    "missing": ("The question cannot be answered as asked: {box}.", "There is {box}.", *_BOXED),
    "attribute": ("The {form} is {box}.", *_BOXED),
    "object": ("The {colour} shape is the {box}.", "It is the {box}."),
    "box": ("{box}",),
    "point": ("{box}",),
}
PLAIN: dict[str, tuple[str, ...]] = {
    "colour": ("The number of {colour} shapes is {answer}.", "The number is {answer}.", "{answer}"),
    "form": ("The number of {forms} is {answer}.", "The number is {answer}.", "{answer}"),
    "other": ("The number of shapes that remain is {answer}.", "The number is {answer}.", "{answer}"),
    "attribute": ("It is {answer}.", "The {form} is {answer}.", "The colour is {answer}."),
    "object": ("It is the {answer}.", "{answer}", "That is the {answer}."),
    "relation": ("It is the {answer}.", "That is the {answer}."),
    "box": ("{answer}",),
    "point": ("{answer}",),
    "missing": ("There is {answer}.",),
    **dict.fromkeys(("colour_of", "side_of", "level_of"), ("{answer}.",)),
    "nearest_to": ("It is the {answer}.",),
}
