"""Tracks that models add beside the bare models: text in pictures by RapidOCR, speech by faster-whisper, and its word errors.

    python benchmarks/annotate.py [--tracks ocr asr]

Both sides decode the same files and run the same weights with the same options on one thread. "worker" is what a run does: bytes
out of a media tar, decoding in a confined child, the model, the table; "bare" is a loop around the package. The speech is five
clips of LibriVox out of a Debian package, made into videos.
"""

from __future__ import annotations

import io
import re
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import harness
import numpy as np
from debian import unpacked
from PIL import Image, ImageDraw, ImageFont

from dataengine.annotate import asr, ocr
from dataengine.annotate.worker import TABLE, TrackWorker
from dataengine.config.annotate import AsrConfig, OcrConfig
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.models import whisper
from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.pinned_packages import GRADIO, SCIKIT_IMAGE, SCIKIT_LEARN
from dataengine.storage.workspace import Workspace

_RATE = 16_000
_LIBRIVOX = "usr/share/pocketsphinx/test/data/librivox"
_PHOTOS = (
    *((SCIKIT_IMAGE, f"skimage/data/{name}.png") for name in ("page", "text", "coffee")),
    (SCIKIT_LEARN, "sklearn/datasets/images/china.jpg"),
    (GRADIO, "gradio/media_assets/images/bus.png"),
)
_SAID = {"mr": "mister"}
_LIMITS = Limits(seconds=120.0)


def word_errors(expected: str, heard: str) -> tuple[int, int]:
    """Substitutions, insertions and deletions that turn one text into the other, and words of the first."""
    words, others = _words(expected), _words(heard)
    costs = list(range(len(others) + 1))
    for n, word in enumerate(words, 1):
        before, costs[0] = costs[0], n
        for k, other in enumerate(others, 1):
            before, costs[k] = costs[k], min(costs[k] + 1, costs[k - 1] + 1, before + (word != other))
    return costs[-1], len(words)


def _words(text: str) -> list[str]:
    words = re.findall(r"[a-z']+", text.lower().replace("-", " "))
    return [_SAID.get(word, word) for word in words]


def librivox() -> dict[str, tuple[Any, str]]:
    """By name, the samples of each clip, ``(n,)`` int16 at 16 kHz, and what is said."""
    folder = unpacked("pocketsphinx-testdata") / _LIBRIVOX
    lines = (folder / "transcription").read_text().splitlines()
    said = {line.rpartition("(")[2].rstrip(")"): line.partition("<s> ")[2].partition(" </s>")[0] for line in lines}
    return {name: (_samples(folder / f"{name}.wav"), text) for name, text in sorted(said.items()) if name}


