"""Conversations as runs of a document: ChatML as built in, or any Jinja chat template, and what of them is a target.

A template is rendered with marks in place of contents, and cut at the marks: its own text is parsed for special tokens, a turn's
text is not, and pictures go where the turn has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dataengine.config.sequence import LossConfig
from dataengine.errors import UsageError
from dataengine.sequence.draft import Run, Token, Visual, Words
from dataengine.sequence.model import Role

#: ChatML as Qwen writes it (``<|im_start|>role\n…<|im_end|>\n``).
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MARK = re.compile("\ue000(\\d+)\ue001")
_TAG = re.compile(r"(</?(?:think|analysis|sandbox_output)>)")
_END_OF_TEXT = Token("end_of_text")
_BEFORE = {"<think>": Role.REASONING, "<analysis>": Role.REASONING, "<sandbox_output>": Role.TOOL_OUTPUT}


@dataclass(frozen=True)
class Turn:
    """``role``: system, user or assistant; ``content``: texts and visual parts."""

    role: str
    content: tuple[str | Visual, ...]


class ChatTemplate:
    """Renders turns. ``source``: Jinja, as in a tokenizer_config.json."""

    def __init__(self, source: str = CHATML, end: str = "<|im_end|>") -> None:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        self._error, self._end = TemplateError, end
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise UsageError(f"sequence.tokenizer.chat_template: not a Jinja template: {error}") from None

    def runs(self, turns: Sequence[Turn], loss: LossConfig) -> list[Run]:
        """Runs of the conversation, without an end of text. Raises UsageError for turns that the template refuses."""
        contents = [(turn, part) for turn in turns for part in turn.content]
        marks = iter(range(len(contents)))
        messages = [
            {"role": turn.role, "content": "".join(f"\ue000{next(marks)}\ue001" for _ in turn.content)}
            for turn in turns
        ]
        try:
            text = self._template.render(messages=messages, add_generation_prompt=False, tools=None, **_NO_TOKENS)
        except (self._error, TypeError) as error:
            raise UsageError(f"sequence.tokenizer.chat_template refuses a conversation: {error}") from None
        return list(self._cut(text, contents, loss))

    def _cut(self, text: str, contents: Sequence[tuple[Turn, str | Visual]], loss: LossConfig) -> Iterator[Run]:
        pieces = _MARK.split(text)
        if sorted(map(int, pieces[1::2])) != list(range(len(contents))):
            raise UsageError(
                "sequence.tokenizer.chat_template leaves out or repeats contents of turns: use another template"
            )
        if pieces[0]:
            yield Words(pieces[0], Role.SPECIAL, False, special=True)
        inside: dict[int, list[Role]] = {}
        for mark, after in zip(pieces[1::2], pieces[2::2], strict=True):
            turn, part = contents[int(mark)]
            yield from content_runs(turn.role, part, loss, inside.setdefault(id(turn), [Role.ASSISTANT]))
            end = self._end_of_turn(after) if turn.role == "assistant" else 0
            if end:
                yield Words(after[:end], Role.SPECIAL, loss.assistant, special=True)
            if after[end:]:
                yield Words(after[end:], Role.SPECIAL, False, special=True)

    def _end_of_turn(self, text: str) -> int:
        """Characters after an assistant's content that it has to predict: the end of the turn and a line break."""
        if self._end not in text:
            return 0
        end = text.index(self._end) + len(self._end)
        return end + 1 if text[end : end + 1] == "\n" else end


#: Tokens that templates name; special tokens around a whole text are ours to put.
_NO_TOKENS: dict[str, Any] = {"bos_token": "", "eos_token": ""}


def content_runs(role: str, part: str | Visual, loss: LossConfig, inside: list[Role]) -> Iterator[Run]:
    """Runs of one content of a turn; reasoning and tool output of an assistant by their tags. ``inside``: the roles of the tags
    that the contents before have opened, the innermost last; it is brought up to date. What a tool gave is a target no more
    where it is a picture."""
    if isinstance(part, Visual):
        masked = role == "assistant" and inside[-1] is Role.TOOL_OUTPUT and not loss.tool_output
        yield replace(part, loss=False) if masked else part
        return
    if role != "assistant":
        yield Words(part, Role.USER if role == "user" else Role.TEXT, loss.user and role == "user")
        return
    wanted = {Role.ASSISTANT: loss.assistant, Role.REASONING: loss.reasoning, Role.TOOL_OUTPUT: loss.tool_output}
    for piece in filter(None, _TAG.split(part)):
        if piece in _BEFORE:
            # The tag that opens the tool's output is the sandbox's, too.
            inside.append(_BEFORE[piece])
            yield Words(piece, inside[-1], wanted[inside[-1]])
        elif piece.startswith("</") and _TAG.fullmatch(piece):
            yield Words(piece, inside[-1], wanted[inside[-1]])
            del inside[max(1, len(inside) - 1) :]
        else:
            yield Words(piece, inside[-1], wanted[inside[-1]])


def end_of_text() -> Token:
    """Closes a document; no target, as in the Kelix code."""
    return _END_OF_TEXT
