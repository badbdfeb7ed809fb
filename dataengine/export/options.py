"""Options of an export; apart from it, so that the command line can list them without importing anything else."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """Form of the rows: captions as plain sequences or chats, images from captions, chain-of-thought chats."""

    segments = "segments"
    messages = "messages"
    t2i = "t2i"
    cot = "cot"


class MediaAs(StrEnum):
    """Where media are. The trainer reads videos by path only: they are files unless ``none``."""

    inline = "inline"
    files = "files"
    none = "none"


class ToolsAs(StrEnum):
    """What becomes of a tool's output in a record's reply. The trainer learns all text of an assistant's turn, and takes an image
    in it for one to be generated; so ``turns`` makes the output a turn of the user, which is no target."""

    turns = "turns"
    whole = "whole"
    none = "none"


class Trainer(StrEnum):
    """Whose layout preferences are written in."""

    trl = "trl"
    llamafactory = "llamafactory"


class Signal(StrEnum):
    """What of the graded paths is written: pairs of a sound and a wrong reply (DPO, MPO); questions that are answered right
    sometimes, with hints (RL); steps with labels (process rewards)."""

    pairs = "pairs"
    rl = "rl"
    steps = "steps"
