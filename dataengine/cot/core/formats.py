r"""Text forms of the replies by mode: renderers, and strict parsers that are their inverse.

As in Keye-VL (arXiv 2507.01949, Appendix C and model card). Its case of agentic thinking shows code without a fence, which
may have been lost; here the code stands in a ``python`` fence, without which its borders could not be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dataengine.cot.core.record import Style
from dataengine.errors import InputError
from dataengine.models.serving.messages import Block, ImageBlock, TextBlock

#: Stands in flat text where a picture goes.
IMAGE_MARK = "<image>"
#: Characters of a reply; a longer one is not parsed.
LONGEST = 200_000
_TAGS = tuple(f"<{slash}{tag}>" for tag in ("think", "answer", "analysis", "sandbox_output") for slash in ("", "/"))
_FENCE = "```"
_STEP = ("\n```python\n", "\n```\n<sandbox_output> ", " </sandbox_output>\n")
"""What ends the thought, the code and the output of a step."""

#: What the user's text ends with, by style. The model card knows three switches, the paper two more.
SWITCHES: dict[str, dict[Style, str]] = {
    "card": {"thinking": "/think", "non_thinking": "/no_think", "auto": "", "agentic": "/think"},
    "paper": {"thinking": "/think", "non_thinking": "/no_think", "auto": "/auto_think", "agentic": "/agentic_think"},
}


class FormatError(InputError):
    """Text that is not in the form it should have."""

    @classmethod
    def because(cls, message: str) -> FormatError:
        return cls("format", message)


@dataclass(frozen=True)
class Plain:
    """Non-thinking: the answer, without tags."""

    text: str

    def __post_init__(self) -> None:
        _check_free(self.text)

    def render(self) -> str:
        return self.text


@dataclass(frozen=True)
class Thinking:
    """``answer`` holds exactly one box."""

    think: str
    answer: str

    def __post_init__(self) -> None:
        _check_free(self.think)
        _boxed(self.answer)

    def render(self) -> str:
        return f"<think>{self.think}</think> <answer>{self.answer}</answer>"


@dataclass(frozen=True)
class AutoPlain:
    """Auto-think that decides against: ``analysis`` says why."""

    analysis: str
    text: str
    decision: ClassVar[str] = " Therefore, /no_think mode is more appropriate."

    def __post_init__(self) -> None:
        _check_free(self.analysis)
        _check_free(self.text)

    def render(self) -> str:
        return f"<analysis>{self.analysis}{self.decision}</analysis> {self.text}"


@dataclass(frozen=True)
class AutoThinking:
    """Auto-think that decides to think."""

    analysis: str
    think: str
    answer: str
    decision: ClassVar[str] = " Therefore, /think mode is more appropriate."

    def __post_init__(self) -> None:
        _check_free(self.analysis)
        _check_free(self.think)
        _boxed(self.answer)

    def render(self) -> str:
        head = f"<analysis>{self.analysis}{self.decision}</analysis>"
        return f"{head}<think>{self.think}</think><answer>{self.answer}</answer>"


@dataclass(frozen=True)
class Step:
    """A thought, the code that it leads to, and what the code gave: text, or IMAGE_MARK for a picture."""

    thought: str
    code: str
    output: str

    def __post_init__(self) -> None:
        for text in (self.thought, self.code, self.output):
            _check_free(text, _FENCE)

    def render(self) -> str:
        code = f"{_FENCE}python\n{self.code}\n{_FENCE}"
        return f"{self.thought}\n{code}\n<sandbox_output> {self.output} </sandbox_output>\n"


@dataclass(frozen=True)
class Agentic:
    """Thinking with pictures: at least one step, a closing thought, the answer."""

    steps: tuple[Step, ...]
    closing: str
    answer: str

    def __post_init__(self) -> None:
        if not self.steps:
            raise FormatError.because("agentic thinking without a step")
        _check_free(self.closing, _FENCE)
        _boxed(self.answer)

    def render(self) -> str:
        steps = "".join(step.render() for step in self.steps)
        return f"<think>{steps}{self.closing}</think> <answer>{self.answer}</answer>"


Reply = Plain | Thinking | AutoPlain | AutoThinking | Agentic


def parse(style: Style, text: str) -> Reply:
    """The reply that renders to exactly ``text``, in time linear in its length. Raises FormatError."""
    if len(text) > LONGEST:
        raise FormatError.because(f"the reply has {len(text):,} characters, limit {LONGEST:,}")
    if style == "non_thinking":
        return Plain(text)
    if style == "auto":
        return _auto(text)
    think, answer = _parts(text, "<think>", "</think> <answer>", "</answer>")
    return Thinking(think, answer) if style == "thinking" else _agentic(think, answer)


def boxed(reply: Reply) -> str | None:
    r"""The content of ``\boxed{}``; None for replies without one."""
    return None if isinstance(reply, Plain | AutoPlain) else _boxed(reply.answer)


def box(answer: str) -> str:
    return rf"\boxed{{{answer}}}"


def with_switch(text: str, style: Style, switches: str = "card") -> str:
    """The user's text with its mode switch. Raises FormatError where it ends in one already."""
    if any(text.endswith(s) for table in SWITCHES.values() for s in table.values() if s):
        raise FormatError.because("the question ends in a mode switch of its own")
    return text + SWITCHES[switches][style]


