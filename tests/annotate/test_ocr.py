"""Text in pictures: what is read, where it stands, and what bounds it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataengine.annotate.ocr import OcrWorker, _scripts, track
from dataengine.annotate.ocr_pages import pages
from dataengine.annotate.worker import TABLE
from dataengine.config.annotate import OcrConfig
from dataengine.errors import InputError, RunError
from dataengine.media.limits import Limits
from dataengine.models.text_reader import TextReader, _padded
from dataengine.samples.locate import Located
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace
from dataengine.testing import video

Pixels = NDArray[np.uint8]
WORDS = ["Annotate, then decide", "Invoice 4711", "total 98.50 EUR"]


def drawn(lines: list[str], width: int = 900, height: int = 400, size: int = 40) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    font = ImageFont.load_default(size)
    for n, line in enumerate(lines):
        ImageDraw.Draw(picture).text((30, 20 + n * 2 * size), line, fill=(20, 20, 60), font=font)
    return picture


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader(2000, "cpu", 1)


@pytest.mark.slow
def test_words_are_read_in_order_and_boxes_are_where_they_stand(reader: TextReader) -> None:
    [page] = reader.read([np.asarray(drawn(WORDS))], 100, 0.5, 60.0)
    assert [line.text for line in page.lines] == WORDS and not page.partial
    assert min(line.confidence for line in page.lines) > 0.95
    for n, line in enumerate(page.lines):
        left, top = line.box[0] * (900, 400)
        right, bottom = line.box[2] * (900, 400)
        assert abs(left - 30) < 12 and right > 200
        assert top < 20 + n * 80 + 15 and bottom > 20 + n * 80 + 35


@pytest.mark.slow
def test_it_reads_what_the_bare_package_reads(reader: TextReader) -> None:
    from rapidocr import RapidOCR

    pixels = np.asarray(drawn([f"line {n} of a longer page with {n * 37} words" for n in range(24)], 1400, 1300, 26))
    bare = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1})
    expected = bare(pixels[:, :, ::-1])
    [page] = reader.read([pixels], 1000, 0.5, 60.0)
    assert [line.text for line in page.lines] == list(expected.txts) and len(page.lines) == 24
    assert [line.confidence for line in page.lines] == pytest.approx(list(expected.scores), abs=1e-6)
    assert np.allclose([line.box * (1400, 1300) for line in page.lines], expected.boxes, atol=0.01)


@pytest.mark.slow
def test_of_too_many_lines_the_first_are_read_and_it_is_said(reader: TextReader) -> None:
    pixels = np.asarray(drawn([f"entry {n}" for n in range(9)], 600, 760))
    [page] = reader.read([pixels], 5, 0.5, 60.0)
    assert [line.text for line in page.lines] == [f"entry {n}" for n in range(5)] and page.partial


@pytest.mark.slow
def test_a_page_that_takes_too_long_is_a_failure_of_its_own(reader: TextReader) -> None:
    with pytest.raises(InputError) as error:
        list(reader.read([np.asarray(drawn(WORDS))], 100, 0.5, 0.0))
    assert error.value.failure == "timeout"


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (20, 2000), (31, 31)], ids=str)
def test_odd_shapes_are_read_in_little_memory(reader: TextReader, size: tuple[int, int]) -> None:
    [page] = reader.read([np.full((*size, 3), 255, np.uint8)], 100, 0.5, 60.0)
    assert page.lines == []


def test_tall_pictures_are_padded_to_an_eighth() -> None:
    assert _padded(np.zeros((1600, 20, 3), np.uint8)).shape == (1600, 200, 3)
    assert _padded(np.zeros((1600, 200, 3), np.uint8)).shape == (1600, 200, 3)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(16_384, 1024, (125, 2000)), (1024, 16_384, (2000, 125)), (2000, 1000, (1000, 2000)), (640, 480, (480, 640))],
)
@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_a_scan_of_any_size_becomes_a_working_copy(
    width: int, height: int, expected: tuple[int, int], fmt: str
) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(out, fmt)
    [page] = pages((Limits(), 4, 2000), (out.getvalue(), "image", (width, height)))
    assert page.pixels.shape == (*expected, 3) and page.time == 0
    assert np.all(np.diff(page.pixels[:, 0, 0].astype(int)) >= -3), "still a gradient"


def test_a_picture_beyond_the_limit_of_pixels_is_a_failure() -> None:
    with pytest.raises(InputError) as error:
        pages((Limits(pixels=10_000), 4, 2000), (jpeg(drawn(WORDS)), "image", (900, 400)))
    assert error.value.failure == "too_many_pixels"


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("plain words", ["Latn"]),
        ("花と水 and a word", ["Latn", "Hani", "Hira"]),
        ("привет", ["Cyrl"]),
        ("한국어 ab", ["Hang", "Latn"]),
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ", ["Zyyy"]),
        ("12 % – 3.5", []),
        ("", []),
    ],
)
def test_scripts_of_letters(text: str, scripts: list[str]) -> None:
    assert _scripts(text) == scripts


def test_the_version_names_model_and_options() -> None:
    plain = track(OcrConfig())
    assert plain.version.startswith("ppocrv6-small-") and plain.models[0].licence == "Apache-2.0"
    assert track(OcrConfig(in_samples=True)).version == plain.version, "where it is written changes no row"
    assert track(OcrConfig(max_side=1000)).version != plain.version


def located(contents: list[tuple[bytes, str]]) -> list[Located]:
    rows, offset = list[Located](), 0
    for n, (data, kind) in enumerate(contents):
        facts = {"width": 600, "height": 760, "frames": 1, "duration": None}
        rows.append(Located(f"{n:032x}", kind, "", len(data), (), "media/a.tar", offset, facts))
        offset += len(data)
    return rows


@pytest.mark.slow
def test_bad_input_costs_its_row_and_frames_of_a_video_are_read_once(tmp_path: Path, reader: TextReader) -> None:
    page = drawn(["Chapter One", "and water"], 600, 760)
    frame = np.asarray(drawn(["The End"], 320, 240))
    contents = [
        (jpeg(page), "image"),
        (jpeg(page)[:2000], "image"),
        (b"no picture", "image"),
        (video([frame] * 30), "video"),
        (jpeg(Image.new("RGB", (64, 64), "gray")), "image"),
    ]
    workspace, config = Workspace(str(tmp_path)), OcrConfig(frames=3)
    workspace.store.put("media/a.tar", b"".join(data for data, _ in contents))
    worker = OcrWorker(Limits(), workspace, track(config), config, "cpu", 1)
    worker._reader = reader
    output = worker.process(Part("a", "", located(contents)))
    worker.close()
    rows = workspace.read_table([output.files[TABLE]], worker.track.schema).to_pylist()
    assert [row["failure"] for row in rows] == [None, "truncated", "not_media", None, None]
    assert rows[0]["ocr_text"].splitlines()[0] == "Chapter One" and rows[0]["ocr_script"] == "Latn"
    assert rows[0]["ocr_scripts"] == "Latn" and 0 < rows[0]["ocr_area"] < 0.5
    assert (rows[3]["ocr_text"], rows[3]["ocr_lines"], len(rows[3]["ocr"])) == ("The End", 1, 3)
    assert len({line["time"] for line in rows[3]["ocr"]}) == 3
    assert (rows[4]["ocr_characters"], rows[4]["ocr_confidence"], rows[4]["ocr_script"]) == (0, None, None)
    assert rows[1]["ocr_characters"] is None and rows[1]["message"]
    assert output.counts | {"characters": 0} == {
        "samples": 5, "failed": 2, "with": 2, "lines": 3, "characters": 0, "partial": 0
    }  # fmt: skip
    assert output.facts == {"failures": {"not_media": 1, "truncated": 1}, "values": {"Latn": 2}}


def test_a_device_that_is_not_there_ends_the_run_with_a_sentence() -> None:
    with pytest.raises(RunError, match=r"annotate\.device is cuda:1, but ONNX Runtime sees no CUDA device here"):
        TextReader(2000, "cuda:1", 1)
