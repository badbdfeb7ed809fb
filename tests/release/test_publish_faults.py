"""Publishing over a network with faults, and of large files in parts: nothing half-written, the key named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import boto3
import pytest
from support.command import dataengine
from support.faulty_proxy import Fault, FaultyProxy
from support.spoil import manifest
from support.targets import at, contents

from dataengine.errors import RunError
from dataengine.release import publish as module
from dataengine.release.publish import CLAIM, MANIFEST, publish
from dataengine.storage import multipart
from dataengine.storage.store import Store
from dataengine.verify.verify import verify


def test_wrong_credentials_and_a_missing_bucket_are_named(
    small: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = dataengine("publish", str(small), "s3://no-such-bucket/x", ok=False)
    assert done.returncode == 1 and "no-such-bucket" in done.stderr and "NoSuchBucket" in done.stderr
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    done = dataengine("publish", str(small), f"{s3}/x", ok=False)
    assert done.returncode == 1 and "AWS_SECRET_ACCESS_KEY" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", [500, 503, "lost_answer", "truncated", "reset"])
def test_faults_that_pass_are_passed_over(small: Path, target: str, proxy: FaultyProxy, kind: int | str) -> None:
    for key in (CLAIM, "shards/", MANIFEST):
        proxy.faults.append(Fault(kind, "PUT", key))
    proxy.faults.append(Fault(kind, "GET", "list-type"))
    assert publish(str(small), target).already is False
    assert at(target) == contents(small)
    assert all(f.times == 0 for f in proxy.faults)


@pytest.mark.parametrize("kind", [403, 503, "lost_answer"])
def test_faults_that_stay_leave_no_manifest_and_name_the_key(
    small: Path, target: str, proxy: FaultyProxy, kind: int | str
) -> None:
    proxy.faults.append(Fault(kind, "PUT", r"shards/train-image-00000", times=10**6))
    proxy.faults.append(Fault(404, "HEAD", r"shards/train-image-00000", times=10**6 if kind == "lost_answer" else 0))
    with pytest.raises(RunError, match=r"shards/train-image-00000\.tar"):
        publish(str(small), target)
    proxy.faults.clear()
    assert MANIFEST not in at(target)
    assert publish(str(small), target).already is False and at(target) == contents(small)


def test_bytes_changed_on_the_way_are_found_by_reading_back_or_by_verify(
    small: Path, target: str, proxy: FaultyProxy
) -> None:
    """moto checks neither the signature nor the checksum of what it gets; AWS and MinIO refuse such a request."""
    proxy.faults.append(Fault("corrupted_upload", "PUT", "shards/train-image-00000"))
    with pytest.raises(RunError, match=r"shards/train-image-00000\.tar exists with other bytes"):
        publish(str(small), target, read_back=True)
    assert MANIFEST not in at(target)
    mirror = target.replace("small", "mirror")
    proxy.faults.append(Fault("corrupted_upload", "PUT", "shards/train-image-00000"))
    publish(str(small), mirror)
    assert any(e.startswith("shards/train-image-00000.tar: checksum mismatch") for e in verify(mirror).errors)


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path) -> Path:
    """A release with a file of 12 MiB, which is sent in two parts."""
    monkeypatch.setattr(module, "_LARGE", 1 << 20)
    monkeypatch.setattr(multipart, "PART", 5 << 20)
    from support.spoil import relist

    folder = Path(shutil.copytree(small, tmp_path / "large"))
    (folder / "README.md").write_bytes(os.urandom(12 << 20))
    relist(folder / "README.md")
    return folder


def test_large_files_are_created_in_parts(in_parts: Path, target: str, proxy: FaultyProxy) -> None:
    proxy.faults += [Fault(503, "PUT", "partNumber=2"), Fault("lost_answer", "PUT", "partNumber=1")]
    publish(str(in_parts), target)
    assert at(target) == contents(in_parts)
    assert proxy.count("PUT", "README.md.*partNumber") == 4
    assert Store(target).recorded("README.md") == next(
        f["sha256"] for f in manifest(in_parts)["files"] if f["path"] == "README.md"
    )


def test_large_files_are_not_overwritten_and_leave_no_parts(in_parts: Path, target: str, moto: str) -> None:
    data = (in_parts / "README.md").read_bytes()
    store = Store(target)
    store.put("README.md", b"another")
    sha256 = next(f["sha256"] for f in manifest(in_parts)["files"] if f["path"] == "README.md")
    assert multipart.create_large(store, "README.md", [data], len(data), sha256) is False
    assert store.get("README.md") == b"another"
    with pytest.raises(RunError, match="checksum mismatch uploading"):
        multipart.create_large(store, "new", [data[:-1], b"?"], len(data), sha256)
    assert not store.exists("new")
    found = boto3.client("s3", endpoint_url=moto).list_multipart_uploads(Bucket=target.split("/")[2])
    assert found.get("Uploads", []) == []


def test_large_files_into_a_folder(in_parts: Path, tmp_path: Path) -> None:
    publish(str(in_parts), str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(in_parts)
    data = (in_parts / "README.md").read_bytes()
    sha256 = next(f["sha256"] for f in manifest(in_parts)["files"] if f["path"] == "README.md")
    assert multipart.create_large(Store(tmp_path / "out"), "README.md", [data], len(data), sha256) is False


def test_a_refused_part_names_the_key(in_parts: Path, target: str, proxy: FaultyProxy) -> None:
    proxy.faults.append(Fault(403, "PUT", "partNumber=2"))
    with pytest.raises(RunError, match=r"(?s)README\.md: 403 AccessDenied.*AWS_ACCESS_KEY_ID"):
        publish(str(in_parts), target)
