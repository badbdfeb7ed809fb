"""``dataengine explain``: each outcome in words, from a release alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.release_manifest import dedup, listed, manifest
from test_report import dup, ledger

from dataengine.errors import UsageError
from dataengine.release.explain import SHOWN, explain
from dataengine.release.reader import Published
from dataengine.storage.store import Store

A, B, C, N = (letter * 32 for letter in "abce")
ROWS = (
    {"uri": "x/one.jpg", "id": A, "outcome": "kept"},
    {"uri": "x/two.jpg", **dup(B, A, 3.0)},
    {"uri": "y/one.jpg", "id": N, "outcome": "filtered", "rule": "blur", "value": "0.25"},
    {"uri": "three.mp4", **dup(C, N, 0.25, "video")},
    {"uri": "copy.jpg", **dup(A, A, 0.0, "exact")},
    {"uri": "bad.jpg", "outcome": "failed", "failure": "truncated", "message": "ends early"},
    {"uri": "in-a-quiz.jpg", "id": "9" * 32, "outcome": "filtered", "rule": "contaminated", "value": None},
    *({"uri": f"many/{n}/same.jpg", "id": f"d{n:031}", "outcome": "kept"} for n in range(20)),
)


@pytest.fixture
def published(tmp_path: Path) -> Published:
    pq.write_table(ledger(*ROWS), tmp_path / "ledger.parquet")
    return Published(Store(tmp_path), manifest(files=[listed("ledger.parquet")]))


def told(published: Published, what: str) -> dict[str, str]:
    [lines] = explain(published, what)
    return dict(lines)


def test_kept_with_what_it_stands_for(published: Published) -> None:
    found = told(published, "x/one.jpg")
    assert (found["outcome"], found["sample"]) == ("kept", A)
    assert "x/two.jpg of s (perceptual, 3 of 64 bits differ (bound: at most 8))" in found["representative of"]
    assert "copy.jpg of s (exact, same bytes)" in found["representative of"]


def test_a_duplicate_tells_how_near_and_what_became_of_the_other(published: Published) -> None:
    found = told(published, "two.jpg")
    assert found["outcome"].startswith("duplicate: perceptual, 3 of 64 bits")
    assert (found["representative"], found["its input"], found["its outcome"]) == (A, "x/one.jpg of s", "kept")
    found = told(published, "three.mp4")
    assert found["outcome"] == "duplicate: video, 75% of the frames match (bound: at least 60%)"
    assert found["its outcome"] == "filtered: blur" and found["value"] == "0.25"


@pytest.mark.parametrize(
    ("kind", "distance", "said"),
    [
        ("pixels", 0.0, "pixels, same image once decoded"),
        ("aligned", 10.0, "aligned, 10 of 64 bits differ, and one can be aligned with the other"),
        ("semantic", 0.125, "semantic, cosine similarity 0.875 (bound: at least 0.75)"),
        ("text", 0.25, "text, distance 0.25"),
    ],
)
def test_every_kind_of_likeness_is_told(tmp_path: Path, kind: str, distance: float, said: str) -> None:
    rows = ({"uri": "one.jpg", "id": A, "outcome": "kept"}, {"uri": "two.jpg", **dup(B, A, distance, kind)})
    pq.write_table(ledger(*rows), tmp_path / "ledger.parquet")
    semantic = {"threshold": 0.75, "caption_threshold": None, "confirm": True}
    made = manifest(files=[listed("ledger.parquet")], dedup=dedup(semantic=semantic))
    assert told(Published(Store(tmp_path), made), "two.jpg")["outcome"] == f"duplicate: {said}"


def test_a_filtered_one_tells_the_reason_and_the_value(published: Published) -> None:
    found = told(published, "y/one.jpg")
    assert found["rule"] == "out of focus (policy p version 1)" and found["value"] == "0.25"
    assert told(published, "in-a-quiz.jpg")["rule"] == "contaminated (not a rule of the policy)"


def test_a_failed_one_has_no_sample(published: Published) -> None:
    found = told(published, "bad.jpg")
    assert found["outcome"] == "failed: truncated" and found["message"] == "ends early" and "sample" not in found


def test_asked_by_ids_and_by_the_end_of_a_uri(published: Published) -> None:
    assert told(published, N[:6])["input"] == "y/one.jpg of source s"
    assert told(published, f"{5:032x}")["input"] == "bad.jpg of source s"
    assert {dict(lines)["input"] for lines in explain(published, A)} == {
        "x/one.jpg of source s",
        "copy.jpg of source s",
    }
    assert {dict(lines)["input"] for lines in explain(published, "one.jpg")} == {
        "x/one.jpg of source s",
        "y/one.jpg of source s",
    }
    assert len(explain(published, "same.jpg")) == SHOWN


@pytest.mark.parametrize("what", ["nobody.jpg", "ne.jpg", "aaa", "%"])
def test_what_nobody_is_called(published: Published, what: str) -> None:
    with pytest.raises(UsageError, match=f"no input matches {what}"):
        explain(published, what)
