"""Filter policies and recipes that come with dataengine: called by name, ``policy: web-v1``, wherever a file could stand.

They are the files of ``filters/`` and ``jobs/recipes/`` in the repository, to which the package has links; a wheel holds copies.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


@cache
def policies() -> dict[str, Path]:
    """Files of the packaged policies, by name."""
    return _files("policies")


@cache
def recipes() -> dict[str, Path]:
    """Files of the packaged recipes, by name."""
    return _files("recipes")


def _files(folder: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted((_FOLDER / folder).glob("*.yaml"))}


def file_of(name: str) -> Path | None:
    """The file of a packaged policy or recipe; None for any other name or path."""
    return policies().get(name) or recipes().get(name)


def is_recipe(place: str) -> bool:
    """Whether an argument names a recipe, and no workspace or release."""
    return place.endswith((".yaml", ".yml")) or place in recipes()
