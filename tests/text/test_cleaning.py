"""Text from outside is cleaned once, so that UTF-8, JSON and Arrow take it."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import InputError
from dataengine.text.cleaning import Repairs, clean_text, clean_value, decode_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a cat", "a cat"),
        ("lone \ud83d", "lone "),
        ("\udc00\ud800x", "x"),
        ("pair \ud83d\ude00", "pair 😀"),
        ("\x00c\x00at\x07\x1b[31m", "cat[31m"),
        ("\ufeffa\tcat\r\n", "a\tcat\r\n"),
        ("käse 猫 😀 e\u0301 \u200d", "käse 猫 😀 e\u0301 \u200d"),
    ],
)
def test_text_is_cleaned(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@given(st.text(st.characters(codec=None)))
def test_whatever_was_cleaned_is_utf8_json_and_arrow(text: str) -> None:
    cleaned = clean_text(text)
    assert json.loads(json.dumps(cleaned, ensure_ascii=False).encode()) == cleaned
    assert pa.array([cleaned]).to_pylist() == [cleaned]
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_decoded_by_its_mark(encoding: str) -> None:
    assert decode_text("eine Käsekatze 猫".encode(encoding)) == "eine Käsekatze 猫"
    marked = {"utf-16-be": b"\xfe\xff", "utf-32-be": b"\x00\x00\xfe\xff"}
    for name, mark in marked.items():
        assert decode_text(mark + "猫".encode(name)) == "猫"


def test_invalid_bytes_are_replaced() -> None:
    assert decode_text(b"caf\xe9") == "caf\ufffd"
    assert decode_text(b"\xff\xfea") == "\ufffd"
    assert decode_text(b"") == ""


def test_values_are_cleaned_and_counted() -> None:
    repairs = Repairs()
    value = {"a\x00": ["\ud83d", math.nan, 1.5], "b": math.inf, "c": {"d": -math.inf, "e": None}, "f": (1, True)}
    assert clean_value(value, repairs) == {"a": ["", None, 1.5], "c": {"e": None}, "f": [1, True]}
    assert (repairs.cleaned, repairs.dropped) == (2, 3)


def test_nested_values_are_bounded() -> None:
    value: object = []
    for _ in range(63):
        value = [value]
    assert clean_value(value, Repairs()) == value
    with pytest.raises(InputError, match="nested too deep"):
        clean_value([value], Repairs())
