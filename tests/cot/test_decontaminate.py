"""Questions that a benchmark asks of the same picture, by the models of the stand-in: picture and question, neither alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.cot_corpus import original
from support.planted_lists import recipe

from dataengine.config.recipe import Recipe
from dataengine.contamination.embed import schema
from dataengine.contamination.picture_pairs import ContaminationPicturePairs
from dataengine.contamination.pictures import ContaminationPictures
from dataengine.contracts import EMBEDDINGS, GROUPS
from dataengine.cot.core.question import Question
from dataengine.cot.core.tables import QuestionHit, QuestionRow, rows_of, table_of
from dataengine.cot.questions.decontaminate_stage import CotDecontaminate, bare_text
from dataengine.embed.worker import PICTURES, VIDEOS
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.models.encoders import StandIn, picture_vectors, text_vectors
from dataengine.models.serving.messages import ImageBlock, TextBlock
from dataengine.pipeline import until
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record
from dataengine.testing import InProcess

IDS = {"china.jpg": "a" * 32, "flower.jpg": "b" * 32}
COPY = "c" * 32
"""A near-duplicate of the flower, which stands for it."""
POSED = {"china.jpg": "Which Chinese temple has this tiled roof?", "flower.jpg": "In which year was the bridge built?"}


def frames(name: str, quality: int = 0) -> np.ndarray[Any, Any]:
    picture = Image.open(io.BytesIO(original(name))).convert("RGB")
    if quality:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, subsampling=0)
        picture = Image.open(out).convert("RGB")
    return np.asarray(picture)


def question(rid: str, id_: str, text: str) -> QuestionRow:
    content = (ImageBlock(image=f"sample:{id_}"), TextBlock(text=text))
    asked = Question(
        id=rid, mode="non_thinking", task="given_answer", style="non_thinking", family="picture", difficulty="easy", seed=1,
        parents=(id_,), content=content, answer="x", answer_type="word", basis="given", parameters={"a": "b"}, facts={"n": 1},
    )  # fmt: skip
    kept: tuple[str, ...] = (asked.mode, asked.style, asked.task, asked.family, "train", asked.difficulty)
    return QuestionRow(rid, id_, *kept, "{}", "x", None, asked, "", ())


ASKED = {
    "posed": (IDS["china.jpg"], "\nWhich temple in China has this roof of tiles?\nA. one\nB. two /no_think"),
    "picture": (IDS["china.jpg"], "\nHow much is seven times eight? /no_think"),
    "text": (COPY, "\nWhich Chinese temple has this tiled roof? /no_think"),
    "copy": (COPY, "\nIn what year was this bridge built? /no_think"),
}


@pytest.fixture
def run(tmp_path: Path, duck: DuckDBEngine) -> Run:
    encoder = StandIn()
    encoder.setup("cpu", 1)
    benchmarks = {"benchmarks": [{"name": "posed", "type": "folder", "path": str(tmp_path)}]}
    run = Run(recipe(tmp_path, benchmarks, cot={}), lambda: duck)
    write = run.workspace.write_table
    ours = picture_vectors(encoder, [encoder.prepare([frames(name)]) for name in IDS])
    rows = [{"id": id_, "view": 0, "vector": v.tobytes()} for id_, v in zip(IDS.values(), ours, strict=True)]
    views = [write("v0", pa.Table.from_pylist(rows, EMBEDDINGS)), write("v1", EMBEDDINGS.empty_table())]
    theirs = picture_vectors(encoder, [encoder.prepare([frames(name, 98)]) for name in IDS])
    texts = text_vectors(encoder, list(POSED.values()))
    items = [
        {"benchmark": "posed", "item": name, "image": list(image), "text": list(text)}
        for name, image, text in zip(IDS, theirs, texts, strict=True)
    ]
    listed = write("items", pa.Table.from_pylist(items, schema(encoder, "benchmark", "item")))
    groups = [
        {"id": IDS["china.jpg"], "representative": IDS["china.jpg"]},
        {"id": IDS["flower.jpg"], "representative": COPY},
    ]
    grouped = write("groups", pa.Table.from_pylist([{"size": 1, **row} for row in groups], GROUPS))
    asked = write("q", table_of(QuestionRow, [question(rid, *of) for rid, of in ASKED.items()]))
    files: Mapping[str, dict[str, Any]] = {
        "embed": {PICTURES: views[0], VIDEOS: views[1]},
        "contamination.embed": {"benchmarks": listed},
        "dedup": {"groups": grouped},
        "cot.questions": {"questions": asked},
    }
    run.records.update({name: Record(name, "", {"0": Output(of)}) for name, of in files.items()})
    return run


def pictured(run: Run) -> Output:
    """The pairs of each part of the embeddings, and those of the groups."""
    pairs, pictures = ContaminationPicturePairs(), ContaminationPictures()
    assert pairs.active(run.recipe) and pictures.active(run.recipe)
    worker = pairs.worker(run)
    made = {part.name: worker.process(part) for part in pairs.plan(run)}
    assert all(worker.process(part) == made[part.name] for part in pairs.plan(run)), "the same bytes again"
    run.records[pairs.name] = Record(pairs.name, "", made)
    out = pictures.compute(run, "k")
    run.records[pictures.name] = Record(pictures.name, "", {"all": out})
    return out


def test_picture_and_question_together(run: Run) -> None:
    assert pictured(run).facts["samples"] == 2, "the flower counts for its representative"
    compare = CotDecontaminate()
    [part] = compare.plan(run)
    worker = compare.worker(run)
    worker.setup()
    out = worker.process(part)
    hits = rows_of(run.workspace.read_table([out.files["hits"]], QuestionHit.schema), QuestionHit)
    assert [(hit.rid, hit.item) for hit in hits] == [("copy", "flower.jpg"), ("posed", "china.jpg")]
    assert all(hit.picture > 0.98 and hit.text > 0.5 for hit in hits) and out.counts == {"contaminated": 2}
    assert worker.process(part).files["hits"].sha256 == out.files["hits"].sha256


def test_pairs_do_not_depend_on_how_samples_are_divided(run: Run) -> None:
    whole = pictured(run).files["pictures"].sha256
    files = run.records["embed"].parts["0"].files
    views = run.workspace.read_table([files[PICTURES]], EMBEDDINGS)
    halves = [run.workspace.write_table(f"half{n}", views.slice(n, 1)) for n in (1, 0)]
    parts = {str(n): Output({PICTURES: half, VIDEOS: files[VIDEOS]}) for n, half in enumerate(halves)}
    run.records["embed"] = Record("embed", "", parts)
    assert (
        pictured(run).files["pictures"].sha256 == whole and len(run.records["contamination.picture_pairs"].parts) == 2
    )


def test_without_a_picture_of_a_benchmark_nothing_is_embedded(run: Run) -> None:
    run.records["embed"] = Record("embed", "", {})
    assert pictured(run).counts == {"samples": 0, "pairs": 0} and CotDecontaminate().plan(run) == []


@pytest.mark.parametrize(
    ("benchmark", "cot", "active"),
    [
        ({"type": "folder"}, {}, True),
        ({"type": "table", "media": None}, {}, False),
        ({"type": "table", "media": "image"}, {"decontamination": {"text_cosine": 0.6}}, True),
        ({"type": "webdataset"}, {"decontamination": None}, False),
        ({"type": "folder"}, None, False),
    ],
)
def test_it_runs_where_a_benchmark_has_pictures_and_questions(
    tmp_path: Path, benchmark: dict[str, Any], cot: dict[str, Any] | None, active: bool
) -> None:
    loaded = recipe(tmp_path, {"benchmarks": [{"name": "b", "path": "p", **benchmark}]}, cot=cot)
    assert (CotDecontaminate().active(loaded), ContaminationPictures().active(loaded)) == (active, active)


def test_a_question_is_compared_without_options_and_switch() -> None:
    row = question("r", *ASKED["posed"])
    assert row.question is not None
    assert bare_text(row.question) == "Which temple in China has this roof of tiles?"


@pytest.mark.slow
def test_such_questions_are_rejected_with_their_reason(tmp_path: Path) -> None:
    """From files to the ledger of the mix, by the stand-in's models."""
    photos, listed = tmp_path / "photos", tmp_path / "listed"
    for folder in (photos, listed):
        folder.mkdir()
    for name in IDS:
        (photos / name).write_bytes(original(name))
        pairs = [{"question": "Which temple in China has this roof of tiles?", "answer": "a pagoda"}]
        pairs.append({"question": "How many steps lead up to it?", "answer": 3})
        (photos / name).with_suffix(".json").write_text(json.dumps({"caption": "a picture", "qa": pairs}))
        Image.fromarray(frames(name)).save(listed / name, quality=98, subsampling=0)
    (listed / "china.json").write_text(json.dumps({"question": POSED["china.jpg"]}))
    (listed / "flower.json").write_text(json.dumps({"question": POSED["flower.jpg"]}))
    benchmarks = {
        "benchmarks": [{"name": "posed", "type": "folder", "path": str(listed)}],
        "presets": [{"name": "ngram", "n": 5}],
    }
    cot = {"questions": {"source_qa": {}}, "questions_per_sample": 4}
    loaded: Recipe = recipe(tmp_path, benchmarks, cot=cot)
    run, _ = until(loaded, "cot.mix", engine=InProcess())
    rejected = run.records["cot.mix"].parts["all"].facts["rejected"]
    assert rejected["contamination: posed (picture and question)"] == 1
