"""Occurrences of media files in a source, and their sidecars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from dataengine.config.selection import CaptionForm
from dataengine.errors import DataEngineError, InputError
from dataengine.ingest.reading import fetch, limit_bytes
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.text.bounded_json import repair_json
from dataengine.text.cleaning import Repairs, decode_text
from dataengine.text.uris import without_secrets, without_secrets_inside

CAPTION_KEYS = ("caption", "captions", "text")


@dataclass(frozen=True)
class Occurrence:
    """One occurrence of a media file in a source: where its bytes are (or the bytes themselves), and the source's metadata.
    ``uri`` and ``meta`` are stored and published, so they hold no credentials; ``location`` may."""

    uri: str
    location: str = ""
    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None
    data: bytes | None = None
    error: InputError | None = None
    """Set where the source itself is damaged (a bad row, a truncated tar)."""
    within: tuple[str, ...] = ()
    """Folders and prefixes that ``location`` must lie in, links resolved; empty: anywhere."""

    def read(self, limits: Limits) -> bytes:
        """The media bytes. Raises InputError (missing, unreadable, empty, too_many_bytes, and those of downloads)."""
        if self.error:
            raise self.error
        data = self.data if self.data is not None else fetch(self.location, limits, self.within)
        if not data:
            raise InputError("empty", "the file has no bytes")
        limit_bytes(len(data), limits)
        return data


class Reader(Protocol):
    """Reads a part's occurrences on a worker."""

    def occurrences(self, spec: Any) -> Iterator[Occurrence]:
        """Occurrences of one part, ordered by uri."""


class SourceReader(Reader, Protocol):
    """Lists a source's parts, too, on the driver."""

    def parts(self) -> list[Part]:
        """Raises UsageError where the source does not exist."""


@dataclass(frozen=True)
class Sidecar:
    """Captions, licence and metadata that a source holds for a media file. ``error``: why its JSON could not be used."""

    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None
    error: InputError | None = None


def read_sidecars(text: bytes | None, json_bytes: bytes | None, form: CaptionForm = "lines") -> Sidecar:
    """Parse a .txt, whose captions are in ``form``, and a .json sidecar; a JSON that cannot be read is noted in ``meta`` as
    ``sidecar_error``, too."""
    captions, repairs = _captions(decode_text(text or b""), form), Repairs()
    if json_bytes is None:
        return sidecar(captions, {}, repairs)
    try:
        value = repair_json(json_bytes, repairs)
    except InputError as error:
        return replace(sidecar(captions, {"sidecar_error": error.message}, repairs), error=error)
    return sidecar(captions, value if isinstance(value, dict) else {"value": value}, repairs)


def _captions(text: str, form: CaptionForm) -> list[str]:
    """Captions of a text: its lines, the first that is not blank, or all of it on one line."""
    if form == "whole":
        return [" ".join(text.split())]
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[:1] if form == "first-line" else lines


def sidecar(captions: list[str], facts: dict[str, Any], repairs: Repairs, license_key: str = "license") -> Sidecar:
    """``captions`` and those among ``facts``, deduplicated in order; the rest of ``facts`` becomes ``meta``, with counts of
    ``repairs``."""
    rest, error = dict(facts), None
    for key in CAPTION_KEYS:
        try:
            captions = [*captions, *texts(key, rest.pop(key, None))]
        except InputError as raised:
            error = raised
    license_ = without_secrets(_plain(rest.pop(license_key, None)))
    counts = {"text_cleaned": repairs.cleaned, "values_dropped": repairs.dropped}
    rest |= {name: count for name, count in counts.items() if count}
    unique = tuple(dict.fromkeys(c.strip() for c in captions if c.strip()))
    return Sidecar(unique, license_ or None, _json(without_secrets_inside(rest)) if rest else None, error)


def texts(key: str, value: Any) -> list[str]:
    """Captions in a field: a text or number, or lists of them. Raises InputError ``bad_caption`` for anything else."""
    if value is None:
        return []
    if isinstance(value, list):
        return [text for one in value for text in texts(key, one)]
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        kind = "an object" if isinstance(value, dict) else f"a value of type {type(value).__name__}"
        raise InputError("bad_caption", f"`{key}` holds {kind} where a text or a list of texts is due")
    return [str(value)]


def _plain(value: Any) -> str:
    """A licence as text: JSON where it is none."""
    if value is None:
        return ""
    return _json(value) if isinstance(value, dict | list | bool) else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def unforeseen(error: Exception, what: str) -> InputError:
    """The InputError that accounts for an exception which only an input can have caused. Raises ``error`` itself where the
    project, the machine or the installation is to blame."""
    if isinstance(error, DataEngineError | MemoryError | ImportError | OSError):
        raise error
    return InputError("unreadable", f"{what} cannot be read ({type(error).__name__})")
