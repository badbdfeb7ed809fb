"""The nine invariants of the design, on the command as a user runs it, with real Ray and real media."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.small_corpus import (
    BAD,
    INPUTS,
    POLICY,
    Setup,
    digests,
    ledger,
    manifest,
    members,
    rows_of,
    stage_lines,
)

from dataengine.contracts import sample_id
from dataengine.shards.sample import FAMILIES

RULES = POLICY["rules"]
LOOSER = {**POLICY, "rules": [RULES[0], {**RULES[1], "keep": "blur >= 1"}]}  # type: ignore[index, dict-item]
BEFORE_FILTER = ("ingest", "dedup", "score")


def test_content_is_identity(base: Setup, tmp_path: Path) -> None:
    """Invariant 1: a sample's id comes from its bytes; names, folders and order tell nothing."""
    moved = tmp_path / "corpus"
    for source in ("photos", "videos", "table", "web"):
        shutil.copytree(Path(base.corpus, source), moved / source)
    names = sorted(p for p in (moved / "photos").rglob("*") if p.suffix in (".jpg", ".png", ".bmp", ".gif"))
    for n, path in enumerate(reversed(names)):
        path.rename(moved / "photos" / f"{n:03d}{path.suffix}")
    shutil.move(moved / "videos" / "street", moved / "photos" / "elsewhere")
    setup = Setup(tmp_path, str(moved), str(tmp_path / "ws")).write()
    setup.run(command="ingest")
    before, after = (rows_of(Path(s.workspace, "samples")) for s in (base, setup))
    assert Counter(before["id"].to_pylist()) == Counter(after["id"].to_pylist())
    assert set(before["uri"].to_pylist()) != set(after["uri"].to_pylist())


def test_the_same_bytes_twice_are_one_sample_with_two_mentions(base: Setup) -> None:
    """Invariant 1, the other half."""
    rows = {(r["source"], r["uri"]): r for r in ledger(base.release)}
    first, second = rows["photos", "animals/cheetah-face.jpg"], rows["photos", "copies/cheetah-face.jpg"]
    data = Path(base.corpus, "photos/animals/cheetah-face.jpg").read_bytes()
    assert first["id"] == second["id"] == sample_id(data)[0]
    assert (first["outcome"], second["outcome"], second["kind"]) == ("kept", "duplicate", "exact")
    told = members(sorted((base.release / "shards").glob("*.tar")))[f"{first['id']}.json"]
    assert b'"mentions":2' in told


def test_the_ledger_balances(base: Setup) -> None:
    """Invariant 2: one row an input, one outcome a row, and the kept are those in the shards."""
    rows = ledger(base.release)
    counts = Counter(r["outcome"] for r in rows)
    assert len(rows) == len({r["input_id"] for r in rows}) == INPUTS == sum(counts.values())
    assert set(counts) == {"kept", "duplicate", "filtered", "failed"}
    assert manifest(base.release)["ledger"]["outcome"] == dict(counts)
    names = members(sorted((base.release / "shards").glob("*.tar")))
    shipped = Counter(n.partition(".")[0] for n in names if n.endswith(".json"))
    assert shipped == Counter(r["id"] for r in rows if r["outcome"] == "kept")


def forge(workspace: Path, path: Path) -> None:
    """Make every commit that names a file believe that it always was as it is now."""
    key, data = path.relative_to(workspace).as_posix(), path.read_bytes()
    now = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "rows": pq.read_metadata(path).num_rows}
    for commit in workspace.glob("stages/**/*.json"):
        told = json.loads(commit.read_bytes())
        outputs = told["parts"].values() if "parts" in told else [told]
        named = [f for out in outputs for f in out["files"].values() if f["key"] == key]
        for file in named:
            file |= now
        if named:
            commit.write_text(json.dumps(told))


@pytest.mark.parametrize(("table", "said"), [("samples", "the ledger has"), ("decisions", "without an outcome")])
def test_a_lost_row_stops_the_release_with_exit_code_3(base: Setup, copy: Setup, table: str, said: str) -> None:
    """Invariant 2: a run that does not balance exits non-zero and publishes nothing."""
    path = max(Path(copy.workspace, table).glob("*.parquet"), key=lambda p: pq.read_metadata(p).num_rows)
    whole = pq.read_table(path)
    pq.write_table(whole.slice(1), path)
    Path(copy.workspace, "stages", "release", "small.json").unlink()
    damaged = copy.run(ok=False)
    assert damaged.returncode == 1 and "was changed or damaged" in damaged.stderr
    forge(Path(copy.workspace), path)
    done = copy.run(ok=False)
    assert done.returncode == 3
    assert re.search(rf"^error: the ledger does not balance.*{said}", done.stderr, re.MULTILINE), done.stderr
    assert digests(copy.release) == digests(base.release)


