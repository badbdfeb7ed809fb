"""Sentences about pages that have to be enlarged, turned, mirrored or strengthened before they can be read."""

from __future__ import annotations

TINY_CONTEXTS = {
    "small": (
        "The list on this sheet is in very small print.",
        "Only the heading is large; the list is tiny.",
        "Somewhere below the heading is a small list.",
        "The framed list is too small to read in the preview.",
        "Zoom in on the framed list.",
        "This sheet has a small framed list.",
    ),
}
TINY_THOUGHTS = (
    "The heading can be read, but the framed list cannot: in the preview its letters are only a few pixels high. The "
    "frame is {where}, from about {across} and from {down}. I cut out that part and enlarge it {factor} times.",
    "Below the heading I see a small frame {where}. It takes up roughly {across} and {down}, so I crop to these edges "
    "and enlarge the result {factor} times.",
    "The list is the small frame {where}; its lines are a blur at this size. I crop the file to {across} and {down}, "
    "then scale the part up by {factor}.",
    "To read the list I need the pixels of the file. The frame lies {where}: horizontally at {across}, vertically at "
    "{down}. Cropping there and enlarging {factor} times should do.",
    "What is asked about must be in the frame {where}, since there is nothing else below the heading. I take {across} "
    "and {down} of the file and enlarge that {factor} times.",
    "The lines in the frame {where} are too small to make out here. The frame spans about {across} and {down}; I cut it "
    "out and make it {factor} times as large.",
)
TURNED_CONTEXTS = {
    "turned": (
        "This page was scanned the wrong way round.",
        "The page is not upright.",
        "Turn the page upright and enlarge the small list.",
        "Somebody put this sheet into the scanner the wrong way.",
        "The sheet is turned, and its list is in small print.",
        "This sheet has to be turned before its small list can be read.",
    ),
}
LIES = {
    90: "The heading runs from bottom to top along the left edge",
    180: "The heading is upside down at the bottom of the page and runs from right to left",
    270: "The heading runs from top to bottom along the right edge",
}
"""By how many degrees the page was turned counter-clockwise."""
UPRIGHT = {90: "a quarter turn clockwise", 180: "a half turn", 270: "a quarter turn counter-clockwise"}
ANGLES = {
    90: "PIL counts angles counter-clockwise, so that is rotate(-90)",
    180: "that is rotate(180)",
    270: "PIL counts angles counter-clockwise, so that is rotate(90)",
}
TURNED_THOUGHTS = (
    "{lies}, so {upright} will put the text upright; {angle}. The framed list is {where}, at about {across} and {down}. "
    "I crop it, turn it and enlarge it {factor} times.",
    "{lies}. Everything on the page needs {upright}: {angle}. I cut out the frame {where} ({across}, {down}), turn the "
    "part and enlarge it {factor} times.",
    "First, how does the page lie? {lies}. That calls for {upright}; {angle}. The small frame is {where}, covering about"
    " {across} and {down}, and I enlarge it {factor} times after turning it.",
    "The list is the small frame {where}, about {across} and {down}. {lies}, so I give the part {upright} ({angle}) and "
    "enlarge it {factor} times.",
    "{lies}: what the page needs is {upright}, and {angle}. The list is too small as well. I crop to {across} and "
    "{down}, where the frame is, turn it, and scale it up by {factor}.",
    "I need two things: {upright}, since the heading shows how the page lies, and a larger view of the frame {where}. "
    "{lies}; {angle}. The frame takes up {across} and {down}; I enlarge it {factor} times.",
)
SIDEWAYS_FIRST = (
    "The frame {where} holds the list, but it is too small to read. I first enlarge that part, {across} and {down}, "
    "{factor} times.",
    "I start with the size: the frame is {where}, about {across} and {down}. I cut it out and enlarge it {factor} times.",
    "The list must be the frame {where}. At this size its lines are a blur, so I crop to {across} and {down} and scale "
    "the part up by {factor}.",
    "Before anything else I look at the frame {where} from close up: {across}, {down}, {factor} times as large.",
    "One thing at a time. I cut out the frame {where} ({across}, {down}) and enlarge it {factor} times.",
    "The frame {where} is small. I take {across} and {down} of the file and enlarge that {factor} times.",
)
RUNS = {90: "run from bottom to top", 180: "are upside down", 270: "run from top to bottom"}
SIDEWAYS_THEN = (
    "The letters are large enough now, but the lines {runs}. They need {upright}; {angle}.",
    "Enlarged, it is clear that the lines {runs}. I add {upright}: {angle}.",
    "Now I see that the lines {runs}, as the heading does. What is missing is {upright}, and {angle}.",
    "The size is right; the direction is not, for the lines {runs}. So {upright}: {angle}.",
    "In this view the lines {runs}. I repeat the crop and give it {upright}; {angle}.",
    "The lines {runs} here, so I make the same part again with {upright}. {Angle}.",
)
MIRRORED_CONTEXTS = {
    "left-right": (
        "This page is shown as in a mirror.",
        "Left and right are swapped on this page.",
        "The scan came out mirrored, left to right.",
        "The writing on this sheet is mirror writing.",
        "Somebody scanned this sheet from the back, so that it is mirrored.",
        "The small list on this mirrored sheet has to be flipped back and enlarged.",
    ),
    "top-bottom": (
        "Top and bottom are swapped on this page.",
        "The page is flipped vertically, like a reflection in water.",
        "The scan was flipped, top to bottom.",
        "The letters are upside down here, although the lines still run from left to right.",
        "Somebody flipped this picture vertically.",
        "The small list on this vertically flipped sheet has to be flipped back and enlarged.",
    ),
}
FLIPPED = {
    "left-right": (
        "The heading is at the top right and its letters are reversed, running from right to left: left and right are "
        "swapped",
        "ImageOps.mirror undoes that",
    ),
    "top-bottom": (
        "The heading is at the bottom and its letters are upside down, but the order from left to right is kept: top and"
        " bottom are swapped",
        "ImageOps.flip undoes that",
    ),
}
MIRRORED_THOUGHTS = (
    "{flipped}. {back}. The framed list is {where}, at about {across} and {down}; I crop it, flip it back and enlarge it"
    " {factor} times.",
    "{flipped}; {back}. The list is too small as well, so I cut out the frame {where} ({across}, {down}) and enlarge it "
    "{factor} times.",
    "How was the page changed? {flipped}. {back}, and I apply it to the frame {where} alone: {across}, {down}, {factor} "
    "times as large.",
    "The list is in the small frame {where}, about {across} and {down}. {flipped}. So the part has to be flipped back "
    "(ImageOps.{function} does that) and enlarged {factor} times.",
    "I look at the heading first. {flipped}. The same holds for the frame {where}, which spans {across} and {down}. "
    "{back}; then I scale the part up by {factor}.",
    "{flipped}. I take the frame {where} out of the file, {across} and {down}. {back}, and {factor} times the size makes"
    " the lines legible.",
)
FAINT_CONTEXTS = {
    "faint": (
        "Something is written here in very faint letters.",
        "The writing hardly differs from its background.",
        "At first sight this picture looks empty, but it holds a list.",
        "This scan has lost nearly all of its contrast.",
        "Bring out the faint list in this picture.",
        "The ink is almost the same grey as the paper.",
    ),
}
FAINT_FIRST = (
    "The picture is an almost even grey. If there is a list, its ink is hardly different from the paper, so I multiply "
    "the contrast by 4 and see whether letters come out.",
    "Grey on nearly the same grey: I cannot make out any letters. As a first step I raise the contrast to 4 times its "
    "value.",
    "I see hardly more than a grey sheet. Let me strengthen the contrast by a factor of 4 first.",
    "Whatever is written here differs from the paper by very little. I begin with a contrast of 4 and look at the result.",
    "Nothing can be read like this, since ink and paper are almost the same grey. A contrast of 4 should show where the "
    "writing is.",
    "I start by raising the contrast, with a factor of 4, to find the lines at all.",
)
FAINT_THEN = (
    "Lines of text have come out, but they are still pale. {stronger}.",
    "Now I can tell that there are {count} lines in two columns, though the letters remain weak. {stronger}.",
    "That helps: the writing is there, {count} lines of it. It is pale, so {stronger}.",
    "The direction is right; the letters show, only faintly. {stronger}.",
    "Better, yet letters this pale are easily mistaken. {stronger}.",
    "The result shows {count} pale lines. To read them reliably, {stronger}.",
)
STRONGER = {
    "contrast": "I go up to a contrast of 16, four times as much as before",
    "autocontrast": "I stretch the greys over the whole range with autocontrast",
}
