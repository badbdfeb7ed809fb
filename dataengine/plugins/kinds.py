"""Kinds of plugins: the list that a file declares them in, and the entry points by which an installed package offers them."""

from __future__ import annotations

import re
from enum import StrEnum

#: Names of plugins: as a recipe or a command writes them, and as part of names of files.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Kind(StrEnum):
    """What a plugin adds."""

    SCORER = "scorer"
    TOKENIZER = "tokenizer"
    TASK = "task"
    TEACHER = "teacher"
    SOURCE = "source"
    EXPORTER = "exporter"

    @property
    def constant(self) -> str:
        """Name of the list in a plugin file: ``SCORERS``."""
        return f"{self.upper()}S"

    @property
    def group(self) -> str:
        """Group of entry points: ``dataengine.scorers``."""
        return f"dataengine.{self}s"


def mistake_in(class_: object, kind: Kind) -> str:
    """Why an object cannot be a plugin of the kind, "" where it can."""
    if not isinstance(class_, type):
        return f"{class_!r} is no class"
    name = getattr(class_, "name", None)
    if not isinstance(name, str):
        return f'the class {class_.__name__} has no `name`: add one, as in `name = "my_{kind}"`'
    if not NAME.fullmatch(name):
        return (
            f"the class {class_.__name__} is called {name!r}: use up to 63 of a-z, 0-9 and `_`, beginning with a letter"
        )
    return ""
