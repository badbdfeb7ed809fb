"""What a package's modules import, read from their source: statements anywhere in a module, imports for types alone
included, and strings such as ``"dataengine.media.inspect:inspect"`` by which a decode child or a factory finds its code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Arrows = Mapping[str, set[str]]


@dataclass(frozen=True)
class Package:
    """``arrows``: of each module of the package ``name``, by full name, those of the package that it imports; ``foreign``:
    the other top-level packages that it imports."""

    name: str
    arrows: dict[str, set[str]]
    foreign: dict[str, set[str]]
    lines: dict[str, int]

    def room(self, module: str) -> str:
        """The folder or loose module under the package that ``module`` is part of: ``dedup`` of dataengine.dedup.edges."""
        return module.split(".")[1] if "." in module else "__init__"

    def folder(self, module: str) -> str:
        """The folder that ``module`` lies in; the module itself where that folder holds other folders, too."""
        parent = module.rpartition(".")[0]
        return parent if self._is_leaf(parent) else module

    def _is_leaf(self, folder: str) -> bool:
        inside = [other for other in self.arrows if other.startswith(f"{folder}.")]
        return all(other.count(".") == folder.count(".") + 1 for other in inside)


def read(root: Path) -> Package:
    """The package in folder ``root``. Raises ValueError for a string that names a module which does not exist."""
    paths = {_module(path, root): path for path in sorted(root.rglob("*.py"))}
    arrows: dict[str, set[str]] = {}
    foreign: dict[str, set[str]] = {}
    for module, path in paths.items():
        names = set(_imported(ast.parse(path.read_text()), module, root.name, paths))
        inside = {name for name in names if name.split(".")[0] == root.name}
        arrows[module] = inside - {module}
        foreign[module] = {name.split(".")[0] for name in names - inside}
    return Package(root.name, arrows, foreign, {m: len(p.read_text().splitlines()) for m, p in paths.items()})


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.AST, module: str, package: str, known: Mapping[str, Path]) -> Iterator[str]:
    by_string = re.compile(rf"{package}(\.[a-z_]\w*)+(:\w+)?")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{module} has a relative import: write the full name")
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in known else str(node.module) for name in names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and by_string.fullmatch(node.value):
            name, colon, _ = node.value.partition(":")
            if name in known:
                yield name
            elif colon:
                raise ValueError(f"{module} names {node.value}, but there is no module {name}")


def circle(arrows: Arrows) -> list[str]:
    """One circle of ``arrows``, from a node back to it; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]  # from importer to imported
    return []


def merged(arrows: Arrows, name: Callable[[str], str]) -> dict[str, set[str]]:
    """Arrows between the folders or rooms that modules lie in."""
    between: dict[str, set[str]] = {}
    for module, others in arrows.items():
        between.setdefault(name(module), set()).update(name(other) for other in others)
    return {node: others - {node} for node, others in between.items()}


def back_arrows(package: Package, floors: Sequence[Sequence[str]]) -> list[str]:
    """Imports from a room to one of a later floor, and rooms that no floor has. Floors are given from the lowest; the rooms
    of one floor may import each other."""
    floor_of = {room: number for number, floor in enumerate(floors) for room in floor}
    unplaced = {package.room(module) for module in package.arrows} - floor_of.keys()
    wrong = [
        f"{module} imports {other}"
        for module, others in package.arrows.items()
        for other in others
        if not unplaced and floor_of[package.room(other)] > floor_of[package.room(module)]
    ]
    return sorted([*wrong, *(f"room {room} has no floor" for room in unplaced)])


def importers(package: Package, room: str, allowed: Sequence[str]) -> list[str]:
    """Modules outside ``room`` that import it without being of an allowed room."""
    return sorted(
        f"{module} imports {other}"
        for module, others in package.arrows.items()
        for other in others
        if package.room(other) == room and package.room(module) not in (room, *allowed)
    )


def foreign_importers(package: Package, names: set[str], allowed: Sequence[str]) -> list[str]:
    """Modules that import any of the other packages ``names`` without being of an allowed room."""
    return sorted(m for m, others in package.foreign.items() if others & names and package.room(m) not in allowed)
