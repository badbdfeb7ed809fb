"""The wire form of chat completions: request bodies, and responses as completions or classes of failure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.config.model_server import ModelClientConfig
from dataengine.errors import InputError
from dataengine.models.serving.completion import Completion, FailedCompletion, Failure, Media, Request, Result
from dataengine.models.serving.messages import ImageBlock, Message, TextBlock
from dataengine.models.serving.reply_fields import completion_of
from dataengine.text.redaction import redacted

_TOKENS_PER_PICTURE = 1024
_SHORTEST, _LONGEST, _TIMES = 4, 200, 8
"""Of a loop: characters of what is repeated, and how often."""
_FACTORS = tuple(np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
"""Odd, so that multiplication modulo 2⁶⁴ loses nothing."""
_QUOTED = 2000
"""Bytes of an error that are searched for credentials before it is cut to 200 characters."""
_TAIL = 4000
"""Characters at the end of a completion that are searched for a loop."""


def request_body(request: Request, media: Media, config: ModelClientConfig) -> dict[str, Any]:
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


def estimated_tokens(request: Request) -> tuple[int, int]:
    """Tokens that a request may take: of its prompt, a quarter of its letters and a flat sum a picture; and of the longest
    completion."""
    blocks = [block for message in request.messages for block in message.content]
    letters = sum(len(b.text) for b in blocks if isinstance(b, TextBlock))
    pictures = sum(isinstance(b, ImageBlock) for b in blocks)
    return letters // 4 + _TOKENS_PER_PICTURE * pictures, request.max_tokens


def parse_response(
    status: int, retry_after: str, content: bytes, config: ModelClientConfig, secrets: Sequence[str] = ()
) -> tuple[Result, float | None]:
    """The result, and the least seconds to wait before a retry; None where a retry is of no use. ``secrets`` are redacted from
    messages, as all that looks like a credential."""
    if status == 200:
        result = _result(content, config)
        retry = isinstance(result, FailedCompletion) and result.failure is Failure.BAD_REPLY
        return result, 0.0 if retry else None
    message = f"status {status}: {redacted(content[:_QUOTED].decode('utf-8', 'replace'), secrets)[:200]}"
    if status == 429:
        return FailedCompletion(Failure.RATE_LIMIT, message), _seconds(retry_after)
    if status in (408, 504):
        return FailedCompletion(Failure.TIMEOUT, message), 0.0
    if status >= 500:
        return FailedCompletion(Failure.SERVER, message), _seconds(retry_after)
    if status == 403:
        return FailedCompletion(Failure.FORBIDDEN, message), None
    if status in (401, 404):
        return FailedCompletion(Failure.DENIED, f"{message} (check endpoint, model and api_key_env)"), None
    return FailedCompletion(Failure.BAD_REQUEST, message), None


def _result(content: bytes, config: ModelClientConfig) -> Result:
    try:
        choice, completion = completion_of(content)
    except InputError as error:
        return FailedCompletion(Failure.BAD_REPLY, f"not a chat completion: {error.message}")
    result = _judged(choice, completion, config)
    return replace(result, tokens_in=completion.tokens_in, tokens_out=completion.tokens_out)


def _judged(choice: Mapping[str, Any], completion: Completion, config: ModelClientConfig) -> Result:
    """The completion, or why it is none."""
    finish_reason, refusal = choice.get("finish_reason"), choice["message"].get("refusal")
    text, calls = completion.text, "".join(f"\n{call.name} {call.arguments}" for call in completion.tool_calls)
    if calls and not text:
        text = completion.reasoning
    if finish_reason == "content_filter" or refusal or text.lstrip().startswith(tuple(config.refusal_prefixes)):
        return FailedCompletion(Failure.REFUSED, redacted(str(refusal or text or "content filter")[:200]))
    if _loops(f"{text}{calls}"[-_TAIL:]):
        return FailedCompletion(Failure.REPETITION, redacted(f"{text}{calls}"[-100:]))
    if finish_reason == "length":
        return FailedCompletion(Failure.TRUNCATED, f"cut off after {completion.tokens_out} tokens (max_tokens)")
    if not f"{text}{calls}".strip():
        return FailedCompletion(Failure.BAD_REPLY, "the completion is empty")
    return completion


def _loops(text: str) -> bool:
    """Whether a run of 4 to 200 characters stands eight times in a row: for one of these distances, 7 times as many characters
    in a row are the same as those so far before them."""
    points = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    if len(points) < _SHORTEST * _TIMES or not _repeats(points):
        return False
    for distance in range(_SHORTEST, min(_LONGEST, len(points) // _TIMES) + 1):
        different = np.flatnonzero(points[distance:] != points[:-distance])
        bounds = np.r_[-1, different, len(points) - distance]
        if np.diff(bounds).max() > distance * (_TIMES - 1):
            return True
    return False


def _repeats(points: NDArray[np.uint32]) -> bool:
    """Whether some 12 characters stand five times in a text, as they do in every loop; by hashes, much faster than looking
    for the loop itself."""
    hashes = points.astype(np.uint64)
    for shift, factor in zip((1, 2, 4), _FACTORS, strict=True):  # of runs of 2, 4 and 8 characters
        if shift == 4:
            fours = hashes
        hashes = hashes[:-shift] * factor + hashes[shift:]
    twelves = np.sort(hashes[:-4] * _FACTORS[0] + fours[8:])
    return bool((twelves[4:] == twelves[:-4]).any())


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
