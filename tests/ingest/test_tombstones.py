"""Tombstones of a workspace: what is on the list is a failure ``taken_down`` of every later ingest, and spends no error
budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.config.recipe import HashListConfig
from dataengine.contracts import sample_id
from dataengine.errors import InputError, UsageError
from dataengine.ingest import hash_lists, tombstones
from dataengine.ingest.hash_lists import TAKEN_DOWN_HEAD
from dataengine.storage.store import Store

DATA = b"some bytes"
ID, SHA256 = sample_id(DATA)


def test_the_list_grows_and_holds_each_hash_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert tombstones.lines(store) == [] and not tombstones.of_workspace(store).lists
    assert tombstones.add(store, tombstones.LIST, [f"id:{ID}", "0" * 16]) == 2
    assert tombstones.add(store, tombstones.LIST, [SHA256, "0" * 16]) == 1, "the whole digest replaces its head"
    assert tombstones.add(store, tombstones.LIST, [f"id:{ID}"]) == 0
    assert tombstones.lines(store) == sorted([SHA256, "0" * 16])
    assert store.get(tombstones.LIST).decode().splitlines()[0] == TAKEN_DOWN_HEAD


@pytest.mark.parametrize("line", [SHA256, f"id:{ID}"])
def test_what_is_on_it_was_taken_down(tmp_path: Path, line: str) -> None:
    """By the workspace's own list as by one that a recipe names."""
    store = Store(tmp_path)
    tombstones.add(store, tombstones.LIST, [line])
    named = hash_lists.load([HashListConfig(path=str(tmp_path / tombstones.LIST))])
    for lists in (tombstones.of_workspace(store), named):
        lists.check_bytes(b"others")
        with pytest.raises(InputError) as refused:
            lists.check_bytes(DATA)
        assert refused.value.failure == "taken_down" and "known_bad.txt" in refused.value.message


@pytest.mark.parametrize("text", ["", "# some list\n", f"{SHA256}\n"])
def test_a_list_that_is_none_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.put("list.txt", text.encode())
    with pytest.raises(UsageError, match="no list of tombstones"):
        tombstones.add(store, "list.txt", [SHA256])
    assert store.get("list.txt").decode() == text


def test_a_head_of_another_length_is_no_id(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 2"):
        hash_lists.parsed(HashListConfig(path="l"), f"{SHA256}\nid:{ID[1:]}\n".encode())
