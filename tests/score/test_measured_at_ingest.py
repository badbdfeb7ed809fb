"""Technical scores and fingerprints of pictures that ingest has made are those of decoding again, and nothing is decoded for
them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dataengine import contracts
from dataengine.config.sources import FolderSource
from dataengine.dedup.fingerprint import FingerprintWorker
from dataengine.ingest.folder import FolderReader
from dataengine.ingest.worker import IngestWorker
from dataengine.media import inspect
from dataengine.media.limits import Limits
from dataengine.samples import measured
from dataengine.samples.locate import Located
from dataengine.score.worker import ScoreWorker
from dataengine.stage import Part
from dataengine.storage.workspace import Output, Workspace
from dataengine.testing.corpus import picture, video

LIMITS = Limits()


def written(folder: Path, *, videos: int = 0) -> Path:
    """A JPEG turned by EXIF, a CMYK one, a 16-bit PNG, a translucent WebP, an animation."""
    folder.mkdir()
    pictures = [Image.fromarray(picture(n, 700, 300)) for n in range(5)]
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures[0].save(folder / "turned.jpg", exif=exif)
    pictures[1].convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.asarray(pictures[2].convert("L")).astype(np.uint16) * 200).save(folder / "deep.png")
    pictures[3].putalpha(90)
    pictures[3].save(folder / "clear.webp", lossless=True)
    pictures[4].save(folder / "moving.gif", save_all=True, append_images=pictures[:2])
    for n in range(videos):
        (folder / f"{n}.mp4").write_bytes(video([picture(n + k, 64, 64) for k in range(9)]))
    return folder


def ingested(folder: Path, workspace: Workspace, looks: bool) -> tuple[Output, list[Located]]:
    reader = FolderReader(FolderSource(type="folder", name="f", path=str(folder), buckets=1))
    [part] = reader.parts()
    worker = IngestWorker({"f": reader}, LIMITS, workspace, technical=looks, fingerprints=looks)
    try:
        output = worker.process(replace(part, spec=("f", part.spec)))
    finally:
        worker.close()
    rows = workspace.read_table([output.files["samples"]], contracts.SAMPLES).sort_by("offset").to_pylist()
    names = ("id", "kind", "ext", "bytes", "captions", "media", "offset")
    return output, [
        Located(**{n: r[n] for n in names} | {"captions": ("two words",)}, facts={"frames": r["frames"]}) for r in rows
    ]


def scored(workspace: Workspace, rows: list[Located], *names: str) -> tuple[dict[str, str], bool]:
    """Digests of the tables, and whether anything was decoded."""
    worker = ScoreWorker(LIMITS, workspace, [{"name": n} for n in names], "cpu", 1)
    worker.setup()
    try:
        output = worker.process(Part("p", "k", (rows, {})))
        return {n: f.sha256 for n, f in output.files.items()}, worker._decoder is not None
    finally:
        worker.close()


def fingerprinted(workspace: Workspace, rows: list[Located]) -> tuple[Output, bool]:
    """What is published, and whether anything was decoded."""
    worker = FingerprintWorker(LIMITS, workspace)
    try:
        return worker.process(Part("p", "k", rows)), worker._decoder is not None
    finally:
        worker.close()


def test_the_tables_are_the_same_and_nothing_is_decoded(tmp_path: Path) -> None:
    corpus = written(tmp_path / "corpus")
    once, twice = Workspace(tmp_path / "once"), Workspace(tmp_path / "twice")
    output, rows = ingested(corpus, once, looks=True)
    assert ingested(corpus, twice, looks=False) == (output, rows), "what ingest commits does not depend on it"
    assert len(measured.kept(once, rows, LIMITS)) == len(rows) == 5 and measured.kept(twice, rows, LIMITS) == {}
    assert measured.kept(once, rows, replace(LIMITS, pixels=10**6)) == {}, "measured within other limits"
    assert scored(once, rows[1:], "technical") == (scored(twice, rows[1:], "technical")[0], False)
    assert fingerprinted(once, rows[1:]) == (fingerprinted(twice, rows[1:])[0], False)


@pytest.mark.slow
def test_what_is_not_measured_is_decoded(tmp_path: Path) -> None:
    corpus = written(tmp_path / "corpus", videos=1)
    once, twice = Workspace(tmp_path / "once"), Workspace(tmp_path / "twice")
    rows = ingested(corpus, once, looks=True)[1]
    ingested(corpus, twice, looks=False)
    assert {r.kind for r in rows if r.id not in measured.kept(once, rows, LIMITS)} == {"video"}
    for names in (("technical",), ("technical", "imagehash")):
        assert scored(once, rows, *names) == scored(twice, rows, *names)


def test_what_one_limit_left_out_is_fingerprinted_in_its_stage(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    rows = ingested(written(tmp_path / "corpus"), workspace, looks=True)[1]
    whole, some = fingerprinted(workspace, rows), measured.fingerprints(workspace, rows, LIMITS)
    [kept] = workspace.store.list("annotations/fingerprints-3")
    rest = [{"id": id_, **some[id_]} for id_ in sorted(some)[2:]]
    workspace.write_table(kept.key, pa.Table.from_pylist(rest, contracts.FINGERPRINTS))
    again = fingerprinted(workspace, rows)
    assert again == (whole[0], True) and not whole[1] and again[0].counts == {"pictures": 5, "not_compared": 0}


def test_a_picture_that_cannot_be_measured_keeps_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    Image.fromarray(picture(1)).save(out, "PNG")
    facts, seen = inspect.inspect(LIMITS, out.getvalue()), list[tuple[int, ...]]()

    def look(pixels: np.ndarray, frames: int) -> None:
        seen.append(pixels.shape)
        raise MemoryError

    assert inspect.inspect(LIMITS, out.getvalue(), look) == facts and seen == [(240, 320, 3)]
    monkeypatch.setattr(inspect, "_LOOK_PIXELS", 320 * 240 - 1)
    assert inspect.inspect(LIMITS, out.getvalue(), look) == facts and len(seen) == 1, "too large"
