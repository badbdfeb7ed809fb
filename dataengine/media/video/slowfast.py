"""Slow-Fast video sampling (Keye-VL-1.5, arXiv 2509.01563): changed frames are slow and get many visual tokens, similar ones are
fast and get few.

With the constants of the paper or of the released keye-vl-utils. Frames are streamed and compared with the last slow one. A clip
that fits into ``_HELD`` bytes is kept for the second pass, which gives frames at their sizes; longer ones are decoded twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resample import resize
from dataengine.media.image.resize import PATCH, smart_resize
from dataengine.media.limits import Limits
from dataengine.media.video import reader
from dataengine.media.video.sampling import FAST, SLOW, SlowFast
from dataengine.media.video.similarity import Reducer, similarity

Size = tuple[int, int]

#: Largest size of a frame for comparison, in tokens.
_COMPARED = 256
_HELD = 256 << 20


@dataclass(frozen=True)
class Plan:
    """Sampling plan of a video: frame ``indices``, ``times`` in seconds (index / frame rate), ``kinds`` (SLOW or FAST), and the
    (height, width) in pixels of ``slow`` and ``fast`` frames."""

    indices: tuple[int, ...]
    times: tuple[float, ...]
    kinds: tuple[int, ...]
    slow: Size
    fast: Size

    def tokens(self, kind: int) -> int:
        """Visual tokens of a frame of this kind."""
        height, width = self.fast if kind == FAST else self.slow
        return height * width // PATCH**2

    @property
    def total(self) -> int:
        """Visual tokens of the video."""
        return sum(self.tokens(kind) for kind in self.kinds)


def plan(data: bytes, how: SlowFast, limits: Limits) -> Plan:
    """The sampling plan of a video, from one decoding pass. Raises InputError."""
    return _analysed(data, how, limits, hold=0)[0]


def sampled(data: bytes, how: SlowFast, limits: Limits) -> tuple[Plan, Iterator[Pixels]]:
    """Sample a video: the plan, and its frames in order, upright ``(H, W, 3) uint8`` RGB at the size of their kind. Raises
    InputError, also while iterating."""
    result, clip, held = _analysed(data, how, limits, _HELD)
    native = iter(held) if held is not None else reader.stream(data, clip, np.array(result.indices))
    sized = (_at(f, result.fast if k == FAST else result.slow) for f, k in zip(native, result.kinds, strict=True))
    return result, sized


def chosen(count: int, fps: float, how: SlowFast) -> npt.NDArray[np.int64]:
    """Indices of evenly spaced frames of a video with ``count`` frames, from the first to the last."""
    wanted = min(int(count / fps * min(how.fps, fps)), how.most_frames, count)
    return _linspace(count - 1, max(1, wanted))


def kinds_of(hsv: Iterator[Pixels], how: SlowFast) -> list[int]:
    """Classify downscaled HSV frames, in order, as SLOW or FAST; holds two of them."""
    kinds: list[int] = []
    last: Pixels | None = None
    for picture in hsv:
        score = -1.0 if last is None else similarity(last, picture)
        fast = score >= how.threshold if how.inclusive else score > how.threshold
        kinds.append(FAST if fast else SLOW)
        last = last if fast else picture
    return kinds


def budgeted(kinds: Sequence[int], height: int, width: int, how: SlowFast) -> tuple[Size, Size]:
    """(height, width) of slow and fast frames, for the most tokens that a slow frame may have within the budget.

    Binary search as in the released code, which may exceed the budget by one step. Raises InputError."""
    slow, fast = kinds.count(SLOW), kinds.count(FAST)
    low, high = how.min_tokens, how.max_tokens
    while low < high:
        middle = (low + high) // 2
        if slow * middle + fast * max(int(how.fast_ratio * middle), how.min_tokens) > how.budget:
            high = middle
        else:
            low = middle + 1
    slow_size = smart_resize(height, width, min_tokens=how.min_tokens, max_tokens=low)
    tokens = slow_size[0] * slow_size[1] / PATCH**2
    most = max(int(tokens * how.fast_ratio), how.min_tokens)
    return slow_size, smart_resize(height, width, min_tokens=how.min_tokens, max_tokens=most)


def frame_text(plan: Plan) -> list[str]:
    """Frames as text of the Keye-VL-1.5 processors: time in seconds with one decimal, then padding tokens."""
    pads = {kind: "<|video_pad|>" * plan.tokens(kind) for kind in (SLOW, FAST)}
    pads[FAST] = f"<|fast_start|>{pads[FAST]}<|fast_end|>"
    return [f"<|frame|>{time:.1f}{pads[kind]}" for time, kind in zip(plan.times, plan.kinds, strict=True)]


def _analysed(data: bytes, how: SlowFast, limits: Limits, hold: int) -> tuple[Plan, reader.Video, list[Pixels] | None]:
    clip = reader.probe(data, limits)
    indices = chosen(clip.frames, clip.rate, how)
    to = smart_resize(clip.height, clip.width, min_tokens=how.min_tokens, max_tokens=max(_COMPARED, how.min_tokens))
    held: list[Pixels] | None = [] if len(indices) * clip.height * clip.width * 3 <= hold else None
    reduce = Reducer(clip.height, clip.width, to)

    def pictures() -> Iterator[Pixels]:
        for frame in reader.stream(data, clip, indices):
            if held is not None:
                held.append(frame)
            yield reduce(frame)

    kinds = kinds_of(pictures(), how)
    slow, fast = budgeted(kinds, clip.height, clip.width, how)
    times = tuple((indices / clip.rate).tolist())
    return Plan(tuple(indices.tolist()), times, tuple(kinds), slow, fast), clip, held


def _linspace(last: int, count: int) -> npt.NDArray[np.int64]:
    """Rounded ``torch.linspace(0, last, count)``: float32, each value from the nearer end, rounded half to even."""
    if count == 1:
        return np.zeros(1, np.int64)
    step = np.float32(last) / np.float32(count - 1)
    at = np.arange(count, dtype=np.float32)
    spaced = np.where(at < count // 2, step * at, np.float32(last) - step * (np.float32(count - 1) - at))
    return np.rint(spaced).astype(np.int64)


def _at(frame: Pixels, size: Size) -> Pixels:
    return frame if frame.shape[:2] == size else resize(frame, size, "bicubic")
