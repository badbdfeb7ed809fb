"""examples/train_tiny.py learns from packed sequences in both layouts, and draws pictures that the tokenizer decodes."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.photo_set import photo_sequences, photo_set, visual

from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.model import Role
from dataengine.sequence.summary.settings import Documents, SummarySettings

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("train_tiny")


@pytest.mark.slow
def test_the_loss_falls_in_both_layouts_and_a_picture_is_drawn(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where, out = photo_set(tmp_path, photo_sequences()), tmp_path / "drawn.png"
    options = ("--steps", "20", "--dim", "16", "--rows", "48", "--length", "128", "--out", str(out))
    monkeypatch.setattr(sys, "argv", ["train_tiny.py", str(where), *options])
    threads = torch.get_num_threads()
    try:
        script.main()
    finally:
        torch.set_num_threads(threads)
    text = capsys.readouterr().out
    falls = re.findall(r"(\w+) +loss ([\d.]+) -> ([\d.]+); held-out perplexity ([\d.]+) all", text)
    assert [name for name, *_ in falls] == ["plain", "summary"]
    assert all(float(last) < float(first) - 0.1 for _, first, last, _ in falls), text
    shown = np.asarray(Image.open(out))
    tokenizer, codes = visual()
    decoded = [tokenizer.decode(one)[0] for one in codes]
    height = (shown.shape[0] - 8) // 2
    [whole] = [one for one in decoded if one.shape[0] == height and np.array_equal(shown[:height, : one.shape[1]], one)]
    half, width = height // 4, whole.shape[1]
    for top in (0, height + 8):
        row = shown[top : top + height]
        second, third = row[:, width + 8 : 2 * width + 8], row[:, 2 * width + 16 :]
        assert np.array_equal(second[:half], whole[:half]), "the upper half is as it was"
        assert not np.array_equal(second, whole) and not np.array_equal(third, whole)


def test_labels_end_with_the_block_and_masks_are_those_of_the_layout(script: Any) -> None:
    sequence = photo_sequences(1)[0]
    layout = SummarySettings(chunk=8, windows="[2]+[50]", documents=Documents.within)
    eob = int(sequence.tokens[-1, 1])
    used = sequence.documents[0].stop
    chunks = -(-used // 8) + -(-(256 - used) // 8)
    plain, wide = (script.example(sequence, one, eob) for one in (None, layout))
    assert len(plain.masks) == 1 and len(wide.masks) == 2 and len(wide.rows) == 256 + chunks
    assert (plain.labels[plain.labels != -100] != eob).any() and int((plain.labels == eob).sum(1).max()) == 1
    assert (wide.labels[wide.summary] == -100).all() and int((wide.labels != -100).sum()) == int(
        (plain.labels != -100).sum()
    )
    assert not plain.masks[0][-1, 0], "the padding sees no document"


def test_documents_are_cut_out_once_without_summaries(script: Any, tmp_path: Path) -> None:
    rows = photo_sequences(3)
    stored = open_set(str(photo_set(tmp_path, [*rows, rows[0]], SummarySettings())))
    parts = list(script.documents(stored, 40))
    assert [part.documents[0].id for part in parts] == [row.documents[0].id for row in rows]
    assert all(len(part) == 40 and not (part.roles == Role.SUMMARY).any() for part in parts)
    assert [len(pack.documents) for pack in script.packs(parts, 80)] == [2, 1]
