"""JSON from outside ends as a value or as an InputError, whatever it holds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.errors import InputError
from dataengine.text.bounded_json import parse_json, repair_json
from dataengine.text.cleaning import Repairs

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON: Expecting value"),
        (b"{", "not JSON"),
        (b'{"a": hunter2}', "not JSON"),
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper than 64 levels"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64 levels"),
        (b"[1, NaN]", "NaN or Infinity"),
        (b'{"a": -Infinity}', "NaN or Infinity"),
        (b"1e999", "beyond the range of float64"),
        (b"9" * 5000, "too many digits"),
        (b'"' + b"x" * (16 << 20) + b'"', "16,777,218 bytes of JSON, limit 16,777,216"),
        (b"\x00\x00\x00", "not JSON"),
        (b"hunter2", "not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused(document: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        parse_json(document)
    assert refused.value.failure == "bad_json"
    assert SECRET not in refused.value.message


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'{"a": "\\ud83d", "b\\u0000": "\\ud83d\\ude00"}', {"a": "", "b": "😀"}),
        (b'["caf\xe9"]', ["caf\ufffd"]),
        ('{"a": 1}'.encode("utf-8-sig"), {"a": 1}),
        ('{"a": "猫"}'.encode("utf-16"), {"a": "猫"}),
        ('{"a": "猫"}'.encode("utf-32"), {"a": "猫"}),
        (b'["a\\bb\\fc\\n"]', ["abc\n"]),
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        (b'["' + b"[" * 100 + b'"]', ["[" * 100]),
        ('\ufeff["a\ud83d"]', ["a"]),
        (b"1e300", 1e300),
    ],
)
def test_documents_are_read(document: bytes | str, value: Any) -> None:
    assert parse_json(document) == value


def test_numbers_that_json_lacks_are_dropped_and_counted() -> None:
    repairs = Repairs()
    document = b'{"score": Infinity, "caption": NaN, "x": [1e999, 2], "text": "\\ud83d", "n": 1}'
    assert repair_json(document, repairs) == {"x": [None, 2], "text": "", "n": 1}
    assert (repairs.dropped, repairs.cleaned) == (3, 1)
    with pytest.raises(InputError, match="nested deeper"):
        repair_json(b"[" * 100_000, repairs)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_what_was_written_as_json_is_read_alike(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    repairs = Repairs()
    assert parse_json(text.encode()) == repair_json(text.encode(), repairs)
    if not repairs.cleaned:
        assert parse_json(text.encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_end_as_a_value_or_an_input_error(data: bytes) -> None:
    try:
        value = parse_json(data)
    except InputError as error:
        assert error.failure == "bad_json"
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        assert not isinstance(value, float) or math.isfinite(value)
