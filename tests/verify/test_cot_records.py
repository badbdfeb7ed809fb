"""``dataengine cot verify``: every record from its media alone; a wrong one is named, whatever is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import dataengine
from support.spoil import Members, rewrite

from dataengine.errors import UsageError
from dataengine.storage.workspace import canonical_json
from dataengine.verify.cot_records import recheck


def test_a_good_release_is_right(small: Path) -> None:
    found = recheck(str(small), workers=2)
    told = json.loads((small / "manifest.json").read_bytes())["cot"]["shards"]
    assert found.right == found.records == sum(s["records"] for s in told) > 5
    assert dataengine("cot", "verify", str(small)).stdout.count("100.00%") == 1


def first_json(change: Callable[[dict[str, Any]], object]) -> Callable[[Members], Members]:
    """Change the first record of a tar."""

    def spoil(members: Members) -> Members:
        at = next(i for i, (name, _) in enumerate(members) if name.endswith(".json"))
        told = json.loads(members[at][1])
        change(told)
        return [*members[:at], (members[at][0], canonical_json(told)), *members[at + 1 :]]

    return spoil


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda r: r["evidence"][0].update(value=r["evidence"][0]["value"] + 50.0), "evidence"),
        (lambda r: r.update(answer="nothing"), "answer"),
        (lambda r: r["messages"][1]["content"][-1].update(text="no form at all <think>"), "format"),
        (lambda r: r.update(seed=r["seed"] + 1), "record"),
        (lambda r: r.pop("parents"), "record"),
    ],
)
def test_wrong_records_are_named(copy: Path, change: Callable[[dict[str, Any]], object], step: str) -> None:
    tar = next(iter(sorted((copy / "cot").glob("train-made-*.tar"))))
    rewrite(tar, first_json(change))
    found = recheck(str(copy))
    assert found.wrong == {step: 1} and f"cot/{tar.name}" in found.errors[0]
    done = dataengine("cot", "verify", str(copy), ok=False)
    assert done.returncode == 1 and "1 records failed verification" in done.stderr and "Traceback" not in done.stderr


def test_a_release_without_records_says_so(copy: Path) -> None:
    told = json.loads((copy / "manifest.json").read_bytes())
    told["cot"] = {**told["cot"], "shards": []}
    (copy / "manifest.json").write_bytes(canonical_json(told))
    with pytest.raises(UsageError, match="no chain-of-thought records"):
        recheck(str(copy))
