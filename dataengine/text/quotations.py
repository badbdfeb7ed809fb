"""Messages of libraries about a file without what they quote of it: a failure's message is published, the file may be private."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""b?(?:'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?)""", re.DOTALL)
_LENGTH = 300


def without_quotations(error: Exception) -> str:
    """What an exception says up to a colon, which introduces what was read, with literals left out; its class if that is all."""
    text = _QUOTED.sub("…", str(error)[: 2 * _LENGTH]).partition(": ")[0][:_LENGTH]
    return " ".join(text.split()) or type(error).__name__
