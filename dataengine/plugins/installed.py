"""Plugins of installed packages, by entry points. Every node must have the package, with the same code as on the driver."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from dataengine.errors import RunError, UsageError
from dataengine.plugins.kinds import Kind, mistake_in
from dataengine.storage.engine_version import code_digest


@dataclass(frozen=True)
class InstalledPlugin:
    """One entry point as the driver has it. ``target``: ``module:Class``; ``package``: distribution and version; ``code``: digest
    of the sources of the import package."""

    kind: Kind
    name: str
    target: str
    package: str
    code: str

    @property
    def origin(self) -> str:
        """The distribution and its version."""
        return self.package

    @property
    def label(self) -> str:
        """For messages: the origin, and the beginning of the digest."""
        return f"{self.origin} ({self.code[:12]})"

    def offers(self, kind: Kind) -> dict[str, type]:
        """The class, if the entry point is of the kind. Raises UsageError for what is none, RunError where this process has other
        code than the driver."""
        if kind is not self.kind:
            return {}
        here = _code_of(self.target)
        if here != self.code:
            have = f"other code ({here[:12]})" if here else "none"
            raise RunError(
                f"plugin {self.target}: the driver has {self.label}, node {socket.gethostname()} has {have}: install the same "
                "package on every node and submit the stage again"
            )
        try:
            class_ = EntryPoint(self.name, self.target, kind.group).load()
        except (ImportError, AttributeError) as error:
            raise UsageError(f"plugin {self.target} of {self.package}: cannot be loaded: {error}") from error
        wrong = mistake_in(class_, kind)
        if not wrong and class_.name != self.name:
            wrong = f"the entry point is called {self.name!r}, the class {class_.name!r}: give both one name"
        if wrong:
            raise UsageError(f"plugin {self.target} of {self.package}: {wrong}")
        return {self.name: class_}


def installed(kind: Kind) -> dict[str, list[InstalledPlugin]]:
    """What packages in this environment offer, by name; nothing of it is imported."""
    offered: dict[str, list[InstalledPlugin]] = {}
    for one in _entries(kind):
        offered.setdefault(one.name, []).append(one)
    return offered


def find(kind: Kind, name: str) -> InstalledPlugin | None:
    """The package's plugin of that name; None where there is none. Raises UsageError where several packages offer one."""
    offered = installed(kind).get(name, [])
    if len(offered) > 1:
        packages = " and ".join(sorted(one.package for one in offered))
        raise UsageError(f"the {kind} `{name}` is offered by {packages}: uninstall one of them")
    return offered[0] if offered else None


def _entries(kind: Kind) -> Iterator[InstalledPlugin]:
    seen = set[tuple[str, str]]()
    for entry in entry_points(group=kind.group):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed package"
        if (entry.name, package) not in seen:  # a folder that is on the path twice
            seen.add((entry.name, package))
            yield InstalledPlugin(kind, entry.name, entry.value, package, _code_of(entry.value))


def _code_of(target: str) -> str:
    """Digest of the sources of the package that a target is in, "" where it is not installed."""
    top = target.partition(":")[0].partition(".")[0].strip()
    spec = find_spec(top)
    if spec is None:
        return ""
    places = [Path(place) for place in spec.submodule_search_locations or [spec.origin or ""]]
    total = hashlib.sha256()
    for place in places:
        total.update(code_digest(place).encode() if place.is_dir() else place.read_bytes())
    return total.hexdigest()
