"""The wire form of chat completions: request bodies, and responses as completions or classes of failure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from dataengine.config.model_server import ModelServerConfig
from dataengine.models.serving.completion import (
    Completion,
    FailedCompletion,
    Failure,
    Media,
    Request,
    Result,
    TokenLogprob,
    ToolCall,
)
from dataengine.models.serving.messages import ImageBlock, Message, TextBlock

_TOKENS_PER_PICTURE = 1024
_LOOP = re.compile(r"(.{4,200}?)\1{7,}", re.DOTALL)
_TAIL = 4000
"""Characters at the end of a completion that are searched for a loop."""


def request_body(request: Request, media: Media, config: ModelServerConfig) -> dict[str, Any]:
    """The JSON of ``POST /chat/completions``."""
    body: dict[str, Any] = {
        "model": config.model,
        "messages": [_message(m, media, config.vision) for m in request.messages],
        "seed": request.seed & 0x7FFFFFFF,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
    }
    if request.logprobs and config.logprobs:
        body["logprobs"] = True
    if request.json_schema is not None:
        schema = {"name": "reply", "strict": True, "schema": dict(request.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.tools:
        body["tools"] = [dict(tool) for tool in request.tools]
    return body | config.extra_body


def estimated_tokens(request: Request) -> int:
    """Tokens that a request may take: a quarter of its letters, a flat sum a picture, and the longest completion."""
    blocks = [block for message in request.messages for block in message.content]
    letters = sum(len(b.text) for b in blocks if isinstance(b, TextBlock))
    pictures = sum(isinstance(b, ImageBlock) for b in blocks)
    return letters // 4 + _TOKENS_PER_PICTURE * pictures + request.max_tokens


def parse_response(
    status: int, retry_after: str, content: bytes, config: ModelServerConfig
) -> tuple[Result, float | None]:
    """The result, and the least seconds to wait before a retry; None where a retry is of no use."""
    if status == 200:
        result = _result(content, config)
        retry = isinstance(result, FailedCompletion) and result.failure is Failure.BAD_REPLY
        return result, 0.0 if retry else None
    message = f"status {status}: {content[:200].decode('utf-8', 'replace')}"
    if status == 429:
        return FailedCompletion(Failure.RATE_LIMIT, message), _seconds(retry_after)
    if status in (408, 504):
        return FailedCompletion(Failure.TIMEOUT, message), 0.0
    if status >= 500:
        return FailedCompletion(Failure.SERVER, message), _seconds(retry_after)
    if status in (401, 403, 404):
        return FailedCompletion(Failure.DENIED, f"{message} (check endpoint, model and api_key_env)"), None
    return FailedCompletion(Failure.BAD_REQUEST, message), None


def _result(content: bytes, config: ModelServerConfig) -> Result:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message, finish_reason = choice["message"], choice.get("finish_reason")
        completion = _completion(body, choice, message)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return FailedCompletion(Failure.BAD_REPLY, f"not a chat completion: {error!r}: {content[:100]!r}")
    text, calls = completion.text, "".join(f"\n{call.name} {call.arguments}" for call in completion.tool_calls)
    if calls and not text:
        text = completion.reasoning
    if (
        finish_reason == "content_filter"
        or message.get("refusal")
        or text.lstrip().startswith(tuple(config.refusal_prefixes))
    ):
        return FailedCompletion(Failure.REFUSED, (message.get("refusal") or text or "content filter")[:200])
    if _LOOP.search(f"{text}{calls}"[-_TAIL:]):
        return FailedCompletion(Failure.REPETITION, f"{text}{calls}"[-100:])
    if finish_reason == "length":
        return FailedCompletion(Failure.TRUNCATED, f"cut off after {completion.tokens_out} tokens (max_tokens)")
    if not f"{text}{calls}".strip():
        return FailedCompletion(Failure.BAD_REPLY, "the completion is empty")
    return completion


def _completion(body: Mapping[str, Any], choice: Mapping[str, Any], message: Mapping[str, Any]) -> Completion:
    usage = body.get("usage") or {}
    return Completion(
        str(message.get("content") or ""),
        int(usage.get("prompt_tokens", 0)),
        int(usage.get("completion_tokens", 0)),
        str(message.get("reasoning_content") or ""),
        tuple(_tool_call(call["function"]) for call in message.get("tool_calls") or ()),
        tuple(
            TokenLogprob(str(token["token"]), float(token["logprob"]))
            for token in (choice.get("logprobs") or {}).get("content") or ()
        ),
    )


def _tool_call(function: Any) -> ToolCall:
    """Raises LookupError, TypeError or ValueError for what is no call."""
    arguments = function.get("arguments") or "{}"
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(json.loads(arguments), dict):
        raise ValueError("arguments of a tool call are no JSON object")
    return ToolCall(str(function["name"]), arguments)


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
