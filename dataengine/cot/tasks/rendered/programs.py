"""Rendered Python programs: what they print, and a covered line that follows from what they print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas, effort
from dataengine.cot.tasks.rendered import wording_code as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.code import Listing
from dataengine.cot.tasks.rendered.effort import Sentence
from dataengine.cot.tasks.rendered.words import NOUNS, joined, ordinal, some


def _hidden(draw: Draw) -> Scene:
    """A line that follows from another one: a start, the number of turns, or what each turn adds."""
    name, other = some(draw, NOUNS, 2)
    start, step, times = 2 + draw.below(20), 2 + draw.below(8), 3 + draw.below(6)
    values = [start + step * n for n in range(times)]
    lines = (
        f"{name} = {start}",
        f"{other} = []",
        f"for turn in range({times}):",
        f"    {other}.append({name})",
        f"    {name} += {step}",
        f"print(turn, {other})",
        f"# prints {times - 1} {values}",
    )
    covered = draw.choice((0, 2, 4))
    shown = Listing("Python", lines, canvas.theme(draw), True, covered)
    listed = joined(list(map(str, values)))
    ends: Sentence = (
        f"The comment says that the list printed at the end is {listed}.",
        f"According to the comment, the list that is printed holds {listed}.",
    )
    reasons: dict[int, list[Sentence]] = {
        0: [ends,
            (f"The first of them is {start}, and it is appended before anything is added.",
             f"{start} comes first, and the loop appends {name} before it changes it."),
            (f"So {name} has to start at {start}.", f"Before the loop, {name} must therefore be {start}.")],
        2: [ends,
            (f"That is a list of {times} values.", f"There are {times} values in the list."),
            (f"Each turn appends one, so the loop runs {times} times; its variable is turn, which is printed beside the list.",
              f"One is appended per turn, which takes {times} turns, and the loop variable that is printed is called turn.")],
        4: [ends,
            (f"From {values[0]} to {values[1]} the value grows by {step}.", f"Each value is {step} more than the last."),
            (f"The loop must add {step} in each turn.", f"So {step} has to be added to {name} in every turn.")],
    }  # fmt: skip
    slots = {"n": str(covered + 1), "nth": ordinal(covered + 1)}
    answer = lines[covered].strip()
    return Scene("hidden", answer, "text", shown.paint, slots, tuple(reasons[covered]), w.FINALS["hidden"])


@dataclass(frozen=True)
class _Program:
    """``operations``: how many it takes to find out what it prints."""

    lines: Sequence[str]
    output: str
    steps: Sequence[Sentence]
    operations: int


def _formula(draw: Draw) -> _Program:
    name, other = some(draw, NOUNS, 2)
    value, factor, more = 2 + draw.below(15), 2 + draw.below(4), 1 + draw.below(9)
    if draw.below(2):
        steps: list[Sentence] = [(f"{value} * {factor} = {value * factor} is printed.",)]
        return _Program((f"{name} = {value}", f"print({name} * {factor})"), str(value * factor), steps, 1)
    result = value * factor + more
    lines = (f"{name} = {value}", f"{other} = {name} * {factor}", f"print({other} + {more})")
    steps = [
        (f"The variable {other} is {value} * {factor} = {value * factor}.",),
        (f"Then {value * factor} + {more} = {result}.",),
    ]
    return _Program(lines, str(result), steps, 2)


def _branch(draw: Draw) -> _Program:
    name, value, limit = draw.choice(NOUNS), 5 + draw.below(30), 8 + draw.below(24)
    more, less = 2 + draw.below(9), 1 + draw.below(4)
    result = value + more if value > limit else value - less
    lines = (
        f"{name} = {value}", f"if {name} > {limit}:", f"    print({name} + {more})", "else:", f"    print({name} - {less})",
    )  # fmt: skip
    return _Program(lines, str(result), [(f"The condition compares {value} with {limit}.",)], 2)


def _loop(draw: Draw) -> _Program:
    name = draw.choice(NOUNS)
    value, factor, less, times = 3 + draw.below(6), 2 + draw.below(2), 1 + draw.below(5), 2 + draw.below(3)
    lines = [
        f"{name} = {value}",
        f"for turn in range({times}):",
        f"    {name} = {name} * {factor} - {less}",
        f"print({name})",
    ]
    steps: list[Sentence] = [
        (f"The variable {name} starts as {value}, and the loop runs {times} times.",
         f"At first {name} is {value}; range({times}) means {times} turns."),
        (f"Each turn multiplies by {factor} and takes away {less}.", ""),
    ]  # fmt: skip
    for turn in range(1, times + 1):
        new = value * factor - less
        steps.append((f"Turn {turn}: {value} * {factor} - {less} = {new}.",))
        value = new
    return _Program(lines, str(value), steps, 2 * times)


def _filter(draw: Draw) -> _Program:
    name = draw.choice(NOUNS)
    values, limit = draw.shuffled(range(1, 30))[:6], 8 + draw.below(12)
    kept = [value for value in values if value > limit]
    if not kept:
        return _filter(draw)
    lines = [f"{name} = {values}", "total = 0", f"for value in {name}:"]
    lines += [f"    if value > {limit}:", "        total += value", "print(total)"]
    listed, dropped = joined(list(map(str, kept))), [str(value) for value in values if value <= limit]
    left = f"{joined(dropped)} {'are' if len(dropped) > 1 else 'is'} skipped." if dropped else "None is skipped."
    are = "are" if len(kept) > 1 else "is"
    steps: list[Sentence] = [
        (
            f"The loop goes through {joined(list(map(str, values)))}.",
            f"The list holds {joined(list(map(str, values)))}.",
        ),
        (f"Larger than {limit} {are} {listed}.", f"The condition lets {listed} pass."),
        (left, ""),
        (f"Added up, that is {' + '.join(map(str, kept))} = {sum(kept)}.",)
        if len(kept) > 1
        else (f"Only that one is added, so the total is {sum(kept)}.",),
    ]
    return _Program(lines, str(sum(kept)), steps, len(values) + len(kept))


def _sliced(name: str, first: int, size: int) -> Sentence:
    """What a slice of a word takes."""
    part, last = name[first : first + size], first + size - 1
    return (
        f'word[{first}:{first + size}] takes the letters {first} to {last}, counted from 0: "{part}".',
        f'Counted from 0, the slice begins at letter {first} and stops before {first + size}: "{part}".',
    )


def _slice(draw: Draw) -> _Program:
    name, first, size = draw.choice(NOUNS), 1 + draw.below(2), 3
    part = name[first : first + size]
    lines = (f'word = "{name}"', f"print(word[{first}:{first + size}])")
    return _Program(lines, part, [_sliced(name, first, size)], 1)


def _text(draw: Draw) -> _Program:
    name, other = some(draw, NOUNS, 2)
    first, size = 1 + draw.below(2), 3
    part = name[first : first + size]
    lines = [
        f'word = "{name}"',
        f'tail = "{other}"',
        f"part = word[{first}:{first + size}]",
        "print(part + tail[0] + tail[-1])",
    ]
    output = part + other[0] + other[-1]
    places = ", ".join(f"{n} {letter}" for n, letter in enumerate(name[: first + size]))
    steps: list[Sentence] = [
        (f'The letters of "{name}", counted from 0: {places}.', f'Counting "{name}" from 0: {places}.', ""),
        _sliced(name, first, size),
        (f'"{other}" begins with "{other[0]}" and ends in "{other[-1]}".',
         f'tail[0] is "{other[0]}", and tail[-1] is the last letter of "{other}", "{other[-1]}".'),
        (f"Put together: {part} + {other[0]} + {other[-1]} = {output}.", f"Joined, that is {output}."),
    ]  # fmt: skip
    return _Program(lines, output, steps, 5)


_LONG: tuple[Callable[[Draw], _Program], ...] = (_loop, _filter, _text)
_SHORT: tuple[Callable[[Draw], _Program], ...] = (_formula, _branch, _slice)


def _printed(draw: Draw, makers: Sequence[Callable[[Draw], _Program]] = _LONG) -> Scene:
    program = draw.choice(makers)(draw)
    shown = Listing("Python", tuple(program.lines), canvas.theme(draw), bool(draw.below(2)))
    return Scene(
        "printed",
        program.output,
        "word" if program.output.isalpha() else "number",
        shown.paint,
        {},
        tuple(program.steps),
        w.FINALS["printed"],
        ("{answer}",) if program.output.isalpha() else ("{answer}", "It prints {answer}.", "The output is {answer}."),
        shown.source,
        effort=effort.operations(program.operations),
    )


HIDDEN = Maker("causality", _hidden, w.HIDDEN)
PRINTED = Maker("causality", _printed, w.PRINTED)
MIXED = Maker("causality", lambda draw: _printed(draw, draw.choice((_SHORT, _LONG))), w.PRINTED)
