"""``dataengine explain``: each outcome in words, from a release alone, and what an input may be called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.ledger_rows import dup, ledger
from support.release_manifest import dedup, listed, manifest

from dataengine.browse.explain import Explanation, explain
from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine
from dataengine.errors import UsageError
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
    {"uri": "z/film.mp4#t=0.000,4.500", "id": "7" * 32, "outcome": "kept"},
    {"uri": "z/film.mp4#t=4.500,9.000", "id": "8" * 32, "outcome": "kept"},
    {"uri": "tars/0.tar#000.jpg", "id": "5" * 32, "outcome": "kept"},
    {"uri": "rows.csv#pictures/p.png", "id": "6" * 32, "outcome": "kept"},
    {"uri": "rows.csv#row 3", "outcome": "failed", "failure": "bad_row", "message": "row 3"},
    {"uri": "again.mp4", **dup(C, C, 0.0, "exact")},
    *({"uri": f"many/{n}/same.jpg", "id": f"d{n:031}", "outcome": "kept"} for n in range(60)),
)


def session(folder: Path, *rows: dict[str, Any], **changes: Any) -> Session:
    pq.write_table(ledger(*rows), folder / "ledger.parquet")
    made = manifest(files=[listed("ledger.parquet")], **changes)
    return Session(ViewEngine(threads=1), published=Published(Store(folder), made), place="the release")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    one = session(tmp_path_factory.mktemp("explained"), *ROWS)
    yield one
    one.engine.close()


def facts(release: Session, what: str) -> dict[str, str]:
    [lines] = explain(release, what).inputs
    return dict(lines)


def test_kept_with_what_it_stands_for(release: Session) -> None:
    lines = facts(release, "x/one.jpg")
    assert (lines["outcome"], lines["sample"]) == ("kept", A)
    assert "x/two.jpg of source s (perceptual, 3 of 64 bits differ (bound: at most 8))" in lines["representative of"]
    assert "copy.jpg of source s (exact, same bytes)" in lines["representative of"]


def test_a_duplicate_says_how_near_and_what_became_of_the_other(release: Session) -> None:
    lines = facts(release, "two.jpg")
    assert lines["outcome"].startswith("duplicate: perceptual, 3 of 64 bits")
    assert (lines["representative"], lines["its input"], lines["its outcome"]) == (A, "x/one.jpg of source s", "kept")
    lines = facts(release, "three.mp4")
    assert lines["outcome"] == "duplicate: video, 75% of the frames match (bound: at least 60%)"
    assert lines["its outcome"] == "filtered: blur" and lines["value"] == "0.25"
    lines = facts(release, "again.mp4")
    assert lines["its input"] == "three.mp4 of source s"
    assert lines["its outcome"].startswith("duplicate: video") and lines["its outcome"].endswith(
        "y/one.jpg of source s, filtered"
    )


@pytest.mark.parametrize(
    ("kind", "distance", "words"),
    [
        ("pixels", 0.0, "pixels, same image once decoded"),
        ("aligned", 10.0, "aligned, 10 of 64 bits differ, and one can be aligned with the other"),
        ("semantic", 0.125, "semantic, cosine similarity 0.875 (bound: at least 0.75)"),
        ("text", 0.25, "text, distance 0.25"),
    ],
)
def test_every_kind_of_similarity_is_explained(tmp_path: Path, kind: str, distance: float, words: str) -> None:
    rows = ({"uri": "one.jpg", "id": A, "outcome": "kept"}, {"uri": "two.jpg", **dup(B, A, distance, kind)})
    semantic = {"threshold": 0.75, "caption_threshold": None, "confirm": True}
    assert (
        facts(session(tmp_path, *rows, dedup=dedup(semantic=semantic)), "two.jpg")["outcome"] == f"duplicate: {words}"
    )


def test_a_filtered_one_has_the_reason_and_the_value(release: Session) -> None:
    lines = facts(release, "y/one.jpg")
    assert lines["rule"] == "out of focus (policy p version 1)" and lines["value"] == "0.25"
    assert facts(release, "in-a-quiz.jpg")["rule"] == "contaminated (not a rule of the policy)"


def test_a_failed_one_has_no_sample(release: Session) -> None:
    lines = facts(release, "bad.jpg")
    assert lines["outcome"] == "failed: truncated" and lines["message"] == "ends early" and "sample" not in lines


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (N[:6], "y/one.jpg"),
        (N, "y/one.jpg"),
        (f"{N}{N}", "y/one.jpg"),
        (f"shards/train-image-00000.tar/{N}.codes.npy", "y/one.jpg"),
        (f"{N}.jpg", "y/one.jpg"),
        (f"{5:032x}", "bad.jpg"),
        ("s/bad.jpg", "bad.jpg"),
        ("./bad.jpg", "bad.jpg"),
        ("/data/photos/y/one.jpg", "y/one.jpg"),
        ("file:///data/photos/y/one.jpg", "y/one.jpg"),
        ("/data/pictures/p.png", "rows.csv#pictures/p.png"),
        ("p.png", "rows.csv#pictures/p.png"),
        ("pictures/p.png", "rows.csv#pictures/p.png"),
        ("row 3", "rows.csv#row 3"),
        ("0.tar", "tars/0.tar#000.jpg"),
        ("0.tar#000.jpg", "tars/0.tar#000.jpg"),
        ("000.jpg", "tars/0.tar#000.jpg"),
        ("film.mp4#t=4.500,9.000", "z/film.mp4#t=4.500,9.000"),
        ("t=4.500,9.000", "z/film.mp4#t=4.500,9.000"),
        ("quiz.jpg", "in-a-quiz.jpg"),
        ("QUIZ", "in-a-quiz.jpg"),
    ],
)
def test_what_an_input_may_be_called(release: Session, name: str, uri: str) -> None:
    assert facts(release, name)["input"] == f"{uri} of source s"


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("one.jpg", 2, "x/one.jpg"),
        ("film.mp4", 2, "z/film.mp4#t=0.000,4.500"),
        ("rows.csv", 2, "rows.csv#pictures/p.png"),
        ("same.jpg", 60, "many/0/same.jpg"),
        ("many", 60, "many/0/same.jpg"),
        ("ne.jpg", 2, "x/one.jpg"),
    ],
)
def test_candidates_where_several_match(release: Session, name: str, count: int, first: str) -> None:
    answer = explain(release, name)
    assert (answer.inputs, answer.count, answer.candidates[0][1]) == ([], count, first)
    assert len(answer.candidates) == min(count, 50)


def test_an_id_explains_every_mention(release: Session) -> None:
    answer: Explanation = explain(release, A)
    assert [dict(lines)["input"] for lines in answer.inputs] == ["copy.jpg of source s", "x/one.jpg of source s"]


def test_failed_inputs_are_candidates_and_not_one_sample(tmp_path: Path) -> None:
    failed = ({"uri": f"{n}/bad.jpg", "outcome": "failed", "failure": "truncated", "message": "short"} for n in "ab")
    one = session(tmp_path, *failed)
    answer = explain(one, "bad.jpg")
    assert (answer.inputs, answer.count, len(answer.candidates)) == ([], 2, 2)
    one.engine.close()


def test_a_sample_of_many_duplicates_is_counted(tmp_path: Path) -> None:
    again = ({"uri": f"{n:03}.jpg", **dup(A, A, 0.0, "exact")} for n in range(90))
    one = session(tmp_path, *again, {"uri": "x.jpg", "id": A, "outcome": "kept"}, {"uri": "y.jpg", **dup(B, A, 3.0)})
    assert facts(one, "x.jpg")["representative of"].endswith("; and 86 more")
    assert facts(one, "y.jpg")["its input"] == "x.jpg of source s"
    one.engine.close()


@pytest.mark.parametrize(
    ("name", "near"), [("nobody.jpg", "copy.jpg"), ("thre.mp4", "three.mp4"), ("%", ""), ("'; --", ""), ("aaa", "")]
)
def test_nearest_names_where_none_matches(release: Session, name: str, near: str) -> None:
    with pytest.raises(UsageError) as error:
        explain(release, name)
    assert f"no input matches {name}; nearest: " in str(error.value) and near in str(error.value)
