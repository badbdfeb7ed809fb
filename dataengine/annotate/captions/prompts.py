"""Requests for captions, from the templates in ``prompts/``; a template's file name holds its version.

What a source says, and what is said in a video, was written by others: it goes into a prompt as bounded JSON in which no markup
of a chat template survives, after a sentence that says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from dataengine.annotate.captions.views import View
from dataengine.config.annotate_captions import CaptionsConfig, Style
from dataengine.models.serving.completion import Request
from dataengine.models.serving.messages import Block, ImageBlock, Message, TextBlock
from dataengine.storage.workspace import digest

VERSION = "1"
CONTEXT, SPEECH, FRAMES, UNSEEN = "context", "speech", "frames", "unseen"
_LONGEST_TEXT, _MOST_VALUES, _LONGEST_CONTEXT = 400, 20, 4000
"""Characters of one string, values of a list or an object, and characters of all that is quoted in a prompt."""

_BRACKET = re.compile(r"\[(?=/?g?[A-Z_]{2,30}\])")
"""Only within strings: JSON itself has no name in upper case."""

Json = dict[str, Any]

_STRINGS = {"type": "array", "items": {"type": "string"}}
#: What the style ``structured`` answers with.
STRUCTURE: Json = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "objects": _STRINGS,
        "actions": _STRINGS,
        "setting": {"type": "string"},
        "style": {"type": "string"},
        "text": _STRINGS,
    },
    "required": ["summary", "objects", "actions", "setting", "style", "text"],
    "additionalProperties": False,
}


@cache
def template(name: str) -> str:
    return files("dataengine.annotate.captions").joinpath(f"prompts/{name}.v{VERSION}.txt").read_text("utf-8").strip()


def digests(config: CaptionsConfig) -> dict[str, str]:
    """Digest of each template that the configuration may use, by name and version."""
    names = [*config.styles, FRAMES, UNSEEN, *([SPEECH] if config.asr else [])]
    if config.metadata or config.source_captions:
        names.append(CONTEXT)
    return {f"{name}.v{VERSION}": digest(template(name)) for name in sorted(names)}


def parts_of(style: Style, view: View, seen: bool, context: str | None, speech: str | None) -> list[str]:
    """Names of the templates of a prompt, in its order."""
    quoted = [name for name, text in ((CONTEXT, context), (SPEECH, speech)) if text]
    shown = [FRAMES] if view.times and seen else [] if seen else [UNSEEN]
    return [*shown, style, *quoted]


def prompt_digest(names: Sequence[str]) -> str:
    """Digest of a prompt's templates: the same for all samples that are asked alike."""
    return digest([template(name) for name in names])


def request(
    style: Style,
    view: View,
    pictures: Sequence[str],
    context: str | None,
    speech: str | None,
    seed: int,
    config: CaptionsConfig,
) -> Request:
    """The request for one caption. ``pictures``: references to the view's JPEGs, none for a model that sees none; ``context``
    and ``speech`` as of ``quoted``."""
    text = []
    for name in parts_of(style, view, bool(pictures), context, speech):
        text.append(template(name))
        text += [outside for kind, outside in ((CONTEXT, context), (SPEECH, speech)) if kind == name and outside]
    content = (*_shown(view, pictures), TextBlock(text="\n\n".join(text)))
    schema = STRUCTURE if style == "structured" else None
    message = Message(role="user", content=content)
    return Request((message,), seed, config.temperature, config.max_tokens, json_schema=schema)


def quoted(value: Any) -> str | None:
    """A value from outside as one line of bounded JSON in which no marker of a chat template is, neither ``<|…|>`` nor
    ``[INST]``; None where there is nothing in it."""
    bounded = _bounded(value, 3)
    if bounded in (None, "", [], {}):
        return None
    text = json.dumps(bounded, ensure_ascii=False)
    while len(text) > _LONGEST_CONTEXT and isinstance(bounded, list | dict) and len(bounded) > 1:
        bounded = bounded[:-1] if isinstance(bounded, list) else dict(list(bounded.items())[:-1])
        text = json.dumps(bounded, ensure_ascii=False)
    if len(text) > _LONGEST_CONTEXT:
        return None
    return _BRACKET.sub(r"\\u005b", text.replace("<", "\\u003c").replace(">", "\\u003e"))


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())[:_LONGEST_TEXT]
    if isinstance(value, bool | int | float) or value is None:
        return value
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        some = list(value.items())[:_MOST_VALUES]
        return {_bounded(str(name), 0): inner for name, v in some if (inner := _bounded(v, depth - 1)) is not None}
    return [inner for v in list(value)[:_MOST_VALUES] if (inner := _bounded(v, depth - 1)) is not None]


def _shown(view: View, pictures: Sequence[str]) -> list[Block]:
    """The pictures; a frame after its time in seconds."""
    blocks = list[Block]()
    for place, name in enumerate(pictures):
        if view.times:
            blocks.append(TextBlock(text=f"[{view.times[place]:.2f} s]"))
        blocks.append(ImageBlock(image=name))
    return blocks
