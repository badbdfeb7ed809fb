"""Runs of the stages of sequences, and what they have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.pipeline import _Pass, open_run
from dataengine.progress import Silent
from dataengine.sequence.ledger_stage import SEQUENCE_LEDGER, ledger_files
from dataengine.sequence.model import SEQUENCES, PackedSequence, from_row
from dataengine.sequence.pack_stage import set_files
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.sequence.unpack import unpack
from dataengine.stage import Run
from dataengine.tokenize.vocabulary import Layout
from support.sequence_release import STAGES, recipe, run
from support.sequences import SIZES

TOKENIZER = {"vocab_size": 600}


def committed(loaded: Recipe) -> Run:
    """The run with the commits of all stages of sequences."""
    run_ = open_run(loaded)
    _Pass(run_, None, True, Silent()).over([stage for stage in STAGES if stage.active(loaded)])
    return run_


def sequences(run_: Run, name: str) -> list[PackedSequence]:
    return [from_row(row) for row in run_.workspace.read_table(set_files(run_, name), SEQUENCES).to_pylist()]


def ledger(run_: Run, name: str) -> list[dict[str, Any]]:
    return run_.workspace.read_table([*ledger_files(run_, name)], SEQUENCE_LEDGER).to_pylist()


def words_of(run_: Run) -> TextTokenizer:
    out = run_.records["sequence.vocabulary"].parts["all"]
    return TextTokenizer(
        run_.workspace.store.get(out.files["tokenizer"].key), out.facts["special"], out.facts["first_code"]
    )


def documents(run_: Run, name: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    words = words_of(run_)
    layout = Layout(SIZES, words.encode, words.vocabulary)
    for sequence in sequences(run_, name):
        for one in unpack(sequence, layout, words):
            yield one.span.id, one.parts


def packed(folder: Path, sources: list[dict[str, Any]], sets: list[dict[str, Any]], **more: Any) -> Run:
    loaded = recipe(folder, {"tokenizer": TOKENIZER, "sources": sources, "sets": sets, **more})
    run(loaded)
    return committed(loaded)
