"""Lease of a workspace: one run at a time writes to it, on a folder as on S3, without locks or renames.

The holder's object ``lease/NUMBER.json`` is created if absent, renewed by a thread, and deleted at the end. A run that finds
another's takes the next number once that one is dead: its process is gone from this machine, or it has not been renewed.
Clocks decide only whom to suspect: a lease that looks expired, or from the future, is watched for its whole term, and one
renewed in that time is alive. Processes with the same DATAENGINE_RUN share a lease, which then expires by itself.

Limits: a process that is suspended for longer than the term, or cut off from the store, may write until its thread finds
that it was displaced; what it writes then is the same bytes under the same names, or fails at the release's manifest.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from dataengine.errors import HeldError, RunError
from dataengine.storage.engine_version import engine_version
from dataengine.storage.store import Store
from dataengine.storage.workspace import canonical_json

#: Environment variable with the id of a run of several processes.
RUN = "DATAENGINE_RUN"
#: Seconds without renewal after which a lease expires, and how often it is renewed in that time.
TERM = 60.0
_RENEWALS = 4
_POLLS = 30
_JOIN_SECONDS = 10.0
_FOLDER = "lease"


@dataclass(frozen=True)
class Holder:
    """What a lease says of the run that holds it. ``renewed`` and ``since`` are by its own clock, ``beat`` counts renewals."""

    run: str
    token: str
    recipe: str
    machine: str
    host: str
    pid: int
    started: str
    shared: bool
    since: float
    renewed: float
    term: float
    beat: int = 0
    engine: str = ""
    """Version of the engine; "" of one before this was recorded."""

    @property
    def gone(self) -> bool:
        """Whether its process was one of this machine, and has ended; False where that cannot be known."""
        return self.machine == _machine() and not self.shared and _started(self.pid) != self.started

    @property
    def expired(self) -> bool:
        """By this machine's clock, which may be wrong: whoever watches sees ``beat`` go up."""
        return not 0 <= time.time() - self.renewed < self.term

    def text(self, place: str) -> str:
        """Who holds ``place``, since when, and what to do."""
        left = max(0.0, self.term - (time.time() - self.renewed))
        return (
            f"{place}: run {self.run} of recipe `{self.recipe}` holds this workspace: process {self.pid} on {self.host}, since "
            f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(self.since))}; its lease expires in {left:.0f} s unless it is "
            f"renewed.\nWait for it, or stop that process and rerun; tasks of one run share a lease if all have the same {RUN}."
        )


_FIELDS = [field.name for field in fields(Holder)]


