"""Questions and sentences about sums of prices, shares of a map, and the one entry in which two copies differ."""

from __future__ import annotations

TOTALS = {
    "total": (
        "What do {first} and {second} cost together?",
        "How much is an order of {first} and {second}?",
        "Somebody buys {first} and {second}. What is the total?",
        "By this price list, what must be paid for {first} and {second}?",
        "Work out the price of {first} plus {second}.",
        "A customer takes {first} and {second}. How much does that come to?",
        "The prices are in small print. What do {first} and {second} cost in all?",
        "Use the price list to find the total for {first} and {second}.",
        "What is the bill for {first} and {second}?",
        "I need {first} and {second}. How much will I pay?",
        "Add up the cost of {first} and {second}.",
        "Zoom in on the prices. What is the sum for {first} and {second}?",
    ),
}
TOTAL_FIRST = (
    "I need two prices, and the list is too small to read here. It is the frame {where}; I cut out {across} and {down} "
    "and enlarge that {factor} times.",
    "The prices stand in the frame {where}. In the preview they are a blur, so I crop the file to {across} and {down} "
    "and scale the part up by {factor}.",
    "First the prices, then the sum. The list is {where}, at about {across} and {down}; I enlarge it {factor} times.",
    "Before anything can be added I have to read the list in the frame {where}. I take {across} and {down} of the file, "
    "{factor} times as large.",
    "The small frame {where} holds the prices. It spans {across} and {down}; I cut it out and enlarge it {factor} times.",
    "Reading comes first: I crop to the frame {where}, {across} and {down}, and enlarge the part {factor} times.",
)
TOTAL_THEN = (
    "One {item} costs {price} and one {other} {other_price}. I leave the sum to a program: {count} times {price} plus "
    "{other_count} times {other_price}.",
    "The list gives {price} for the {item} and {other_price} for the {other}. With {first} and {second}, the program has"
    " to compute {count} × {price} + {other_count} × {other_price}.",
    "Now I can read both lines: {item} {price}, {other} {other_price}. I multiply and add them in a program.",
    "“{item}” is listed at {price}, “{other}” at {other_price}. {first_capital} and {second}: let me compute the total.",
    "Both prices are legible, {price} for one {item} and {other_price} for one {other}. The rest is arithmetic, which I "
    "do in a program.",
    "The two lines that matter read {item}, {price}, and {other}, {other_price}. I compute {count} of the one and "
    "{other_count} of the other.",
)
TOTAL_CLOSINGS = (
    "The program prints {answer}, so that is the total.",
    "{count} × {price} + {other_count} × {other_price} = {answer}.",
    "Together, {first} and {second} come to {answer}.",
    "The sum is {answer}: {first} at {price} each and {second} at {other_price} each.",
    "So the total for {first} and {second} is {answer}.",
    "The result is {answer}, made up of {count} times {price} and {other_count} times {other_price}.",
)
TOTAL_FINALS = (
    "The total is {box}.",
    "Together they cost {box}.",
    "{first_capital} and {second} cost {box} in all.",
    "Total: {box}",
)
SHARES = {
    "share": (
        "What percentage of this map is {land}, the {colour} area? Give a whole number.",
        "How much of the map is covered by {land}, shown in {colour}, in per cent, rounded to a whole number?",
        "Count pixels: which share of the map is {land} ({colour}), in whole per cent?",
        "What part of the picture, in per cent, does the {colour} area ({land}) take up? Round to a whole number.",
        "On this map {colour} stands for {land}. To the nearest per cent, how much of the map is that?",
        "The {colour} area is {land}. What percentage of the map is it, as a whole number?",
        "To the nearest whole per cent, what share of the map is {land}? It is the {colour} part.",
        "How large is the area of {land}, drawn in {colour}, in per cent of the whole map? Round to a whole number.",
        "A planner wants to know how much of the map is {land}, the {colour} area. What is the percentage, rounded to a "
        "whole number?",
        "Estimates will not do here: what percentage of the pixels is {colour}, which means {land}, rounded to a whole number?",
        "Of all the pixels of this map, how many in a hundred are {colour}, that is, {land}? Round to a whole number.",
        "Find the share of {land} on this map, where it is {colour}, by counting pixels, in whole per cent.",
    ),
}
SHARE_THOUGHTS = (
    "By eye I could only guess. The {colour} area has one even colour, which I take from a point inside it, {x} % across"
    " and {y} % down. Then I count the pixels of that colour.",
    "The {land} is the {colour} area. At {x} % of the width and {y} % of the height I am well inside it, so I read the "
    "colour there and count how many pixels have it.",
    "A share of an area is a share of pixels. I pick the colour at a point in the {colour} part ({x} % from the left, "
    "{y} % from the top) and look it up in the list of all colours.",
    "All areas of this map are plain colours, so counting is exact. A point in the {colour} area is {x} % across and {y}"
    " % down; its colour is the one to count.",
    "I let a program count. It needs the exact colour of the {land}: the point at {x} % of the width and {y} % of the "
    "height lies in it.",
    "The outline of the {colour} area is too irregular for an estimate. I take the colour at {x} % across, {y} % down, "
    "and count its pixels among all of them.",
)
SHARE_CLOSINGS = (
    "{counted} of {all} pixels have the colour of the {land}. In whole per cent that is {answer}.",
    "The program counts {counted} pixels, {answer} per cent of the map.",
    "Out of {all} pixels {counted} are {colour}, which rounds to {answer} per cent.",
    "So the {colour} area has {counted} pixels, and its share is {answer} per cent.",
    "{counted} divided by {all}, rounded to a whole per cent, gives {answer}.",
    "The count is {counted}. Of all {all} pixels that makes {answer} per cent.",
)
SHARE_FINALS = (
    "The {land} takes up {box} per cent of the map.",
    "About {box} per cent of the map is {land}.",
    "Its share is {box} per cent.",
    "Share of the {land}: {box} %",
)
COPIES = {
    "changed": (
        "Two copies of a list stand side by side, and one entry on the right was changed. What does it say on the right?",
        "The right-hand list differs from the left-hand one in a single entry. What is that entry on the right?",
        "Compare both copies of the list. What does the changed entry on the right read?",
        "These two lists should be the same, but one entry is not. What does the right-hand copy say there?",
        "A clerk made one mistake when copying the left list. What did the clerk write there on the right?",
        "Find the one difference between the two lists and give the entry of the right-hand list.",
        "One line of the right-hand copy was altered. What does its second column say now?",
        "Which entry of the right-hand list differs from that of the left-hand one? Give it as it stands on the right.",
        "The lists are in small print and differ in one entry. What does it read in the right-hand list?",
        "Check the copy on the right against the original on the left. What is the entry that differs, as it stands on "
        "the right?",
        "Look for the single difference between the lists. What stands on the right in that place?",
        "One entry was changed from the left list to the right one. What was it changed to?",
    ),
}
COPY_FIRST = (
    "Comparing tiny lines by eye would be slow and unreliable. Both halves have the same layout, so I subtract one from "
    "the other and print where they differ.",
    "The two halves should be the same pixel by pixel, except where the entry was changed. I let a program find the box "
    "of all differences.",
    "I cut the picture into its left and right halves and take the difference. Whatever is not black there is the "
    "changed entry.",
    "The print is too small to compare by reading. The halves can be compared as pictures: the box around all differing "
    "pixels tells the place.",
    "The left and right halves are laid out alike. Their difference is zero but for one entry; getbbox gives its place.",
    "First I find the place, then I read it. The difference of the two halves shows where they are not the same.",
)
COPY_THEN = (
    "They differ only from {top} to {bottom} pixels from the top. I cut that line out of the right half, with {margin} "
    "and 8 above and below, and enlarge it.",
    "The box is one line high, between {top} and {bottom}. That line of the right-hand copy is what I want to see; to have "
    "the whole of it I take {margin} and 8 above and below.",
    "All differences lie between {top} and {bottom} pixels of the height, which is a single line. I crop it from the "
    "right half with a margin: {margin}, 8 above and below.",
    "So the changed entry is in the line at {top} to {bottom} pixels. I enlarge this strip of the right half, with "
    "{margin} so that the line is complete, and 8 above and below.",
    "The printed box starts {top} pixels down and ends at {bottom}. I take this strip of the right-hand list, {margin} and 8 "
    "above and below, and scale it up.",
    "One place differs, {top} to {bottom} pixels from the top. Now I look at it in the right half, with {margin} and 8 "
    "above and below.",
)
COPY_CLOSINGS = (
    "The line in the right-hand list reads “{key}” and {answer}, so {answer} is the changed entry.",
    "Enlarged, the strip shows “{key}” with the entry {answer}.",
    "It is the line for {key}; in the right-hand copy it says {answer}.",
    "On the right, “{key}” is followed by {answer}. As all other lines agree, this is the entry that was changed.",
    "The strip from the right half says {answer} beside “{key}”.",
    "Now I can read it: {key}, {answer}. That is the only entry in which the copies differ.",
)
COPY_FINALS = (
    "The changed entry reads {box}.",
    "On the right it says {box}.",
    "In the right-hand list the entry is {box}.",
    "The right-hand copy has {box}.",
)
