from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataengine.errors import RunError, UsageError
from dataengine.storage.store import Store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store(tmp_path / "store")
    return Store(request.getfixturevalue("s3") + "/pre/fix")


def test_objects_come_back_whole_and_in_ranges(store: Store) -> None:
    data = bytes(range(256)) * 1000
    store.put("a/b.bin", data)
    assert store.get("a/b.bin") == data
    assert store.get_range("a/b.bin", 300, 17) == data[300:317]
    assert store.get_ranges("a/b.bin", [0, 1000, 5], [3, 10, 1]) == [data[:3], data[1000:1010], data[5:6]]
    entry = store.head("a/b.bin")
    assert entry is not None and entry.size == len(data)


def test_a_file_is_put_as_it_is(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * (12 << 20))
    store.put("big", path)
    assert store.get("big") == path.read_bytes()


def test_a_new_file_appears_whole_or_not_at_all(store: Store) -> None:
    with store.new_file() as path:
        path.write_bytes(b"x" * (12 << 20))
        assert list(store.list()) == [] and not store.exists("a/big")
        store.move(path, "a/big", "known")
    assert store.get("a/big") == b"x" * (12 << 20) and [e.key for e in store.list()] == ["a/big"]
    with pytest.raises(ZeroDivisionError), store.new_file() as path:
        path.write_bytes(b"half")
        raise ZeroDivisionError
    assert not path.exists() and [e.key for e in store.list()] == ["a/big"]


def test_listing_is_ordered_and_below_the_prefix(store: Store) -> None:
    for key in ("p/2", "p/1/z", "p/10", "q/1"):
        store.put(key, b"1")
    assert [e.key for e in store.list("p")] == ["p/1/z", "p/10", "p/2"]
    assert list(store.list("nothing")) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://me:hidden@bucket/ws", "s3://bucket/ws: write s3://bucket/prefix alone"),
        ("s3://me:hid/den@bucket/ws", "s3://bucket/ws: write s3://bucket/prefix alone"),
        ("s3://server:9000/ws", "s3://server:9000/ws: write s3://bucket/prefix alone"),
        ("s3:///ws", "names no bucket"),
        ("gs://me:hidden@bucket/ws", "gs://bucket/ws: gs:// is not supported"),
    ],
)
def test_a_place_that_is_none_is_named_without_its_password(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        Store(url).exists("a")
    assert "hid" not in str(raised.value)


def test_what_is_not_there(store: Store) -> None:
    assert store.head("none") is None
    store.delete(["none"])
    with pytest.raises(FileNotFoundError, match="none"):
        store.get("none")


def test_a_store_pickles_as_its_url(store: Store) -> None:
    store.put("k", b"v")
    assert pickle.loads(pickle.dumps(store)).get("k") == b"v"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_of_many_creators_one_wins(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store = Store(tmp_path if kind == "folder" else request.getfixturevalue("s3_conditional"))
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.create("one", b"%d" % n), range(16)))
    assert won.count(True) == 1
    assert store.get("one") == b"%d" % won.index(True)


def test_wrong_credentials_name_the_object_and_the_variables(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(RunError, match=r"(?s)some/key.*AWS_SECRET_ACCESS_KEY"):
        Store(s3).put("some/key", b"x")


def test_other_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match="s3://"):
        Store("ftp://host/x").get("k")


def test_reading_makes_no_folders(tmp_path: Path) -> None:
    store = Store(tmp_path / "none" / "here")
    assert list(store.list()) == [] and store.head("x") is None and not store.exists("x/y")
    for read in (store.get, lambda key: store.get_range(key, 0, 1)):
        with pytest.raises(FileNotFoundError):
            read("x")
    store.delete(["x"])
    assert not (tmp_path / "none").exists()
    store.put("x/y", b"1")
    assert store.get("x/y") == b"1"
