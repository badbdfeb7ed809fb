"""Recipes and inputs of sequences that do not work: a clear error, or a row in the ledger."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.sequence_release import recipe, write_release
from support.sequence_runs import ledger, packed, sequences, words_of

from dataengine.errors import UsageError
from dataengine.sequence.releases import other_release


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": [{"name": "s", "positions": "3d"}]}, "layout blocks has positions 1d"),
        ({"sets": [{"name": "s", "preset": "keye"}]}, "unknown preset `keye`; known: keye-stage-1"),
        ({"sets": [{"name": "s", "shares": {"book": 1}}]}, "shares name `book`"),
        ({"sets": [{"name": "s", "shares": {"books": float("nan")}}]}, "finite number"),
        ({"sets": [{"name": "s"}, {"name": "s"}]}, "two sets have the name `s`"),
        ({"sources": [{"type": "text", "name": "image", "path": "x"}]}, "may not be called `image`"),
        ({"sets": [{"name": "s", "balance": {"ranks": 3, "batch": 8}}]}, "no multiple of ranks"),
    ],
)
def test_wrong_recipes(tmp_path: Path, texts: str, change: dict[str, Any], message: str) -> None:
    block = {"sources": [{"type": "text", "name": "books", "path": texts}], "sets": [{"name": "s"}], **change}
    with pytest.raises(ValueError, match=message):
        recipe(tmp_path, block)


def test_codes_of_two_tokenizers_are_refused(tmp_path: Path, release: str) -> None:
    other = str(write_release(tmp_path / "rel", 2, 2, 1, tokenizer="u" * 32))
    sources = [{"type": "samples", "name": n, "release": url} for n, url in (("a", release), ("b", other))]
    with pytest.raises(UsageError, match=r"codes of two tokenizers cannot be mixed: made has t{32}, made has u{32}"):
        packed(tmp_path, sources, [{"name": "s"}])


def test_a_manifest_names_only_files_of_its_release(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "rel", 2, 2, 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][0]["name"] = "../../elsewhere"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"is not the manifest of a release: .*shards"):
        other_release(str(folder))


def test_a_release_without_codes_needs_a_continuous_layout(tmp_path: Path) -> None:
    other = str(write_release(tmp_path / "rel", 2, 2, 1, tokenizer=""))
    source = {"type": "samples", "name": "a", "release": other}
    with pytest.raises(UsageError, match="has no codes, which layouts blocks and codes need"):
        packed(tmp_path, [source], [{"name": "s"}])
    run_ = packed(tmp_path / "b", [source], [{"name": "s", "length": 2048, "layout": "keye", "positions": "3d"}])
    [one] = sequences(run_, "s")
    assert one.positions.shape == (3, 2048) and {m.member[-3:] for m in one.media} == {"jpg", "mp4"}


def test_documents_longer_than_a_sequence(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    long = " ".join(f"Sentence {n} of a long text." for n in range(60))
    (tmp_path / "texts" / "long.txt").write_text(long)
    (tmp_path / "texts" / "short.txt").write_text("A short one.")
    source = {"type": "text", "name": "books", "path": str(tmp_path / "texts")}
    sets = [{"name": n, "length": 64, "layout": "qwen-vl", "too_long": n} for n in ("drop", "split")]
    run_ = packed(tmp_path, [source], sets)
    assert Counter(row["outcome"] for row in ledger(run_, "drop")) == {"too long": 1, "packed": 1}
    assert Counter(row["outcome"] for row in ledger(run_, "split")) == {"packed": 2}
    words = words_of(run_)
    pieces = {
        (span.id, span.part): tokens
        for s in sequences(run_, "split")
        for span, tokens in s.pieces()
        if span.stop - span.start > 9
    }
    ordered = [words.decode(pieces[key].tolist()) for key in sorted(pieces)]
    assert "".join(ordered).removesuffix("<|endoftext|>") == long and len(ordered) > 5
    assert all(text.endswith(".") for text in ordered[:-1]), "cut between sentences"
