"""Whether two formulas are equal, by math-verify in a bounded child process: it may hang, and its own time-outs use signals."""

from __future__ import annotations

import atexit
import re
from functools import lru_cache

from dataengine.cot.replies.expected import listed
from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox

_LONGEST = 200
_SECONDS = 30.0
"""So many, as what a machine that is busy does not compare in time counts as unequal."""
_LIMITS = Limits(bytes=1 << 16, seconds=_SECONDS, memory=1 << 30)
_FORMULA = re.compile(r"\\[a-zA-Z]+|\^|√|π|\d[a-zA-Z(]|[=+*/(){}]")
_DEEPEST = 3
"""Powers in a formula: towers of them cost more than any answer is worth."""
_LETTERS = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}")
_OTHER_SCRIPTS = re.compile(r"[^\W\d_A-Za-z\u0370-\u03ff]{2,}")
_UNKNOWNS = re.compile(r"[^aeiouyAEIOUY]{3}|[xyzXYZ]{3}")
"""Three letters that are rather a product ("lwh", "xyz") than a word."""
_FUNCTIONS = listed(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log exp sqrt lim max min mod gcd lcm det frac"
)
_NAMED = re.compile(r"[^\W\d_]{2}[^\d=+*/^\\]{0,40}=(?!.*=)")
"""What a value may be named by ("area = 2")."""


def is_formula(text: str) -> bool:
    """Whether a text is written as a formula, short enough to be compared."""
    return (
        len(text) <= _LONGEST
        and text.count("^") <= _DEEPEST
        and bool(_FORMULA.search(text))
        and bool(re.search(r"\w", text))
    )


def same_formula(expected: str, candidate: str) -> bool:
    """Whether two formulas are equal; False where the comparison takes too long or fails. Raises RunError where no process can
    be started to compare them in."""
    if not (is_formula(expected) and len(candidate) <= _LONGEST and candidate.count("^") <= _DEEPEST):
        return False
    return _compared(_delimited(expected), _delimited(candidate))


def compare(_context: None, formulas: tuple[str, str]) -> bool:
    """Run in the child. Raises InputError where a formula cannot be read."""
    from math_verify import parse, verify

    expected, candidate = (parse(one, parsing_timeout=None) for one in formulas)
    if not expected or not candidate:
        raise InputError("formula", "not a formula")
    read = [next((part for part in parsed if isinstance(part, str)), "") for parsed in (expected, candidate)]
    others = [set(_OTHER_SCRIPTS.findall(one)) for one in formulas]
    return others[0] == others[1] and same_words(*read) and bool(verify(expected, candidate, timeout_seconds=None))


def same_words(a: str, b: str) -> bool:
    """Whether two formulas, without their units, have the same words: their letters are no product in any order. The name of a
    value that the other gives alone does not count."""
    if ("=" in a) != ("=" in b):
        a, b = (_NAMED.sub("", one, count=1) if _NAMED.match(one) else one for one in (a, b))
    ours, theirs = ({run.lower() for run in _LETTERS.findall(one)} - _FUNCTIONS for one in (a, b))
    if {run for run in ours if _is_word(run)} != {run for run in theirs if _is_word(run)}:
        return False
    mirrored = {run[::-1] for run in theirs - ours if len(run) == 2}
    return not mirrored & (ours - theirs)


def _is_word(run: str) -> bool:
    return len(run) > 2 and not _UNKNOWNS.fullmatch(run)


@lru_cache(maxsize=4096)
def _compared(expected: str, candidate: str) -> bool:
    [outcome] = _sandbox().map([(expected, candidate)])
    return isinstance(outcome, Ok) and outcome.value is True


@lru_cache(maxsize=1)
def _sandbox() -> Sandbox:
    """One child a process, started when the first formula comes."""
    sandbox = Sandbox(
        "dataengine.cot.replies.formulas:compare",
        None,
        workers=1,
        limits=_LIMITS,
        answer=bool,
        preload=("math_verify",),
    )
    sandbox.__enter__()
    atexit.register(sandbox.__exit__, None, None, None)
    return sandbox


def _delimited(text: str) -> str:
    return f"${text.strip().strip('$')}$"
