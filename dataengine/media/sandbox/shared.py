"""Memory that a decode child shares with its parent, so that arrays of its answers need not go through a pipe.

Anonymous memory (memfd), one slot for each item that may wait at the child. Its size is sealed before the child starts, as a
child that shrank it would kill its parent (SIGBUS). The parent copies an answer's arrays out before it looks at them and before
the slot is used again, so that what it has checked can no longer be changed.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys

#: Slots, and thus the most items that wait at a child.
SLOTS = 4
SLOT_BYTES = 4 << 20
"""An answer with more bytes of arrays goes through the pipe. Memory is used as far as it was ever written to."""


class Arena:
    """The slots, mapped into this process."""

    def __init__(self, descriptor: int, protection: int) -> None:
        self.descriptor = descriptor
        self.slot_bytes = os.fstat(descriptor).st_size // SLOTS
        self._map = mmap.mmap(descriptor, SLOTS * self.slot_bytes, prot=protection)
        self._memory = memoryview(self._map)

    @classmethod
    def create(cls, slot_bytes: int) -> Arena | None:
        """One to read from, for a child to be started; None where the system has no such memory, or none is wanted."""
        if sys.platform != "linux" or not slot_bytes:
            return None
        try:
            descriptor = os.memfd_create("answers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(descriptor, SLOTS * slot_bytes)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(descriptor, mmap.PROT_READ)
        except OSError:
            os.close(descriptor)
            return None

    @classmethod
    def inherited(cls, descriptor: int) -> Arena:
        """The child's side, to write to; the descriptor is closed."""
        arena = cls(descriptor, mmap.PROT_READ | mmap.PROT_WRITE)
        os.close(descriptor)
        return arena

    def slot(self, item: int) -> memoryview:
        """Memory for the arrays of the ``item``-th answer."""
        start = item % SLOTS * self.slot_bytes
        return self._memory[start : start + self.slot_bytes]

    def handed_over(self) -> None:
        """Close the descriptor that the child has inherited; the memory stays mapped."""
        os.close(self.descriptor)

    def close(self) -> None:
        """Unmap the memory, which Python holds a descriptor of."""
        self._memory.release()
        self._map.close()
