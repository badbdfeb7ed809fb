"""Lists of known-bad files by MD5, SHA-256 or perceptual hash: what matches is a failure, and none of its bytes are stored."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataengine.config.recipe import HashListConfig
from dataengine.errors import InputError, UsageError
from dataengine.ingest.reading import opened
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.text.cleaning import decode_text

Words = npt.NDArray[np.uint64]

#: Kinds by their number of hex digits.
_KINDS = {32: "MD5", 64: "SHA-256", 16: "perceptual hash"}
_HASH = re.compile(r"[0-9a-fA-F]+")
_LIMITS = Limits(bytes=4 << 30)


@dataclass(frozen=True)
class _List:
    """Hashes of one file by kind, each an array of shape (n, words), sorted by the first word."""

    name: str
    radius: int
    hashes: dict[str, Words]

    def holds(self, kind: str, digest: bytes) -> bool:
        known, words = self.hashes.get(kind), np.frombuffer(digest, ">u8").astype(np.uint64)
        if known is None:
            return False
        first, last = (int(np.searchsorted(known[:, 0], words[0], side)) for side in ("left", "right"))
        return bool((known[first:last] == words).all(axis=1).any())

    def near(self, value: int) -> bool:
        """True for a perceptual hash within the radius of one of the list's."""
        known = self.hashes.get("perceptual hash")
        if known is None:
            return False
        distances = np.bitwise_count(known[:, 0] ^ np.uint64(value & (1 << 64) - 1))
        return bool((distances <= self.radius).any())


@dataclass(frozen=True)
class HashLists:
    """All lists of a recipe."""

    lists: Sequence[_List]

    def check_bytes(self, data: bytes) -> None:
        """Raises InputError ``known_bad`` for a file whose MD5 or SHA-256 is on a list."""
        for kind, function in (("MD5", hashlib.md5), ("SHA-256", hashlib.sha256)):
            if any(kind in one.hashes for one in self.lists):
                digest = function(data, usedforsecurity=False).digest()
                self._refuse(kind, (one for one in self.lists if one.holds(kind, digest)))

    def check_facts(self, facts: Facts) -> None:
        """Raises InputError ``known_bad`` for a picture or frame whose perceptual hash is near one on a list."""
        values = [v for v in (facts["phash"], *facts["frame_hashes"]) if v is not None]
        self._refuse("perceptual hash", (one for one in self.lists if any(map(one.near, values))))

    @staticmethod
    def _refuse(kind: str, matches: Iterable[_List]) -> None:
        for one in matches:
            raise InputError("known_bad", f"its {kind} is on the list {one.name}; nothing of it is stored")


def load(configs: Sequence[HashListConfig]) -> HashLists:
    """The lists that a recipe names. Raises UsageError for one that is missing or no list."""
    return HashLists([_parsed(config, _read(config.path)) for config in configs])


def digest_of(config: HashListConfig) -> list[str | int]:
    """What a list contributes to the key of ingest. Raises UsageError."""
    return [hashlib.sha256(_read(config.path)).hexdigest(), config.radius]


def _read(path: str) -> bytes:
    try:
        with opened(path) as file:
            data = file.read(_LIMITS.bytes + 1)
        _LIMITS.check_bytes(len(data))
        return data
    except InputError as error:
        reason = "no such file" if error.failure == "missing" else error.message
        raise UsageError(f"media.known_bad: {path}: {reason}") from None


def _parsed(config: HashListConfig, data: bytes) -> _List:
    """One hash a line, whatever follows it (as md5sum writes); lines that begin with # are comments."""
    digests: dict[str, bytearray] = defaultdict(bytearray)
    for number, line in enumerate(decode_text(data).splitlines(), 1):
        word = (line.split("#")[0].split() or [""])[0].lstrip("\\")
        if word and (len(word) not in _KINDS or not _HASH.fullmatch(word)):
            raise UsageError(
                f"{config.path}, line {number:,}: no MD5, SHA-256 or perceptual hash (32, 64 or 16 hex digits)"
            )
        if word:
            digests[_KINDS[len(word)]] += bytes.fromhex(word)
    return _List(config.path.rpartition("/")[2], config.radius, {k: _sorted(k, bytes(v)) for k, v in digests.items()})


def _sorted(kind: str, digests: bytes) -> Words:
    width = next(digits for digits, name in _KINDS.items() if name == kind) // 16
    words = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, width)
    return words[np.argsort(words[:, 0], kind="stable")]
