"""docs/extending.md applied to a copy of the package: a recipe that uses all it adds runs to the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.small_release import recipe

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"```(python|diff)\n ?# (dataengine/\S+)\n(.*?)```", re.S)


def apply(page: str, root: Path) -> None:
    """Write each ``python`` block to the file that its first line names; of a ``diff`` insert ``+`` lines after the line
    before them, and take ``-`` lines out."""
    for language, name, text in _BLOCK.findall(page):
        if language == "python":
            (root / name).write_text(text)
            continue
        lines, at = (root / name).read_text().split("\n"), 0
        for line in text.rstrip("\n").split("\n"):
            if line.startswith("+"):
                lines.insert(at, line[1:])
                at += 1
            else:
                at = lines.index(line[1:]) + 1
                if line.startswith("-"):
                    at -= 1
                    del lines[at]
        (root / name).write_text("\n".join(lines))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "dataengine", folder / "dataengine", ignore=shutil.ignore_patterns("__pycache__"))
    apply((ROOT / "docs/extending.md").read_text(), folder)
    return folder


def run(folder: Path, *arguments: str) -> str:
    command = "from dataengine.cli.main import app; app()"
    env = {**os.environ, "PYTHONPATH": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=False, env=env, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_the_page_adds_is_used_by_a_run(extended: Path, small: Path) -> None:
    corpus = small.parents[2] / "corpus"
    (extended / "list.txt").write_text("\n".join(str(p) for p in sorted(corpus.iterdir()) if p.suffix != ".txt"))
    changes: dict[str, Any] = {
        "sources": [{"type": "paths", "name": "listed", "path": str(extended / "list.txt")}],
        "score": {"scorers": [{"name": "technical"}, {"name": "colourfulness"}]},
        "tokenize": {"tokenizer": {"name": "gray", "levels": 8, "max_tokens": 256}},
        "cot": {"mix": {"non_thinking": 1}, "tasks": {"exposure": 1000}},
    }
    path = recipe(extended, str(extended / "ws"), **changes)
    policy = yaml.safe_load((extended / "policy.yaml").read_text())
    policy["rules"].append({"name": "gray", "keep": "colourfulness >= 5", "on_missing": "drop", "reason": "gray"})
    (extended / "policy.yaml").write_text(yaml.safe_dump(policy))
    run(extended, "run", str(path))
    release = extended / "ws/releases/small"
    manifest = json.loads((release / "manifest.json").read_bytes())
    assert manifest["tokenizer"]["name"] == "gray" and manifest["tokenizer"]["codebook_sizes"] == [8]
    with tarfile.open(next((release / "shards").glob("train-image-*.tar"))) as tar:
        samples = [json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")]  # type: ignore[arg-type]
    assert samples and all("colourfulness" in json.dumps(sample) for sample in samples)
    with tarfile.open(next((release / "cot").glob("*.tar"))) as tar:
        records = [json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")]  # type: ignore[arg-type]
    assert "exposure" in {record["task"] for record in records}
    run(extended, "cot", "verify", str(release))
    lines = int(run(extended, "export", "captions", str(release), str(extended / "captions.jsonl")))
    assert lines == len((extended / "captions.jsonl").read_text().splitlines()) > 0
