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

#: Kinds by their number of hex digits; a sample id, the head of a SHA-256, is written ``id:`` and 32 digits.
_KINDS = {32: "MD5", 64: "SHA-256", 16: "perceptual hash"}
_ID, ID_MARK = "sample id", "id:"
_HASH = re.compile(r"[0-9a-fA-F]+")
#: First line of a list of what was taken down, whose matches are failures ``taken_down``.
TAKEN_DOWN_HEAD = "# dataengine: taken down"
KNOWN_BAD, TAKEN_DOWN = "known_bad", "taken_down"
_LIMITS = Limits(bytes=4 << 30)


@dataclass(frozen=True)
class _List:
    """Hashes of one file by kind, each an array of shape (n, words), sorted by the first word. ``failure``: class of what it
    refuses."""

    name: str
    radius: int
    hashes: dict[str, Words]
    failure: str = KNOWN_BAD

    def holds(self, kind: str, digest: bytes) -> bool:
        """Whether a hash of this kind is, or begins with, ``digest``."""
        known, words = self.hashes.get(kind), np.frombuffer(digest, ">u8").astype(np.uint64)
        if known is None:
            return False
        first, last = (int(np.searchsorted(known[:, 0], words[0], side)) for side in ("left", "right"))
        return bool((known[first:last, : len(words)] == words).all(axis=1).any())

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

    def __add__(self, other: HashLists) -> HashLists:
        return HashLists([*self.lists, *other.lists])

    def check_bytes(self, data: bytes) -> None:
        """Raises InputError ``known_bad`` or ``taken_down`` for a file whose MD5 or SHA-256 is on a list."""
        if self._has("MD5"):
            self._refuse_digest("MD5", hashlib.md5(data, usedforsecurity=False).digest())
        if self._has("SHA-256") or self._has(_ID):
            self.check_sha256(hashlib.sha256(data).digest())

    def check_sha256(self, digest: bytes) -> None:
        """As ``check_bytes``, of a file whose SHA-256 is known."""
        self._refuse_digest("SHA-256", digest)
        self._refuse_digest(_ID, digest[:16])

    def check_id(self, id_: bytes) -> None:
        """As ``check_bytes``, of a file of which only the head of its SHA-256 is known."""
        self._refuse_digest("SHA-256", id_)
        self._refuse_digest(_ID, id_)

    def check_facts(self, facts: Facts) -> None:
        """Raises InputError ``known_bad`` or ``taken_down`` for a picture or frame whose perceptual hash is near one on a
        list."""
        values = [v for v in (facts["phash"], *facts["frame_hashes"]) if v is not None]
        self._refuse("perceptual hash", (one for one in self.lists if any(map(one.near, values))))

    def _has(self, kind: str) -> bool:
        return any(kind in one.hashes for one in self.lists)

    def _refuse_digest(self, kind: str, digest: bytes) -> None:
        self._refuse(kind, (one for one in self.lists if one.holds(kind, digest)))

    @staticmethod
    def _refuse(kind: str, matches: Iterable[_List]) -> None:
        for one in matches:
            raise InputError(one.failure, f"its {kind} is on the list {one.name}; nothing of it is stored")


def load(configs: Sequence[HashListConfig]) -> HashLists:
    """The lists that a recipe names. Raises UsageError for one that is missing or no list."""
    return HashLists([parsed(config, _read(config.path)) for config in configs])


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


def parsed(config: HashListConfig, data: bytes) -> _List:
    """One hash a line, whatever follows it (as md5sum writes); lines that begin with # are comments. Raises UsageError."""
    digests: dict[str, bytearray] = defaultdict(bytearray)
    lines = decode_text(data).splitlines()
    for number, line in enumerate(lines, 1):
        word = (line.split("#")[0].split() or [""])[0].lstrip("\\")
        kind, digits = (_ID, word.removeprefix(ID_MARK)) if word.startswith(ID_MARK) else (_KINDS.get(len(word)), word)
        if word and (kind is None or not _HASH.fullmatch(digits) or (kind == _ID and len(digits) != 32)):
            raise UsageError(
                f"{config.path}, line {number:,}: no MD5, SHA-256 or perceptual hash (32, 64 or 16 hex digits)"
            )
        if word and kind:
            digests[kind] += bytes.fromhex(digits)
    failure = TAKEN_DOWN if lines[:1] == [TAKEN_DOWN_HEAD] else KNOWN_BAD
    hashes = {kind: _sorted(kind, bytes(of_kind)) for kind, of_kind in digests.items()}
    return _List(config.path.rpartition("/")[2], config.radius, hashes, failure)


#: 64-bit words of a hash.
_WORDS = {"MD5": 2, "SHA-256": 4, _ID: 2, "perceptual hash": 1}


def _sorted(kind: str, digests: bytes) -> Words:
    words = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, _WORDS[kind])
    return words[np.argsort(words[:, 0], kind="stable")]
