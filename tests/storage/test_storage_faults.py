"""What becomes of each fault of network and server: the table in docs/s3.md, held against a real server behind a proxy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faulty_proxy import Fault, FaultyProxy, faulty

from dataengine.errors import RunError
from dataengine.storage.store import Store

DATA = bytes(range(256)) * 3000
SHA256 = hashlib.sha256(DATA).hexdigest()
PASSING = (500, 503, "reset", "truncated", "lost_answer", "slow")
ATTEMPTS = 4


@pytest.fixture
def proxy(nanio: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty(nanio) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(ATTEMPTS))
        Store(s3).put("dir/file", DATA)
        proxy.seen.clear()
        yield proxy


@pytest.fixture
def store(proxy: FaultyProxy, s3: str) -> Store:
    return Store(s3)


READS: dict[str, Callable[[Store], bool]] = {
    "get": lambda s: s.get("dir/file") == DATA,
    "get_range": lambda s: s.get_range("dir/file", 1000, 400_000) == DATA[1000:401_000],
    "get_ranges": lambda s: s.get_ranges("dir/file", [5, 100], [5, 90_000]) == [DATA[5:10], DATA[100:90_100]],
    "stream": lambda s: b"".join(s.stream("dir/file", len(DATA))) == DATA,
    "list": lambda s: [e.key for e in s.list("dir")] == ["dir/file"],
}
WRITES: dict[str, Callable[[Store], object]] = {
    "put": lambda s: s.put("dir/new", DATA) == SHA256,
    "create": lambda s: s.create("dir/new", DATA, SHA256),
}


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("read", READS)
def test_what_passes_is_read_again(proxy: FaultyProxy, store: Store, read: str, kind: int | str) -> None:
    proxy.faults.append(Fault(kind, times=2, seconds=0.3))
    assert READS[read](store)
    assert kind == "slow" or len(proxy.seen) >= 3


@pytest.mark.parametrize("kind", PASSING)
def test_an_object_that_is_missing_is_missing_through_faults(proxy: FaultyProxy, store: Store, kind: int | str) -> None:
    """Also where the server's answer that it is missing breaks."""
    proxy.faults.append(Fault(kind, times=2, seconds=0.3))
    with pytest.raises(FileNotFoundError):
        store.get("dir/none")
    proxy.faults.append(Fault(kind, "HEAD", times=2, seconds=0.3))
    assert store.head("dir/none") is None


@pytest.mark.parametrize("kind", PASSING)
@pytest.mark.parametrize("write", WRITES)
def test_what_passes_is_written_again(proxy: FaultyProxy, store: Store, write: str, kind: int | str) -> None:
    proxy.faults.append(Fault(kind, "PUT", times=2, seconds=0.3))
    assert WRITES[write](store)
    assert store.get("dir/new", SHA256) == DATA


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (500, "500 InternalError.*tried 4 times.*rerun later"),
        (503, "503 SlowDown.*tried 4 times.*request rate"),
        ("reset", "response body"),
        ("truncated", "response body"),
        ("lost_answer", "tried 4 times.*AWS_ENDPOINT_URL"),
    ],
)
@pytest.mark.parametrize("read", READS)
def test_what_does_not_pass_is_reported_with_the_key(
    proxy: FaultyProxy, store: Store, read: str, kind: int | str, says: str
) -> None:
    proxy.faults.append(Fault(kind, times=10**6))
    with pytest.raises(RunError) as caught:
        READS[read](store)
    key = "dir" if read == "list" else "dir/file"
    assert str(caught.value).startswith(f"{store.url}/{key}: ")
    assert re.search(says, str(caught.value), re.DOTALL), caught.value
    assert len(proxy.seen) == ATTEMPTS


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_refusal_is_not_tried_again(proxy: FaultyProxy, store: Store, call: str) -> None:
    proxy.faults.append(Fault(403, "PUT" if call in WRITES else "GET", times=10**6))
    with pytest.raises(RunError, match=r"(?s)/dir.*403 AccessDenied.*AWS_ACCESS_KEY_ID"):
        (READS | WRITES)[call](store)
    assert len(proxy.seen) == 1


def test_404_is_the_missing_object_for_a_read_and_an_error_for_a_write(proxy: FaultyProxy, store: Store) -> None:
    proxy.faults.append(Fault(404))
    with pytest.raises(FileNotFoundError, match="dir/file"):
        store.get("dir/file")
    proxy.faults.append(Fault(404, "PUT"))
    with pytest.raises(RunError, match=r"dir/new: 404 NoSuchKey"):
        store.put("dir/new", DATA)


def test_damaged_bytes_are_read_again_where_their_digest_is_known(proxy: FaultyProxy, store: Store) -> None:
    proxy.faults.append(Fault("corrupted", times=2))
    assert store.get("dir/file", SHA256) == DATA
    proxy.faults.append(Fault("corrupted", times=3))
    with pytest.raises(
        RunError, match=rf"checksum mismatch reading \S+dir/file: got \w+, expected {SHA256} \(3 reads\)"
    ):
        store.get("dir/file", SHA256)


def test_a_creator_whose_answer_was_lost_knows_its_own_bytes(proxy: FaultyProxy, moto: str) -> None:
    """Only a server that enforces If-None-Match can show it: the second attempt meets the first one's object."""
    proxy.upstream = moto
    import boto3

    boto3.client("s3", endpoint_url=moto).create_bucket(Bucket="lost-answers")
    store = Store("s3://lost-answers")
    proxy.faults.append(Fault("lost_answer", "PUT"))
    assert store.create("mine", b"1") is True
    assert store.create("mine", b"1") is False
    proxy.faults.append(Fault("lost_answer", "PUT"))
    assert store.create("mine", b"2") is False


def test_large_files_survive_lost_parts(proxy: FaultyProxy, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(DATA * 20)
    proxy.faults += [Fault(503, "PUT", "partNumber=2"), Fault("lost_answer", "PUT", "partNumber=1")]
    assert store.put("large", path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.get("large") == path.read_bytes()
    assert [f.times for f in proxy.faults] == [0, 0]
