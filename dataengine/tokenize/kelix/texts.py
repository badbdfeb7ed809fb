"""Tokenizes captions and conversations for the language model that a tokenizer is trained with: ids, where the picture goes, and
which ids are learned.

A caption follows its picture. A conversation has Qwen's chat form, the picture before the first question; answers are learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dataengine.errors import InputError, UsageError
from dataengine.text.bounded_json import parse_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Tokens that the layout needs, by their use.
SPECIAL = {
    "vision start": "<|vision_start|>",
    "vision end": "<|vision_end|>",
    "turn start": "<|im_start|>",
    "turn end": "<|im_end|>",
    "end": "<|endoftext|>",
}
_ASKING, _ANSWERING = ("human", "user"), ("gpt", "assistant")
_PLACEHOLDERS = ("<image>", "<video>")

Turn = tuple[str, str]


class Laid(NamedTuple):
    """``ids`` of a text, ``at`` where the picture's tokens go among them, and ``learn``, which of them are predicted."""

    ids: list[int]
    learn: list[bool]
    at: int


class TextLayout:
    """The tokenizer of a language model in the folder ``path``. Raises UsageError where it lacks a token that is needed."""

    def __init__(self, path: str, length: int) -> None:
        self.length = length
        self._tokenizer = _read(path)
        by_use = {use: self._tokenizer.token_to_id(token) for use, token in SPECIAL.items()}
        self._ids = {use: id_ for use, id_ in by_use.items() if id_ is not None}
        missing = [token for use, token in SPECIAL.items() if use not in self._ids]
        if missing:
            raise UsageError(
                f"objective.path {path}: its tokenizer has no {', '.join(missing)}: use a Qwen model, or add these tokens to it"
            )

    def caption(self, text: str) -> Laid:
        """Picture, caption, end."""
        before = [self._ids["vision start"], self._ids["vision end"]]
        learned = [*self._of(text)[: self.length], self._ids["end"]]
        return Laid(before + learned, [False] * 2 + [True] * len(learned), 1)

    def conversation(self, turns: Sequence[Turn]) -> Laid | None:
        """Questions and answers in turn, cut after ``length`` tokens of text; None where no answer is left."""
        ids, learn = list[int](), list[bool]()
        at, left = 0, self.length
        for question, answer in turns:
            asked, answered = self._of(question), self._of(answer)
            if len(asked) >= left:
                break
            answered = answered[: left - len(asked)]
            start, end = [self._ids["turn start"]], [self._ids["turn end"]]
            picture = [] if ids else [self._ids["vision start"], self._ids["vision end"]]
            head = start + self._of("user\n")
            at = at or len(head) + 1
            body = [*head, *picture, *asked, *end, *self._of("\n"), *start, *self._of("assistant\n")]
            left -= len(asked) + len(answered) + (len(body) - len(asked) if ids else 0)
            ids += body + answered + end + self._of("\n")
            learn += [False] * len(body) + [True] * (len(answered) + 1) + [False] * len(self._of("\n"))
        return Laid(ids, learn, at) if ids else None

    def _of(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def turns_of(meta: str | None, field: str) -> list[Turn]:
    """Questions and answers of a sample's metadata (JSON): LLaVA's ``from`` and ``value``, or chat's ``role`` and ``content``."""
    if meta is None:
        return []
    value: Any = json.loads(meta).get(field)
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except InputError:
            return []
    turns, question = list[Turn](), ""
    for row in value if isinstance(value, list) else []:
        who, text = _said(row) if isinstance(row, Mapping) else ("", "")
        if who in _ASKING:
            question = text
        elif who in _ANSWERING and question and text:
            turns.append((question, text))
            question = ""
    return turns


def _said(row: Mapping[str, Any]) -> Turn:
    who, text = row.get("role", row.get("from")), row.get("content", row.get("value"))
    if not isinstance(who, str) or not isinstance(text, str):
        return "", ""
    for mark in _PLACEHOLDERS:
        text = text.replace(mark, "")
    return who, text.strip()


def _read(path: str) -> Tokenizer:
    from tokenizers import Tokenizer

    file = Path(path) / "tokenizer.json"
    if not file.is_file():
        raise UsageError(f"objective.path {path}: there is no tokenizer.json in this folder")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the class that the library raises
        raise UsageError(f"objective.path {path}: tokenizer.json cannot be read: {error}") from None
