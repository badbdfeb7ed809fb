"""Exports by plugins: a finished release in a layout of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import yaml

from dataengine.config.yaml_loader import unnamed
from dataengine.errors import DataEngineError, RunError, UsageError
from dataengine.plugins.failure import in_words
from dataengine.plugins.file import PluginFile
from dataengine.plugins.kinds import Kind
from dataengine.plugins.offers import check, names
from dataengine.plugins.origin import origin_of
from dataengine.release.reader import Published, open_release
from dataengine.storage.store import Store


class Exporter(Protocol):
    """Writes a release in another layout. Its constructor takes the options of ``--set`` by name."""

    name: str

    def export(self, release: Published, out: str, split: str) -> Mapping[str, int]:
        """Write below ``out``, an empty folder or s3:// prefix: counts of what was written, to be shown. Raises UsageError where
        the release has not what is needed."""


def export(
    name: str, release: str, out: str, split: str, files: Sequence[str], options: Mapping[str, Any]
) -> dict[str, int]:
    """Export by the exporter of that name, of plugin ``files`` or an installed package. Raises UsageError, RunError."""
    plugins = [PluginFile.read(path) for path in files]
    check(plugins, {})
    origin = origin_of(Kind.EXPORTER, name, options, plugins)
    if origin is None:
        known = names(Kind.EXPORTER, plugins)
        raise UsageError(
            unnamed("exporter", name, known) if known else f"no plugin offers an exporter {name!r}: --plugin FILE"
        )
    exporter: Exporter = origin.make()
    if not hasattr(exporter, "export"):
        raise UsageError(f"{origin}: it has no `export`")
    published = open_release(release)
    if next(iter(Store(out).list("")), None) is not None:
        raise UsageError(f"{out} is not empty; choose a new folder")
    try:
        return _counts(exporter.export(published, out, split))
    except (DataEngineError, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"{origin}: {in_words(error)}; {out} is not whole: delete it and export again") from error


def _counts(written: Any) -> dict[str, int]:
    """Raises TypeError for what are no counts."""
    if not isinstance(written, Mapping) or not all(isinstance(n, int) for n in written.values()):
        raise TypeError(f"export gave a {type(written).__name__}; it gives counts by what they count")
    return {str(name): n for name, n in written.items()}


def parsed(settings: Sequence[str]) -> dict[str, Any]:
    """``["rows=10", "mode=fast"]`` → ``{"rows": 10, "mode": "fast"}``. Raises UsageError."""
    options = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator or not name.isidentifier():
            raise UsageError(f"--set {setting}: write OPTION=VALUE")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            options[name] = value
    return options
