"""``dataengine verify`` finds each way in which a release can be wrong, and names the key."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.command import dataengine
from support.spoil import Members, edit, image, manifest, members, rewrite

from dataengine.storage.store import Store
from dataengine.verify import file_checks
from dataengine.verify import verify as module
from dataengine.verify.verify import Verified, verify


def record(release: Path, family: str = "made") -> Path:
    return min((release / "cot").glob(f"*-{family}-*.tar"))


def told(release: Path) -> Verified:
    return verify(str(release))


def test_a_release_as_it_was_made(small: Path) -> None:
    found = told(small)
    made = manifest(small)
    assert found.errors == []
    assert found.samples == made["samples"] == len(pq.read_table(small / "ledger.parquet")) == found.inputs
    assert found.records == sum(s["records"] for s in made["cot"]["shards"]) > 0
    assert found.files == len(made["files"]) + 1
    assert found.bytes == sum(f["bytes"] for f in made["files"])
    assert all(0 <= share < 1 for share in found.spread.values())


def test_the_command_prints_a_table_and_ends_with_1_where_something_is_wrong(copy: Path) -> None:
    done = dataengine("verify", str(copy), "--workers", "8", "--ranks", "64")
    assert re.search(rf"samples +{manifest(copy)['samples']}\b", done.stdout)
    assert re.search(r"warning: train-image has \d+ shards for 512 readers", done.stdout)
    gone = image(copy)
    gone.unlink()
    done = dataengine("verify", str(copy), ok=False)
    assert done.returncode == 1
    assert f"shards/{gone.name}: is in the manifest, but does not exist" in done.stderr
    assert "Traceback" not in done.stderr


_THREADS = """
import os, sys, time
from dataengine.verify.verify import verify
def comm(thread):
    try:
        return open(f"/proc/self/task/{thread}/comm").read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "tokio"  # it has ended meanwhile
def alive():
    return sum(not comm(thread).startswith("tokio") for thread in os.listdir("/proc/self/task"))
before = alive()
found = verify(sys.argv[1])
end = time.monotonic() + 20  # one that was joined is seen a little longer; Arrow's stay for good
while (left := alive() - before) and time.monotonic() < end:
    time.sleep(0.01)
print(found.inputs, left)
"""


def test_nothing_that_calls_back_into_python_is_alive_when_it_ends(small: Path) -> None:
    """Arrow's threads outlive the call that has started them, and have once taken a process down at its exit."""
    done = subprocess.run([sys.executable, "-c", _THREADS, str(small)], capture_output=True, text=True, check=True)
    inputs, left = done.stdout.split()
    assert int(inputs) == len(pq.read_table(small / "ledger.parquet")) and left == "0"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_one_changed_byte_of_a_picture(copy: Path) -> None:
    flip(image(copy), 3000)
    [error] = told(copy).errors
    assert re.match(rf"shards/{image(copy).name}: checksum mismatch: got \w+ \([\d,]+ bytes\), expected \w+", error)


def test_a_damaged_header_and_a_cut_tar_are_still_read_to_their_end(copy: Path) -> None:
    first, second = sorted((copy / "shards").glob("*.tar"))[:2]
    flip(first, 10)
    second.write_bytes(second.read_bytes()[:-1024])
    errors = told(copy).errors
    assert [e for e in errors if e.startswith(f"shards/{first.name}: has a damaged or foreign header at byte 0")]
    assert len([e for e in errors if "checksum mismatch" in e]) == 2


def test_a_tar_that_is_gone_and_one_that_nobody_knows(copy: Path) -> None:
    gone = record(copy)
    gone.rename(copy / "cot" / "stray.tar")
    errors = told(copy).errors
    assert f"cot/{gone.name}: is in the manifest, but does not exist" in errors
    assert "cot/stray.tar: is not in the manifest" in errors


def codes(data: bytes, change: Callable[[Any], Any]) -> bytes:
    import io

    array = change(np.load(io.BytesIO(data)))
    out = io.BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(array), version=(1, 0))
    return out.getvalue()


def swapped(found: Members, ext: str, change: Callable[[bytes], bytes]) -> Members:
    """With the first member of that extension changed."""
    at = next(i for i, (name, _) in enumerate(found) if name.endswith(ext))
    return [*found[:at], (found[at][0], change(found[at][1])), *found[at + 1 :]]


