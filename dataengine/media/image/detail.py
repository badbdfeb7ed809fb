"""Effective resolution: how finely a picture is really resolved, which stretching does not add to.

Along 24 rows and 24 columns the frequency is measured below which four fifths of the energy of edges lie (the power spectrum
times frequency, whose natural 1/f² fall that undoes in part). As a share of the highest frequency that the pixels could hold, it
is about 0.5 to 0.75 in sharp photographs, and falls as a picture is blurred or stretched; times the side it counts the lines
that the picture resolves, which stays as it was when a picture is stretched, whatever the kernel, and falls when it is shrunk.
Lines that repeat the one before, as stretching by nearest neighbours makes them, are taken out first.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated

import cv2
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits

_LINES = 24
_SHARE = 0.8
_SLOWEST = 24
"""Periods a side; slower ones are shapes, not detail."""
_SHORTEST = 96
"""Pixels of a side below which there is too little to measure."""
_FLAT = 1e-3
"""Mean power, as a share of that of white noise of one gray level, below which lines show nothing."""
_REPEATED, _REPEATS = 0.5, 0.08
"""A line is a copy of the one before if it differs from it by less than this share of what its neighbours differ by; stretched
by nearest neighbours is a picture with more than this share of such lines."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
#: What ``detail`` gives.
Detail = Annotated[float, Meta(ge=0, le=1)] | None


def detail(picture: Pixels) -> float | None:
    """Of an ``(H, W, 3) uint8`` picture, 0 to 1, the geometric mean of both directions; None for small or flat ones. Green alone
    is looked at: it has most of the brightness, and nothing need be converted."""
    height, width = picture.shape[:2]
    if min(height, width) < _SHORTEST:
        return None
    rows = picture[_places(height), :, 1]
    columns = picture[:, _places(width), 1].T
    across, down = _resolved(rows), _resolved(columns)
    return None if across is None or down is None else round(min(1.0, math.sqrt(across * down)), 4)


def of_file(limits: Limits, data: bytes) -> Detail:
    """The same of a picture's file; for a decode child. Raises InputError."""
    return detail(decode_rgb(data, limits))


@functools.lru_cache(64)
def _places(side: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, side - 1, _LINES + 2).astype(np.int64)[1:-1]


@functools.lru_cache(64)
def _grid(count: int) -> tuple[Float32, int, int, Float64]:
    """Of lines of so many pixels: window, size of the transform, its first frequency that counts, and all from there on, in
    periods a line."""
    size = cv2.getOptimalDFTSize(count)
    frequencies: Float64 = np.arange(1, (size - 1) // 2 + 1, dtype=np.float64) * (count / size)
    first = int(np.searchsorted(frequencies, _SLOWEST))
    window: Float32 = np.hanning(count).astype(np.float32)
    return window, size, first, frequencies[first:]


def _resolved(lines: Pixels) -> float | None:
    """Share of the highest frequency along ``(lines, pixels)``."""
    changing = _without_repeats(lines)
    count = changing.shape[1]
    window, size, first, frequencies = _grid(count)
    padded = np.zeros((_LINES, size), np.float32)
    np.multiply(changing, window, out=padded[:, :count])
    power = _power(np.asarray(cv2.dft(padded, flags=cv2.DFT_ROWS), np.float32))
    energy: Float64 = np.cumsum(power[first:] * frequencies)
    if not len(energy) or energy[-1] < _FLAT * _LINES * count * len(energy) * frequencies[-1]:
        return None
    resolved = float(np.interp(_SHARE * energy[-1], energy, frequencies))
    return 2 * resolved / int(lines.shape[1])


def _power(spectra: Float32) -> Float64:
    """Sum over spectra in OpenCV's packed form, from the first frequency to the last that has both parts."""
    squares: Float64 = np.einsum("ij,ij->j", spectra, spectra).astype(np.float64)
    pairs: Float64 = squares[1 : 1 + (len(squares) - 1) // 2 * 2].reshape(-1, 2).sum(axis=1)
    return pairs


def _without_repeats(lines: Pixels) -> Pixels:
    """``lines`` without the pixels that repeat the one before in all lines, where they are so many that a stretch made them."""
    steps = cv2.absdiff(lines[:, 1:], lines[:, :-1])
    change = cv2.reduce(steps, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F)[0]
    limit = _REPEATED * change
    repeated = np.zeros(lines.shape[1], np.bool_)
    repeated[2:-1] = (change[1:-1] < limit[2:]) & (change[1:-1] < limit[:-2])
    return lines[:, ~repeated] if np.count_nonzero(repeated) > _REPEATS * lines.shape[1] else lines
