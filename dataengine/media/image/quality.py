"""Quality of a picture from pixels alone: exposure, contrast, colourfulness, blocking, detail, text and QR codes.

All but blocking and detail are measured at a longer side of 512 pixels, so that copies of any size have about the same values.
"""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from dataengine.media.image.detail import Detail, detail
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.text_area import text_area

#: Increased when a value could change; that of ``detail`` has a version of its own.
VERSION = "2"

_SIDE, _QR_SIDE = 512, 1024
_DARK, _BRIGHT = 5, 250
"""Gray levels up to and from which a pixel shows nothing."""
_BLOCK = 8
_QR_LEAST = 24
"""Pixels of a QR code's side; smaller finds are noise."""

_Share = Annotated[float, Meta(ge=0, le=1)]
_Positive = Annotated[float, Meta(ge=0)]


class Quality(Struct, frozen=True):
    """over_exposure and under_exposure: shares of pixels at 250 of 255 and above, at 5 and below; rms_contrast: standard
    deviation of gray levels, 0 to 127.5; colourfulness of Hasler and Süsstrunk (2003), 0 for gray, 33 moderate, above 80
    extreme; blocking: by how much steps between JPEG's blocks exceed those within them; detail: ``media.image.detail``;
    text_area: share of the picture; qr_codes: number."""

    over_exposure: _Share
    under_exposure: _Share
    rms_contrast: _Positive
    colourfulness: _Positive
    blocking: _Positive
    detail: Detail
    text_area: _Share
    qr_codes: Annotated[int, Meta(ge=0, le=100)]


def measure(picture: Pixels) -> Quality:
    """Of an upright ``(H, W, 3) uint8`` picture."""
    small = at_most(picture, _SIDE)
    gray: Pixels = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    return Quality(
        over_exposure=float((gray >= _BRIGHT).mean()),
        under_exposure=float((gray <= _DARK).mean()),
        rms_contrast=float(gray.std()),
        colourfulness=_colourfulness(small),
        blocking=blocking(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))),
        detail=detail(picture),
        text_area=text_area(gray),
        qr_codes=qr_codes(at_most(picture, _QR_SIDE)),
    )


def at_most(picture: Pixels, side: int) -> Pixels:
    """The picture, shrunk by averaging until its longer side has ``side`` pixels."""
    longer = max(picture.shape[:2])
    if longer <= side:
        return picture
    height, width = (max(1, round(s * side / longer)) for s in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _colourfulness(picture: Pixels) -> float:
    red, green, blue = (picture[:, :, n].astype(np.float32) for n in range(3))
    sides = red - green, (red + green) / 2 - blue
    deviation, mean = (float(np.hypot(f(sides[0]), f(sides[1]))) for f in (np.std, np.mean))
    return deviation + 0.3 * mean


def blocking(gray: Pixels) -> float:
    """Of an ``(H, W) uint8`` picture, whatever its grid's offset: at the worst of eight offsets, steps between neighbours at
    block borders over those elsewhere, less one; mean of both directions. Next to nothing in pictures without blocks."""
    ratios = [_border_steps(np.asarray(cv2.absdiff(a, b)), axis) for a, b, axis in _neighbours(gray) if a.size]
    return float(sum(max(0.0, ratio - 1) for ratio in ratios) / 2)


def _neighbours(gray: Pixels) -> list[tuple[Pixels, Pixels, int]]:
    return [(gray[:, 1:], gray[:, :-1], 0), (gray[1:], gray[:-1], 1)]


def _border_steps(steps: npt.NDArray[Any], axis: int) -> float:
    profile = steps.mean(axis=axis, dtype=np.float64)
    whole = len(profile) // _BLOCK * _BLOCK
    if whole < 4 * _BLOCK:
        return 1.0
    phases = np.median(profile[:whole].reshape(-1, _BLOCK), axis=0)
    rest = (phases.sum() - phases.max()) / (_BLOCK - 1)
    return float(phases.max() / rest) if rest > 0 else 1.0


def qr_codes(picture: Pixels) -> int:
    """Number of QR codes of ``(H, W, 3) uint8`` by OpenCV's detectors of several and, where they find none, of one, after a
    slight blur, without which they miss sharp ones. One alone must be readable, for that detector errs; its text is dropped."""
    gray = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (3, 3), 0)
    detector = cv2.QRCodeDetector()
    detected, corners = detector.detectMulti(gray)
    if not detected or corners is None:
        detected, corners = detector.detect(gray)
        if not detected or corners is None or not detector.decode(gray, corners)[0]:
            return 0
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).min(axis=1)
    return int((sides >= _QR_LEAST).sum())
