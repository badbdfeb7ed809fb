"""A budget of tokens and money that all workers of a recipe share, over all its runs on a workspace.

It is a log in the store, ``PLACE/NUMBER.json``: an entry says how much is taken in all, spent or not, and how many clients are
open. A client appends the next number, created only if absent, to take more or to give back what it has not spent, so nobody
needs a lock, and two that read the same entry cannot both append. What a killed client had taken counts as spent.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import NamedTuple

from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json

_SHARE = 16
"""All clients together hold a share of one in so many of what is left, at most, beyond what they need at once."""


class Amount(NamedTuple):
    """Of tokens, prompts and completions together, and of money."""

    tokens: float
    money: float

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        return Amount(self.tokens + sign * other.tokens, self.money + sign * other.money)


NOTHING = Amount(0.0, 0.0)


@dataclass(frozen=True)
class _Entry:
    number: int
    taken: Amount
    clients: int


@dataclass
class SharedBudget:
    """``limit``: infinite where there is none of the kind. Every call reads the store."""

    store: Store
    place: str
    limit: Amount
    taken: Amount = NOTHING
    """By all clients, when the log was read last."""
    _opened: bool = False

    def take(self, need: Amount, wish: Amount) -> Amount | None:
        """Take ``need``, or more up to ``wish`` where much is left; None where ``need`` is not left."""
        while True:
            last = self._last()
            left = self.limit.plus(last.taken, -1)
            if need.tokens > left.tokens or need.money > left.money:
                return None
            clients = last.clients + (not self._opened)
            grant = Amount(
                *(max(n, min(w, rest / (_SHARE * clients))) for n, w, rest in zip(need, wish, left, strict=True))
            )
            if self._append(last, grant, clients):
                self._opened = True
                return grant

    def give_back(self, unspent: Amount) -> None:
        """What was taken and not spent, at the end of a client; negative where it has spent more."""
        while self._opened:
            last = self._last()
            self._opened = not self._append(last, NOTHING.plus(unspent, -1), last.clients - 1)

    def _last(self) -> _Entry:
        keys = [entry.key for entry in self.store.list(self.place)]
        if not keys:
            return _Entry(0, NOTHING, 0)
        fields = json.loads(self.store.get(max(keys)))
        number = int(max(keys).rpartition("/")[2].removesuffix(".json"))
        self.taken = Amount(fields["tokens"], fields["money"])
        return _Entry(number, self.taken, fields["clients"])

    def _append(self, last: _Entry, more: Amount, clients: int) -> bool:
        total = last.taken.plus(more)
        by = uuid.uuid4().hex  # no two clients write equal bytes, by which the store tells whose attempt it was
        fields = {"tokens": round(total.tokens, 3), "money": round(total.money, 9), "clients": clients, "by": by}
        created = self.store.create(f"{self.place}/{last.number + 1:08d}.json", canonical_json(fields))
        if created:
            self.taken = total
        return created