def _samples(path: Path) -> Any:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def film(samples: Any) -> bytes:
    """A video of one gray picture a second with this sound, without loss."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        video, audio = file.add_stream("libx264", rate=1), file.add_stream("flac", rate=_RATE, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        for _ in range(len(samples) // _RATE + 1):
            file.mux(video.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8))))
        file.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = _RATE, 0, Fraction(1, _RATE)
        resampler = av.AudioResampler(audio.codec_context.format, "mono", _RATE, frame_size=4096)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(audio.encode(piece))
        file.mux(audio.encode(None))
    return out.getvalue()


def pages() -> list[bytes]:
    """Photographs, two scans, and pages of drawn text."""
    pictures = [package.read(member) for package, member in _PHOTOS]
    font = ImageFont.load_default(28)
    for n in range(3):
        page = Image.new("RGB", (1240, 900), (250, 248, 240))
        for line in range(12):
            text = f"{n}.{line} Quotes for {100 * line + n} crates, to be settled by the {line + 1}th"
            ImageDraw.Draw(page).text((60, 40 + 68 * line), text, fill=(30, 30, 40), font=font)
        out = io.BytesIO()
        page.save(out, "JPEG", quality=92)
        pictures.append(out.getvalue())
    return pictures


@contextmanager
def _stored(contents: Sequence[bytes], kind: str) -> Iterator[tuple[Workspace, list[Located]]]:
    """A workspace with these files behind each other in one object."""
    with tempfile.TemporaryDirectory() as folder:
        workspace, rows, offset = Workspace(folder), list[Located](), 0
        for n, data in enumerate(contents):
            size = (0, 0) if kind == "video" else Image.open(io.BytesIO(data)).size
            seconds = 60.0 if kind == "video" else None
            facts = {"width": size[0], "height": size[1], "frames": 1, "duration": seconds}
            rows.append(Located(f"{n:032x}", kind, "", len(data), (), "media/all.tar", offset, facts))
            offset += len(data)
        workspace.store.put("media/all.tar", b"".join(contents))
        yield workspace, rows


def _worked(worker: TrackWorker, rows: list[Located], round_: list[int]) -> list[dict[str, Any]]:
    """The table of one part, made anew; the children are ended, so that their CPU time counts."""
    round_[0] += 1
    output = worker.process(Part(f"part-{round_[0]}", "", rows))
    if worker._decoder is not None:
        worker.close()
    return worker.workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist()


def text(report: harness.Report, rounds: int) -> None:
    from rapidocr import RapidOCR

    config, contents, round_ = OcrConfig(min_characters=1), pages() * 4, [0]
    options = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    bare = RapidOCR(params={**options, "EngineConfig.onnxruntime.inter_op_num_threads": 1})

    def loop() -> list[list[str]]:
        return [list(bare(decode_rgb(data, _LIMITS)[:, :, ::-1]).txts or ()) for data in contents]

    with _stored(contents, "image") as (workspace, rows):
        worker = ocr.OcrWorker(_LIMITS, workspace, ocr.track(config), config, "cpu", 1)
        read = [[line["text"] for line in row["ocr"]] for row in _worked(worker, rows, round_)]
        assert read == loop(), "the worker reads what the package reads"
        ways = {"bare RapidOCR": loop, "worker": lambda: _worked(worker, rows, round_)}
        _compare(report, f"Text in {len(contents)} pictures, {sum(map(len, read))} lines", ways, rounds, len(contents))


def speech(report: harness.Report, rounds: int) -> None:
    import faster_whisper

    clips, round_ = librivox(), [0]
    samples, said = [s for s, _ in clips.values()], [text for _, text in clips.values()]
    for precision in ("float32", "int8"):
        config = AsrConfig(precision=precision)
        model = whisper.model(None)
        bare = faster_whisper.WhisperModel(
            model.name, device="cpu", compute_type=precision, cpu_threads=1, num_workers=1, files=model.files()
        )

        def loop(bare: Any = bare, config: AsrConfig = config) -> list[str]:
            options = whisper.options(config.beam_size)
            made = [bare.transcribe(s.astype(np.float32) / 32768, **options) for s in samples]
            return ["".join(segment.text for segment in segments).strip() for segments, _ in made]

        with _stored([film(s) for s in samples], "video") as (workspace, rows):
            worker = asr.AsrWorker(_LIMITS, workspace, asr.track(config), config, "cpu", 1)
            heard = [row["speech_text"] for row in _worked(worker, rows, round_)]
            ways = {"bare faster-whisper": loop, "worker": lambda w=worker, r=rows: _worked(w, r, round_)}
            seconds = sum(map(len, samples)) / _RATE
            errors = [sum(pair) for pair in zip(*map(word_errors, said, heard), strict=True)]
            plain = [sum(pair) for pair in zip(*map(word_errors, said, loop()), strict=True)]
            note = f"Words: worker {errors[0]} of {errors[1]} wrong ({errors[0] / errors[1]:.1%}), bare {plain[0]}."
            _compare(
                report, f"Speech, {seconds:.0f} s in {len(samples)} videos, {precision}", ways, rounds, seconds, note
            )


def _compare(
    report: harness.Report,
    title: str,
    ways: dict[str, Callable[[], object]],
    rounds: int,
    units: float,
    note: str = "",
) -> None:
    timings = harness.rounds(ways, rounds, warm=False)
    first = next(iter(timings.values()))
    rows = [[name, t.wall, t.cpu, t.cpu / first.cpu, units / t.cpu] for name, t in timings.items()]
    report.table(title, ["way", "wall s", "CPU s", "CPU beside bare", "per CPU second"], rows, note)


def main() -> None:
    parser = harness.parser(__doc__, rounds=3)
    parser.add_argument("--tracks", nargs="+", choices=["ocr", "asr"], default=["ocr", "asr"], help="which of them")
    options = parser.parse_args()
    report = harness.Report("annotate", options)
    for name, part in {"ocr": text, "asr": speech}.items():
        if name in options.tracks:
            part(report, options.rounds)
    report.write()


if __name__ == "__main__":
    main()
