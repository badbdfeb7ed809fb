"""Speech in videos: windows, damage, silence and real words."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.sounds import RATE, clip, silence, sparse, tone

from dataengine.annotate.asr import AsrWorker, _quietest, track
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate import AsrConfig
from dataengine.errors import RunError
from dataengine.media.limits import Limits
from dataengine.models.whisper import Speech, Transcriber, model
from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.workspace import Output, Workspace

ROOT = Path(__file__).parents[2]


class Loud:
    """A transcriber that hears a word wherever it is loud, and notes how much it was given at once."""

    def __init__(self) -> None:
        self.lengths: list[float] = []

    def transcribe(self, samples: NDArray[np.int16], task: str, beam_size: int) -> tuple[list[Speech], str]:
        self.lengths.append(len(samples) / RATE)
        blocks = np.abs(np.pad(samples, (0, -len(samples) % 800)).reshape(-1, 800)).max(axis=1) > 1000
        edges = np.flatnonzero(np.diff(np.concatenate([[False], blocks, [False]]).astype(int))) * 800 / RATE
        spoken = [Speech(a, b, "word", 0.1, -0.5, 1.2) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        return spoken, "en" if spoken else ""


def worker_of(
    folder: Path, videos: Sequence[tuple[bytes, float]], config: AsrConfig
) -> tuple[AsrWorker, list[Located]]:
    workspace = Workspace(str(folder))
    workspace.store.put("media/a.tar", b"".join(data for data, _ in videos))
    rows, offset = list[Located](), 0
    for n, (data, duration) in enumerate(videos):
        facts = {"width": 64, "height": 48, "frames": 1, "duration": duration}
        rows.append(Located(f"{n:032x}", "video", "mp4", len(data), (), "media/a.tar", offset, facts))
        offset += len(data)
    return AsrWorker(Limits(), workspace, track(config), config, "cpu", 1), rows


def heard(
    folder: Path, videos: Sequence[tuple[bytes, float]], window: float = 60.0
) -> tuple[list[dict[str, Any]], Output, Loud]:
    worker, rows = worker_of(folder, videos, AsrConfig(window=window))
    fake = Loud()
    worker._transcriber = fake  # type: ignore[assignment]
    try:
        output = worker.process(Part("a", "", rows))
    finally:
        worker.close()
    return worker.workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist(), output, fake


def test_a_word_across_two_windows_is_heard_once_and_at_its_time(tmp_path: Path) -> None:
    said = np.concatenate([silence(58), tone(5), silence(67), tone(1), silence(4)])
    [row], _, fake = heard(tmp_path, [(clip(said, "matroska", "flac"), 135.0)])
    assert [(s["start"], s["end"]) for s in row["speech"]] == [
        (pytest.approx(58, abs=0.1), pytest.approx(63, abs=0.1)),
        (pytest.approx(130, abs=0.1), pytest.approx(131, abs=0.1)),
    ]
    assert row["speech_seconds"] == pytest.approx(6, abs=0.2) and row["speech_words"] == 2
    assert not row["speech_partial"] and max(fake.lengths) < 60 + 30


def test_a_window_ends_at_its_quietest_moment() -> None:
    noisy = np.concatenate([tone(50), silence(0.3), tone(9.7)])
    assert 50 <= _quietest(noisy) / RATE <= 50.3
    assert _quietest(tone(0.01)) == len(tone(0.01))


@pytest.mark.slow
def test_of_eight_hours_a_window_is_held_at_once(tmp_path: Path) -> None:
    [row], output, fake = heard(tmp_path, [(sparse(8.0, 60.0), 8 * 3600.0)], window=900.0)
    assert len(row["speech"]) == pytest.approx(481, abs=1)
    assert [s["start"] for s in row["speech"][:3]] == pytest.approx([0, 60, 120], abs=0.1)
    assert row["speech"][-1]["start"] > 8 * 3600 - 120
    assert max(fake.lengths) <= 930 and row["speech_partial"], "there are gaps"
    assert output.counts["seconds"] == pytest.approx(96, abs=60)


def test_a_track_without_speech_has_a_row_of_zeros(tmp_path: Path) -> None:
    [row], output, _ = heard(tmp_path, [(clip(silence(2)), 2.0)])
    assert (row["speech_seconds"], row["speech_words"], row["speech_text"]) == (0.0, 0, "")
    assert row["speech_language"] is None and row["speech_logprob"] is None and row["speech"] == []
    assert output.counts["with"] == 0 and output.counts["failed"] == 0


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (clip(None), "no_sound"),
        (b"not a video at all, but some text", "not_media"),
        (clip(tone(2.0))[:4000], "corrupt"),
    ],
    ids=["no sound", "no video", "cut short"],
)
def test_bad_input_costs_its_row_and_no_other(tmp_path: Path, data: bytes, failure: str) -> None:
    good = clip(np.concatenate([silence(0.5), tone(1), silence(0.5)]))
    rows, output, _ = heard(tmp_path, [(good, 2.0), (data, 2.0), (good, 2.0)])
    assert [row["failure"] for row in rows] == [None, failure, None]
    assert rows[1]["speech_seconds"] is None and rows[1]["message"]
    assert rows[0]["speech_words"] == rows[2]["speech_words"] == 1
    assert output.facts == {"failures": {failure: 1}, "values": {"en": 2}}


def test_sound_beyond_the_end_of_the_video_is_stated(tmp_path: Path) -> None:
    [row], _, fake = heard(tmp_path, [(clip(np.concatenate([tone(1), silence(99)]), "matroska", "flac"), 1.0)])
    assert row["speech_partial"] and fake.lengths == [60.0]


def test_segments_that_repeat_themselves_are_left_out_and_counted(tmp_path: Path) -> None:
    worker, rows = worker_of(tmp_path, [(clip(tone(1)), 1.0)], AsrConfig())
    spoken = [Speech(0.0, 0.5, "Hm" * 200, 0.7, -0.1, 26.7), Speech(0.5, 1.0, "a word", 0.1, -0.2, 0.9)]

    class Music:
        transcribe = staticmethod(lambda *_: (spoken, "en"))

    worker._transcriber = Music()  # type: ignore[assignment]
    output = worker.process(Part("a", "", rows))
    worker.close()
    [row] = worker.workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist()
    assert (row["speech_text"], row["speech_repeated"], row["speech_seconds"]) == ("a word", 1, 0.5)
    assert output.counts["repeated segments"] == 1 and output.counts["words"] == 2


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    videos = [(clip(tone(1.0)), 1.0)]
    first, output, fake = heard(tmp_path, videos)
    again, same, idle = heard(tmp_path, videos)
    assert (first, output) == (again, same) and fake.lengths and not idle.lengths


@pytest.mark.slow
def test_words_of_librivox_are_heard_within_three_in_a_hundred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    benchmark = importlib.import_module("annotate")
    clips = list(benchmark.librivox().values())
    videos = [(benchmark.film(samples), len(samples) / RATE) for samples, _ in clips]
    worker, rows = worker_of(tmp_path, videos, AsrConfig(precision="int8"))
    output = worker.process(Part("a", "", rows))
    worker.close()
    table = worker.workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist()
    errors = [benchmark.word_errors(said, row["speech_text"]) for (_, said), row in zip(clips, table, strict=True)]
    assert sum(wrong for wrong, _ in errors) / sum(words for _, words in errors) <= 0.03
    assert all(row["speech_language"] == "en" and row["speech_share"] > 0.7 for row in table)
    assert output.counts["with"] == 5 and output.counts["words"] > 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precision": "float16"}, "cannot be loaded on `cpu` with precision float16"),
        ({"language": "zz"}, "has no language `zz`; it has af, am"),
    ],
    ids=["precision", "language"],
)
def test_what_the_model_cannot_do_ends_the_run_with_a_sentence(change: dict[str, Any], says: str) -> None:
    config = AsrConfig(**change)
    with pytest.raises(RunError, match=says):
        Transcriber(model(None), "cpu", 1, config.precision, config.language)
