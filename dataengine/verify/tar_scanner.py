"""Streaming tar parser: yields members while the bytes go by, payloads only of those needed, and keeps nothing.

Stricter than a tar reader: a header must be, byte for byte, the one that ``dataengine.storage.tar`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from zlib import adler32

from dataengine.errors import RunError
from dataengine.storage.tar import BLOCK, header

#: Bytes of a payload that is needed.
MAX_HELD = 256 << 20

_ZERO = bytes(BLOCK)
_FORM = header("a", 0)
#: What a header adds up to but for its name and size (``dataengine.storage.tar`` knows it of a name of one byte), less the 1 that
#: Adler-32 begins with: its lower half is the sum of so few bytes.
_SUM = int(_FORM[148:154], 8) - ord("a") - sum(_FORM[124:136]) - 1
#: Name, size and checksum, and between them what is the same in every header.
_FIELDS = Struct("100s24s11s13s6s358s").unpack_from
_SAME = (_FORM[100:124], _FORM[135:148], _FORM[154:])


@dataclass
class Scanner:
    """``feed`` it the bytes of a tar in order, then ``finish``. ``wanted`` says by its name whether a payload is needed."""

    wanted: Callable[[str], bool]
    at: int = 0
    """Bytes gone by, but for those that are held."""
    skip: int = 0
    need: int = BLOCK
    """Bytes that must be held before they can be looked at: a header, or a member with its payload."""
    zeros: int = 0
    """Bytes of closing blocks seen; no member follows the first of them."""
    held: bytearray = field(default_factory=bytearray)

    def feed(self, data: memoryview) -> Iterator[tuple[str, int, bytes | None]]:
        """``(name, size, payload or None)`` of each member that is complete. Raises RunError for anything else than members."""
        while len(data):
            if self.skip:
                step = min(self.skip, len(data))
                self.skip -= step
                self.at += step
                data = data[step:]
            elif self.held:
                step = self.need - len(self.held)
                self.held += data[:step]
                data = data[step:]
                if len(self.held) >= self.need:
                    source, self.held = memoryview(self.held), bytearray()
                    yield from self._members(source)
            else:
                yield from self._members(data)
                return

    def finish(self) -> None:
        """Raises RunError where the archive ends without its closing blocks."""
        if self.zeros < 2 * BLOCK or self.held or self.skip:
            raise RunError(f"ends at byte {self.at + len(self.held):,} in the middle, without its closing blocks")

    def _members(self, source: memoryview) -> Iterator[tuple[str, int, bytes | None]]:
        """Those that are whole in ``source``, which begins with a header; what comes behind is to be skipped or held."""
        here, end, self.need = 0, len(source), BLOCK
        while end - here >= BLOCK:
            if not source[here] and source[here : here + BLOCK] == _ZERO:
                self.zeros += BLOCK
                here += BLOCK
                continue
            name, size = _read(source, here, self.at + here)
            if self.zeros:
                raise RunError(f"{name} at byte {self.at + here:,} comes after the closing blocks")
            payload = here + BLOCK
            after = payload - size // -BLOCK * BLOCK
            if not self.wanted(name):
                yield name, size, None
            elif size > MAX_HELD:
                raise RunError(f"{name} at byte {self.at + here:,} has {size:,} bytes, limit {MAX_HELD:,}")
            elif after <= end:
                yield name, size, bytes(source[payload : payload + size])
            else:
                self.need = after - here
                break
            here = after
        if here < end:
            self.held += source[here:]
        self.skip = max(0, here - end)
        self.at += min(here, end)


def _read(source: memoryview, start: int, at: int) -> tuple[str, int]:
    """As comparing with ``header(name, size)``, at a fraction of its cost."""
    padded, before, digits, between, stated, after = _FIELDS(source, start)
    if (before, between, after) == _SAME and digits.isdigit() and stated.isdigit():
        raw = padded.rstrip(b"\0")
        try:
            if raw and 0 not in raw and int(stated, 8) == _SUM + (adler32(padded + digits) & 0xFFFF):
                return raw.decode(), int(digits, 8)
        except ValueError:  # no octal digits, no UTF-8
            pass
    raise RunError(f"has a damaged or foreign header at byte {at:,}")
