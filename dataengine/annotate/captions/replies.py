"""Turns a model's reply into a caption, or says why it is none. Messages never quote the reply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataengine.annotate.captions.prompts import STRUCTURE
from dataengine.config.annotate_captions import Style
from dataengine.errors import InputError
from dataengine.storage.workspace import canonical_json
from dataengine.text.bounded_json import parse_json
from dataengine.text.cleaning import clean_text
from dataengine.text.unicode_forms import normalised

_FENCED = re.compile(r"\s*```[a-z]{0,10}\n(.*?)\n?```\s*", re.DOTALL)
_MARKUP = re.compile(r"<\|[^|<>]{1,40}\|>")
_QUOTES = {'"': '"', "“": "”", "«": "»"}


@dataclass(frozen=True)
class NoCaption:
    """Why a reply is no caption."""

    failure: str
    message: str


def caption_of(style: Style, reply: str, longest: int) -> str | NoCaption:
    """Prose as one line, of the style ``structured`` canonical JSON; NFC, without markers of chat templates."""
    if len(reply) > longest:
        return NoCaption("too_long", f"the reply has {len(reply):,} characters, max_characters is {longest:,}")
    if style == "structured":
        return _structured(reply)
    text = _line(reply)
    closing = _QUOTES.get(text[:1])
    if closing and text.endswith(closing) and not set(_QUOTES) & set(text[1:-1]):
        text = text[1:-1].strip()
    return text if any(map(str.isalpha, text)) else NoCaption("empty", "the reply has no word")


def prose_of(style: str | None, caption: str) -> str:
    """What of a caption is compared with the media: of a structured one its summary."""
    return str(parse_json(caption)["summary"]) if style == "structured" else caption


def measured_text(style: str | None, caption: str) -> str:
    """What of a caption is measured: of a structured one the summary, then what it says is written there, quoted."""
    if style != "structured":
        return caption
    fields = parse_json(caption)
    return " ".join([fields["summary"], *(f"“{text}”" for text in fields["text"])])


def _structured(reply: str) -> str | NoCaption:
    fenced = _FENCED.fullmatch(reply)
    try:
        value = parse_json(fenced[1] if fenced else reply)
    except InputError as error:
        return NoCaption("bad_json", f"the reply is {error.message.removeprefix('not read: ')}")
    for name, kind in STRUCTURE["properties"].items():
        if not isinstance(value, dict) or name not in value:
            return NoCaption("bad_json", f"the reply is no JSON object with the key `{name}`")
        if not _fits(value[name], kind):
            return NoCaption("bad_json", f"`{name}` of the reply is no {kind['type']}")
    fields = {name: _cleaned(value[name]) for name in STRUCTURE["properties"]}
    if not fields["summary"]:
        return NoCaption("empty", "the summary of the reply is empty")
    return canonical_json(fields).decode()


def _fits(value: Any, kind: dict[str, Any]) -> bool:
    if kind["type"] == "string":
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _cleaned(value: Any) -> Any:
    return _line(value) if isinstance(value, str) else [line for item in value if (line := _line(item))]


def _line(text: str) -> str:
    return " ".join(normalised("NFC", _MARKUP.sub(" ", clean_text(text))).split())
