"""What a plugin raises: a failure of the input that it worked on, unless the program or the machine is to blame."""

from __future__ import annotations

import re

from dataengine.errors import DataEngineError, InputError, RunError
from dataengine.plugins.kinds import NAME
from dataengine.text.cleaning import clean_text

ERROR = "plugin_error"
"""Failure class of inputs and samples at which a plugin raised, or gave another form than it should."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_LENGTH = 300


def in_words(error: BaseException) -> str:
    """An exception's class and message, the same in every process and fit to be stored: without addresses of objects."""
    try:
        text = _stored(error)
    except Exception:  # of its __str__
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _stored(message: object) -> str:
    return " ".join(_ADDRESS.sub("0x…", clean_text(str(message))).split())[:_LENGTH]


def failure_of(error: Exception) -> InputError:
    """The failure that accounts for an exception. Raises ``error`` where the run cannot go on, or goes on on another machine."""
    if isinstance(error, InputError):
        named = isinstance(error.failure, str) and NAME.fullmatch(error.failure)
        return InputError(error.failure if named else ERROR, _stored(error.message))
    if isinstance(error, ImportError):
        raise RunError(
            f"a plugin needs a package that is not installed here: {error}; install it on every node"
        ) from error
    if isinstance(error, DataEngineError | MemoryError):
        raise error
    return InputError(ERROR, in_words(error))
