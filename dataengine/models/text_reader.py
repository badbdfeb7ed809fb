"""Reads text in pictures by PP-OCR through RapidOCR: finds lines, turns them upright, recognises them. The weights lie in its
package, nothing is downloaded.

RapidOCR brings a picture's shorter side to 736 pixels, which makes gigabytes of a long thin one: those are padded first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import InputError, RunError, UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.models.checkpoint import digest as file_digest
from dataengine.storage.workspace import digest

_FILES = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")
_ASPECT = 8
"""Longer side over shorter side, at most, of what the detector is shown."""
_LEAST = 30
"""Pixels of the shorter side that the package stretches what is thinner to."""
_TOGETHER = 48
"""Lines between two looks at the clock; a multiple of the recogniser's batch, so that batches are those of the package."""


@dataclass(frozen=True)
class OcrModel:
    """The installed weights: ``digest`` of all files, ``title`` and ``source`` for people, ``licence`` as an SPDX id."""

    name: str
    digest: str
    title: str
    source: str
    licence: str


@dataclass(frozen=True)
class Line:
    """A line of text; ``box``: ``(4, 2)`` corners clockwise from the top left, as shares of width and height."""

    text: str
    confidence: float
    box: NDArray[np.float64]


@dataclass(frozen=True)
class ReadPage:
    """Lines in reading order; ``partial``: there were more."""

    lines: list[Line]
    partial: bool


def model() -> OcrModel:
    """The model in the installed package. Raises UsageError where there is none."""
    from importlib.metadata import version

    spec = find_spec("rapidocr")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    if folder is None or not all((folder / name).is_file() for name in _FILES):
        raise UsageError(
            "annotate.ocr: the package rapidocr, which holds its model, is not installed: pip install "
            "'dataengine-multimodal[annotate]'"
        )
    files = digest([file_digest(folder / name) for name in _FILES])
    return OcrModel("ppocrv6-small", files, "PP-OCRv6 small", f"rapidocr {version('rapidocr')}", "Apache-2.0")


class TextReader:
    """``max_side``: the longest side of what it is given; larger pictures would be shrunk by the package."""

    def __init__(self, max_side: int, device: str, threads: int) -> None:
        from rapidocr import RapidOCR

        if device.startswith("cuda") and not _sees_cuda():
            raise RunError(
                f"annotate.device is {device}, but ONNX Runtime sees no CUDA device here: use `auto` or `cpu`, or install "
                "onnxruntime-gpu"
            )
        cuda = device != "cpu" and _sees_cuda()
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.max_side_len": max_side,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "EngineConfig.onnxruntime.use_cuda": cuda,
                "EngineConfig.onnxruntime.cuda_ep_cfg.device_id": int(device.partition(":")[2] or 0),
            }
        )

    def read(self, pages: Sequence[Pixels], most: int, confidence: float, seconds: float) -> Iterator[ReadPage]:
        """At most ``most`` lines of each page, of at least this confidence. Raises InputError ``timeout`` where all pages take
        longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        for page in pages:
            yield self._read(page, most, confidence, deadline, seconds)

    def _read(self, page: Pixels, most: int, confidence: float, deadline: float, seconds: float) -> ReadPage:
        height, width = page.shape[:2]
        image, record = self._engine.preprocess_img(_padded(page)[:, :, ::-1])
        crops, boxes = self._lines(image, record)
        partial, crops = len(crops) > most, crops[:most]
        order = np.argsort(np.array([crop.shape[1] / crop.shape[0] for crop in crops]))
        texts: dict[int, tuple[str, float]] = {}
        for start in range(0, len(crops), _TOGETHER):
            if time.monotonic() > deadline:
                raise InputError("timeout", f"reading its text took longer than {seconds:g} s")
            some = order[start : start + _TOGETHER]
            upright, _ = self._engine.cls_and_rotate([crops[n] for n in some])
            read = self._engine.recognize_txt(upright)
            texts.update(zip(map(int, some), zip(read.txts, map(float, read.scores), strict=True), strict=True))
        corners = _original(boxes, record, page.shape[:2])
        lines = [
            Line(texts[n][0], texts[n][1], corners[n] / (width, height))
            for n in range(len(crops))
            if texts[n][0].strip() and texts[n][1] >= confidence
        ]
        return ReadPage(lines, partial)

    def _lines(self, image: Pixels, record: dict[str, Any]) -> tuple[list[Pixels], NDArray[np.float64]]:
        """Crops of lines, in reading order, and their boxes in the picture that the detector was shown."""
        from rapidocr.main import RapidOCRError

        try:
            crops, detected = self._engine.detect_and_crop(image, record)
        except RapidOCRError:  # no text
            return [], np.zeros((0, 4, 2))
        return crops, np.array(detected.boxes, np.float64)


def _padded(page: Pixels) -> Pixels:
    """With black to the right where it is much taller than wide, and below where it is wide and so thin that the package would
    stretch it; what else is wide the package pads."""
    height, width = page.shape[:2]
    right = max(0, -(-height // _ASPECT) - width)
    below = max(0, min(_LEAST, -(-width // _ASPECT)) - height)
    return np.pad(page, ((0, below), (0, right), (0, 0))) if right or below else page


def _original(boxes: NDArray[np.float64], record: dict[str, Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """Boxes in pixels of the page."""
    padding, scale = record["padding_1"], record["preprocess"]
    moved = (boxes - (padding["left"], padding["top"])) * (scale["ratio_w"], scale["ratio_h"])
    clipped: NDArray[np.float64] = np.clip(moved, 0, (size[1], size[0]))
    return clipped


def _sees_cuda() -> bool:
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
