"""Sentences about pages with two defects, of which the second shows, or can be mended, only when the first is."""

from __future__ import annotations

from dataengine.cot.tasks.tool_scenes.wording_reading import FAINT_FIRST, SIDEWAYS_FIRST

CONTEXTS = {
    "faint-turned": (
        "This page is faint, and it was scanned the wrong way round.",
        "The writing is very pale, and the page is not upright.",
        "A turned page with hardly any contrast.",
        "Ink and paper have almost the same grey here, and the lines do not run from left to right.",
        "The list on this picture is nearly invisible and turned.",
        "Strengthen the contrast of this picture and turn it upright.",
    ),
    "small-tilted": (
        "A small list lies at an angle on this sheet.",
        "The framed list is tiny and tilted.",
        "Somebody stuck a small note onto this sheet, not quite straight.",
        "The small print on this sheet is slanted.",
        "Zoom in on the tilted note and straighten it.",
        "The note below the heading is small and crooked.",
    ),
    "small-faint": (
        "The framed list is small, and its ink has faded.",
        "This sheet has a tiny list in pale ink.",
        "The small print in the frame is almost as grey as its background.",
        "Zoom in on the frame and bring out its faded writing.",
        "The list in the frame is both tiny and faint.",
        "In the small frame is a list whose ink has nearly vanished.",
    ),
}
FIRST = {
    "faint-turned": FAINT_FIRST,
    "small-tilted": SIDEWAYS_FIRST,
    "small-faint": (
        "The frame {where} must hold the list. I enlarge it first: {across} and {down}, {factor} times.",
        "There is a small frame {where}, and at this size I see no writing in it. I cut out {across} and {down} and "
        "enlarge that {factor} times.",
        "I begin with the size. The frame is {where}, about {across} and {down}; I make that part {factor} times as large.",
        "Inside the frame {where} nothing can be read here. Let me crop to {across} and {down} and scale the part up by "
        "{factor}.",
        "The only place for a list is the frame {where}. I take {across} and {down} of the file and enlarge that "
        "{factor} times.",
        "To look into the frame {where}, I crop the file to {across} and {down} and enlarge the part {factor} times.",
    ),
}
THEN = {
    "faint-turned": (
        "Now the lines show, and they {runs}. The page needs {upright} as well; {angle}. I also raise the contrast once "
        "more.",
        "The letters come out, but they {runs}. So I add {upright} ({angle}) and strengthen the contrast further.",
        "There is the writing, still pale, and its lines {runs}. Next: more contrast, and {upright}; {angle}.",
        "With this much contrast I can see that the lines {runs}. I take a contrast of 16 and add {upright}: {angle}.",
        "The result shows lines that {runs}. To read them I need {upright}; {angle}. A stronger contrast will help, too.",
        "The writing begins to show: its lines {runs}. What is missing is {upright} ({angle}) and still more contrast.",
    ),
    "small-tilted": (
        "Enlarged, the lines can be seen to {slope} by about {degrees} degrees. Turning the part {back} by as much makes"
        " them level.",
        "The letters are large enough now, but the lines {slope} at roughly {degrees} degrees. I straighten them by "
        "turning the part {back}.",
        "The note is tilted: its lines {slope}, by some {degrees} degrees. I turn it {back} by that angle.",
        "The edges of the note and its lines {slope} by about {degrees} degrees, so I rotate the part {back} by "
        "{degrees} degrees.",
        "In this view the lines {slope}. I judge the angle to be {degrees} degrees and turn the part {back}.",
        "To read it comfortably I level the lines, which {slope} by around {degrees} degrees, with a turn {back}.",
    ),
    "small-faint": (
        "The frame is large now, but what is in it hardly differs from the background. I raise the contrast of the part "
        "by a factor of 16.",
        "If there is writing in the frame, it has almost the grey of its background. A contrast of 16 should bring it out.",
        "Enlarged, the frame shows hardly more than its grey. I repeat the crop with 16 times the contrast.",
        "The size is right; what is missing is contrast. I strengthen it 16 times.",
        "I can hardly make out that something is written there. So the same part again, with a contrast of 16.",
        "The frame fills a good part of the view, and still its lines are too pale to read. I multiply the contrast by 16.",
    ),
}
