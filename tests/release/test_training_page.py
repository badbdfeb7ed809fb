"""The code of docs/training.md and the example beside it, on a release."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from dataengine.export.kelix import export
from dataengine.shards.codes import codes_of_sample
from dataengine.shards.read import read_shards
from dataengine.tokenize.pack import document, labels_of, weights_of
from dataengine.tokenize.rows import codes_of
from dataengine.tokenize.text import QwenText
from dataengine.tokenize.vocabulary import Layout

ROOT = Path(__file__).parents[2]
QWEN = QwenText()


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL)


def run(code: str, place: str, release: Path, **names: Any) -> dict[str, Any]:
    assert place in code
    exec(code.replace(place, str(release)), names)
    return names


def test_the_first_snippet_packs_every_sample(small: Path) -> None:
    code = snippets()[0].replace("    packed.rows,", "    packs.append(packed)\n    packed.rows,")
    packs: list[Any] = []
    found = run(code, "workspace/releases/cats", small, packs=packs)
    borders = sum(len(set(p.sample_idx.tolist()) - {-1}) for p in packs)
    assert borders == json.loads((small / "manifest.json").read_bytes())["samples"] == 8
    assert all(len(p.rows) % 8 == 0 and p.rows.shape == p.labels.shape == p.weights.shape for p in packs)
    assert found["layout"].width == 5 == packs[0].rows.shape[1]


def test_plain_formulas_give_the_rows_labels_and_weights_of_dataengine(small: Path) -> None:
    plain = run(snippets()[1], "workspace/releases/cats", small, encode=QWEN.encode)["rows_and_labels"]
    sizes = json.loads((small / "manifest.json").read_bytes())["tokenizer"]["codebook_sizes"]
    layout = Layout(tuple(sizes), QWEN.encode)
    kinds = set()
    for _, fields in read_shards(sorted((small / "shards").glob("*.tar"))):
        codes = codes_of_sample(fields)
        kinds |= set(codes.timeline.kinds if codes.timeline else ("picture",))
        sample = document([codes, fields["txt"].decode()], layout, vision_loss=True)
        rows, labels, weights = plain(fields)
        assert np.array_equal(rows, sample.rows) and np.array_equal(labels, labels_of(sample, layout))
        assert np.allclose(weights, weights_of(labels, layout))
        [back] = codes_of(sample.rows, layout, QWEN.decode)
        assert np.array_equal(back.tokens, codes.tokens) and back.grid == codes.grid
    assert kinds == {"picture", 0, 1}


def test_the_last_snippet_reads_the_codes_of_an_export(small: Path, tmp_path: Path) -> None:
    export(str(small), str(tmp_path / "out"))
    found = run(snippets()[2], "kelix/pretrain", tmp_path / "out")
    samples = dict(read_shards(sorted((small / "shards").glob("*.tar"))))
    assert np.array_equal(found["tokens"], codes_of_sample(samples[found["row"]["uuid"]]).tokens)


def test_the_example_counts_samples_and_rows(small: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "next_block_rows.py"), str(small), "--max-length", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = re.search(r"(\d+) samples, ([\d,]+) rows of 5 tokens, (\d+) packs", done.stdout)
    assert told and re.search(r"[\d,]+ rows/s", done.stdout)
    assert int(told[1]) + done.stdout.count("left out: ") == 8 and int(told[3]) > 1
