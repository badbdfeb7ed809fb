"""Token ids of next-block-prediction rows, and where each comes from: what a release does not fix is a field here.

The Kelix report (arXiv 2602.09843) and its code name most of them; none of its checkpoints could be read for this, so ids
that were read nowhere have a default that fits between the others, and say so. Check them against your tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: Text → ids. It should not parse the names of special tokens in the text.
Encode = Callable[[str], Sequence[int]]
#: Ids → text.
Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True)
class Vocabulary:
    """Ids below ``vocab_size``, all different. Raises ValueError."""

    vocab_size: int = 151_936
    """First id of a visual code: the embedding's rows for text. Default of the Kelix code (Qwen3's)."""
    eob: int = 151_681
    """End of block. Default of the Kelix code's block decoder."""
    end_of_text: int = 151_643
    """``<|endoftext|>``, after each sample and as padding. Qwen3."""
    im_start: int = 151_644
    """``<|im_start|>``. Qwen3."""
    im_end: int = 151_645
    """``<|im_end|>``. Qwen3."""
    vision_start: int = 151_652
    """``<|vision_start|>``. Qwen3."""
    vision_end: int = 151_653
    """``<|vision_end|>``. Qwen3."""
    mm_pos_start: int = 151_682
    """``<|mm_pos_start|>``. A debug script of the Kelix code."""
    mm_pos_end: int = 151_683
    """``<|mm_pos_end|>``. Read nowhere: the next one."""
    frame: int = 151_675
    """``<|frame|>``. Read nowhere: the first free one after Keye-VL's ``<|clip_time_end|>``."""
    fast_start: int = 151_676
    """``<|fast_start|>``. Read nowhere: the next one."""
    fast_end: int = 151_677
    """``<|fast_end|>``. Read nowhere: the next one (151,678 is ``<|fast_video_pad|>`` in the Kelix code)."""
    first_row: int = 0
    """How row markers count: from 0, as the report's 442 positions of an 18 x 18 grid want it; its wording ("3,4": the
    3rd row of a 4-column grid) says from 1."""
    assistant: tuple[int, ...] = (77_091, 198)
    """``assistant`` and a line break, after ``im_start``. Qwen3; the Kelix code's start pattern."""
    line_break: int = 198
    """After ``im_end``. Qwen3; the Kelix code's end pattern."""

    def __post_init__(self) -> None:
        special = self.special
        if len(set(special)) != len(special) or not all(0 <= i < self.vocab_size for i in special):
            raise ValueError(f"special ids are different and below {self.vocab_size}, not so in {self}")
        if self.first_row not in (0, 1):
            raise ValueError(f"row markers count from 0 or 1, not from {self.first_row}")

    @cached_property
    def special(self) -> tuple[int, ...]:
        """Ids that text must not have."""
        plain = {"vocab_size", "first_row", "assistant", "line_break"}
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in plain)


@dataclass(frozen=True)
class Layout:
    """How rows of one tokenizer's codes are written: ``codebook_sizes`` as in the release's manifest, ``encode`` of the
    language model's text tokenizer. Raises ValueError."""

    codebook_sizes: tuple[int, ...]
    encode: Encode
    vocabulary: Vocabulary = Vocabulary()
    frame_markers: bool = True
    """Row markers in the frames of videos too, without which their grids are not in the rows. The report has them for
    pictures; the token string of Keye-VL-1.5's videos has none."""

    def __post_init__(self) -> None:
        if not self.codebook_sizes or min(self.codebook_sizes) < 1:
            raise ValueError(f"codebooks have one entry and more, not {self.codebook_sizes}")

    @property
    def width(self) -> int:
        """Tokens of a row: one a codebook, and the end of block."""
        return len(self.codebook_sizes) + 1

    @property
    def size(self) -> int:
        """Rows of the language model's head and embedding: text and codes."""
        return self.vocabulary.vocab_size + sum(self.codebook_sizes)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(N,) global id of code 0 of each codebook: ``vocab_size + i * K`` where all have K entries (section 1.4)."""
        before = np.cumsum((0, *self.codebook_sizes[:-1]), dtype=np.int64)
        return self.vocabulary.vocab_size + before
