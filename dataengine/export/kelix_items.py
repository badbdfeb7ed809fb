"""Media of a row for the Kelix trainer: a sample, a picture of a record's own, or a clip of such pictures."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataengine.media.video.sampling import SLOW


@dataclass
class Item:
    """An image or video of a row. ``codes``: the layout from the sample's ``.json`` with ``npy``, the ``.codes.npy`` in base64.
    ``data`` reads its bytes, only where they are needed; ``frames`` says which frames of a video were shown."""

    id: str
    kind: str
    ext: str
    size: tuple[int, int]
    data: Callable[[], bytes]
    codes: dict[str, Any] | None = None
    frames: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    """Of an image, as the trainer names them."""

    def name(self, number: int) -> str:
        """Its name within the row."""
        return f"{number}.{self.ext}"


def clip_item(frames: Sequence[Item], id_: str, block: Mapping[str, Any]) -> Item:
    """A clip as a video of its frames, which are pictures of one size, with the codes of all where each has some."""

    def data() -> bytes:
        from dataengine.cot.core.shard_files import decode_png
        from dataengine.media.video.from_frames import video_of

        return video_of([decode_png(frame.data()) for frame in frames], block["times"])

    return Item(id_, "video", "mp4", frames[0].size, data, _codes(frames, block["times"]))


def _codes(frames: Sequence[Item], times: Sequence[float]) -> dict[str, Any] | None:
    """The layout of the codes of a video, as a sample's ``.json`` has it."""
    import numpy as np

    from dataengine.tokenize.base import Codes, Timeline
    from dataengine.tokenize.codec import from_npy, to_npy

    coded = [frame.codes for frame in frames if frame.codes is not None]
    if len(coded) < len(frames):
        return None
    _, h, w = coded[0]["grid"]
    tokens = [from_npy(base64.b64decode(one["npy"]), (1, h, w)).tokens for one in coded]
    line = Timeline((SLOW,) * len(frames), tuple(times), (h, w))
    codes = Codes(np.concatenate(tokens), (len(frames), h, w), line)
    layout = {"grid": list(codes.grid), "frame_kinds": [*line.kinds], "frame_times": [*times], "fast_grid": [h, w]}
    return layout | {"npy": base64.b64encode(to_npy(codes)).decode()}
