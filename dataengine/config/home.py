"""``~`` in paths: the home folder of who runs the command, in recipes and on the command line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_HOME = re.compile(r"~[A-Za-z0-9._-]*(/.*)?", re.S)


def expanded(value: Any) -> Any:
    """``~/data`` → ``/home/ann/data``, in texts and paths, also within lists and blocks; everything else as it is. No other text
    of a recipe begins like this."""
    if isinstance(value, str):
        return os.path.expanduser(value) if value.startswith("~") and _HOME.fullmatch(value) else value  # noqa: PTH111
    if isinstance(value, Path):
        return Path(expanded(str(value)))
    if isinstance(value, list | tuple):
        return type(value)(expanded(one) for one in value) if type(value) in (list, tuple) else value
    return {key: expanded(one) for key, one in value.items()} if type(value) is dict else value