def without_switch(text: str, style: Style, switches: str = "card") -> str:
    """The inverse of ``with_switch``. Raises FormatError."""
    bare = text.removesuffix(SWITCHES[switches][style])
    if with_switch(bare, style, switches) != text:
        raise FormatError.because(f"the question does not end in {SWITCHES[switches][style]!r}")
    return bare


def to_blocks(text: str, images: Sequence[str] = ()) -> tuple[Block, ...]:
    """``text`` with each IMAGE_MARK replaced by the next of ``images`` (references). Raises FormatError where their numbers
    differ."""
    pieces = text.split(IMAGE_MARK)
    if len(pieces) != len(images) + 1:
        raise FormatError.because(f"{len(pieces) - 1} places for {len(images)} pictures")
    blocks: list[Block] = [TextBlock(text=pieces[0])] if pieces[0] else []
    for image, piece in zip(images, pieces[1:], strict=True):
        blocks.append(ImageBlock(image=image))
        if piece:
            blocks.append(TextBlock(text=piece))
    return tuple(blocks)


def to_text(blocks: Sequence[Block]) -> tuple[str, list[str]]:
    """The inverse of ``to_blocks``; video blocks are left out."""
    texts = [IMAGE_MARK if isinstance(b, ImageBlock) else b.text if isinstance(b, TextBlock) else "" for b in blocks]
    return "".join(texts), [b.image for b in blocks if isinstance(b, ImageBlock)]


def _agentic(think: str, answer: str) -> Agentic:
    steps, at = [], 0
    while (step := _step(think, at)) is not None:
        fields, at = step
        steps.append(Step(*fields))
    return Agentic(tuple(steps), think[at:], answer)


def _step(think: str, at: int) -> tuple[list[str], int] | None:
    """Thought, code and output of the step that begins at ``at``, and where it ends; None where none begins."""
    fields = []
    for mark in _STEP:
        end = think.find(mark, at)
        if end < 0:
            return None
        fields.append(think[at:end])
        at = end + len(mark)
    return fields, at


def _auto(text: str) -> AutoPlain | AutoThinking:
    plain = f"{AutoPlain.decision}</analysis> "
    if plain in text:
        return AutoPlain(*_parts(text, "<analysis>", plain, ""))
    return AutoThinking(
        *_parts(text, "<analysis>", f"{AutoThinking.decision}</analysis><think>", "</think><answer>", "</answer>")
    )


def _parts(text: str, begin: str, *marks: str) -> list[str]:
    """What stands before each of ``marks``, in their order; the last one ends the text. No part may hold a tag, so the first
    place of a mark is the only one that can be right."""
    if not text.startswith(begin) or not text.endswith(marks[-1]):
        raise FormatError.because(f"the text does not have the form {'…'.join([begin, *marks])}")
    parts, at, end = list[str](), len(begin), len(text) - len(marks[-1])
    for mark in marks[:-1]:
        stop = text.find(mark, at, end)
        if stop < 0:
            raise FormatError.because(f"the text does not have the form {'…'.join([begin, *marks])}")
        parts.append(text[at:stop])
        at = stop + len(mark)
    return [*parts, text[at:end]]


def tagged(text: str) -> bool:
    """Whether a text holds a tag of the text forms, or a fence."""
    return any(tag in text for tag in (*_TAGS, _FENCE))


def _check_free(text: str, *more: str) -> None:
    """Free text is not blank and holds no tag. Raises FormatError."""
    if not text.strip():
        raise FormatError.because("an empty part")
    if tags := [tag for tag in (*_TAGS, *more) if tag in text]:
        raise FormatError.because(f"{tags[0]} inside a part")


def _boxed(answer: str) -> str:
    r"""The content of the only ``\boxed{}`` of ``answer``, with balanced braces. Raises FormatError."""
    _check_free(answer)
    _, _, rest = answer.partition(r"\boxed{")
    depth = 1
    for place, letter in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            inside, after = rest[:place], rest[place + 1 :]
            if inside.strip() and r"\boxed{" not in inside + after:
                return inside
            break
    raise FormatError.because(r"an answer has exactly one \boxed{} with something in it")