class Lease:
    """The lease of one run on a workspace; not held before ``take``. ``waiting`` is called with a sentence before a lease is
    watched, which lasts a term. ``alone``: it is not shared, whatever the environment says."""

    def __init__(
        self,
        store: Store,
        recipe: str,
        waiting: Callable[[str], None] | None = None,
        term: float = TERM,
        alone: bool = False,
    ) -> None:
        self.store, self._waiting = store, waiting or (lambda text: None)
        run, now = "" if alone else os.environ.get(RUN, ""), time.time()
        self.holder = Holder(
            run=run or uuid.uuid4().hex[:12],
            token=uuid.uuid4().hex,
            recipe=recipe,
            machine=_machine(),
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_started(os.getpid()),
            shared=bool(run),
            since=now,
            renewed=now,
            term=term,
            engine=engine_version()["dataengine"],
        )
        self._number = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = ""

    def take(self) -> None:
        """Hold the lease from now on. Raises HeldError, at once where another run holds it or has displaced this one."""
        if self._lost:
            raise HeldError(self._lost)
        if self._thread is None:
            self._acquire()
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()

    def now(self) -> float:
        """The time by the store's clock, of a lease that is held: when its object was written."""
        self._renew()
        entry = self.store.head(self._key(self._number))
        return entry.modified if entry else self.holder.renewed

    def close(self) -> None:
        """Give the lease back; one that is shared is left to expire."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)
        self._thread = None
        if not self.holder.shared and not self._lost:
            with suppress(RunError):
                self.store.delete([self._key(self._number)])

    def _acquire(self) -> None:
        while True:
            leases = self._read()
            if own := [number for number, holder in leases.items() if self._ours(holder)]:
                self._number = max(own)
                self._require_version(leases[self._number])
                self.holder = replace(leases[self._number], token=self.holder.token, engine=self.holder.engine)
                self._renew()
                return
            for holder in leases.values():
                if not self._dead(holder):
                    raise HeldError(holder.text(self.store.url))
            number = max(leases, default=0) + 1
            self.holder = replace(self.holder, renewed=time.time())
            if self.store.create(self._key(number), canonical_json(asdict(self.holder))):
                self._number = number
                self._settle(leases)
                return

    def _require_version(self, holder: Holder) -> None:
        """Raises HeldError where a process of this run is of another version, and alive or hardly dead."""
        if holder.engine != self.holder.engine and not self._dead(holder):
            raise HeldError(
                f"{self.store.url}: two versions of the engine in run {holder.run}: process {holder.pid} on {holder.host} has "
                f"dataengine {holder.engine or 'of an earlier version'}, this one {self.holder.engine}.\nGive all tasks of a "
                f"run the same image. One that was upgraded can go on {holder.term:.0f} s after the old version's last task."
            )

    def _settle(self, dead: dict[int, Holder]) -> None:
        """After creation: whoever created one meanwhile, or on a server without conditional writes this very one, goes first."""
        now = self._read()
        rivals = [h for number, h in now.items() if not self._ours(h) and dead.get(number) != h]
        if rivals:
            if self._number in now and self._ours(now[self._number]):
                self.store.delete([self._key(self._number)])
            raise HeldError(rivals[-1].text(self.store.url))
        self.store.delete([self._key(number) for number in dead])

    def _ours(self, holder: Holder) -> bool:
        shared = holder.shared and self.holder.shared and holder.run == self.holder.run
        return shared or holder.token == self.holder.token

    def _dead(self, holder: Holder) -> bool:
        if holder.machine == self.holder.machine and not holder.shared:
            return holder.gone
        if not holder.expired:
            return False
        self._waiting(
            f"the lease of run {holder.run} on {holder.host} looks expired: watching it for {holder.term:.0f} s"
        )
        end = time.monotonic() + holder.term
        while time.monotonic() < end:
            time.sleep(holder.term / _POLLS)
            if holder not in self._read().values():
                return False
        return True

    def _keep(self) -> None:
        """Renew until closed; where that fails for a whole term, or another run has taken over, the lease is lost."""
        good = time.monotonic()
        while not self._stop.wait(self.holder.term / _RENEWALS):
            try:
                newer = [h for number, h in self._read().items() if number >= self._number and not self._ours(h)]
                if newer:
                    self._lost = newer[-1].text(self.store.url)
                    return
                self._renew()
                good = time.monotonic()
            except RunError as error:
                if time.monotonic() - good > self.holder.term:
                    self._lost = (
                        f"the lease of this workspace could not be renewed for {self.holder.term:.0f} s: {error}"
                    )
                    return

    def _renew(self) -> None:
        self.holder = replace(self.holder, beat=self.holder.beat + 1, renewed=time.time())
        self.store.put(self._key(self._number), canonical_json(asdict(self.holder)))

    def _key(self, number: int) -> str:
        return f"{_FOLDER}/{number:08d}.json"

    def _read(self) -> dict[int, Holder]:
        return holders(self.store)


def holders(store: Store) -> dict[int, Holder]:
    """All leases of a workspace by number, without taking one; damaged ones count as none, and what a later version adds is
    passed over."""
    leases = {}
    for entry in store.list(_FOLDER):
        with suppress(FileNotFoundError, ValueError, TypeError):
            number = int(entry.key.removeprefix(f"{_FOLDER}/").removesuffix(".json"))
            content = json.loads(store.get(entry.key))
            leases[number] = Holder(**{name: content[name] for name in _FIELDS if name in content})
    return leases


def _machine() -> str:
    """This machine since it booted, and the namespace that gives process ids their meaning; unique where they are unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return uuid.uuid4().hex


def _started(pid: int) -> str:
    """When a process of this machine started, in clock ticks since boot; "" for none, and for one that has ended but was not
    waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
