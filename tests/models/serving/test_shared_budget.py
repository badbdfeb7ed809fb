"""Budgets that hold for all workers and runs of a recipe together: in any order, after a kill, and with another limit."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_many_requests import complete, echo, failures, server

from dataengine.models.serving.completion import Failure
from dataengine.models.serving.shared_budget import Amount, SharedBudget
from dataengine.storage.store import Store
from dataengine.testing import ChatServer

__all__ = ["server"]
EACH = 12  # tokens of one of the server's answers


def budget(folder: Path, tokens: float, money: float = math.inf) -> SharedBudget:
    return SharedBudget(Store(folder), "spending/r/s", Amount(tokens, money))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(0, 80)), max_size=30))
def test_never_more_than_the_limit_is_taken(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    clients = [budget(folder, 200) for _ in range(4)]
    held = [0.0] * 4
    for who, need, wish in steps:
        if need == 40:
            clients[who].give_back(Amount(held[who] / 2, 0.0))
            held[who] /= 2  # spent: taken for ever
            continue
        grant = clients[who].take(Amount(need, 0.0), Amount(wish, 0.0))
        if grant is None:
            assert sum(held) + need > 200 - 1e-6
        else:
            assert need <= grant.tokens <= max(need, wish)
            held[who] += grant.tokens
        assert sum(held) <= 200 + 1e-6


def test_two_that_append_at_once_do_not_take_the_same(tmp_path: Path) -> None:
    grants: list[Amount | None] = []

    def take() -> None:
        client = budget(tmp_path, 100)
        grants.extend(client.take(Amount(7, 0.0), Amount(7, 0.0)) for _ in range(10))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(grant is not None for grant in grants) == 14 and len(grants) == 40


def test_runs_share_a_budget_and_a_larger_one_goes_on(server: ChatServer, tmp_path: Path) -> None:
    server.reply = echo
    store = Store(tmp_path)
    assert failures(complete(server, count=10, store=store, budget_tokens=1000)) == []
    last = max(store.list("spending"), key=lambda entry: entry.key)
    assert json.loads(store.get(last.key))["tokens"] == 10 * EACH, "what was not spent was given back"
    for _ in range(2):  # a resumed run has no budget of its own
        kinds = failures(complete(server, count=300, store=store, budget_tokens=1000, concurrency=2))
        assert kinds and set(kinds) == {Failure.BUDGET}
    assert 1000 - 50 < server.requests * EACH <= 1000
    assert failures(complete(server, count=90, store=store, budget_tokens=2000)) == []


def test_workers_at_once_share_a_budget(server: ChatServer, tmp_path: Path) -> None:
    server.reply = echo
    lost: list[Any] = []

    def worker(first: int) -> None:
        lost.extend(
            failures(complete(server, count=120, store=Store(tmp_path), model="m", budget_tokens=2000, first=first))
        )

    threads = [threading.Thread(target=worker, args=(1000 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(lost) == {Failure.BUDGET} and 1700 < server.requests * EACH <= 2000


def test_what_a_killed_client_had_taken_counts_as_spent(tmp_path: Path) -> None:
    killed, other = budget(tmp_path, 320), budget(tmp_path, 320)
    assert killed.take(Amount(10, 0), Amount(100, 0)) == Amount(20, 0), "a sixteenth of what is left"
    assert other.take(Amount(301, 0), Amount(0, 0)) is None
    assert other.take(Amount(300, 0), Amount(0, 0)) == Amount(300, 0)
    other.give_back(Amount(-5, 0))
    assert budget(tmp_path, 320).take(Amount(1, 0), Amount(0, 0)) is None


def test_money_is_shared_as_tokens_are(server: ChatServer, tmp_path: Path) -> None:
    server.reply = echo
    options: dict[str, Any] = {"budget": 0.001, "prices": (1.0, 1.0), "store": Store(tmp_path), "concurrency": 1}
    assert failures(complete(server, count=40, **options)) == []
    assert set(failures(complete(server, count=300, **options))) == {Failure.BUDGET}
    assert 0.00095 < server.requests * EACH / 1e6 <= 0.001
