"""A plugin file: Python that a recipe names. Its bytes travel with the work, so that every process of a run executes the same.

A file that changes is another module, so that processes which serve several runs never mix two versions of it.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import CodeType, ModuleType

from dataengine.errors import RunError, UsageError
from dataengine.plugins.kinds import Kind, mistake_in
from dataengine.storage.store import Store

_BYTES = 4 << 20
_LOADING = threading.RLock()


@dataclass(frozen=True)
class PluginFile:
    """Two files of the same bytes are one plugin, wherever they lie: ``path`` is for messages."""

    path: str = field(compare=False)
    source: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str) -> PluginFile:
        """The plugin in a file or s3:// object, not executed. Raises UsageError where it does not exist or does not parse."""
        plugin = cls(path, _bytes_of(path))
        plugin._compiled()
        return plugin

    @cached_property
    def code(self) -> str:
        """SHA-256 of the file: identity of the code, for versions and keys."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def origin(self) -> str:
        """Name of the file, without folders."""
        return self.path.rpartition("/")[2]

    @property
    def label(self) -> str:
        """For messages: the name, and the beginning of the digest."""
        return f"{self.origin} ({self.code[:12]})"

    def offers(self, kind: Kind) -> dict[str, type]:
        """The classes that the file lists for a kind, by name. Raises UsageError naming every mistake."""
        listed = getattr(self._module(), kind.constant, [])
        if not isinstance(listed, list | tuple):
            raise UsageError(f"plugin {self.path}: {kind.constant} is no list of classes")
        mistakes, classes = list[str](), dict[str, type]()
        for one in listed:
            if wrong := mistake_in(one, kind):
                mistakes.append(wrong)
            elif one.name in classes:
                mistakes.append(f"{kind.constant} has two classes called `{one.name}`: rename one of them")
            else:
                classes[one.name] = one
        if mistakes:
            raise UsageError("\n".join(f"plugin {self.path}: {mistake}" for mistake in mistakes))
        return classes

    def _compiled(self) -> CodeType:
        try:
            return compile(self.source, self.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise UsageError(f"plugin {self.path}:{error.lineno or 1}: does not parse: {error.msg}") from None
        except ValueError as error:  # a null byte
            raise UsageError(f"plugin {self.path}: does not parse: {error}") from None

    def _module(self) -> ModuleType:
        """The executed module, once in each process. Raises UsageError for whatever it raises."""
        name = f"dataengine_plugin_{self.code[:32]}"
        with _LOADING:
            module = sys.modules.get(name)
            if module is None:
                module = sys.modules[name] = ModuleType(name)
                try:
                    exec(self._compiled(), module.__dict__)
                except (Exception, SystemExit) as error:
                    del sys.modules[name]
                    raise UsageError(_not_loaded(self.path, error)) from error
            return module


def _bytes_of(path: str) -> bytes:
    try:
        if "://" in path.removeprefix("file://"):
            folder, _, name = path.rpartition("/")
            data = Store(folder).get(name)
        else:
            place = Path(path.removeprefix("file://"))
            if place.exists() and not place.is_file():
                raise UsageError(f"{path} is no file: name a Python file")
            data = place.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file (relative paths start at {Path.cwd()})") from None
    except (OSError, RunError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _BYTES:
        raise UsageError(f"{path} is larger than {_BYTES:,} bytes: name a Python file")
    return data


def _not_loaded(path: str, error: BaseException) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    place = f"{path}:{lines[-1]}" if lines else path
    hint = "; a package that it imports must be installed on every node" if isinstance(error, ImportError) else ""
    return f"plugin {place}: cannot be loaded: {type(error).__name__}: {error}{hint}"