def test_same_bytes_for_one_worker_elsewhere(base: Setup, tmp_path: Path) -> None:
    """Invariant 3: neither the number of workers nor the place of corpus and workspace shows in a release."""
    shutil.copytree(base.corpus, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    setup = Setup(tmp_path, str(tmp_path / "elsewhere"), str(tmp_path / "ws")).write()
    setup.run("--workers", "1")
    assert digests(setup.release) == digests(base.release)


def test_model_scores_do_not_depend_on_who_ran_beside_whom(base: Setup, tmp_path: Path) -> None:
    """Invariant 3: batches are formed inside a part, so one worker and two give the same floating-point scores."""
    scores = {"score": {"scorers": [{"name": "technical"}, {"name": "conse"}], "device": "cpu"}}
    found = []
    for workers in ("1", "2"):
        folder = tmp_path / workers
        shutil.copytree(base.workspace, folder / "ws")
        setup = Setup(folder, base.corpus, str(folder / "ws"), scores).write()
        made = stage_lines(setup.run("--workers", workers, command="score").stdout)
        assert (made["ingest"], made["score"][0]) == (("up-to-date", 0), "done")
        found.append(digests(folder / "ws" / "annotations"))
    assert any(name.startswith("conse") for name in found[0])
    assert found[0] == found[1]


@pytest.mark.usefixtures("spark")  # whose session the run joins
def test_same_bytes_with_spark(base: Setup, tmp_path: Path) -> None:
    """Invariant 3: both table engines give the same release, byte for byte."""
    setup = Setup(tmp_path, base.corpus, str(tmp_path / "ws")).write()
    made = stage_lines(setup.run("--engine", "spark").stdout)
    assert made["dedup"] == made["filter"] == made["release"] == ("done", 1)
    assert digests(setup.release) == digests(base.release)


def test_a_second_run_makes_nothing_and_starts_nothing(base: Setup) -> None:
    """Invariant 5 and "start-up is felt": every stage up to date, no Ray, torch or Spark imported."""
    before = digests(Path(base.workspace))
    script = "import sys; from dataengine.cli.main import app; app(sys.argv[1:], standalone_mode=False); "
    script += "print(sorted({'ray', 'torch', 'pyspark', 'onnxruntime'} & set(sys.modules)), file=sys.stderr)"
    for command, state in (("run", "up-to-date"), ("status", "done")):
        done = subprocess.run(
            [sys.executable, "-c", script, command, str(base.recipe)], capture_output=True, text=True, check=True
        )
        assert {shown for shown, _ in stage_lines(done.stdout).values()} == {state}
        assert done.stderr.strip().splitlines()[-1] == "[]"
    assert digests(Path(base.workspace)) == before


def test_a_moved_threshold_decodes_nothing_and_going_back_is_free(base: Setup, copy: Setup) -> None:
    """Invariants 5 and 6: filter and what follows, nothing before; and back to the same bytes."""
    copy.write(LOOSER)
    made = stage_lines(copy.run().stdout)
    assert {made[s] for s in BEFORE_FILTER} == {("up-to-date", 0)}
    assert made["filter"] == made["release"] == ("done", 1)
    assert Counter(r["outcome"] for r in ledger(copy.release))["kept"] > manifest(base.release)["samples"]
    copy.write(POLICY)
    made = stage_lines(copy.run().stdout)
    back = {s for s, told in made.items() if told == ("up-to-date", 0)}
    assert back >= {*BEFORE_FILTER, "filter", "tokenize.fit", "tokenize.encode", "shard.assign"}
    assert digests(copy.release) == digests(base.release)


def test_inputs_invalidate_what_depends_on_them(base: Setup, copy: Setup) -> None:
    """Invariant 5: a touched file is read again and changes nothing; a new one touches one ingest part."""
    touched = Path(copy.corpus, "photos", "animals", "quokka.jpg")
    os.utime(touched, ns=(touched.stat().st_atime_ns, touched.stat().st_mtime_ns + 10**9))
    made = stage_lines(copy.run().stdout)
    assert made.pop("ingest") == ("done", 1)
    assert set(made.values()) == {("up-to-date", 0)}
    assert digests(copy.release) == digests(base.release)

    picture = Image.open(touched).transpose(Image.Transpose.TRANSPOSE)
    picture.save(touched.with_name("new.png"))
    made = stage_lines(copy.run().stdout)
    assert made["ingest"] == ("done", 1)
    assert made["score"] == ("done", 1)
    rows = ledger(copy.release)
    assert len(rows) == INPUTS + 1
    assert [r["outcome"] for r in rows if r["uri"] == "animals/new.png"] == ["kept"]


def test_a_bad_input_costs_one_row(base: Setup) -> None:
    """Invariant 7: each planted bad file is one failure row, with a class and a sentence for a person."""
    failed = {(r["source"], r["uri"]): r for r in ledger(base.release) if r["outcome"] == "failed"}
    assert {place: r["failure"] for place, r in failed.items()} == BAD
    for row in failed.values():
        assert row["message"] and "Traceback" not in row["message"] and 'File "' not in row["message"]
        assert base.corpus not in row["message"]


def _endless_gif(path: Path) -> None:
    """Two frames of 9 megapixels, over and over: valid, 9 MB, and minutes to decode."""
    buffer = io.BytesIO()
    frames = [Image.new("L", (3000, 3000), gray) for gray in (0, 255)]
    frames[0].save(buffer, "gif", save_all=True, append_images=frames[1:], optimize=False)
    data = buffer.getvalue()
    start = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    path.write_bytes(data[:start] + data[start:-1] * 500 + data[-1:])


def test_a_decode_that_takes_too_long_costs_one_row_and_not_its_neighbours(base: Setup, tmp_path: Path) -> None:
    """Invariant 7: a valid animation that decodes for minutes is ended after its seconds; others are as they were."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for n, name in enumerate(("animals/quokka.jpg", "animals/kitten.bmp", "animals/cheetah-cub.jpg")):
        shutil.copy(Path(base.corpus, "photos", name), photos / f"{2 * n}{Path(name).suffix}")
    _endless_gif(photos / "1.gif")
    changes = {
        "sources": [{"type": "folder", "name": "photos", "path": str(photos), "buckets": 1}],
        "limits": {"seconds": 10},
    }
    setup = Setup(tmp_path, "", str(tmp_path / "ws"), changes).write()
    setup.run(command="ingest")
    [row] = rows_of(Path(setup.workspace, "failures")).to_pylist()
    assert (row["uri"], row["failure"]) == ("1.gif", "timeout")
    found = rows_of(Path(setup.workspace, "samples")).to_pylist()
    assert {r["uri"]: r["id"] for r in found} == {
        p.name: sample_id(p.read_bytes())[0] for p in photos.iterdir() if p.name != "1.gif"
    }


def test_original_bytes_are_kept(base: Setup) -> None:
    """Invariant 8: the media members are the source files, byte for byte."""
    sources = {sample_id(p.read_bytes())[0]: p.read_bytes() for p in Path(base.corpus).rglob("*") if p.is_file()}
    with tarfile.open(Path(base.corpus, "web", "00000.tar")) as tar:
        for member in tar:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
            sources[sample_id(data)[0]] = data
    media = {
        n: data
        for n, data in members(sorted((base.release / "shards").glob("*.tar"))).items()
        if n.partition(".")[2] in FAMILIES.values()
    }
    assert len(media) == manifest(base.release)["samples"]
    assert all(data == sources[n.partition(".")[0]] for n, data in media.items())


def test_a_release_tells_nothing_of_where_and_when(base: Setup) -> None:
    """Invariant 3: no path, host, user or time in any published file."""
    secrets = [str(base.folder), base.corpus, str(Path.home()), time.strftime("%Y-%m-%d")]
    words = [w for w in (socket.gethostname(), getpass.getuser()) if len(w) > 3]
    for path in base.release.rglob("*"):
        if path.is_file():
            data = path.read_bytes().replace(b'"rootElement"', b"")  # SPDX's word, though root may be the user
            assert [s for s in (*secrets, *words) if s.encode() in data] == [], path
    tars = list(base.release.rglob("*.tar"))
    assert len(tars) >= 4
    for path in tars:
        with tarfile.open(path) as tar:
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, 0, "", "")}
