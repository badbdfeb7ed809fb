"""Questions of videos in a preference export: the frames that they ask about, each after its time."""

from __future__ import annotations

import io
from itertools import accumulate
from pathlib import Path

from PIL import Image
from support.cot_corpus import records, videos

from dataengine.cot.core.columns import Member
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
            if isinstance(block, VideoBlock) and not block.pictures:
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


def test_frames_of_clips_are_pictures_of_the_question(tmp_path: Path) -> None:
    kept = next(kept for kept in records() if kept.record.task == "match_clips")
    store = Store(str(tmp_path / "ws"))
    store.put("pack", b"".join(kept.images))
    starts = accumulate(map(len, kept.images), initial=0)
    named = zip(kept.record.observations, starts, kept.images, strict=False)
    members = tuple(Member(one.name, at, len(data)) for one, at, data in named)
    graded = GradedQuestion(kept.question, None, "pack", members, ())
    clips = [block for block in kept.question.content if isinstance(block, VideoBlock)]
    assert len(clips) == 6 and len(images_of(graded)) == sum(len(clip.times) for clip in clips) == kept.question.shown
    assert frames_of(Renderer(Limits(), Workspace(store.url)), graded) == []
    media: dict[str, str] = {}
    save(store, Store(str(tmp_path / "out")), graded, [], media)
    assert tuple((tmp_path / "out" / path).read_bytes() for path in images_of(graded)) == kept.images
    times = [part["text"] for part in content_of(graded) if str(part["text"]).startswith("[")]
    assert times == [f"[{time:.1f} s]" for clip in clips for time in clip.times] and times[0] == "[0.0 s]"
