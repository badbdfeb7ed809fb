"""A model that works on a picture: its reply stops at a program, is told what that gives, and goes on, a bounded number of times.

What comes of it is one text in the form of agentic thinking, with a picture for each program that ended as one. A model's own
words about what a program gives (anything after the first program of a reply) are thrown away: only the tools say that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dataengine.cot.core.confidence import Sureness, together
from dataengine.cot.core.formats import IMAGE_MARK
from dataengine.cot.core.record import Block, ImageBlock, Message, TextBlock
from dataengine.cot.teachers import prompt_text
from dataengine.cot.teachers.base import Ask, Failure, NotSaid, Said
from dataengine.media.sandbox.pool import Failed

_PROGRAM = re.compile(r"```(?:python)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_THINK, _END = "<think>", "</think>"

#: Answers of a batch of asks, by their place; and what programs make of the pictures of the talks named.
Answerer = Callable[[Sequence[Ask]], Iterator[tuple[int, Said | NotSaid]]]
Runner = Callable[[Sequence[tuple[int, str]]], Sequence[bytes | str | Failed]]


@dataclass
class Talk:
    """A conversation so far: what is asked next, the text as a record tells it, and the pictures in it (PNG)."""

    ask: Ask
    text: str = ""
    pictures: list[bytes] = field(default_factory=list)
    turns: int = 0
    heard: list[tuple[Sureness, int]] = field(default_factory=list)

    def finished(self, said: Said) -> Said:
        """The whole path as one answer."""
        sure = together(self.heard)
        told = replace(said, text=self.text, confidence=sure.mean, least=sure.least)
        return replace(told, step_means=sure.step_means, step_leasts=sure.step_leasts)


def converse(
    first: Sequence[Ask], answers: Answerer, run: Runner, turns: int, pictures: dict[str, bytes]
) -> Iterator[tuple[int, Talk, Said | NotSaid]]:
    """Each talk once it has ended, and with what. Pictures that tools give are added to ``pictures``, from which asks are
    shown. All talks go on together, a turn at a time."""
    talks = dict(enumerate(map(Talk, first)))
    while talks:
        places = sorted(talks)
        programs: list[tuple[int, str]] = []
        for at, said in answers([talks[place].ask for place in places]):
            place = places[at]
            code = _hear(talks[place], said) if isinstance(said, Said) else None
            if code is not None and talks[place].turns < turns:
                programs.append((place, code))
                continue
            talk = talks.pop(place)
            if code is not None:
                said = NotSaid(Failure.TURNS, f"tools were asked for more than {turns} times (tool_turns)")
            yield place, talk, talk.finished(said) if isinstance(said, Said) else said
        programs.sort()
        for (place, _), made in zip(programs, run(programs) if programs else (), strict=True):
            if isinstance(made, Failed):
                yield place, talks.pop(place), NotSaid(Failure.TOOLS, f"{made.failure}: {made.message}")
            else:
                _tell(talks[place], made, pictures)


def _hear(talk: Talk, said: Said) -> str | None:
    """Take in a reply; the program that it stops at, if it does."""
    told = said.text.strip()
    sure = Sureness(said.confidence, said.least, said.step_means, said.step_leasts)
    talk.heard.append((sure, said.tokens_out))
    match = _PROGRAM.search(told)
    thinking = match is not None and _END not in told[: match.start()]
    told = told[: match.start()].strip() if match and thinking else told
    if talk.turns:
        told = told.removeprefix(_THINK).lstrip()
    elif thinking:
        told = _THINK + told.removeprefix(_THINK)
    if match is None or not thinking:
        talk.text += told
        return None
    code = match[1].strip()
    talk.text += f"{told}\n```python\n{code}\n```\n"
    return code


def _tell(talk: Talk, made: bytes | str, pictures: dict[str, bytes]) -> None:
    """Write what a program gave into the text, and tell the model."""
    output = made if isinstance(made, str) else IMAGE_MARK
    content: tuple[Block, ...] = (TextBlock(text=f"The tools give: {output}"),)
    if isinstance(made, bytes):
        talk.pictures.append(made)
        [name] = prompt_text.register([made], pictures)
        content = (TextBlock(text="The tools give this picture:"), ImageBlock(image=name))
    said = talk.text.rpartition("</sandbox_output>\n")[2]
    spoken = Message(role="assistant", content=(TextBlock(text=said),))
    talk.ask = replace(talk.ask, messages=(*talk.ask.messages, spoken, Message(role="user", content=content)))
    talk.text += f"<sandbox_output> {output} </sandbox_output>\n"
    talk.turns += 1
