"""Finds plugins by kind and name, in the files of a recipe and in installed packages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from dataengine.errors import UsageError
from dataengine.plugins import installed
from dataengine.plugins.file import PluginFile
from dataengine.plugins.installed import InstalledPlugin
from dataengine.plugins.kinds import Kind

Plugin = PluginFile | InstalledPlugin


def find(kind: Kind, name: str, plugins: Sequence[Plugin]) -> Plugin | None:
    """The plugin with a class of that name: one of ``plugins``, else an installed package. None where there is none. Raises
    UsageError."""
    own = next((plugin for plugin in plugins if name in plugin.offers(kind)), None)
    return own or installed.find(kind, name)


def names(kind: Kind, plugins: Sequence[Plugin]) -> list[str]:
    """All that a recipe with these plugins may name besides the engine's own."""
    return sorted({*(name for plugin in plugins for name in plugin.offers(kind)), *installed.installed(kind)})


def check(files: Sequence[PluginFile], reserved: Mapping[Kind, Collection[str]]) -> None:
    """Load a recipe's plugin files. ``reserved``: the engine's own names. Raises UsageError naming every mistake: a file that
    cannot be loaded or lists nothing, a name that is there twice."""
    mistakes = list[str]()
    owners: dict[tuple[Kind, str], str] = {
        (kind, name): "the engine's own" for kind, own in reserved.items() for name in own
    }
    for file in files:
        try:
            declared = _declared(file)
        except UsageError as error:
            mistakes.append(str(error))
            continue
        if not declared:
            mistakes.append(f"plugin {file.path}: lists nothing: add {_lists()} with its classes")
        for key in declared:
            if key in owners:
                kind, name = key
                mistakes.append(f"plugin {file.path}: there is a {kind} `{name}` already, {owners[key]}: rename it")
            owners.setdefault(key, f"of {file.path}")
    if mistakes:
        raise UsageError("\n".join(dict.fromkeys(mistakes)))


def described(plugins: Iterable[Plugin]) -> list[dict[str, object]]:
    """Of each plugin its name, the digest of its code and what it offers, for manifests and cards."""
    return [
        {"name": one.origin, "sha256": one.code, "offers": [f"{kind} {name}" for kind, name in _declared(one)]}
        for one in plugins
    ]


def _declared(plugin: Plugin) -> list[tuple[Kind, str]]:
    return [(kind, name) for kind in Kind for name in plugin.offers(kind)]


def _lists() -> str:
    *most, last = (kind.constant for kind in Kind)
    return f"{', '.join(most)} or {last}"
