"""Questions of videos in a preference export: the frames that they ask about, each after its time."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from support.cot_corpus import records, videos

from dataengine.cot.core.question import Question
from dataengine.cot.teachers.renderer import Renderer
from dataengine.export.graded_paths import GradedQuestion
from dataengine.export.preference_media import content_of, frames_of, images_of, save, text_of
from dataengine.media.limits import Limits
from dataengine.models.serving.messages import VideoBlock
from dataengine.samples.locate import Located
from dataengine.storage.store import Store
from dataengine.storage.workspace import Workspace


def of_a_video() -> tuple[Question, VideoBlock]:
    for kept in records():
        for block in kept.question.content:
            if isinstance(block, VideoBlock):
                return kept.question, block
    raise AssertionError("no question of a video")


def test_frames_stand_with_their_times(tmp_path: Path) -> None:
    question, block = of_a_video()
    id_ = block.video.removeprefix("sample:")
    workspace, data = Workspace(str(tmp_path / "ws")), videos()[id_]
    workspace.store.put("media", data)
    sample = Located(id_, "video", "mp4", len(data), (), "media", 0, {})
    graded = GradedQuestion(question, sample, "", (), ())
    renderer = Renderer(Limits(), workspace)
    frames = frames_of(renderer, graded)
    broken = frames_of(
        renderer, GradedQuestion(question, Located(id_, "video", "mp4", 9, (), "media", 0, {}), "", (), ())
    )
    renderer.close()
    assert frames is not None and broken is None and len(frames) == len(block.times) == len(images_of(graded))
    content = content_of(graded)
    places = [n for n, part in enumerate(content) if part["type"] == "image"]
    assert [content[n - 1]["text"] for n in places] == [f"[{time:.1f} s]" for time in block.times]
    assert text_of(graded).count("<image>") == len(frames) and text_of(graded).endswith(question.text)
    media: dict[str, str] = {}
    for _ in range(2):
        save(workspace.store, Store(str(tmp_path / "out")), graded, frames, media)
    assert sorted(media) == sorted(images_of(graded))
    for path in media:
        Image.open(io.BytesIO((tmp_path / "out" / path).read_bytes())).load()