def of_json(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def edited(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    return edited


WRONG_SAMPLES: dict[str, tuple[Callable[[Members], Members], str]] = {
    "a member is missing": (lambda m: m[:1] + m[2:], r"missing \.txt"),
    "a member too many": (lambda m: [(m[0][0] + ".bak", b""), *m], r"unexpected \.jpg\.bak"),
    "members apart": (lambda m: [*m[1:], m[0]], "not adjacent"),
    "no JSON": (lambda m: swapped(m, ".json", lambda d: d[:-1]), r"\.json: Input data was truncated"),
    "a field is missing": (
        lambda m: swapped(m, ".json", of_json(lambda t: t.pop("width"))),
        r"\.json: Object missing required field `width`",
    ),
    "an unknown field": (
        lambda m: swapped(m, ".json", of_json(lambda t: t.update(x=1))),
        r"\.json: .* unknown field `x`",
    ),
    "a wrong type": (
        lambda m: swapped(m, ".json", of_json(lambda t: t.update(width="9"))),
        r"\.json: Expected `int`, got `str` - at `\$\.width`",
    ),
    "another's JSON": (
        lambda m: swapped(m, ".json", of_json(lambda t: t.update(id="0" * 32, sha256="0" * 64))),
        r"is of sample 0{32}",
    ),
    "other media": (lambda m: swapped(m, ".jpg", lambda d: d + b"x"), r"\.jpg has [\d,]+ bytes, \.json says"),
    "codes past the codebook": (
        lambda m: swapped(m, ".npy", lambda d: codes(d, lambda a: a + 200)),
        r"code 2\d\d in codebook 0 of 32 entries",
    ),
    "codes of another grid": (lambda m: swapped(m, ".npy", lambda d: codes(d, lambda a: a[1:])), "has shape"),
    "codes of another kind": (lambda m: swapped(m, ".npy", lambda d: codes(d, lambda a: a * 0.5)), r"\.codes\.npy"),
    "codes cut short": (lambda m: swapped(m, ".npy", lambda d: d[:-1]), "bytes of codes"),
    "no codes": (lambda m: swapped(m, ".json", of_json(lambda t: t.pop("codes"))), "has no `codes`"),
}


@pytest.mark.parametrize("case", WRONG_SAMPLES)
def test_a_sample_that_is_wrong_is_named(copy: Path, case: str) -> None:
    change, says = WRONG_SAMPLES[case]
    key = members(image(copy))[0][0].partition(".")[0]
    rewrite(image(copy), change)
    errors = told(copy).errors
    assert any(re.match(rf"shards/{image(copy).name}: {key}\S*: .*{says}", e) for e in errors), errors


def test_a_sample_lost_from_a_shard_misses_in_manifest_ledger_and_records(copy: Path) -> None:
    key = members(image(copy))[0][0].partition(".")[0]
    rewrite(image(copy), lambda m: [(n, d) for n, d in m if not n.startswith(key)])
    text = "\n".join(told(copy).errors)
    assert re.search(r"holds \d+ entries, the manifest says", text)
    assert re.search(rf"ledger.parquet: the ledger does not balance: 1 kept samples missing .*{key}", text)
    assert "manifest.json: samples is" in text


def test_a_sample_in_two_shards(copy: Path) -> None:
    first, second = sorted((copy / "shards").glob("*-image-*.tar"))[:2]
    again = [m for m in members(first) if m[0].partition(".")[0] == members(first)[0][0].partition(".")[0]]
    rewrite(second, lambda m: [*m, *again])
    assert any("duplicate sample ids in the release" in e for e in told(copy).errors)


WRONG_RECORDS: dict[str, tuple[Callable[[Members], Members], str]] = {
    "no record": (lambda m: swapped(m, ".json", lambda d: b"{}"), r"\.json: \w+ Field required"),
    "another key": (lambda m: swapped(m, ".json", of_json(lambda r: r.update(id="0" * 32))), "is of record 0{32}"),
    "another family": (lambda m: swapped(m, ".json", of_json(lambda r: r.update(family="clip"))), "of clip, not of"),
    "a picture too many": (
        lambda m: [m[0], (m[0][0].replace(".json", ".obs9.png"), b""), *m[1:]],
        r"unexpected \.obs9\.png",
    ),
}


@pytest.mark.parametrize("case", WRONG_RECORDS)
def test_a_record_that_is_wrong_is_named(copy: Path, case: str) -> None:
    change, says = WRONG_RECORDS[case]
    key = members(record(copy))[0][0].partition(".")[0]
    rewrite(record(copy), change)
    errors = told(copy).errors
    assert re.match(rf"cot/{record(copy).name}: {key}: .*{says}", errors[0]), errors


def test_a_record_of_a_sample_that_is_not_there(copy: Path) -> None:
    change = of_json(lambda r: r.update(parents=["f" * 32]))
    rewrite(record(copy), lambda m: swapped(m, ".json", change))
    assert any(
        re.match(r"cot: 1 samples that records refer to are in no shard, first f{32}", e) for e in told(copy).errors
    )


def test_a_manifest_that_is_not_of_its_schema(copy: Path) -> None:
    edit(copy, lambda m: m.pop("policy"))
    assert told(copy).errors == ["manifest.json: Object missing required field `policy`"]
    edit(copy, lambda m: m.update(policy={"name": "x", "version": 1, "digest": ""}))
    assert told(copy).errors == ["manifest.json: Expected `str`, got `int` - at `$.policy.version`"]
    edit(copy, lambda m: m.update(policy={"name": "x", "version": "1", "digest": "", "more": 0}))
    flip(image(copy), 3000)
    first, second = told(copy).errors
    assert first == "manifest.json: Object contains unknown field `more` - at `$.policy`"
    assert "checksum mismatch" in second, "the files are checked all the same"


def test_a_manifest_that_the_other_checks_cannot_stand_on(copy: Path) -> None:
    edit(copy, lambda m: m.update(shards=5))
    assert told(copy).errors == ["manifest.json: Expected `array`, got `int` - at `$.shards`"]


def test_a_manifest_that_contradicts_itself(copy: Path) -> None:
    edit(copy, lambda m: m["shards"][0].update(sha256="0" * 64))
    assert any("`files` and its list of shards differ" in e for e in told(copy).errors)
    edit(copy, lambda m: m["files"].pop())
    assert any("is in the list of shards, but not in `files`" in e for e in told(copy).errors)


def test_a_manifest_of_a_newer_schema_is_refused(copy: Path) -> None:
    edit(copy, lambda m: m.update(schema_version="99"))
    done = dataengine("verify", str(copy), ok=False)
    assert done.returncode == 1 and re.search(r"manifest.json: schema_version is 99.*reads 1", done.stderr)


def test_paths_that_lead_out_of_the_release_are_refused(copy: Path) -> None:
    edit(copy, lambda m: m["files"][0].update(path="../../etc/passwd"))
    done = dataengine("verify", str(copy), ok=False)
    assert done.returncode == 1 and "$.files[0].path" in done.stderr and "Traceback" not in done.stderr


def test_of_many_errors_the_first_are_shown(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 2)
    for path in (copy / "shards").glob("*.tar"):
        flip(path, 3000)
    found = told(copy)
    assert len(found.errors) > 2
    assert found.text().count("\n") == 3 and found.text().endswith(f"and {len(found.errors) - 2} more")


def test_over_s3_as_from_a_folder(small: Path, s3: str) -> None:
    store = Store(f"{s3}/rel")
    for path in small.rglob("*"):
        if path.is_file():
            store.put(path.relative_to(small).as_posix(), path.read_bytes())
    far, near = verify(f"{s3}/rel"), told(small)
    assert (far.errors, far.bytes, far.samples, far.records) == ([], near.bytes, near.samples, near.records)
    shard = image(small)
    store.put(f"shards/{shard.name}", shard.read_bytes()[:5000])
    [error] = [e for e in verify(f"{s3}/rel").errors if e.startswith("shards/")]
    assert shard.name in error


@pytest.mark.parametrize("piece", [512, 700, 4096, 100_001])
def test_pieces_of_any_length_tell_the_same(small: Path, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_checks, "_PIECE", piece)
    assert told(small).errors == []


def test_half_a_release_is_refused(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    done = dataengine("verify", str(copy), ok=False)
    assert done.returncode == 2 and "no manifest.json" in done.stderr
    shutil.rmtree(copy)
    assert dataengine("verify", str(copy), ok=False).returncode == 2
