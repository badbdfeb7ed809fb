"""_set.json: what a set of packed sequences is, so that a trainer, ``verify`` and ``sequence show`` need nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import field

from dataengine.errors import RunError, UsageError
from dataengine.sequence.summary.settings import Documents, SummaryPositions, SummarySettings, TextPositions
from dataengine.shards.json_types import Closed, Count, FileName, RelativePath, Sha256, plain
from dataengine.shards.sample import canonical
from dataengine.storage.store import Store

#: An underscore: readers of whole folders of Parquet pass over such files.
FILE = "_set.json"
VERSION = "1"


class Format(StrEnum):
    """Forms in which a set is written (docs/sequence-formats.md)."""

    webdataset = "webdataset"
    energon = "energon"
    parquet = "parquet"
    datasets = "datasets"
    megatron = "megatron"
    stream = "stream"


class SequenceFile(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A file of a set; ``path`` below the set's folder."""

    path: RelativePath
    sha256: Sha256
    bytes: Count


class SequenceShard(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """Some of the sequences, in order, in files of their own. ``positions``: in all, with padding."""

    name: FileName
    sequences: Count
    positions: Count
    padding: Count
    documents: Count
    files: tuple[SequenceFile, ...] = ()


class Summary(Closed):
    """Settings of the summary layout that the sequences have (arXiv 2604.24432)."""

    chunk: Count
    tokens: Count
    begin: Count
    independent: bool
    text_positions: str
    summary_positions: str
    windows: str | int
    documents: str
    align_visual: bool


class SetDescription(Closed):
    """``length``: positions of the longest sequence, summaries not counted; ``width``: tokens of a position.

    Ids are those of ``text_tokenizer``, a file beside this one ("" where there is none). Codes have ids from ``first_code`` on,
    codebook by codebook, and come from the visual tokenizer ``tokenizer``."""

    name: FileName
    format: Format
    layout: str
    split: FileName
    length: Count
    width: Count
    first_code: Count
    end_of_text: Count
    eob: Count
    special: dict[str, int] = field(default_factory=dict)
    codebook_sizes: list[Count] = field(default_factory=list)
    tokenizer: str = ""
    text_tokenizer: str = ""
    summary: Summary | None = None
    shards: list[SequenceShard] = field(default_factory=list)
    schema_version: str = VERSION

    @property
    def ids(self) -> int:
        """Number of ids: of text and codes, and of summaries that have ids of their own."""
        own = self.summary.begin + self.summary.tokens if self.summary and not self.summary.independent else 0
        return max(self.first_code + sum(self.codebook_sizes), own)

    @property
    def sequences(self) -> int:
        """Of all shards."""
        return sum(shard.sequences for shard in self.shards)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(plain(self))


def description_of(store: Store) -> SetDescription:
    """The description of the set in a folder or prefix. Raises UsageError where there is none, RunError where it is damaged."""
    try:
        data = store.get(FILE)
    except FileNotFoundError:
        raise UsageError(_missing(store)) from None
    try:
        version = msgspec.json.decode(data, type=dict[str, Any]).get("schema_version")
        if version != VERSION:
            raise RunError(f"{store.uri(FILE)}: schema_version is {version}, this dataengine reads {VERSION}")
        return msgspec.json.decode(data, type=SetDescription)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{store.uri(FILE)} does not describe a set of sequences: {error}") from None


def settings_of(about: SetDescription) -> SummarySettings | None:
    """The summary layout of the set, if it has one. Raises UsageError where it is none that there is."""
    if about.summary is None:
        return None
    fields = plain(about.summary)
    try:
        enums = {
            "text_positions": TextPositions(fields["text_positions"]),
            "summary_positions": SummaryPositions(fields["summary_positions"]),
            "documents": Documents(fields["documents"]),
        }
    except ValueError as error:
        raise UsageError(f"set {about.name}: summary: {error}") from None
    return SummarySettings(**{**fields, **enums})


def _missing(store: Store) -> str:
    inside = sorted(entry.key for entry in store.list() if entry.key.endswith(f"/{FILE}"))
    if inside:
        sets = ", ".join(store.uri(key).removesuffix(f"/{FILE}") for key in inside[:8])
        return f"{store.url} has sets of sequences, name one: {sets}"
    return f"{store.url} holds no set of sequences (there is no {FILE}); a set is WORKSPACE/releases/NAME/sequences/SET/FORMAT"
