"""Checks an installation for ``dataengine doctor``: libraries, Java, folders, and the confinement of a decode child, which is
started and made to try what it must not do."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from dataengine.errors import DataEngineError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.confinement import MEASURES
from dataengine.media.sandbox.pool import Failed, Sandbox
from dataengine.media.sandbox.probes import ATTEMPTS, FUNCTION, VARIABLE, Target
from dataengine.storage.engine_version import engine_version
from dataengine.storage.store import Store

_LIBRARIES, _OTHERS = "Python and what decodes", "Engines"
_FOLDERS, _MEASURES, _ATTEMPTS = "Folders", "A decode process here is confined by", "What a decode process tried here"
_DECODERS = ("pillow", "av", "decord2", "opencv-python-headless", "simplejpeg", "onnxruntime", "torch", "numpy")
_ENGINES = ("ray", "pyspark", "duckdb", "pyarrow")
_PATCHED = {(3, 11): 14, (3, 12): 12, (3, 13): 6}
"""Oldest patch level of each Python that has the fixes of tarfile for negative sizes and for quadratic headers."""


@dataclass(frozen=True)
class Finding:
    """``needed``: nothing runs without it; ``protects``: it is a measure against hostile files."""

    group: str
    name: str
    good: bool
    text: str
    needed: bool = False
    protects: bool = False

    @property
    def line(self) -> str:
        """One line for a person."""
        state = "ok" if self.good else "MISSING" if self.needed else "NOT IN FORCE" if self.protects else "note"
        return f"{state}: {self.text}" if self.text else state

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in ("group", "name", "good", "text", "needed", "protects")}


def examine(workspace: str | None = None) -> list[Finding]:
    """All findings; ``workspace``: also whether this folder or s3:// prefix can be written."""
    return [*_python(), *_packages(), _java(), *_folders(workspace), *_child()]


def _python() -> Iterator[Finding]:
    yield Finding(_LIBRARIES, "dataengine", True, engine_version()["dataengine"])
    patched = _PATCHED.get(sys.version_info[:2])
    old = patched is not None and sys.version_info[2] < patched
    text = platform.python_version() + (
        f"; before patch level {patched} its tarfile can be made to hang" if old else ""
    )
    yield Finding(_LIBRARIES, "Python", not old, text)


def _packages() -> Iterator[Finding]:
    for group, names in ((_LIBRARIES, _DECODERS), (_OTHERS, _ENGINES)):
        for name in names:
            try:
                yield Finding(group, name, True, version(name), needed=True)
            except PackageNotFoundError:
                yield Finding(group, name, False, "not installed: pip install it", needed=True)
    yield Finding(_LIBRARIES, "FFmpeg in av", *_ffmpeg(), needed=True)


def _ffmpeg() -> tuple[bool, str]:
    try:
        import av
    except ImportError as error:
        return False, str(error)
    return True, ", ".join(f"{name} {'.'.join(map(str, v))}" for name, v in sorted(av.library_versions.items()))


def _java() -> Finding:
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if command is None or not Path(command).exists():
        return Finding(_OTHERS, "Java", False, "not found; only Spark needs it (17 or newer)")
    done = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    return Finding(_OTHERS, "Java", done.returncode == 0, (done.stderr or done.stdout).partition("\n")[0])


def _folders(workspace: str | None) -> Iterator[Finding]:
    folder = tempfile.gettempdir()
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free
        yield Finding(_FOLDERS, "temporary files", True, f"{folder}, {free / 1e9:,.1f} GB free", needed=True)
    except OSError as error:
        yield Finding(_FOLDERS, "temporary files", False, f"{folder}: {error}", needed=True)
    if workspace is not None:
        key = f"doctor-{uuid4().hex}"
        try:
            store = Store(workspace)
            store.put(key, b"x")
            read = store.get(key) == b"x"
            store.delete([key])
            yield Finding(_FOLDERS, "workspace", read, f"{workspace} can be written and read", needed=True)
        except (OSError, DataEngineError) as error:
            yield Finding(_FOLDERS, "workspace", False, f"{workspace}: {error}", needed=True)


def _child() -> Iterator[Finding]:
    try:
        missing, refused = attempts()
    except DataEngineError as error:
        yield Finding(_MEASURES, "decode process", False, str(error), needed=True)
        return
    for name, text in MEASURES.items():
        yield Finding(_MEASURES, name, name not in missing, missing.get(name, text), protects=True)
    for name, why in refused.items():
        yield Finding(_ATTEMPTS, name, bool(why), f"refused ({why})" if why else "succeeded", protects=True)


def attempts() -> tuple[dict[str, str], dict[str, str]]:
    """Of a decode process of this machine: measures that are not in force, and what was attempted; each with the reason, which
    is empty where an attempt succeeded. Raises RunError where no process starts."""
    limits = Limits(seconds=30.0, memory=1 << 30)
    with _target() as target, Sandbox(FUNCTION, target, workers=1, limits=limits, answer=str) as sandbox:
        outcomes = list(sandbox.map(ATTEMPTS))
        refused = [o.message if isinstance(o, Failed) else o.value for o in outcomes]
        return sandbox.missing, dict(zip(ATTEMPTS, refused, strict=True))


@contextmanager
def _target() -> Iterator[Target]:
    """A file with a secret, a listening port, and a secret variable, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        secret = Path(folder, "secret")
        secret.write_text("secret")
        os.environ[VARIABLE] = "secret"
        try:
            yield Target(str(secret), server.getsockname()[1])
        finally:
            del os.environ[VARIABLE]
