"""Inputs for fuzz tests: valid ones that are cut, doubled and mixed with odd pieces; how many, and which errors are allowed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SHORT = 40
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", SHORT))
fuzz = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == SHORT,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PIECES = (
    *(
        b"[",
        b"{",
        b"}",
        b"]",
        b'"',
        b"\\ud83d",
        b"\\u0000",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"null",
        b"true",
        b"-1",
        b"\n",
        b"\t",
    ),
    *(
        b"&a",
        b"*a",
        b"<<: ",
        b"!!int ",
        b"? ",
        b": ",
        b"- ",
        b"---\n",
        b"2026-02-31",
        b"0x",
        b"1:1:1",
        b"|",
        b">",
        b"%",
        b"'",
    ),
    *(
        b"<think>",
        b"</think>",
        b"<answer>",
        b"\\boxed{",
        b"```",
        b"<image>",
        b"<|box_start|>",
        b"../",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *("\u202e".encode(), "\u0660".encode(), "\U0001f468\u200d".encode(), b"9" * 400, b"[" * 200, b" " * 50),
)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A valid input with some bytes cut out, doubled or put in."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=8) | st.just(data[begin:end] * 2))
        data = data[:begin] + piece + data[end:]
    return data


def anything(*seeds: bytes) -> st.SearchStrategy[bytes]:
    return mutated(seeds) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join) | st.binary(max_size=200)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def only(errors: type[Exception] | tuple[type[Exception], ...], function: Callable[[], Any]) -> Any:
    """The result; None after a documented error. Any other error fails the test."""
    try:
        return function()
    except errors as error:
        assert str(error)
        return None
