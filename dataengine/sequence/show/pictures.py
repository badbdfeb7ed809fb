"""Thumbnails of codes: decoded by the visual tokenizer where it is found and has a decoder, else none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.sequence.formats.description import SetDescription
from dataengine.sequence.formats.reader import SequenceSet
from dataengine.sequence.show.frames import Frame
from dataengine.storage.store import Store
from dataengine.tokenize import factory
from dataengine.tokenize.base import Tokenizer
from dataengine.tokenize.checkpoint import FILE, unpack
from dataengine.tokenize.external import ExternalConfig

Pixels = NDArray[np.uint8]
#: Frames that are decoded for one sequence.
MOST = 64


def find_tokenizer(stored: SequenceSet, path: str | None) -> Tokenizer | None:
    """The set's visual tokenizer: at ``path``, or in the workspace that the set's release is in; None where it is not there.
    Raises RunError for one that is damaged or another than the set's codes are of."""
    if not stored.about.tokenizer:
        return None
    data = ExternalConfig(path=path).read() if path else _in_workspace(stored.store.url, stored.about)
    if data is None:
        return None
    if unpack(data)[0].get("name") not in factory.OWN:
        return None  # of a plugin, which a set does not name
    tokenizer = factory.load(data)
    if tokenizer.id != stored.about.tokenizer:
        raise RunError(
            f"{path or 'the workspace'} has tokenizer {tokenizer.id}, the set's codes are of {stored.about.tokenizer}"
        )
    return tokenizer


def _in_workspace(url: str, about: SetDescription) -> bytes | None:
    workspace, inside, _ = url.rpartition("/releases/")
    if not inside:
        return None
    try:
        return Store(workspace).get(f"tokenizers/{about.tokenizer}/{FILE}")
    except FileNotFoundError:
        return None


def decoded(frames: Sequence[Frame], tokenizer: Tokenizer | None) -> dict[int, Pixels]:
    """(H, W, 3) pixels of the first frames by where they start."""
    pictures: dict[int, Pixels] = {}
    for frame in frames[:MOST]:
        pixels = tokenizer.decode(frame.codes) if tokenizer and frame.codes else None
        if pixels:
            pictures[frame.start] = pixels[0]
    return pictures
