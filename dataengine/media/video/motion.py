"""What moves in a video, and how the camera does: amount, pan, tilt, zoom, shake, and one word for it all.

In each step a pan, a tilt and a zoom are fitted to the field of movement, robustly, for what moves by itself is no part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from dataengine.media.limits import Limits
from dataengine.media.video.motion_vectors import Movement, Step, movement

#: Increased when a value could change.
VERSION = "1"

Camera = Literal[
    "static", "screen", "fixed", "shake", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out"
]
Float64 = npt.NDArray[np.float64]

_STILL = 0.005
"""Share of the picture that may change in a still step."""
_ALL, _MOST = 0.98, 0.7
"""Shares of still steps of a static video, and of a screen recording or slide show."""
_SLOW = 0.02
"""Longer sides a second (for a zoom: of growth, at the picture's edge) from which the camera moves."""
_SHAKING = 0.04
"""The same of what is left of its movement once its smooth part is taken off."""
_SMOOTH = 9
_ROUNDS = 4

_Positive = Annotated[float, Meta(ge=0)]


class Motion(Struct, frozen=True):
    """motion: mean speed of the picture's parts, and object_motion of what the camera's movement does not explain; pan: the
    camera's turn to the right, tilt: upwards; all in longer sides a second; zoom: growth a second, 0.1 for 10 %; shake: root mean
    square of pan and tilt without their smooth part; still: share of steps in which the picture stays as it is; cuts: steps in
    which most of it changes at once; camera: one word; motion_source: what was read, the codec's vectors
    or, where its decoder gives none, optical flow."""

    motion: _Positive
    object_motion: _Positive
    pan: float
    tilt: float
    zoom: float
    shake: _Positive
    still: Annotated[float, Meta(ge=0, le=1)]
    cuts: Annotated[int, Meta(ge=0, le=10_000)]
    camera: Camera
    motion_source: Literal["vectors", "flow"]


def of_file(limits: Limits, data: bytes) -> Motion:
    """Of a video. Raises InputError."""
    return described(movement(data, limits))


def described(moved: Movement) -> Motion:
    steps = [step for window in moved.steps for step in window]
    fits = [[fitted(step.field) for step in _moving(window)] for window in moved.steps]
    rows = np.array([fit for window in fits for fit in window]).reshape(-1, 5)
    shakes = np.concatenate([_shake(np.array(window).reshape(-1, 5)[:, :2]) for window in fits] or [np.zeros(0)])
    still = float(np.mean([step.changed <= _STILL for step in steps])) if steps else 1.0
    means = rows.mean(axis=0) * (1 - still) if len(rows) else np.zeros(5)
    shake = float(np.sqrt(shakes.mean())) if len(shakes) else 0.0
    right, down, zoom, speed, rest = (float(v) for v in means)
    cuts = sum(_is_cut(step) for step in steps)
    camera = _camera(-right, down, zoom, shake, still, cuts, steps)
    return Motion(speed, rest, -right, down, zoom, shake, still, cuts, camera, "vectors" if moved.vectors else "flow")


def fitted(field: npt.NDArray[np.float32] | None) -> tuple[float, float, float, float, float]:
    """Movement of the whole to the right and down, its growth, mean speed, and mean speed of what these do not explain."""
    if field is None or not len(field):
        return 0.0, 0.0, 0.0, 0.0, 0.0
    x, y, right, down, weight = field.astype(np.float64).T
    ones, none = np.ones_like(x), np.zeros_like(x)
    basis = np.concatenate([np.stack([ones, none, x], axis=1), np.stack([none, ones, y], axis=1)])
    moved, trust = np.concatenate([right, down]), np.maximum(weight, 1e-12)
    model, rest = np.zeros(3), np.zeros_like(x)
    for number in range(_ROUNDS):
        root = np.sqrt(np.r_[trust, trust])
        model = np.linalg.lstsq(basis * root[:, None], moved * root, rcond=None)[0]
        rest = np.hypot(*(moved - basis @ model).reshape(2, -1))
        scale = max(float(np.median(rest)), 1e-4)
        trust = np.maximum(weight, 1e-12) / (1 + (rest / (2 * scale)) ** 2) if number < _ROUNDS - 1 else trust
    speed = np.average(np.hypot(right, down), weights=np.maximum(weight, 1e-12))
    return (
        float(model[0]),
        float(model[1]),
        float(model[2]),
        float(speed),
        float(np.average(rest, weights=weight + 1e-12)),
    )


def _moving(window: Sequence[Step]) -> list[Step]:
    """Steps with movement: no cuts, and no jumps between still ones, as from slide to slide."""
    still = [True, *(step.changed <= _STILL for step in window), True]
    return [
        step
        for n, step in enumerate(window)
        if step.field is not None and not still[n + 1] and not (still[n] and still[n + 2]) and not _is_cut(step)
    ]


def _is_cut(step: Step) -> bool:
    """Most of the picture changes at once, by more than movement would."""
    return step.changed > 0.7 and step.change > 36


def _shake(moved: Float64) -> Float64:
    """Squares of ``(n, 2)`` movements less their running mean."""
    if len(moved) < _SMOOTH:
        return np.zeros(0)
    kernel = np.ones(_SMOOTH) / _SMOOTH
    smooth = np.stack([np.convolve(axis, kernel, "valid") for axis in moved.T], axis=1)
    inner = moved[_SMOOTH // 2 : len(moved) - _SMOOTH // 2]
    squares: Float64 = np.square(inner - smooth).sum(axis=1)
    return squares


def _camera(
    pan: float, tilt: float, zoom: float, shake: float, still: float, cuts: int, steps: Sequence[Step]
) -> Camera:
    if still >= _ALL and not cuts and max((step.changed for step in steps), default=0.0) <= 10 * _STILL:
        return "static"
    if still >= _MOST:
        return "screen"
    grows = zoom / 2
    if shake >= _SHAKING and shake > max(abs(pan), abs(tilt), abs(grows)):
        return "shake"
    if abs(grows) >= _SLOW and abs(grows) > max(abs(pan), abs(tilt)):
        return "zoom_in" if zoom > 0 else "zoom_out"
    if max(abs(pan), abs(tilt)) < _SLOW:
        return "fixed"
    if abs(pan) >= abs(tilt):
        return "pan_right" if pan > 0 else "pan_left"
    return "tilt_up" if tilt > 0 else "tilt_down"
