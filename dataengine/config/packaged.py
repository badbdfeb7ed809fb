"""Filter policies and recipes that come with dataengine: called by name, ``policy: web-v1``, wherever a file could stand.

They are the files of ``filters/`` and ``jobs/recipes/`` in the repository, to which the package has links; a wheel holds copies.
File systems without links, and the archives that web servers make of a repository, hold a link as a text: the path it leads to.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dataengine.errors import UsageError

_FOLDER = Path(__file__).parent
#: Bytes of a link that is held as a text, at most; policies and recipes are longer.
_LINK = 200


@cache
def policies() -> dict[str, Path]:
    """Files of the packaged policies, by name."""
    return _files("policies")


@cache
def recipes() -> dict[str, Path]:
    """Files of the packaged recipes, by name."""
    return _files("recipes")


def _files(folder: str) -> dict[str, Path]:
    return {path.stem: linked(path) for path in sorted((_FOLDER / folder).glob("*.yaml"))}


def linked(path: Path) -> Path:
    """The file at ``path``, or that which a link held as a text leads to; it need not exist."""
    if path.is_file() and path.stat().st_size <= _LINK and (text := path.read_text(encoding="utf-8")).startswith("../"):
        return path.parent / text.strip()
    return path


def file_of(name: str) -> Path | None:
    """The file of a packaged policy or recipe; None for any other name or path. Raises UsageError where the package was built
    from links held as texts."""
    file = policies().get(name) or recipes().get(name)
    if file is not None and not file.exists():
        raise UsageError(
            f"{name}: this installation has none of its policies and recipes, since it was built from an archive without "
            "symbolic links: install a wheel or an sdist, or from a clone by git"
        )
    return file


def is_recipe(place: str) -> bool:
    """Whether an argument names a recipe, and no workspace or release: a folder that is called as a packaged recipe is one."""
    return place.endswith((".yaml", ".yml")) or (place in recipes() and not Path(place).is_dir())
