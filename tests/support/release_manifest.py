"""A manifest of a small made-up release, for tests of what is written from a manifest alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from dataengine.media.video.sampling import SlowFast
from dataengine.release.manifest import Manifest

WRITTEN = (
    *("intended_use", "out_of_scope_use", "biases", "limitations", "personal_information", "compute", "date"),
    *("citation", "url", "contact"),
)


def shard(**changes: Any) -> dict[str, Any]:
    fields = {"name": "train-image-00000", "split": "train", "family": "image", "sha256": "0" * 64, "bytes": 10_240}
    return {**fields, "samples": 3, **changes}


def records(**changes: Any) -> dict[str, Any]:
    fields = {"name": "train-picture-00000", "split": "train", "family": "picture", "sha256": "0" * 64, "bytes": 10_240}
    return {**fields, "records": 2, **changes}


def listed(path: str) -> dict[str, Any]:
    """An entry of ``files``."""
    return {"path": path, "sha256": "0" * 64, "bytes": 1}


def manifest(**changes: Any) -> Manifest:
    """With these fields as they are in JSON."""
    return msgspec.convert(fields() | changes, Manifest)


def fields() -> dict[str, Any]:
    """All fields, as in JSON."""
    return {
        **dict.fromkeys(WRITTEN),
        "schema_version": "1",
        "name": "r",
        "title": "Cats: a study",
        "license": "cc0-1.0",
        "description": "Cats.",
        "version": "0.1.0",
        "language": ["en"],
        "code_version": "0.1.0",
        "recipe_digest": "d",
        "seed": 7,
        "samples": 3,
        "shards": [shard()],
        "ledger": {
            "outcome": {"kept": 3, "duplicate": 1, "filtered": 2, "failed": 1},
            "kind": {"exact": 1},
            "rule": {"blur": 2},
            "failure": {"empty": 1},
        },
        "sources": [{"name": "photos", "type": "folder", "license": None, "inputs": 7}],
        "opt_outs": {},
        "media": {"exif": "keep", "faces": "keep", "c2pa_opt_outs": []},
        "dedup": dedup(),
        "contamination": None,
        "policy": {"name": "p", "version": "1", "digest": "e"},
        "funnel": [{"rule": "blur", "reason": "out of focus", "entering": 5, "dropped": 2, "remaining": 3}],
        "scores": {},
        "scorers": [{"name": "technical", "version": "1"}],
        "tokenizer": {
            "name": "product",
            "id": "f",
            "codebook_sizes": [32, 32],
            "tokens": 1234,
            "picture_tokens": [4, 256],
            "video": asdict(SlowFast()),
            "made": {"samples": 12},
        },
        "cot": {"shards": [], "modes": {}, "rejected": {}},
        "difference": None,
        "cost": {"inputs": 7, "bytes": 67_890, "stages": []},
        "files": [],
    }


def dedup(**changes: Any) -> dict[str, Any]:
    """Settings and results of dedup."""
    return {
        "radius": 8,
        "video_overlap": 0.6,
        "pixels": False,
        "aligned_radius": None,
        "semantic": None,
        "text": None,
        "group_by": None,
        "max_distance_factor": 2.0,
        "keep": ["resolution"],
        "hash_version": "1",
        "edges": {"perceptual": 4},
        "group_sizes": {"2": 1, "10": 3},
        "search": {},
        "chained": 4,
        "cut": 5,
        **changes,
    }
