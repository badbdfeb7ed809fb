"""Settings of how a set of sequences is written: its formats, and the summary layout (docs/sequence-formats.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from dataengine.config.sources import Model
from dataengine.text.layer_windows import parse_windows

FormatName = Literal["webdataset", "energon", "parquet", "datasets", "megatron", "stream"]
#: Formats that hold one token a position, and nothing of documents and roles.
TOKENS_ONLY = ("megatron", "stream")


class SummaryConfig(Model):
    """Summary tokens between the others (Kwai Summary Attention, arXiv 2604.24432); defaults as in its published recipe."""

    chunk: Annotated[int, Field(ge=1, le=4096)] = 8
    """Tokens before each summary."""
    tokens: Annotated[int, Field(ge=1, le=64)] = 1
    """Summary tokens of a chunk."""
    begin: Annotated[int, Field(ge=0, lt=1 << 31)] = 151_936
    """Id of the first, where they have no embedding of their own."""
    independent: bool = True
    """Stored as id 0: the model has an embedding of its own for them."""
    text_positions: Literal["origin", "inner_chunk"] = "origin"
    summary_positions: Literal["last_chunk_slice_right", "last_chunk_slice_left", "zeros"] = "last_chunk_slice_right"
    windows: str | int = "([128]*3+[1024]*1)*6"
    """Chunks that are seen as text, by layer; stored with the set, they change no token."""
    documents: Literal["across", "within"] = "across"
    """``within``: chunks end with documents, which do not see one another."""
    align_visual: bool = False
    """A chunk ends where codes or media begin and end."""

    @field_validator("windows")
    @classmethod
    def _parses(cls, value: str | int) -> str | int:
        parse_windows(value)
        return value
