"""Normalisation is Unicode's, and bounded in combining marks."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from dataengine.text.unicode_forms import MARKS, normalised


@given(st.text(), st.sampled_from(["NFC", "NFKC"]))
def test_ordinary_text_is_normalised_as_unicode_says(text: str, form: str) -> None:
    assert normalised(form, text * 40) == unicodedata.normalize(form, text * 40)  # type: ignore[arg-type]


def test_long_runs_of_marks_are_cut() -> None:
    text = normalised("NFKC", "a" + "\u0315\u0300" * 100_000 + "b")
    assert len(text) <= MARKS + 2 and text[-1] == "b"
