"""Field types that the JSON contracts of a release share: the same bounds hold in a decoder and in the exported schema."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="first 128 bits of the SHA-256 of the media")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
FileName = Annotated[str, Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=200)]
#: Of a file below a release's folder; no part of it is empty, `.` or `..` or holds a backslash, and the first begins with no dot.
RelativePath = Annotated[
    str, Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*(/[.]?[A-Za-z0-9_][A-Za-z0-9._-]*)*$", max_length=500)
]
Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]

T = TypeVar("T")


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object with the fields of its subclass and no others."""


def plain(value: Any) -> Any:
    """The dicts and lists that ``canonical`` writes; optional fields that are unset are left out."""
    return msgspec.to_builtins(value)


def known(value: T | msgspec.UnsetType, default: T) -> T:
    """The value of an optional field, or the default where it is unset."""
    return default if isinstance(value, msgspec.UnsetType) else value
