"""Questions and thoughts of families composed of real samples; which wording is used is drawn from the record's seed."""

from __future__ import annotations

FIND_CROP = (
    "The second picture is a part of the first. Divide the first into 3 × 3 equal cells, numbered 1 to 9 row by row: which "
    "cell is it?",
    "Number the cells of a 3 × 3 grid over the first picture from 1 (upper left) to 9 (lower right). Which one does the second "
    "picture show?",
    "The small picture was cut out of the large one. Counting 3 × 3 cells row by row from 1, where does it come from?",
    "From which ninth of the first picture was the second one taken? Count from 1 at the upper left to 9 at the lower right.",
    "Lay a grid of three by three over the first picture. The second shows one of its cells. Which one, counted row by row?",
    "Where in the first picture is what the second shows? Answer with the cell of a 3 × 3 grid, 1 to 9, row by row.",
    "One of nine equal parts of the first picture is shown again. Which one, if they are numbered row by row?",
    "Find the place of the second picture in the first, as the number of a cell (three rows of three, counted from the top "
    "left).",
    "The second picture enlarges one cell of the first, which has 3 × 3 of them, numbered in reading order. Which cell?",
    "Match the crop to its place: three rows and three columns, numbered 1 to 9 in reading order. Which number?",
    "If the first picture is cut into nine equal pieces, numbered row by row, which piece is the second picture?",
    "Tell me the number of the cell (1 to 9, row by row, on a 3 × 3 grid) that was cut out to make the second picture.",
)
SPOT_EDIT = (
    "The second picture is a copy of the first in which one cell of a 3 × 3 grid was changed. Which one? Answer in the form: "
    "row 1, column 1.",
    "Spot the difference: over a 3 × 3 grid, where do the two pictures differ? Use the form: row 1, column 1.",
    "One of nine equal cells is not the same in the two pictures. Name it in the form: row 1, column 1.",
    "Compare the two pictures cell by cell (3 × 3). Which cell was edited? Answer in the form: row 1, column 1.",
    "Somebody changed one ninth of the picture. Where? Give row and column like this: row 1, column 1.",
    "Find the part that was altered in the second picture, on a grid of three by three. Use the form: row 1, column 1.",
    "In which cell of a 3 × 3 grid does the second picture differ from the first? Write: row 1, column 1, and so on.",
    "The two pictures are alike except for one cell of a 3 × 3 grid. Which is it, in the form: row 1, column 1?",
    "Locate the edit. The grid has three rows and three columns; answer like this: row 1, column 1.",
    "Which part was tampered with? Divide the picture into 3 × 3 cells and answer in the form: row 1, column 1.",
    "The two pictures should be identical, and nearly are. Give the cell (3 × 3 grid) where they are not: row 1, column 1.",
    "Look for the one cell, out of nine, that was altered in the second picture. Answer like this: row 1, column 1.",
)
SPOT_EDIT_THOUGHTS = (
    "I compare the pictures row by row. {before}In the {row} row there is a difference: in the second picture, the part at "
    "{cell} is {edit}. The rest is the same in both.",
    "{before}At {cell} the part is the same, but in the second picture it is {edit}. Everywhere else the two agree.",
    "Going through the nine cells one by one, I find one that differs: at {cell} the second picture is {edit}. The others "
    "are the same.",
)
SPOT_EDIT_FINALS = ("The edited cell is {box}.", "They differ at {box}.", "So the answer is {box}.")
ODD_ONE_OUT = (
    "One of the nine pictures is unlike the others. Which number does it have?",
    "Which of these pictures is the odd one out? Answer with its number.",
    "Eight of the nine pictures are the same. Give the number of the one that is not.",
    "Find the picture that was changed and give its number.",
    "One picture differs from the rest. What is its number?",
    "Which picture does not belong with the others? Give its number.",
    "Compare all nine pictures. Which one stands out? Give its number.",
    "Spot the picture that is not like the others and give its number.",
    "A single picture on this sheet was edited. Which number is it?",
    "All pictures but one are copies of each other. Which picture is the exception? Give its number.",
    "Name the number of the picture that was treated differently.",
    "Where on the sheet is the one that differs? Answer with its number.",
)
ODD_THOUGHTS = (
    "The pictures all show the same view. Eight of them look alike, while number {number} is {edit}.",
    "I compare each picture with its neighbours. They agree, except for number {number}, which is {edit}.",
    "All nine show one and the same view, but number {number} is {edit}; the other eight are not.",
)
JIGSAW = (
    "A picture was cut into six pieces, two rows of three, and shuffled. List the letters in the right order, row by row.",
    "Put the pieces back together: two rows of three. Which letter goes where, from the upper left to the lower right?",
    "Restore the picture. Give the letters of its pieces row by row (3 columns, 2 rows).",
    "These six tiles form one picture of three columns and two rows. In which order do they belong?",
    "Solve the puzzle: name the pieces from left to right, the upper row first, then the lower one.",
    "The tiles are out of order. What is the right order, read like a text in two rows of three?",
    "Order the pieces so that the picture is whole again. There are two rows of three pieces.",
    "Which arrangement of the letters restores the picture? Read two rows of three from the top left.",
    "Reassemble the picture from its six pieces and give their letters, upper row first.",
    "Six parts of one picture were mixed up. Put them in order (two rows of three) and list their letters.",
    "Put the pieces into a frame of two rows with three places each, and list their letters in reading order.",
    "What was the original order of the six pieces, from the upper left to the lower right?",
)
TRANSFORMED = (
    "What was done to the first picture to get the second?",
    "The second picture was made from the first. How?",
    "Which change turns the first picture into the second?",
    "Compare the two pictures: what happened to the first one?",
    "Name the operation that leads from the first picture to the second.",
    "How was the first picture edited to become the second?",
    "What has to be done to the first picture so that it looks like the second?",
    "Describe the step from the first picture to the second.",
    "One operation was applied to the first picture. Which one?",
    "Say how the second picture differs from the first.",
    "Which single edit explains the second picture?",
    "The first picture went through one operation and became the second. Which operation was it?",
)
AMONG_DOZENS = (
    "Which of the numbered pictures does the part at the end belong to? It is mirrored.",
    "The last picture shows the middle of one of the others, mirrored. Which number?",
    'Find the picture, among the two dozen, whose middle is shown (mirrored) under "Part".',
    "From which numbered picture was the mirrored part taken?",
    "The part at the end comes from one of the pictures before it, flipped left to right. Give the number.",
    "Match the mirrored part with its picture. Which number is it?",
    "Go through the sheet: which picture holds what the mirrored part shows?",
    'Under "Part" you see the middle of one picture in mirror image. Name that picture\'s number.',
    "Which number on the sheet is the source of the mirrored part?",
    "Look at the part, imagine it flipped, and find its picture on the sheet. Which number does it have?",
    "One of the numbered pictures was cropped and mirrored to make the part. Which one?",
    "Where on the sheet is the whole picture from which the mirrored part was cut? Give its number.",
)
COUNT_GREY = (
    "How many of these pictures are in black and white?",
    "Count the pictures that have no colour.",
    "How many of the twelve pictures are shown without colour?",
    "What is the number of black-and-white pictures on this sheet?",
    "Some of the pictures have lost their colours. How many?",
    "Of the twelve pictures, how many are in grey only?",
    "Go through the sheet and count the pictures in black and white.",
    "How many pictures here were turned into black and white?",
    "Tell me how many of the pictures have no colour.",
    "Count only the pictures that are in shades of grey.",
    "In how many of the pictures is there no colour at all?",
    "How many times does the sheet show a picture in black and white?",
)
COUNT_GREY_THOUGHTS = (
    "{pictures} {listed} {are} in black and white; the others have colours. That makes {count}.",
    "Going through the sheet from the top, I see no colour in the following: {listed}. That is {count} in all.",
    "{pictures} {listed} {has} only shades of grey. All the others are coloured, so the count is {count}.",
)
FIND_PAIR = (
    "Two of these pictures show the same thing, though one of them is mirrored. Which two? Answer like: 1 and 2.",
    "Find the pair: one picture is the mirror image of another. Give both numbers, as in: 1 and 2.",
    "Which two pictures belong together, one being the other flipped? Use the form: 1 and 2.",
    "One picture appears twice, the second time in mirror image. At which numbers? Answer like: 1 and 2.",
    "One picture is on the sheet twice, once mirrored. Name its two numbers. Use the form: 1 and 2.",
    "There is one pair of mirror images on this sheet. Which numbers are they? Answer like: 1 and 2.",
    "Which picture is a flipped copy of which other one? Give both numbers in the form: 1 and 2.",
    "Look for two pictures that are mirror images of each other, and give their numbers like this: 1 and 2.",
    "Find the pair, as in a game of Memory; one of the two is mirrored. Answer in the form: 1 and 2.",
    "Apart from being mirrored, two of the pictures are the same. Which ones? Answer like: 1 and 2.",
    "Eleven views, twelve pictures: one view appears twice, once mirrored. Where? Use the form: 1 and 2.",
    "Match the two pictures that differ only by being flipped. Give their numbers, lower one first: 1 and 2.",
)
FIND_PAIR_THOUGHTS = (
    "I compare each picture with those after it, allowing for left and right to be exchanged. Number {second} shows what "
    "number {first} shows, in mirror image; no other two agree.",
    "Picture {first} appears again as number {second}, flipped left to right. All the others are different views.",
    "The views at {first} and {second} are the same apart from being mirrored. The remaining pictures each stand alone.",
)
