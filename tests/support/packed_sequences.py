"""Random packed sequences of every layout, and a set of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from dataengine.sequence.formats.description import Format, SetDescription
from dataengine.sequence.model import DocumentSpan, MediaSpan, PackedSequence, Role

END_OF_TEXT, EOB, FIRST_CODE = 1, 2, 100


def packed(seed: int, length: int = 64, *, width: int = 1, axes: int = 1, padding: int = 5) -> PackedSequence:
    """Some documents and a padding; tokens below 100 are text, others codes."""
    rng = np.random.default_rng(seed)
    content = length - padding
    cuts = sorted({int(c) for c in rng.integers(1, content, 3)} | {0, content})
    borders = [*cuts, length] if padding else cuts
    positions = np.concatenate([np.arange(b - a) for a, b in pairwise(borders)]).astype(np.int32)
    roles = rng.choice([Role.TEXT, Role.ASSISTANT, Role.CODE, Role.SPECIAL], length).astype(np.uint8)
    roles[content:] = Role.PADDING
    tokens = rng.integers(3, 100, (length, width)).astype(np.int32)
    tokens[roles == Role.CODE] += 100
    tokens[content:] = END_OF_TEXT
    documents = [
        DocumentSpan(f"{seed:032x}"[:30] + f"{n:02x}", "captions", a, b) for n, (a, b) in enumerate(pairwise(cuts))
    ]
    media = (MediaSpan("0" * 32, "jpg", 0, cuts[1], (1, 1, cuts[1])),) if axes == 3 else ()
    loss = ((rng.random(length) < 0.7) & (roles != Role.PADDING)).astype(np.uint8)
    return PackedSequence(
        tokens[:, 0] if width == 1 else tokens,
        roles,
        loss,
        positions if axes == 1 else np.stack([positions] * 3),
        np.array(borders, np.int32),
        tuple(documents),
        media,
    )


def same(a: PackedSequence, b: PackedSequence) -> bool:
    """Whether two sequences are equal in everything."""
    arrays = ("tokens", "roles", "loss_mask", "positions", "cu_seqlens")
    equal = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
    typed = all(getattr(a, name).dtype == getattr(b, name).dtype for name in arrays)
    return equal and typed and (a.documents, a.media) == (b.documents, b.media)


def described(form: Format, length: int = 64, width: int = 1, **more: Any) -> SetDescription:
    return SetDescription(
        name="demo-8k",
        format=form,
        layout="codes" if width == 1 else "blocks",
        split="train",
        length=length,
        width=width,
        first_code=FIRST_CODE,
        end_of_text=END_OF_TEXT,
        eob=EOB,
        **more,
    )
