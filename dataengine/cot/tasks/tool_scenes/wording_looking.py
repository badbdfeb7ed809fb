"""Questions and sentences about small labels on crates, bars and signs."""

from __future__ import annotations

CRATES = {
    "crates": (
        "What is written on the label of the {colour} crate?",
        "Which code does the {colour} crate bear?",
        "Read the small label on the {colour} crate.",
        "Each crate has a label with a code. Which code is on the {colour} one?",
        "I am looking for the code of the {colour} crate. What is it?",
        "What code is printed on the white label of the {colour} crate?",
        "Zoom in on the {colour} crate. What does its label say?",
        "The labels are tiny. What does the one on the {colour} crate read?",
        "Give the code of the crate that is {colour}.",
        "Find the {colour} crate on the shelf and read its code.",
        "A worker needs the code of the {colour} crate. Which one is it?",
        "Enlarge the label of the {colour} crate and copy its code.",
    ),
}
CRATE_THOUGHTS = (
    "The {colour} crate is in the {row} row, {column} from the left. Its label is a white speck in the preview, so I cut"
    " the middle of the crate out of the file, {across} and {down}, and enlarge it {factor} times.",
    "I see the {colour} crate in the {row} row, at place {number}. I crop to the part with its label, about {across} and"
    " {down}, and enlarge that {factor} times.",
    "Only one crate is {colour}: the {column} from the left in the {row} row. Its label lies within {across} and {down};"
    " enlarged {factor} times, it should be legible.",
    "The code is far too small to read at this size. The {colour} crate is the {column} in the {row} row, so I cut out "
    "its middle, {across} and {down}, and scale the part up by {factor}.",
    "Where is it? {Row} row, {column} from the left. The label is at about {across} and {down} of the picture. I crop "
    "there and enlarge {factor} times.",
    "The label must be read from the file itself. For the {colour} crate, the {column} in the {row} row, I take the part"
    " around the label, {across} and {down}, {factor} times enlarged.",
)
CRATE_CLOSINGS = (
    "The part comes from the {colour} crate, and its label reads {answer}.",
    "Now the label is sharp: {answer}.",
    "On the white label of the {colour} crate I read {answer}.",
    "The part shows the middle of the {colour} crate. The code on its label is {answer}.",
    "At this size the code can be read without doubt: {answer}.",
    "The label in the middle of the crate says {answer}.",
)
CRATE_FINALS = (
    "The label of the {colour} crate says {box}.",
    "The {colour} crate has the code {box}.",
    "The code is {box}.",
    "Code of the {colour} crate: {box}",
)
BARS = {
    "labels": (
        "Which number is printed above the bar of {name}?",
        "What value does the chart give for {name}?",
        "Read the value of {name}.",
        "Each bar has its value above it. What is the value of {name}?",
        "The numbers over the bars are tiny. Which one belongs to {name}?",
        "What is the exact value of {name} in this bar chart?",
        "Zoom in on the bar of {name}. Which value does it have?",
        "Find {name} in the chart and read the number above its bar.",
    ),
    "ticks": (
        "How high is the bar of {name}, going by the axis on the left?",
        "Up to which number on the axis does the bar of {name} reach?",
        "What value does the bar of {name} have on the vertical axis?",
        "The axis is labelled in tiny print. What is the value of {name}?",
        "Use the vertical axis to find the value of {name}.",
        "Which number on the axis is level with the top of the bar of {name}?",
        "Read the axis: what does {name} amount to?",
        "Every bar ends on a grid line. Which value does {name} have?",
    ),
}
LABEL_THOUGHTS = (
    "The bar of {name} is the {place} from the left. Above it is a number, too small to read here. I cut out the area "
    "around the top of the bar, {across} and {down}, and enlarge it {factor} times.",
    "{name} is written below the {place} bar. The value stands over its top end, so I crop to {across} and {down} and "
    "enlarge that {factor} times.",
    "I need the number over the {place} bar, which is labelled {name}. It lies at about {across} and {down}; {factor} "
    "times as large it should be legible.",
    "In the preview the numbers are specks. For {name}, the {place} bar, I take {across} and {down} of the file and "
    "scale it up by {factor}.",
    "First the bar: {name} is the {place} from the left. Then its number: right above the top of the bar, {across}, "
    "{down}. I enlarge that part {factor} times.",
    "The top of the {place} bar, that of {name}, lies within {across} and {down}. I crop there and enlarge the part "
    "{factor} times to read the number.",
)
LABEL_CLOSINGS = (
    "The number above the bar of {name} is {answer}.",
    "Above the top of the bar I now read {answer}.",
    "Enlarged, the number is clear: {answer}.",
    "The part shows the top of the {place} bar and, over it, {answer}.",
    "So the value of {name} is {answer}.",
    "Now the digits are large enough: {answer}. They belong to {name}.",
)
TICK_THOUGHTS = (
    "The bar of {name}, the {place} from the left, ends at the {line} grid line above the base. The number of that line "
    "stands at its left end; I cut out {across} and {down} and enlarge it {factor} times.",
    "Counting grid lines from the base, the bar of {name} reaches the {line}. The numbers on the axis are too small to "
    "read, so I go to the left end of that line, {across} and {down}, and scale it up by {factor}.",
    "{name} is the {place} bar. Its top coincides with the {line} grid line above the base. What I still need is the "
    "label of that line: {across}, {down}, {factor} times enlarged.",
    "I count how far the bar of {name} reaches: up to the {line} grid line. Its label is at the left edge, at about "
    "{across} and {down}; I enlarge that part {factor} times.",
    "The axis is on the left, with one tiny number for each grid line. The bar of {name} ends at the {line} line above "
    "the base, so I take {across} and {down} of the file and enlarge that {factor} times.",
    "From the top of the {place} bar, {name}, I follow the grid line to the left edge. The number there lies within "
    "{across} and {down}; I crop to it and enlarge it {factor} times.",
)
TICK_CLOSINGS = (
    "The number at the end of the {line} grid line is {answer}, and that is where the bar of {name} ends.",
    "At the level of the top of the bar, the axis is labelled {answer}.",
    "The label of the line reads {answer}, so that is the value of {name}.",
    "Enlarged, the number beside the {line} line is clear: {answer}.",
    "The axis says {answer} here, and the bar of {name} ends on this line.",
    "Now the label can be read: {answer}. It belongs to the line that the bar of {name} reaches.",
)
BAR_FINALS = (
    "The value of {name} is {box}.",
    "{name} has the value {box}.",
    "For {name} the chart gives {box}.",
    "{name}: {box}",
)
SIGNS = {
    "sign": (
        "A small {colour} sign was put into this photograph. What does it say?",
        "What is written on the {colour} sign?",
        "Read the {colour} sign in this picture.",
        "Somewhere in the photograph is a small {colour} sign. Which word and number are on it?",
        "Find the {colour} sign and read it.",
        "Zoom in on the small {colour} sign. What does it read?",
        "The {colour} sign is too small to read in the preview. What is on it?",
        "Which word and which number does the {colour} sign show?",
        "There is a {colour} plate in the picture. What is printed on it?",
        "What can be read on the {colour} plate?",
        "Give the text of the {colour} sign.",
        "A {colour} sign has been added to the photograph. Copy its text.",
    ),
}
SIGN_THOUGHTS = (
    "The {colour} sign is {where}. Its letters are only a few pixels high here, so I cut out {across} and {down} of the "
    "file and enlarge that {factor} times.",
    "I see a small {colour} plate {where}, at about {across} and {down}. I crop to it and enlarge it {factor} times.",
    "There is one {colour} sign, {where}. To read it I need the pixels of the file: {across}, {down}, scaled up by "
    "{factor}.",
    "The text on the sign is a blur in the preview. The sign lies {where}; I take {across} and {down} and make that "
    "{factor} times as large.",
    "First I locate the sign: it is {where}, within {across} and {down}. Enlarging that part {factor} times should show "
    "its text.",
    "The small {colour} plate with a black and white edge, {where}, must be the sign. I crop the file to {across} and "
    "{down} and enlarge it {factor} times.",
)
SIGN_CLOSINGS = (
    "The sign now fills a good part of the view. It says {answer}.",
    "Enlarged, the {colour} sign reads {answer}.",
    "The letters are clear now: {answer}.",
    "On the {colour} background I read {answer}.",
    "Now a word and a number can be read: {answer}.",
    "That is large enough. The text of the sign is {answer}.",
)
SIGN_FINALS = (
    "The {colour} sign says {box}.",
    "It reads {box}.",
    "The text on the sign is {box}.",
    "The sign: {box}",
)
