"""Whether two formulas are equal, by math-verify in a bounded child process: it may hang, and its own time-outs use signals."""

from __future__ import annotations

import atexit
import re
from functools import lru_cache

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox

_LONGEST = 200
_SECONDS = 5.0
_LIMITS = Limits(bytes=1 << 16, seconds=_SECONDS, memory=1 << 30)
_FORMULA = re.compile(r"\\[a-zA-Z]+|\^|√|π|\d[a-zA-Z(]|[=+*/(){}]")
_DEEPEST = 3
"""Powers in a formula: towers of them cost more than any answer is worth."""


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
    return bool(verify(expected, candidate, timeout_seconds=None))


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
