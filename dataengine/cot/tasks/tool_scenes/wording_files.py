"""What a question says of the file that programs open; which wording is used is drawn from the record's seed."""

from __future__ import annotations

NOTES = (
    "(The file image.png has {full} pixels; here it is shown at {shown}.)",
    "(You see image.png at {shown} pixels; the file itself has {full}.)",
    "(image.png: {full} pixels, shown here reduced to {shown}.)",
    "(The picture is a preview of {shown} pixels. The original, image.png, has {full}.)",
    "(What you see is image.png, scaled down from {full} to {shown} pixels.)",
    "(The preview has {shown} pixels, the file image.png {full}.)",
)
SAME_SIZE_NOTES = (
    "(The file is image.png, {full} pixels.)",
    "(image.png has {full} pixels.)",
    "(The picture is in image.png; it has {full} pixels.)",
    "(File: image.png, {full} pixels.)",
    "(It is stored as image.png with {full} pixels.)",
    "(You will find the picture in image.png, {full} pixels.)",
)
