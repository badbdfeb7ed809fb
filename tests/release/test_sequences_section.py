"""What the card says of packed sequences, from the manifest alone."""

from __future__ import annotations

from typing import Any

from support.release_manifest import manifest, shard

from dataengine.release.card import card, configs

SUMMARY = {
    "chunk": 8,
    "tokens": 1,
    "begin": 151_936,
    "independent": True,
    "text_positions": "origin",
    "summary_positions": "last_chunk_slice_right",
    "windows": 128,
    "documents": "within",
    "align_visual": True,
}


def one(name: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "name": name,
        "layout": "codes",
        "length": 8192,
        "positions": "1d",
        "packing": "best-fit",
        "sequences": 10,
        "tokens": 81_000,
        "padding": 920,
        "ranks": 0,
        "imbalance": 0.0,
        "imbalance_before": 0.0,
        "cells": [],
        "formats": ["webdataset"],
        "summary": None,
        "outcomes": {"packed": 5},
    }
    return {**fields, **changes}


def sequences(*sets: dict[str, Any]) -> dict[str, Any]:
    tokenizer = {"id": "t", "sha256": "0" * 64, "trained": False, "size": 900, "first_code": 900}
    return {"tokenizer": {**tokenizer, "special": {}, "appended": []}, "sets": list(sets), "texts": {}}


def test_formats_and_summaries_of_each_set_are_in_its_row() -> None:
    sets = (one("plain"), one("ksa", formats=["parquet", "stream"], summary=SUMMARY))
    lines = card(manifest(shards=[shard()], sequences=sequences(*sets))).splitlines()
    [plain] = [line for line in lines if line.startswith("| plain | codes |")]
    [ksa] = [line for line in lines if line.startswith("| ksa | codes |")]
    assert "| webdataset | - |" in plain and "parquet, stream" in ksa
    assert "1 after every 8, documents within, chunks aligned with visual blocks" in ksa
    assert sum("arXiv 2604.24432" in line for line in lines) == 1
    assert "2604.24432" not in card(manifest(shards=[shard()], sequences=sequences(one("plain"))))


def test_the_hub_finds_the_sets_in_parquet() -> None:
    made = configs(manifest(shards=[shard()], sequences=sequences(one("plain"), one("ksa", formats=["parquet"]))))
    assert [config["config_name"] for config in made] == ["image", "sequences-ksa"]
    assert made[0]["default"] and "default" not in made[1]
    assert made[1]["data_files"] == [{"split": "train", "path": "sequences/ksa/parquet/*.parquet"}]
