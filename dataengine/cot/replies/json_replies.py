"""Reads the JSON of a reply that was asked for as JSON: without reasoning before it, code fences and sentences around it."""

from __future__ import annotations

from typing import Any

from dataengine.cot.replies.sections import tagged_alike
from dataengine.text.bounded_json import parse_json

_FENCE = "```"


def json_of_reply(text: str) -> Any:
    """The value in a model's reply; of several fenced blocks the last. Raises InputError ``bad_json``."""
    text = tagged_alike(text)
    if not text.startswith(("{", "[")):
        text = text.rpartition("</think>")[2].strip()
    before, fence, _ = text.rpartition(_FENCE)
    if not text.startswith(("{", "[")) and fence and (block := before.rpartition(_FENCE))[1]:
        first, line, rest = block[2].partition("\n")
        text = rest if line and first.strip().isalnum() else block[2].strip().removeprefix("json")
    return parse_json(text.strip())
