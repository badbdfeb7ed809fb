"""Reads the JSON of a chat completion strictly: every field of its type, or the reply is no completion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.errors import InputError
from dataengine.models.serving.bounded_body import LARGEST
from dataengine.models.serving.completion import Completion, TokenLogprob, ToolCall
from dataengine.text.bounded_json import parse_json

_MOST_TOKENS = 10**9
_LONGEST = 1_000_000
"""Characters of the text, the reasoning or a tool call's arguments."""


def completion_of(content: bytes) -> tuple[Mapping[str, Any], Completion]:
    """The first choice and its completion. Raises InputError ``bad_reply`` or ``bad_json`` naming the field that is wrong, never
    its value."""
    body = _object(parse_json(content, size=LARGEST), "the reply")
    choice = _object(next(iter(_list(body, "choices")), None), "choices[0]")
    message = _object(choice.get("message"), "message")
    _text(message, "refusal")
    usage = _object(body.get("usage") or {}, "usage")
    logprobs = _object(choice.get("logprobs") or {}, "logprobs")
    return choice, Completion(
        _content(message.get("content")),
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _text(message, "reasoning_content") or _reasoning(message),
        tuple(_tool_call(call) for call in _list(message, "tool_calls")),
        tuple(_token(token) for token in _list(logprobs, "content")),
    )


def _reasoning(message: Mapping[str, Any]) -> str:
    """``reasoning``, as newer servers call it; some vendors have something else than text there."""
    return _text(message, "reasoning") if isinstance(message.get("reasoning"), str) else ""


def _content(content: Any) -> str:
    """Text, or the text parts of a list of parts."""
    if isinstance(content, list):
        parts = [_object(part, "content[]") for part in content]
        return "".join(_text(part, "text") for part in parts if _is_text(part))
    return _text({"content": content}, "content")


def _is_text(part: Mapping[str, Any]) -> bool:
    if part.get("type") != "text":
        raise _wrong("content[].type", "`text`")
    return True


def _tool_call(call: Any) -> ToolCall:
    function = _object(_object(call, "tool_calls[]").get("function"), "tool_calls[].function")
    arguments, name = function.get("arguments") or "{}", function.get("name")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(arguments, str) or not isinstance(parse_json(arguments, size=_LONGEST), dict):
        raise _wrong("tool_calls[].function.arguments", "a JSON object")
    if not isinstance(name, str) or not name:
        raise _wrong("tool_calls[].function.name", "a string")
    return ToolCall(name, arguments)


def _token(token: Any) -> TokenLogprob:
    fields = _object(token, "logprobs.content[]")
    text, value = fields.get("token"), fields.get("logprob")
    if not isinstance(text, str):
        raise _wrong("logprobs.content[].token", "a string")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value <= _MOST_TOKENS:
        raise _wrong("logprobs.content[].logprob", "a finite number")
    return TokenLogprob(text, float(value))


def _object(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, "an object")
    return value


def _list(fields: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = fields.get(name)
    if value is not None and not isinstance(value, list):
        raise _wrong(name, "a list")
    return value or ()


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a string")
    if value and len(value) > _LONGEST:
        raise _wrong(name, f"a text of at most {_LONGEST:,} characters")
    return value or ""


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name) or 0
    if type(value) is not int or not 0 <= value <= _MOST_TOKENS:
        raise _wrong(f"usage.{name}", "a number of tokens")
    return value


def _wrong(field: str, kind: str) -> InputError:
    return InputError("bad_reply", f"`{field}` is not {kind}")
