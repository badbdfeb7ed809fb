"""The wire form of chat completions: from a question to a request, from a reply to an answer or to a class of failure."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from dataengine.config.cot import OpenAIConfig
from dataengine.cot.core.confidence import sureness
from dataengine.cot.core.record import ImageBlock, Message, TextBlock
from dataengine.cot.teachers.base import Ask, Failure, Media, NotSaid, Said
from dataengine.cot.teachers.calls import as_fence, definitions

PAID = frozenset({Failure.REFUSED, Failure.TRUNCATED, Failure.REPETITION})
"""Failures of finished generations: asked again with the same seed they would be the same."""
_TOKENS_A_PICTURE = 1024
_LOOP = re.compile(r"(.{4,200}?)\1{7,}", re.DOTALL)
_TAIL = 4000


def body_of(ask: Ask, media: Media, config: OpenAIConfig) -> dict[str, Any]:
    """The request's JSON."""
    body: dict[str, Any] = {
        "model": config.model,
        "messages": [_message(m, media, config.pictures) for m in ask.messages],
        "seed": ask.seed & 0x7FFFFFFF,
        "temperature": ask.temperature,
        "max_tokens": ask.max_tokens,
    }
    if ask.logprobs and config.logprobs:
        body["logprobs"] = True
    if ask.json_schema is not None:
        schema = {"name": "reply", "strict": True, "schema": dict(ask.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if ask.tools:
        body["tools"] = definitions()
    return body | config.extra_body


def guessed_tokens(ask: Ask) -> int:
    """Tokens that a request may take: a quarter of its letters, a flat sum a picture, and all that it may answer."""
    blocks = [block for message in ask.messages for block in message.content]
    letters = sum(len(b.text) for b in blocks if isinstance(b, TextBlock))
    return letters // 4 + _TOKENS_A_PICTURE * sum(isinstance(b, ImageBlock) for b in blocks) + ask.max_tokens


def read(status: int, retry_after: str, content: bytes, config: OpenAIConfig) -> tuple[Said | NotSaid, float | None]:
    """The answer in a reply, and the least seconds to wait before another try; None where another is of no use."""
    if status == 200:
        said = _said(content, config)
        again = isinstance(said, NotSaid) and said.failure is Failure.BAD_REPLY
        return said, 0.0 if again else None
    told = f"status {status}: {content[:200].decode('utf-8', 'replace')}"
    if status == 429:
        return NotSaid(Failure.RATE_LIMIT, told), _seconds(retry_after)
    if status in (408, 504):
        return NotSaid(Failure.TIMEOUT, told), 0.0
    if status >= 500:
        return NotSaid(Failure.SERVER, told), _seconds(retry_after)
    if status in (401, 403, 404):
        return NotSaid(Failure.DENIED, f"{told} (endpoint, model or api_key_env is wrong)"), None
    return NotSaid(Failure.BAD_REQUEST, told), None


def _said(content: bytes, config: OpenAIConfig) -> Said | NotSaid:
    try:
        told = json.loads(content)
        choice = told["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text = message.get("content") or ""
        usage = told.get("usage") or {}
        tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        sure = sureness(text, (choice.get("logprobs") or {}).get("content") or [])
        if calls := message.get("tool_calls"):
            text = f"{text or message.get('reasoning_content') or ''}\n{as_fence(calls)}".lstrip()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return NotSaid(Failure.BAD_REPLY, f"not a chat completion: {error!r}: {content[:100]!r}")
    if reason == "content_filter" or message.get("refusal") or text.lstrip().startswith(tuple(config.refusals)):
        return NotSaid(Failure.REFUSED, (message.get("refusal") or text or "content filter")[:200])
    if _LOOP.search(text[-_TAIL:]):
        return NotSaid(Failure.REPETITION, text[-100:])
    if reason == "length":
        return NotSaid(Failure.TRUNCATED, f"cut off after {tokens[1]} tokens (max_tokens)")
    if not text.strip():
        return NotSaid(Failure.BAD_REPLY, "an empty reply")
    return Said(text, sure.mean, *tokens, False, sure.least, sure.step_means, sure.step_leasts)


def _message(message: Message, media: Media, pictures: bool) -> dict[str, Any]:
    """Text alone goes as a string, which servers without pictures take, too."""
    if not pictures or all(isinstance(b, TextBlock) for b in message.content):
        return {"role": message.role, "content": "".join(b.text for b in message.content if isinstance(b, TextBlock))}
    parts: list[dict[str, Any]] = []
    for block in message.content:
        if isinstance(block, TextBlock):
            parts.append({"type": "text", "text": block.text})
        elif isinstance(block, ImageBlock):
            parts.append({"type": "image_url", "image_url": {"url": _data_url(media(block.image))}})
    return {"role": message.role, "content": parts}


def _data_url(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _seconds(retry_after: str) -> float:
    return float(retry_after) if re.fullmatch(r"\d+(\.\d+)?", retry_after) else 0.0
