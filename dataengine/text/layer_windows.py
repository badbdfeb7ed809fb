"""Windows by layer in the notation of the published configurations: ``([128]*3+[1024]*1)*6`` is 24 layers.

Parsed, never evaluated: lists of numbers, ``+``, ``*`` with a number, parentheses. A plain number is one window for all layers.
"""

from __future__ import annotations

import re

from dataengine.errors import UsageError

#: Layers of a pattern.
MAX_LAYERS = 1024
#: Windows of the published 1.9B configuration: three layers of 1024 text tokens to one of 8192.
PUBLISHED = "([128]*3+[1024]*1)*6"

_TOKENS = re.compile(r"\s*(\d{1,9}|[\[\]()+*,])")


def parse_windows(pattern: str | int) -> list[int]:
    """Window of each layer, in chunks. Raises UsageError for anything that is not such a pattern, or more than 1024 layers."""
    text = str(pattern)
    parser = _Parser(text, _tokens(text))
    if len(parser.tokens) == 1 and parser.tokens[0].isdigit():
        return [int(parser.tokens[0])]
    windows = parser.sum()
    if parser.tokens or not windows:
        raise parser.error()
    return windows


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKENS.match(text, at)
        if match is None:
            raise _Parser(text, []).error()
        tokens.append(match[1])
        at = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens, which are used up."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text, self.tokens, self.depth = text, tokens, 0

    def error(self) -> UsageError:
        return UsageError(
            f"window pattern {self.text[:80]!r}: expected a number of chunks, or lists such as {PUBLISHED!r} of at most "
            f"{MAX_LAYERS} layers"
        )

    def sum(self) -> list[int]:
        windows = self._product()
        while self._next("+"):
            windows = self._bounded(windows + self._product())
        return windows

    def _product(self) -> list[int]:
        windows = self._atom()
        while self._next("*"):
            times = self._number()
            if len(windows) * times > MAX_LAYERS:
                raise self.error()
            windows = windows * times
        return windows

    def _atom(self) -> list[int]:
        if self._next("("):
            self.depth += 1
            if self.depth > 32:
                raise self.error()
            windows = self.sum()
            self.depth -= 1
            self._expect(")")
            return windows
        self._expect("[")
        windows = [self._number()]
        while self._next(","):
            windows.append(self._number())
        self._expect("]")
        return self._bounded(windows)

    def _bounded(self, windows: list[int]) -> list[int]:
        if len(windows) > MAX_LAYERS:
            raise self.error()
        return windows

    def _number(self) -> int:
        if not self.tokens or not self.tokens[0].isdigit():
            raise self.error()
        return int(self.tokens.pop(0))

    def _next(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next(token):
            raise self.error()
