"""Multi-turn tool use on a picture: the model's turn stops at a program, is shown the program's output, and goes on.

The turns become one text in the form of agentic thinking, with a picture for each program that ended as one. Whatever the model
writes after the first program of a turn is thrown away: only the tools say what a program gives. Turns are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dataengine.cot.core.confidence import Confidence, combined, confidence_of
from dataengine.cot.core.formats import IMAGE_MARK
from dataengine.cot.paths.reasoning_path import DialogueFailure, FailedPath, ReasoningPath, failed_path
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.tool_calls import text_of
from dataengine.media.sandbox.pool import Failed
from dataengine.models.serving.completion import Completion, FailedCompletion, Request, Result
from dataengine.models.serving.messages import Block, ImageBlock, Message, TextBlock

_OPENING = re.compile(r"```(?:python)?[ \t]*\n")
_FENCE = "```"
_THINK, _END = "<think>", "</think>"

#: Results of a batch of requests, by index.
Completer = Callable[[Sequence[Request]], Iterator[tuple[int, Result]]]
#: Outputs of programs, each with the index of its dialogue.
Runner = Callable[[Sequence[tuple[int, str]]], Sequence[bytes | str | Failed]]


@dataclass
class Dialogue:
    """A conversation so far: the next request, the text as a record has it, and the pictures in it (PNG)."""

    request: Request
    text: str = ""
    pictures: list[bytes] = field(default_factory=list)
    turns: int = 0
    confidences: list[tuple[Confidence, int]] = field(default_factory=list)
    """Of each turn, with its number of tokens."""

    def path(self) -> ReasoningPath:
        """All turns as one path."""
        return ReasoningPath(self.text, combined(self.confidences), tuple(self.pictures))


def converse(
    first: Sequence[Request], complete: Completer, run: Runner, max_turns: int, pictures: dict[str, bytes]
) -> Iterator[tuple[int, ReasoningPath | FailedPath]]:
    """``(index, path)`` of each first request, as the dialogues end. All go on together, a turn at a time; pictures that tools
    give are added to ``pictures``, which requests refer to. Raises RunError where all further requests would fail."""
    dialogues = dict(enumerate(map(Dialogue, first)))
    while dialogues:
        indices = sorted(dialogues)
        programs: list[tuple[int, str]] = []
        for at, result in complete([dialogues[index].request for index in indices]):
            index = indices[at]
            if isinstance(result, FailedCompletion):
                del dialogues[index]
                yield index, failed_path(result)
            elif (code := _append_turn(dialogues[index], result)) is None:
                yield index, dialogues.pop(index).path()
            elif dialogues[index].turns < max_turns:
                programs.append((index, code))
            else:
                del dialogues[index]
                yield index, FailedPath(DialogueFailure.TURNS, f"more than {max_turns} programs (cot.max_tool_turns)")
        programs.sort()
        for (index, _), output in zip(programs, run(programs) if programs else (), strict=True):
            if isinstance(output, Failed):
                del dialogues[index]
                yield index, FailedPath(DialogueFailure.TOOLS, f"{output.failure}: {output.message}")
            else:
                _append_output(dialogues[index], output, pictures)


def _append_turn(dialogue: Dialogue, completion: Completion) -> str | None:
    """Add a completion to the text; the program that it stops at, if it does."""
    dialogue.confidences.append((confidence_of(completion.text, completion.logprobs), completion.tokens_out))
    turn = _whole(completion)
    begin, code = _program(turn)
    thinking = code is not None and _END not in turn[:begin]
    turn = turn[:begin].strip() if thinking else turn
    if dialogue.turns:
        turn = turn.removeprefix(_THINK).lstrip()
    elif thinking:
        turn = _THINK + turn.removeprefix(_THINK)
    if code is None or not thinking:
        dialogue.text += turn
        return None
    dialogue.text += f"{turn}\n```python\n{code}\n```\n"
    return code


def _whole(completion: Completion) -> str:
    """The text of a turn, after the reasoning that the server tells apart."""
    text, reasoning = text_of(completion).strip(), completion.reasoning.strip()
    return text if completion.tool_calls or not reasoning or _THINK in text else f"{reasoning}\n{text}"


def _program(turn: str) -> tuple[int, str | None]:
    """Where the first fenced program of a turn begins, and its code; None where it has none."""
    opening = _OPENING.search(turn)
    end = turn.find(_FENCE, opening.end()) if opening else -1
    return (opening.start(), turn[opening.end() : end].strip()) if opening and end >= 0 else (len(turn), None)


def _append_output(dialogue: Dialogue, output: bytes | str, pictures: dict[str, bytes]) -> None:
    """Add a program's output to the text and to the next request."""
    shown = output if isinstance(output, str) else IMAGE_MARK
    content: tuple[Block, ...] = (TextBlock(text=f"The tools give: {shown}"),)
    if isinstance(output, bytes):
        dialogue.pictures.append(output)
        [name] = prompt_text.register([output], pictures)
        content = (TextBlock(text="The tools give this picture:"), ImageBlock(image=name))
    turn = TextBlock(text=dialogue.text.rpartition("</sandbox_output>\n")[2])
    answer, question = Message(role="assistant", content=(turn,)), Message(role="user", content=content)
    dialogue.request = replace(dialogue.request, messages=(*dialogue.request.messages, answer, question))
    dialogue.text += f"<sandbox_output> {shown} </sandbox_output>\n"
    dialogue.turns += 1
