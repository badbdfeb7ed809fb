"""Hostile inputs of every kind, with what must become of each: rows, names, tars and media that once ended a run, hung it, read
what they should not, or were lost without a word. ``make torture`` runs the command on them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from dataengine.testing import hostile_files, hostile_media, hostile_rows, hostile_tars
from dataengine.testing.hostile_corpus import BYTES, PIXELS, Corpus, Expected


def torture(folder: str | Path, seed: int = 0) -> list[Expected]:
    """Write hostile inputs to ``folder``, a new or empty one, with ``recipe.yaml`` over them and ``expected.json``; what must
    become of each input. An input that is not listed is as wrong as one that is missing."""
    corpus = Corpus(Path(folder), seed)
    corpus.folder.mkdir(parents=True, exist_ok=True)
    for module in (hostile_rows, hostile_files, hostile_tars, hostile_media):
        module.write(corpus)
    corpus.write("expected.json", json.dumps([asdict(e) for e in corpus.expected], indent=1))
    rule = {"name": "any", "keep": "width >= 1", "on_missing": "drop", "reason": "no picture"}
    corpus.write("policy.yaml", yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    corpus.write("recipe.yaml", yaml.safe_dump(_recipe(corpus.folder), sort_keys=False))
    return corpus.expected


def _recipe(folder: Path) -> dict[str, Any]:
    sources: list[dict[str, Any]] = [
        {"type": "table", "name": "rows", "path": f"{folder}/rows/*", "buckets": 2},
        {"type": "urls", "name": "urls", "path": f"{folder}/urls/urls.jsonl", "buckets": 1, "http": {"tries": 1}},
        {"type": "folder", "name": "files", "path": f"{folder}/files", "buckets": 2},
        {"type": "webdataset", "name": "tars", "path": f"{folder}/tars/*"},
        {"type": "folder", "name": "media", "path": f"{folder}/media", "buckets": 2},
    ]
    return {
        "name": "torture",
        "workspace": f"{folder}/ws",
        "sources": sources,
        "limits": {"bytes": BYTES, "pixels": PIXELS, "frames": 1000, "seconds": 30, "failed": 1},
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": f"{folder}/policy.yaml"},
        "tokenize": None,
        "cot": None,
        "release": {"title": "Torture", "license": "other", "description": "Hostile inputs."},
    }
