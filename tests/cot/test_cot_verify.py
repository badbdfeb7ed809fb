"""Right records pass, also with another decoder; any change to them is caught."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.cot_corpus import Written, images_of, pictures, records, sample, videos, written

from dataengine.cot.checks.verify import verify_record
from dataengine.cot.core.decoded import working_size
from dataengine.cot.core.formats import box
from dataengine.cot.core.record import Record, canonical_json, record_id
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.sampled_frames import sample_frames
from dataengine.cot.core.shard_files import encode_png, record_members
from dataengine.cot.questions.build import compose
from dataengine.cot.tasks.base import LETTERS
from dataengine.cot.tasks.registry import TASKS
from dataengine.errors import InputError
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.reader import probe


def verdict(fields: dict[str, Any], images: dict[str, bytes]) -> str:
    """The step at which a record fails, empty where it passes."""
    return verify_record(canonical_json(fields), sample, images).step


def fields_of(kept: Written) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(kept.record.to_bytes())
    return fields


@pytest.mark.slow
def test_all_kept_records_pass() -> None:
    for kept in records():
        (_, data), *pictures = record_members(kept.record, kept.images)
        images = {name.partition(".")[2]: picture for name, picture in pictures}
        result = verify_record(data, sample, images)
        assert result.passed and not result.reason


def _other_decoder(id_: str) -> CotInput:
    """Pillow at full size for pictures, FFmpeg through PyAV with another scaler for videos."""
    if id_ in pictures():
        pixels = np.asarray(Image.open(io.BytesIO(pictures()[id_])).convert("RGB"))
        return CotInput(id_, "image", lambda: working_size(pixels), lambda count, side: ([], []))
    data = videos()[id_]
    clip = probe(data, Limits())
    with av.open(io.BytesIO(data)) as file:
        decoded = [frame.to_image() for frame in file.decode(video=0)]

    def frames(count: int, side: int) -> tuple[Pixels, list[float]]:
        return shown(np.unique(clip.at((np.arange(count) + 0.5) * clip.duration / count)), side)

    def shown(wanted: npt.NDArray[np.int64], side: int) -> tuple[Pixels, list[float]]:
        size = (round(clip.width * side / clip.height), side)
        shrunk = [np.asarray(decoded[i].resize(size, Image.Resampling.BILINEAR)) for i in wanted]
        return np.stack(shrunk), clip.times[wanted].tolist()

    facts = {"duration": clip.duration}
    sampled = partial(sample_frames, data, limits=Limits())
    source = CotInput(id_, "video", lambda: frames(1, 8)[0][0], frames, (), facts, sampled)
    return dataclasses.replace(source, frames_near=lambda times, side: shown(clip.nearest(times), side))


@pytest.mark.slow
def test_another_decoder_comes_to_the_same_verdicts() -> None:
    for kept in records():
        result = verify_record(kept.record.to_bytes(), _other_decoder, images_of(kept))
        assert result.passed, (kept.record.task, result)


def _wrong(record: Record) -> str:
    """An answer of the same type that is not the answer."""
    if record.answer_type == "choice":
        return next(x for x in LETTERS if x != record.answer)
    if record.answer_type == "number":
        return f"{float(record.answer) + 1:g}"
    if record.answer_type == "order":
        first, second, *rest = record.answer.split(", ")
        return ", ".join([second, first, *rest])
    return {"yes": "no", "no": "yes", "landscape": "portrait", "portrait": "square", "square": "landscape"}.get(
        record.answer, "blue" if record.answer != "blue" else "red"
    )


def test_wrong_answers_are_caught() -> None:
    """In the field alone, and everywhere in the record."""
    assert len(records()) > 100
    for kept in records():
        fields, wrong = fields_of(kept), _wrong(kept.record)
        assert verdict(fields | {"answer": wrong}, images_of(kept)) == "answer"
        text = json.dumps(fields["messages"][1])
        for right, false in ((box(kept.record.answer), box(wrong)), (kept.record.answer, wrong)):
            text = text.replace(json.dumps(right)[1:-1], json.dumps(false)[1:-1])
        changed = fields | {"answer": wrong, "messages": [fields["messages"][0], json.loads(text)]}
        assert verdict(changed, images_of(kept)) == "answer"


def test_wrong_paths_are_caught_though_all_fits_together() -> None:
    """Records written by the tasks themselves, but from false facts: only the media can tell."""
    caught = 0
    for kept in records():
        record, task = kept.record, TASKS[kept.record.task]
        values = list(record.facts.values())
        facts = dict(zip(record.facts, values[1:] + values[:1], strict=True))
        if facts == record.facts or record.task.startswith(("count_shots", "order_frames")):
            continue
        answer = task.decide(record.parameters, facts, strict=True)
        if not isinstance(answer, str) or answer == record.answer:
            continue
        source = sample(record.parents[0])
        false = written(compose(task, record.style, source, record.seed, record.parameters, facts, answer))
        assert not verify_record(false.record.to_bytes(), sample, images_of(false)).passed
        caught += 1
    assert caught > 50


def test_changed_numbers_in_the_reasoning_are_caught() -> None:
    changed = 0
    for kept in records():
        fields = fields_of(kept)
        for block in fields["messages"][1]["content"]:
            text = block.get("text", "")
            if not (result := re.search(r"(?<=\s)\d{2,3}(?=[.,;) ])", text)):
                continue
            true = block["text"]
            block["text"] = text[: result.start()] + str(int(result[0]) + 7) + text[result.end() :]
            assert verdict(fields, images_of(kept)) in ("format", "process", "text", "tools")
            block["text"] = true
            changed += 1
    assert changed > 100


@pytest.mark.slow
def test_changed_facts_are_caught() -> None:
    for kept in records():
        fields = fields_of(kept)
        for fact in fields["evidence"]:
            true = fact["value"]
            fact["value"] = true + 30.0
            assert verdict(fields, images_of(kept)) == "evidence"
            fact["value"] = true


@pytest.mark.slow
def test_changed_questions_are_caught() -> None:
    for kept in records():
        fields = fields_of(kept)
        blocks = fields["messages"][0]["content"]
        blocks[-1] = {"type": "text", "text": "Is it so? " + blocks[-1]["text"]}
        assert verdict(fields, images_of(kept)) == "text"


def test_other_media_are_caught() -> None:
    """The right record on the wrong sample."""
    ids = {"image": sorted(pictures()), "video": sorted(videos())}
    caught = total = 0
    for kept in records():
        fields = fields_of(kept)
        same = ids[TASKS[kept.record.task].kind]
        other = same[(same.index(kept.record.parents[0]) + 1) % len(same)]
        text = json.dumps(fields).replace(kept.record.parents[0], other)
        moved = json.loads(text) | {"id": record_id(fields["mode"], fields["task"], fields["seed"], (other,))}
        total += 1
        caught += bool(verdict(moved, images_of(kept)))
    assert caught > 0.6 * total  # orientation and the like may hold of both


def test_swapped_pictures_are_caught() -> None:
    other = encode_png(np.zeros((100, 100, 3), np.uint8))
    shown = [kept for kept in records() if kept.images]
    assert len(shown) > 20
    for kept in shown:
        fields, images = fields_of(kept), images_of(kept)
        assert verdict(fields, images | {"obs0.png": other}) == "observations"
        assert verdict(fields, {}) == "observations"
        assert verdict(fields, images | {"obs9.png": other}) == "observations"


def test_changed_code_is_caught() -> None:
    agentic = [kept for kept in records() if kept.record.style == "agentic"]
    assert len(agentic) > 10
    for kept in agentic:
        text = kept.record.to_bytes().decode()
        for code, false, steps in (
            ("```python\\n", "```python\\nrotate(180)\\n", ("tools", "text")),
            ("measure(", "open(", ("process", "tools")),
        ):
            if code not in text:
                continue
            changed = verify_record(text.replace(code, false, 1).encode(), sample, images_of(kept))
            assert changed.step in steps


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"id": "0" * 32},
        lambda t: t | {"version": "0"},
        lambda t: t | {"task": "guess"},
        lambda t: t | {"mode": "video" if t["mode"] != "video" else "thinking"},
        lambda t: t | {"seed": t["seed"] + 1},
        lambda t: t | {"verdict": {"status": "failed", "step": "", "reason": ""}},
        lambda t: t | {"params": [{"name": "x", "value": "y"}]},
        lambda t: t | {"params": [p | {"value": "nonsense"} for p in t["params"]]},
        lambda t: t | {"evidence": [{"name": "x", "value": 1.0}]},
        lambda t: t | {"parents": t["parents"] * 2},
        lambda t: {k: v for k, v in t.items() if k != "answer"},
    ],
)
def test_records_that_contradict_themselves_are_caught(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    for kept in records()[::7]:
        assert verdict(change(fields_of(kept)), images_of(kept)) in ("record", "evidence", "answer")


def test_media_that_cannot_be_had_are_named() -> None:
    def gone(_: str) -> CotInput:
        raise InputError("missing", "no such sample")

    result = verify_record(records()[0].record.to_bytes(), gone)
    assert (result.passed, result.step, result.reason) == (False, "missing", "no such sample")


def test_a_small_loss_of_quality_does_not_matter_and_a_large_one_does() -> None:
    """A record's sample re-encoded: facts move a little. A brighter one is no longer the same picture."""
    kept = next(
        k for k in records() if k.record.task == "compare_parts" and k.record.parameters["quality"] == "brightness"
    )
    pixels = sample(kept.record.parents[0]).picture()
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
    brighter = np.clip(pixels.astype(int) + 20, 0, 255).astype(np.uint8)
    for other, passes in ((noisy, True), (brighter, False)):
        source = dataclasses.replace(sample(kept.record.parents[0]), picture=lambda other=other: other)
        assert verify_record(kept.record.to_bytes(), lambda _, s=source: s, images_of(kept)).passed is passes
