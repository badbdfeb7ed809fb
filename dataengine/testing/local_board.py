"""The board on which processes that train together meet, in one process."""

from __future__ import annotations

import threading


class LocalBoard:
    """``stage.Board`` in memory; a manager can serve it to other processes."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.lock = threading.Lock()

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def add(self, key: str, amount: int) -> int:
        with self.lock:
            total = int(self.values.get(key, b"0")) + amount
            self.values[key] = str(total).encode()
        return total

    def remove(self, key: str) -> bool:
        return self.values.pop(key, None) is not None
