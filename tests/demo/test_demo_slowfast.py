"""Slow-Fast sampling of every video of the demo corpus against keye-vl-utils."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from keye_vl_utils import vision_process as keye
from support.slowfast_oracle import oracle, ours

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.video import frames, reader, slowfast
from dataengine.media.video.sampling import PRESETS


@pytest.fixture(scope="session")
def videos(corpus: Path) -> dict[str, bytes]:
    """All that can be read, by path."""
    found = {}
    for path in sorted(p for p in (corpus / "videos").rglob("*") if p.is_file()):
        data = path.read_bytes()
        try:
            reader.probe(data, Limits())
        except InputError:
            continue
        found[str(path.relative_to(corpus))] = data
    return found


def exact(data: bytes) -> bool:
    """Whether decord, which keye-vl-utils reads by, hands out the frames it was asked for."""
    clip = reader.probe(data, Limits())
    return frames.decord_is_exact(clip.media.demuxer, clip.codec, clip.closed)


def test_videos_that_decord_reads_rightly_are_sampled_alike(videos: dict[str, bytes]) -> None:
    checked = {name: data for name, data in videos.items() if exact(data)}
    for name, data in checked.items():
        expected, found = oracle(data), ours(data)
        assert found[:2] == expected[:2], name
        assert found[2] == pytest.approx(expected[2], abs=1e-4)
    assert len(checked) >= 8


def test_of_the_others_the_right_frames_are_sampled_as_it_would(videos: dict[str, bytes]) -> None:
    checked = {name: data for name, data in videos.items() if not exact(data)}
    for name, data in checked.items():
        plan = slowfast.plan(data, PRESETS["released"], Limits())
        pixels = np.stack(list(reader.stream(data, reader.probe(data, Limits()), np.array(plan.indices))))
        kinds = keye.extract_slow_fast_frames(torch.from_numpy(pixels).permute(0, 3, 1, 2), 0.9)
        assert list(plan.kinds) == kinds.tolist(), name
        assert slowfast.budgeted(plan.kinds, *pixels.shape[1:3], PRESETS["released"]) == (plan.slow, plan.fast)
    assert len(checked) >= 5
