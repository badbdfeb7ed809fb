"""The stages together, without Ray: release and texts to packed sequences, ledger and facts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.sequence_release import STAGES, caption, codes, identity, recipe, run, weight
from support.sequence_runs import TOKENIZER, committed, documents, ledger, packed, sequences, words_of

from dataengine.errors import RunError
from dataengine.pipeline import _Pass, open_run
from dataengine.progress import Silent
from dataengine.sequence import encode_worker
from dataengine.sequence.pack_stage import set_files
from dataengine.testing.in_process import InProcess


@pytest.mark.parametrize("layout", ["blocks", "codes"])
@pytest.mark.parametrize("order", ["image_text", "text_image"])
def test_samples_come_back_from_their_tokens(tmp_path: Path, release: str, layout: str, order: str) -> None:
    source = {"type": "samples", "name": "captions", "release": release, "order": order}
    run_ = packed(tmp_path, [source], [{"name": "s", "length": 256, "layout": layout}])
    expected = {}
    for n in range(16):
        pair = (codes(n, "image" if n < 12 else "video"), caption(n))
        expected[identity("sample", n)] = pair if order == "image_text" else pair[::-1]
    assert dict(documents(run_, "s")) == expected
    assert all(len(s) == 256 for s in sequences(run_, "s"))


def test_each_record_occurs_as_often_as_its_weight_says(tmp_path: Path, release: str) -> None:
    source = {"type": "cot", "name": "cot", "release": release}
    run_ = packed(tmp_path, [source], [{"name": "s", "length": 512}])
    uses = Counter(span.id for s in sequences(run_, "s") for span in s.documents)
    published = tmp_path / "ws/staging/sequences/sequences/s/ledger.parquet"
    assert pq.read_table(published).num_rows == 16, "the ledger is part of the release"
    held = [n for n in range(16) if n % 7 != 6]
    for whole in (1.0, 2.0, 3.0):
        assert {uses[identity("record", n)] for n in held if weight(n) == whole} == {int(whole)}
    for part in (0.25, 0.5):
        some = [uses[identity("record", n)] for n in held if weight(n) == part]
        assert set(some) <= {0, 1} and sum(some) == int(len(some) * part + 0.5)
    outcomes = {row["id"]: (row["outcome"], row["occurrences"]) for row in ledger(run_, "s")}
    assert len(outcomes) == 16 and all(count == uses[id_] for id_, (_, count) in outcomes.items())
    assert {n: outcomes[identity("record", n)][0] for n in (15, 6, 13, 2)} == {
        15: "weight 0",
        6: "failed",
        13: "failed",
        2: "packed",
    }
    reasons = [row["reason"] for row in ledger(run_, "s") if row["outcome"] == "failed"]
    assert all("obs0.png has no codes" in reason for reason in reasons)


def test_parents_are_looked_up_for_some_records_at_a_time(
    tmp_path: Path, release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [{"type": kind, "name": kind, "release": release} for kind in ("cot", "pairs")]
    whole = packed(tmp_path / "whole", sources, [{"name": "s", "length": 512}])
    asked, parents_of = list[int](), encode_worker.EncodeWorker._parents

    def counted(self: encode_worker.EncodeWorker, materials: Any, ids: set[str]) -> Any:
        asked.append(len(ids))
        return parents_of(self, materials, ids)

    monkeypatch.setattr(encode_worker.EncodeWorker, "_parents", counted)
    monkeypatch.setattr(encode_worker, "_LOOKED_UP", 3)
    monkeypatch.setattr(encode_worker, "_AT_ONCE", 2)
    pieces = packed(tmp_path / "pieces", sources, [{"name": "s", "length": 512}])
    assert max(asked) == 3 and sum(asked) == 2 * 16
    digests = [
        {
            name: {role: file.sha256 for role, file in out.files.items()}
            for name, out in run_.records["sequence.pack"].parts.items()
        }
        for run_ in (whole, pieces)
    ]
    assert digests[0] == digests[1]


def test_texts_and_what_becomes_of_bad_rows(tmp_path: Path, texts: str) -> None:
    source = {"type": "text", "name": "books", "path": texts, "weight_column": "w"}
    run_ = packed(tmp_path, [source], [{"name": "s", "length": 64, "layout": "qwen-vl"}])
    outcomes = Counter((row["outcome"], row["reason"].partition(":")[0]) for row in ledger(run_, "s"))
    assert outcomes == {
        ("packed", ""): 40,
        ("failed", "empty"): 1,
        ("failed", "bad_row"): 2,
        ("failed", "bad_weight"): 2,
        ("duplicate", ""): 1,
    }
    words = words_of(run_)
    found = Counter(words.decode(tokens[:-1].tolist()) for s in sequences(run_, "s") for _, tokens in s.pieces())
    assert found == {f"Text number {n}. It speaks of lakes. And of roofs!": 1 + n % 2 for n in range(40)}


def test_shares_are_of_tokens_and_what_ran_out_is_stated(tmp_path: Path, release: str, texts: str) -> None:
    sources = [
        {"type": "samples", "name": "captions", "release": release, "epochs": 3},
        {"type": "text", "name": "books", "path": texts, "epochs": 4},
    ]
    sets: list[dict[str, Any]] = [
        {"name": "free", "length": 256, "shares": {"video": 0.24, "image": 0.50, "text": 0.26}},
        {"name": "short", "length": 256, "shares": {"captions": 1, "books": 1}, "tokens": 100_000},
    ]
    run_ = packed(tmp_path, sources, sets)
    facts = run_.records["sequence.mix"].parts["all"].facts
    free = {cell["cell"]: cell for cell in facts["free"]["cells"]}
    total = sum(cell["reached"] for cell in free.values())
    for name, share in (("video", 0.24), ("image", 0.50), ("text", 0.26)):
        assert free[name]["reached"] <= free[name]["requested"] <= free[name]["available"] and not free[name]["ran_out"]
        assert abs(free[name]["reached"] / total - share) < 0.06, "to one document"
    assert all(cell["ran_out"] and cell["reached"] == cell["available"] for cell in facts["short"]["cells"])
    sets[1]["on_shortage"] = "error"
    with pytest.raises(RunError, match=r"set short: its mix cannot be reached: books has .* of 50,000 tokens"):
        packed(tmp_path / "again", sources, sets)


def test_pairs_have_the_caption_before_or_after(tmp_path: Path, release: str) -> None:
    sources = [
        {"type": "pairs", "name": name, "release": release, "order": order}
        for name, order in (("a", "caption_first"), ("b", "question_first"))
    ]
    sets = [{"name": name, "length": 256, "sources": [name]} for name in ("a", "b")]
    run_ = packed(tmp_path, sources, sets)
    n = 3
    asked = f"How many windows, {n}?\n{n}"
    first, second = (dict(documents(run_, name))[identity("record", n)] for name in ("a", "b"))
    assert first == (codes(n, "image"), caption(n), asked) and second == (codes(n, "image"), asked, caption(n))


def test_the_same_bytes_after_a_kill_and_in_another_order(tmp_path: Path, release: str, texts: str) -> None:
    class Killed(InProcess):
        def run(self, worker: Any, store: Any, jobs: Any, resources: Any, tick: Any) -> Iterator[Any]:
            for n, made in enumerate(super().run(worker, store, jobs, resources, tick)):
                if n == 2:
                    raise KeyboardInterrupt
                yield made

    class Reversed(InProcess):
        def run(self, worker: Any, store: Any, jobs: Any, resources: Any, tick: Any) -> Iterator[Any]:
            yield from super().run(worker, store, jobs[::-1], resources, tick)

    sources = [
        {"type": "samples", "name": "captions", "release": release},
        {"type": "text", "name": "books", "path": texts},
    ]
    block = {"tokenizer": TOKENIZER, "sources": sources, "sets": [{"name": "s", "length": 64, "pool": 4}]}
    loaded = recipe(tmp_path, block)
    active = [stage for stage in STAGES if stage.active(loaded)]
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            _Pass(open_run(loaded), None, False, Silent(), Killed()).over(active)
    run(loaded)
    first = [file.sha256 for file in set_files(committed(loaded), "s")]
    run(recipe(tmp_path / "other", block), Reversed())
    other = committed(recipe(tmp_path / "other", block))
    assert len(first) > 3 and first == [file.sha256 for file in set_files(other, "s")]


def test_segments_make_one_document_of_texts_and_samples(tmp_path: Path, release: str) -> None:
    def media(name: str, kind: str = "image") -> dict[str, str]:
        return {"type": kind, kind: name}

    def words(text: str) -> dict[str, str]:
        return {"type": "text", "text": text}

    listed = [
        [
            words("First"),
            media("pictures/3.jpg"),
            words("then"),
            media(identity("sample", 13), "video"),
            words("at last."),
        ],
        json.dumps([media("4.jpg"), words("by its name"), media("copy.jpg")]),
        [media("none.jpg"), words("lost")],
        [{"type": "sound", "sound": "x"}],
        [],
        "no list",
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"segments": one}) + "\n" for one in listed))
    source = {"type": "segments", "name": "pages", "release": release, "path": str(tmp_path / "rows.jsonl")}
    run_ = packed(tmp_path, [source], [{"name": "s", "length": 256}])
    made = {parts for _, parts in ((id_, repr(parts)) for id_, parts in documents(run_, "s"))}
    expected = [
        ("First", codes(3, "image"), "then", codes(13, "video"), "at last."),
        (codes(4, "image"), "by its name", codes(0, "image")),
    ]
    assert made == {repr(parts) for parts in expected}
    reasons = Counter(row["reason"].partition(":")[0] for row in ledger(run_, "s") if row["outcome"] == "failed")
    assert reasons == {"no_sample": 1, "bad_segments": 3}


def test_a_trained_tokenizer_is_kept_by_the_lock(tmp_path: Path, texts: str) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("A red roof by a lake, and a boat below the bridge. " * 9)
    source = {"type": "text", "name": "books", "path": str(tmp_path / "texts")}
    block = {"tokenizer": TOKENIZER, "sources": [source], "sets": [{"name": "s", "length": 64, "layout": "keye"}]}
    place = str(tmp_path / "it.lock")
    first = run(recipe(tmp_path, block, lock=place))
    assert "is kept by" in next(report.note for report in first if report.name == "sequence.vocabulary")
    (tmp_path / "texts" / "b.txt").write_text("Another text with other words, entirely different. " * 9)
    run_ = committed(recipe(tmp_path, block, lock=place))
    again = run(recipe(tmp_path, block, lock=place))
    assert [report.state for report in again if report.name == "sequence.vocabulary"] == ["up to date"]
    assert (
        run_.lock.content.text_tokenizer == committed(recipe(tmp_path, block, lock=place)).lock.content.text_tokenizer
    )
    with pytest.raises(RunError, match=r"names text tokenizer .* training it again here gives another one"):
        run(recipe(tmp_path / "elsewhere", block, lock=place))


@pytest.mark.slow
def test_near_duplicates_of_several_files(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    long = "The roof of the old temple by the lake shines in the evening light while boats pass below the bridge. " * 3
    files = [[long + "One.", "no water here"], [long + "Two.", "A lake."], [long + "Three.", "Another lake."]]
    (tmp_path / "texts").mkdir()
    for n, some in enumerate(files):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in some)
        (tmp_path / "texts" / f"{n}.jsonl").write_text(lines)
    steps = [{"filter": "RegexFilter", "args": {"regex_exp": "lake"}}, {"minhash": {}}]
    source = {"type": "text", "name": "books", "path": str(tmp_path / "texts"), "pipeline": [*steps[::-1]]}
    run_ = packed(tmp_path, [source], [{"name": "s", "length": 128, "layout": "qwen-vl"}])
    reasons = Counter((row["outcome"], row["reason"]) for row in ledger(run_, "s"))
    assert reasons == {("duplicate", "minhash"): 2, ("filtered", "RegexFilter"): 3, ("packed", ""): 1}
    assert len(run_.records["sequence.signatures"].parts) == len(run_.records["sequence.corpora"].parts) == 3


@pytest.mark.slow
def test_spark_makes_the_same_bytes(tmp_path: Path, release: str, texts: str) -> None:
    sources = [
        {"type": "cot", "name": "cot", "release": release},
        {"type": "samples", "name": "captions", "release": release, "epochs": 2.5, "cap": 900},
        {"type": "text", "name": "books", "path": texts, "weight_column": "w"},
    ]
    sets = [
        {"name": "s", "length": 128, "pool": 4, "shares": {"image": 2, "text": 1, "cot": 1}, "too_long": "split"},
        {"name": "t", "length": 256, "layout": "codes", "tokens": 4_000},
    ]
    block = {"tokenizer": TOKENIZER, "sources": sources, "sets": sets}
    made = []
    for engine in ("duckdb", "spark"):
        loaded = recipe(tmp_path / engine, block, engine=engine)
        run(loaded)
        records = committed(loaded).records
        parts = [
            (name, part, {role: file.sha256 for role, file in out.files.items()}, out.counts, out.facts)
            for name in ("sequence.mix", "sequence.ledger", "sequence.pack")
            for part, out in sorted(records[name].parts.items())
        ]
        made.append(parts)
    assert made[0] == made[1] and len(made[0]) > 6
