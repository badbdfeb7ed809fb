"""Addresses of started replicas in the workspace: one object each, written by who runs it, read by every client."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from dataengine.errors import InputError
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json
from dataengine.text.bounded_json import parse_json


class State(StrEnum):
    """Of a replica."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Address:
    """Where a replica answers, and how it is. ``message``: why it failed."""

    url: str
    state: State
    message: str = ""


def write(store: Store, place: str, number: int, address: Address) -> None:
    """Publish the address of replica ``number``."""
    store.put(_key(place, number), canonical_json(asdict(address)))


def read(store: Store, place: str, replicas: int) -> dict[int, Address]:
    """Addresses of those replicas that have one."""
    addresses = {}
    for number in range(replicas):
        try:
            fields = parse_json(store.get(_key(place, number)))
            addresses[number] = Address(fields["url"], State(fields["state"]), fields["message"])
        except (FileNotFoundError, InputError, ValueError, LookupError, TypeError):
            continue
    return addresses


def forget(store: Store, place: str, replicas: int) -> None:
    """Delete the addresses of an earlier run."""
    store.delete([_key(place, number) for number in range(replicas)])


def _key(place: str, number: int) -> str:
    return f"{place}/{number}.json"
