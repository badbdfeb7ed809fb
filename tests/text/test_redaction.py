"""What leaves as a message holds no credentials, and no character that a terminal or a page would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.text.display import visible, visible_lines
from dataengine.text.redaction import redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://ann:p@ss@h.example/x failed", "GET https://[redacted]@h.example/x failed"),
        ("s3 https://b.example/k?X-Amz-Signature=0a9f&x=1", "s3 https://b.example/k?X-Amz-Signature=[redacted]&x=1"),
        ("https://h/x?a=1&token=abc&sig=zz", "https://h/x?a=1&token=[redacted]&sig=[redacted]"),
        ("https://h/x?next=%2Fa%3Ftoken%3Dabc", "https://h/x?next=%2Fa%3Ftoken%3D[redacted]"),
        ("Authorization: Bearer abcdef.123", "Authorization: [redacted]"),
        ('{"authorization": "Basic dXNlcjpw"}', '{"authorization": "[redacted]"}'),
        ("got bearer abcdef123456", "got bearer [redacted]"),
        ("Incorrect API key provided: sk-ab**********cd.", "Incorrect API key provided: [redacted]."),
        ("api_key='zzz', more", "api_key='[redacted]', more"),
        ("AKIAIOSFODNN7EXAMPLE is unknown", "[redacted] is unknown"),
        ("the tokenizer has 5 tokens: fine", "the tokenizer has 5 tokens: fine"),
        ("monkey: banana; keyboard=us", "monkey: banana; keyboard=us"),
        ("line one\nline\ttwo \x1b[31m", "line one\\nline\\ttwo \\x1b[31m"),
        ("the hidden word is here", "the [redacted] is here"),
    ],
)
def test_credentials_are_redacted(text: str, expected: str) -> None:
    assert redacted(text, ["hidden word", ""]) == expected


@pytest.mark.parametrize(
    "unit", ["://a", "@", "token ", "token=", "bearer  ", "sk-", "eyJa.", "authorization:  bearer ", " "]
)
def test_redaction_of_a_hostile_text_ends(unit: str) -> None:
    assert redacted(unit * (200_000 // len(unit)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("safe\u202egpj.exe", r"safe\u202egpj.exe"),
        ("\x9b31m\x7f\u2066\u200b\u2028", r"\x9b31m\x7f\u2066\u200b\u2028"),
        ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ("naïve 日本 👨‍👩‍👧 नमस्ते", "naïve 日本 👨‍👩‍👧 नमस्ते"),
    ],
)
def test_hidden_characters_are_shown_as_escapes(text: str, expected: str) -> None:
    assert visible(text) == visible_lines(text) == expected


@given(st.text())
def test_visible_text_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1 and visible(shown) == shown and shown.encode().decode() == shown
    assert visible_lines("a\tb\nc") == "a\tb\nc"
