"""One sequence shown: what it says, what it decodes, and that nothing in it is markup or control characters."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from support.photo_set import CAPTIONS, described, photo_sequences, photo_set, text, visual
from typer.testing import CliRunner

from dataengine.cli import sequence_show
from dataengine.sequence.formats.reader import open_set
from dataengine.sequence.model import DocumentSpan, PackedSequence, Role
from dataengine.sequence.show.frames import frames_of
from dataengine.sequence.show.runs import runs_of
from dataengine.sequence.summary.packed import with_summaries
from dataengine.sequence.summary.settings import SummarySettings


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("summary", [None, SummarySettings(chunk=4, tokens=2)])
def test_pictures_are_found_with_their_codes(flat: bool, summary: SummarySettings | None) -> None:
    rows = photo_sequences(3, 600, flat)
    about = described(rows, summary)
    for row, codes in zip(rows, visual()[1], strict=False):
        one = with_summaries(row, summary) if summary else row
        [frame] = frames_of(one, about)
        assert (
            frame.codes is not None
            and np.array_equal(frame.codes.tokens, codes.tokens)
            and frame.codes.grid == codes.grid
        )
        assert (frame.summaries > 10) == (summary is not None)


def test_codes_that_fill_no_grid_are_shown_without_one() -> None:
    row = photo_sequences(1)[0]
    about = described([row], None)
    row.tokens[np.flatnonzero(row.roles == Role.CODE)[0], 0] = about.first_code + sum(about.codebook_sizes)
    assert [frame.codes for frame in frames_of(row, about)] == [None]
    assert [f.codes for f in frames_of(row, msgspec.structs.replace(about, codebook_sizes=[]))] == [None]


def test_runs_cover_every_position_but_those_inside_pictures() -> None:
    row = with_summaries(photo_sequences(1)[0], SummarySettings(chunk=4))
    about = described([row], None)
    frames = frames_of(row, about)
    runs = runs_of(row, frames, lambda ids: "·" * len(ids), {})
    covered = {p for run in runs for p in range(run.start, run.stop)}
    hidden = set(range(frames[0].start, frames[0].stop)) - covered
    assert covered | hidden == set(range(len(row))) and sum(run.stop - run.start for run in runs) == len(covered)
    assert [run.frame for run in runs if run.frame] == frames
    assert {run.document for run in runs} == {0, -1} and {run.role for run in runs} >= {Role.SUMMARY, Role.PADDING}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_set(tmp_path_factory.mktemp("ws"), photo_sequences(), SummarySettings(chunk=8))


def show(*arguments: str) -> str:
    import typer

    app = typer.Typer()
    app.callback()(lambda: None)
    sequence_show.register(app)
    done = CliRunner().invoke(app, ["show", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_shows_the_picture_and_escapes_the_caption(stored: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    show(str(stored), "0", "--html", str(page))
    text = page.read_text()
    assert "&lt;b&gt;&amp; a lake&lt;/b&gt;" in re.sub(r"</span>(<i [^>]*></i>)?<span [^>]*>", "", text)
    assert "<b>" not in text and "Content-Security-Policy" in text and "default-src 'none'" in text
    [data] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    tokenizer, codes = visual()
    whole = tokenizer.decode(codes[0])[0]
    assert shown.shape == whole.shape and np.abs(shown.astype(int) - whole).mean() < 8
    again = tmp_path / "again.html"
    show(str(stored), "--html", str(again))
    assert again.read_bytes() == page.read_bytes()


def test_the_page_escapes_what_turns_text_around(stored: Path, tmp_path: Path) -> None:
    assert "\u202e" in CAPTIONS[1]
    show(str(stored), "1", "--html", str(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text()
    assert "\u202e" not in text and "\\u202e" in text


def test_the_terminal_shows_documents_roles_and_half_blocks(stored: Path) -> None:
    text = show(str(stored), "3")
    assert "train-00001-000001 of photos, layout blocks" in text and "Petals." in text.replace("▎", "")
    assert "0 · captions · " + f"{3:032x}" in text and "▀" * 20 in text and "padding" in text and "▎" in text


def test_without_its_tokenizer_a_picture_is_a_placeholder(stored: Path, tmp_path: Path) -> None:
    where = photo_set(tmp_path, photo_sequences(2), tokenizer="0" * 32)
    text = show(str(where), "0")
    assert "⟨codes of " in text and "▀" not in text
    checkpoint = next((stored.parents[4] / "tokenizers").iterdir())
    named = photo_set(tmp_path / "moved", photo_sequences(2))
    for file in (tmp_path / "moved" / "tokenizers").rglob("*.safetensors"):
        file.unlink()
    assert "▀" not in show(str(named)) and "▀" in show(str(named), "--tokenizer", str(checkpoint))


def test_another_tokenizer_is_refused(stored: Path, tmp_path: Path) -> None:
    where = photo_set(tmp_path, photo_sequences(2), tokenizer="0" * 32)
    from dataengine.errors import RunError
    from dataengine.sequence.show.pictures import find_tokenizer

    checkpoint = next((stored.parents[4] / "tokenizers").iterdir())
    with pytest.raises(RunError, match="the set's codes are of 0000"):
        find_tokenizer(open_set(str(where)), str(checkpoint))


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_a_character_that_a_chunk_cuts_is_shown_whole(chunk: int) -> None:
    """Each byte of it is a token of its own here."""
    ids = [text().token_to_id(t) for t in text().encode("a × 面 b").tokens]
    count = len(ids)
    roles, ones = np.full(count, Role.TEXT, np.uint8), np.ones(count, np.uint8)
    positions = np.arange(count, dtype=np.int32)
    span = DocumentSpan("0" * 32, "texts", 0, count)
    one = PackedSequence(np.array(ids, np.int32), roles, ones, positions, np.array([0, count], np.int32), (span,))
    wide = with_summaries(one, SummarySettings(chunk=chunk))
    shown = runs_of(wide, [], lambda part: text().decode(list(part), skip_special_tokens=False), {})
    assert count > 7 and "".join(run.text for run in shown) == "a × 面 b"
