"""Special tokens by what they are for: which a layout needs, and their names in Qwen's, Keye's and Kelix's tokenizers."""

from __future__ import annotations

from collections.abc import Iterable

from dataengine.config.sequence import DISCRETE
from dataengine.index.codes import text as semantic
from dataengine.tokenize.vocabulary import Vocabulary

#: Token of each purpose; None: the name is our own (the Kelix code knows it by id only).
NAMES: dict[str, str] = {
    "end_of_text": "<|endoftext|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "image_pad": "<|image_pad|>",
    "video_pad": "<|video_pad|>",
    "frame": "<|frame|>",
    "fast_start": "<|fast_start|>",
    "fast_end": "<|fast_end|>",
    "mm_pos_start": "<|mm_pos_start|>",
    "mm_pos_end": "<|mm_pos_end|>",
    "eob": "<|eob|>",
}
_TEXT = ("end_of_text", "im_start", "im_end", "vision_start", "vision_end")
_FRAMES = ("frame", "fast_start", "fast_end")
_MARKERS = ("mm_pos_start", "mm_pos_end")
_NEEDED = {
    "blocks": (*_TEXT, *_FRAMES, *_MARKERS, "eob"),
    "codes": (*_TEXT, *_FRAMES, *_MARKERS, "eob"),
    "qwen-vl": (*_TEXT, "image_pad", "video_pad"),
    "keye": (*_TEXT, "image_pad", "video_pad", *_FRAMES),
}


def needed(layouts: Iterable[str]) -> list[str]:
    """Purposes of all special tokens of these layouts, in the order of NAMES."""
    wanted = {purpose for layout in layouts for purpose in _NEEDED[layout]}
    return [purpose for purpose in NAMES if purpose in wanted]


def semantic_tokens(shape: tuple[int, int] | None) -> list[str]:
    """Tokens of semantic ids of so many levels and codes a level, which are called by their names; none without."""
    return semantic.tokens(*shape) if shape else []


def name_of(purpose: str) -> str:
    """The usual token for a purpose."""
    return NAMES.get(purpose, purpose)


def family_of(layout: str) -> str:
    """Documents of both discrete layouts are stored alike: ``discrete``; of others by the layout's own name."""
    return "discrete" if layout in DISCRETE else layout


def vocabulary(ids: dict[str, int], first_code: int, assistant: tuple[int, ...], line_break: int) -> Vocabulary:
    """Ids of a tokenizer as next-block rows take them. Special tokens that no layout of the recipe needs have the highest ids
    that are left below ``first_code``: they occur nowhere. Raises ValueError."""
    used_ids = set(ids.values())
    spare = (i for i in range(first_code - 1, -1, -1) if i not in used_ids)
    own = {name: ids[name] if name in ids else next(spare) for name in _NEEDED["blocks"]}
    return Vocabulary(vocab_size=first_code, assistant=assistant, line_break=line_break, **own)
