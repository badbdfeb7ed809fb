"""What an export can be asked for; apart, so that the command line names it without reading anything else."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """What rows are for: captions as plain sequences or chats, pictures from captions, chain-of-thought chats."""

    segments = "segments"
    messages = "messages"
    t2i = "t2i"
    cot = "cot"


class MediaAs(StrEnum):
    """Where pixels are. The reader takes videos by path alone: they are files in either case."""

    inline = "inline"
    files = "files"
    none = "none"
