"""What is shown of a sample beside its media: a video's slow and fast frames with shot borders, and what its codes keep of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataengine.browse.page.pictures import Pictures
from dataengine.browse.page.reconstructions import Reconstructions, SampleCodes
from dataengine.errors import DataEngineError
from dataengine.media.video.strip import MOST, evenly

_NAMES = ("slow", "fast")
#: Times of one frame, by sampling and in codes, differ by less.
_SAME = 1e-3


def visuals(id_: str, pictures: Pictures, reconstructions: Reconstructions) -> dict[str, Any]:
    """``kind``: image or video. ``frames``: of a video each shown frame with its time and kind, the number of its thumbnail
    (``picture``) and that of its reconstruction, where it has them; of a picture one with the reconstruction. ``cuts``: seconds
    where shots begin. ``notes`` say what is missing and why. Raises KeyError."""
    place = pictures.place(id_)
    notes: list[str] = []
    sample, why = _coded(id_, reconstructions)
    if why:
        notes.append(f"no picture of its codes: {why}")
    shown: dict[str, Any] = {
        "kind": place.kind,
        "codes": _described(sample) if sample is not None else "",
        "notes": notes,
    }
    coded = sample if not why else None
    if place.kind != "video":
        return shown | {"frames": [{"reconstruction": 0}] if coded is not None else [], "cuts": []}
    strip = pictures.strip(id_)
    if isinstance(strip, str):
        notes.append(f"its frames cannot be decoded: {strip}")
        return shown | {"frames": _merged([], coded), "cuts": []}
    if strip.unseen:
        notes.append(f"shot borders are not known: {strip.unseen}")
    frames: list[dict[str, Any]] = [
        {"time": strip.times[n], "kind": _NAMES[strip.kinds[n]], "picture": number}
        for number, n in enumerate(strip.shown)
    ]
    slow = strip.kinds.count(0)
    counted = f"{slow:,} slow and {len(strip.kinds) - slow:,} fast frames by {pictures.sampled_by}"
    some = f", {len(frames)} shown" if len(frames) < len(strip.times) else ""
    return shown | {"frames": _merged(frames, coded), "cuts": strip.cuts, "sampled": counted + some}


def _coded(id_: str, reconstructions: Reconstructions) -> tuple[SampleCodes | None, str]:
    """The codes of a sample, and why they cannot be shown as pictures."""
    try:
        sample = reconstructions.of(id_)
    except (DataEngineError, FileNotFoundError) as error:
        return None, str(error)
    return sample, reconstructions.why_not(id_) if sample is not None else ""


def _described(sample: SampleCodes) -> str:
    tokens, codebooks = sample.codes.tokens.shape
    t, h, w = sample.codes.grid
    frames = f"{t} frames, slow ones of " if sample.codes.timeline else ""
    return f"{tokens:,} tokens of {codebooks} codes ({frames}{h} × {w} patches) by tokenizer {sample.tokenizer[:8]}"


def _merged(frames: Sequence[dict[str, Any]], sample: SampleCodes | None) -> list[dict[str, Any]]:
    """Frames and those of the codes in the order of time; of one time in one entry. Codes of merged frames stand alone."""
    if sample is None:
        return list(frames)
    kinds = sample.codes.timeline.kinds if sample.codes.timeline else (0,) * sample.codes.grid[0]
    coded = dict(enumerate(sample.times))
    merged = []
    for frame in frames:
        same = next((n for n, time in coded.items() if abs(time - frame["time"]) < _SAME), None)
        if same is not None:
            del coded[same]
            merged.append(frame | {"reconstruction": same})
        else:
            merged.append(dict(frame))
    if not any("reconstruction" in frame for frame in merged):
        alone = [list(coded)[n] for n in evenly(len(coded), MOST)]
        merged += [{"time": coded[n], "kind": _NAMES[kinds[n]], "reconstruction": n} for n in alone]
    return sorted(merged, key=lambda frame: float(frame["time"]))
