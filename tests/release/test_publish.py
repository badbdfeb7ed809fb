"""``dataengine publish``: whole or not at all, nothing overwritten, one winner; on servers that enforce conditions and not."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from support.command import COMMAND, dataengine
from support.faulty_proxy import Fault, FaultyProxy
from support.small_release import NAME, recipe
from support.spoil import edit, manifest, relist
from support.targets import at, contents

from dataengine.errors import RunError
from dataengine.release.publish import CLAIM, MANIFEST, publish
from dataengine.storage.store import Store
from dataengine.verify.verify import verify


@pytest.fixture
def other(small: Path, tmp_path: Path) -> Path:
    """A release of the same files with another manifest and another card."""
    folder = Path(shutil.copytree(small, tmp_path / "other"))
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nAnother.\n")
    relist(folder / "README.md")
    edit(folder, lambda m: m.update(title="Another"))
    return folder


def test_all_files_arrive_and_the_manifest_comes_last(small: Path, target: str, proxy: FaultyProxy) -> None:
    told = publish(str(small), target)
    assert at(target) == contents(small)
    assert (told.files, told.sent, told.already) == (len(contents(small)), len(contents(small)) - 1, False)
    assert told.bytes == sum(map(len, contents(small).values()))
    puts = [path.rpartition("/small/")[2] for method, path, _ in proxy.seen if method == "PUT"]
    assert puts[0] == CLAIM and puts[-1] == MANIFEST and puts.count(MANIFEST) == 1
    assert verify(target).errors == []


def test_the_command_says_where_it_is_and_a_second_time_sends_nothing(small: Path, target: str) -> None:
    done = dataengine("publish", str(small), target)
    assert re.search(r"published\s+files +\d+", done.stdout) and done.stdout.endswith(f"{target}/\n")
    before = at(target)
    done = dataengine("publish", str(small), target)
    assert "already published" in done.stdout and re.search(r"files sent +0", done.stdout)
    assert at(target) == before


def test_from_s3_to_s3_and_back_to_a_folder(small: Path, target: str, tmp_path: Path) -> None:
    publish(str(small), target)
    publish(target, target.replace("small", "mirror"))
    publish(target.replace("small", "mirror"), str(tmp_path / "back"))
    assert contents(tmp_path / "back") == contents(small)
    with pytest.raises(RunError, match=r"manifest\.json: another release"):
        publish(_changed(small, tmp_path / "changed"), str(tmp_path / "back"))


def _changed(release: Path, to: Path) -> str:
    shutil.copytree(release, to)
    edit(to, lambda m: m.update(title="Changed"))
    return str(to)


def test_another_release_never_replaces_one(small: Path, other: Path, target: str) -> None:
    publish(str(small), target)
    done = dataengine("publish", str(other), target, ok=False)
    assert done.returncode == 1
    assert f"{target}/manifest.json: another release is published here" in done.stderr
    assert at(target) == contents(small)


@pytest.mark.parametrize("rounds", range(3))
def test_of_two_racing_publishers_of_different_releases_one_wins(
    small: Path, other: Path, target: str, rounds: int
) -> None:
    racing = [
        subprocess.Popen(
            [COMMAND, "publish", str(r), target], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for r in (small, other)
    ]
    ended = [(p.communicate(timeout=600), p.returncode) for p in racing]
    codes = [code for _, code in ended]
    assert sorted(codes) == [0, 1], ended
    won = (small, other)[codes.index(0)]
    assert at(target) == contents(won), "nothing of the loser is there"
    [said] = [err for (_, err), code in ended if code == 1]
    assert f"{target}/manifest.json: another" in said and "Traceback" not in said


def test_of_two_racing_publishers_of_the_same_release_both_are_content(small: Path, target: str) -> None:
    racing = [subprocess.Popen([COMMAND, "publish", str(small), target], stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [p.wait(600) for p in racing] == [0, 0]
    assert at(target) == contents(small)


def test_a_killed_publisher_leaves_no_release_and_is_gone_on_with(
    small: Path, target: str, proxy: FaultyProxy, other: Path
) -> None:
    proxy.faults.append(Fault("slow", "PUT", r"cot/", times=10**6, seconds=600))
    killed = subprocess.Popen([COMMAND, "publish", str(small), target], stdout=subprocess.DEVNULL)
    there: set[str] = set()
    for _ in range(3000):
        there = {e.key for e in Store(target).list()}
        if len([k for k in there if k.startswith("shards/")]) == len(list((small / "shards").iterdir())):
            break
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert MANIFEST not in there and CLAIM in there
    assert dataengine("verify", target, ok=False).returncode == 2, "no reader takes it for a release"
    proxy.faults.clear()
    with pytest.raises(RunError, match=r"manifest\.json: another release is being published here .*\.publishing\.json"):
        publish(str(other), target)
    proxy.seen.clear()
    told = publish(str(small), target)
    assert told.sent <= len(manifest(small)["files"]) - len(list((small / "shards").iterdir()))
    assert proxy.count("PUT", "shards/") == 0, "what was there is not sent again"
    assert at(target) == contents(small)


def test_what_is_there_is_compared_by_its_recorded_digest_or_else_read(
    small: Path, target: str, proxy: FaultyProxy
) -> None:
    publish(str(small), target)
    Store(target).delete([MANIFEST])
    name = min(p.name for p in (small / "shards").iterdir())
    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).put_object(
        Bucket=target.split("/")[2], Key=f"team/small/shards/{name}", Body=(small / "shards" / name).read_bytes()
    )  # as another tool would have copied it: no digest is recorded
    proxy.seen.clear()
    assert publish(str(small), target).sent == 0
    read = {path.rpartition("/")[2] for method, path, _ in proxy.seen if method == "GET" and path.endswith(".tar")}
    assert read == {name}


@pytest.mark.parametrize("recorded", [True, False])
def test_another_object_in_the_place_of_a_shard_stays_and_stops_it(small: Path, target: str, recorded: bool) -> None:
    shard = min((small / "shards").iterdir())
    data = bytes(shard.stat().st_size)
    Store(target).create(f"shards/{shard.name}", data, "0" * 64 if recorded else "")
    with pytest.raises(RunError, match=rf"shards/{shard.name} exists with other bytes"):
        publish(str(small), target)
    assert at(target)[f"shards/{shard.name}"] == data and MANIFEST not in at(target)


def test_strangers_below_the_target_stop_it_before_anything_is_written(small: Path, target: str) -> None:
    Store(target).put("shards/train-image-99999.tar", b"old")
    with pytest.raises(RunError, match=r"shards/train-image-99999\.tar is not a file of this release"):
        publish(str(small), target)
    assert at(target).keys() == {"shards/train-image-99999.tar"}


def test_a_server_that_ignores_conditions_is_refused_unless_told_so(small: Path, s3: str) -> None:
    target = f"{s3}/small"
    done = dataengine("publish", str(small), target, ok=False)
    assert done.returncode == 1 and "ignores If-None-Match" in done.stderr and "--unconditional" in done.stderr
    assert at(target) == {}
    dataengine("publish", str(small), target, "--unconditional")
    assert at(target) == contents(small)


BAD = {
    "a shard is gone": (
        lambda r: min((r / "shards").iterdir()).unlink(),
        r"shards/.* is in the manifest, but does not exist",
    ),
    "a shard is longer": (
        lambda r: min((r / "shards").iterdir()).open("ab").write(b"x"),
        "has .* bytes, the manifest says",
    ),
    "a shard is another": (
        lambda r: min((r / "shards").iterdir()).write_bytes(bytes(min((r / "shards").iterdir()).stat().st_size)),
        r"checksum mismatch reading \S+shards/.*: got \w+, expected",
    ),
    "no manifest": (lambda r: (r / "manifest.json").unlink(), "no manifest.json"),
    "a newer manifest": (
        lambda r: edit(r, lambda m: m.update(schema_version="2")),
        "manifest.json: schema_version is 2",
    ),
    "a path that leads out": (lambda r: edit(r, lambda m: m["files"][0].update(path="../x")), r"\$\.files\[0\]\.path"),
    "no list of files": (lambda r: edit(r, lambda m: m.pop("files")), "missing required field `files`"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_release_that_is_not_whole_is_not_published(copy: Path, target: str, case: str) -> None:
    spoil, says = BAD[case]
    spoil(copy)
    done = dataengine("publish", str(copy), target, ok=False)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert re.search(says, done.stderr), done.stderr
    assert MANIFEST not in at(target)


def test_a_recipe_publishes_at_its_end_and_not_twice(workspace: Path, target: str, tmp_path: Path) -> None:
    shutil.copytree(workspace.parent, tmp_path, dirs_exist_ok=True)
    workspace = tmp_path / "ws"
    release = {"title": "Small", "license": "cc0-1.0", "description": "Made to test.", "publish": target}
    path = str(recipe(tmp_path, str(workspace), release=release))
    done = dataengine("run", path)
    assert re.search(r"release\.publish +done", done.stdout) and f"published  {target}/" in done.stdout
    assert at(target) == contents(workspace / "releases" / NAME)
    done = dataengine("run", path)
    assert re.search(r"release +up to date", done.stdout) and re.search(r"release\.publish +up to date", done.stdout)
