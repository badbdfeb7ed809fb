"""Type and version of what a decode child prepares for an encoder; light to import, which the decoding (``views.py``) is not."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from numpy.typing import NDArray

#: Raised when another decode, or other views, would give other vectors. 1: full size, upright, over white, first frame.
VERSION = "1"

#: One array a view, the whole first.
Prepared = Annotated[list[NDArray[Any]], Meta(min_length=1, max_length=2)]
