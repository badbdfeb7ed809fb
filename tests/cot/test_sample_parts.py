"""Parts of samples: the same sample in the same part, planned without rows in the driver, and read by a worker."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.cot_tables import recipe

from dataengine.cot.checks.stage import CotCheck
from dataengine.cot.core.columns import PLACE, encode
from dataengine.cot.core.sample_parts import Cut, SamplePart, related, sample_parts, with_part
from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.cot.core.source_qa import Distractor
from dataengine.cot.core.stage import CotParts
from dataengine.cot.core.tables import SourceMaterial, rows_of
from dataengine.cot.paths.stage import CotPaths
from dataengine.cot.questions.stage import CotQuestions
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record
from dataengine.table_engine import EngineOf, opaque

MODEL = {"type": "openai", "endpoint": "http://127.0.0.1:9", "model": "m"}


def row(number: int, **other: Any) -> dict[str, Any]:
    """A row of cot.material."""
    id_ = hashlib.sha256(b"%d" % number).hexdigest()[:32]
    place = dict.fromkeys(PLACE) | {"id": id_, "kind": "video", "media": f"media/{number % 5}.tar", "offset": number}
    beside = {"pairs": "[]", "distractors": "[]", "texts": "{}", "parent": None, "partners": [], "videos": []}
    return {**place, "captions": [f"caption {number}"], "split": "train", **beside, **other}


def planned(folder: Path, engine: EngineOf[Any], rows: Sequence[dict[str, Any]], name: str = "t", **cot: Any) -> Run:
    """A run whose cot.material has committed these rows, in two files."""
    run = Run(recipe(folder, **cot), lambda: opaque(engine))
    files = {}
    for number, some in enumerate((rows[::2], rows[1::2])):
        table = pa.Table.from_pylist(list(some), SOURCE_MATERIAL)
        files[f"material/{number}"] = run.workspace.write_table(f"made/{name}-{number}.parquet", table)
    run.records["cot.material"] = Record("cot.material", "", {"all": Output(files)})
    return run


def keys(run: Run) -> dict[str, str]:
    return {part.name: part.key for part in sample_parts(run)}


@pytest.mark.parametrize(
    ("samples", "parts", "packs"),
    [
        (0, 1, 1),
        (1, 1, 1),
        (16, 1, 1),
        (17, 2, 1),
        (59, 4, 1),
        (1000, 16, 4),
        (16_384, 16, 64),
        (10_000_000, 16_384, 64),
    ],
)
def test_a_release_is_divided_into_parts_and_packs_of_some_samples(samples: int, parts: int, packs: int) -> None:
    cut = Cut.of(samples)
    assert (2**cut.part_bits, 2**cut.pack_bits) == (parts, packs)


def test_the_size_of_parts_moves_in_steps_of_two() -> None:
    sizes = [2 ** Cut.of(n).part_bits for n in range(1, 40_000)]
    assert set(sizes) == {1, 2, 4, 8, 16, 32, 64} and sizes == sorted(sizes)
    assert all(n / size <= 1024 for n, size in enumerate(sizes, 1))


@pytest.mark.parametrize("samples", [1, 59, 1000, 40_000])
def test_rows_are_named_by_the_part_of_their_id(samples: int) -> None:
    cut, rows = Cut.of(samples), [row(n) for n in range(500)]
    table = with_part(cut, pa.Table.from_pylist(rows, SOURCE_MATERIAL))
    parts = [cut.part(one["id"]) for one in rows]
    assert table["part"].to_pylist() == parts
    assert len(set(parts)) == 2**cut.part_bits
    packs = Counter((part, cut.pack(one["id"])) for part, one in zip(parts, rows, strict=True))
    assert len({pack for _, pack in packs}) == 2**cut.pack_bits


def test_a_part_is_found_however_the_samples_were_divided() -> None:
    assert related("all") == ["all", "0", "1", "00", "01", "10", "11"]
    assert related("01") == ["01", "0", "all", "010", "011", "0100", "0101", "0110", "0111"]
    id_ = row(1)["id"]
    for other in range(8):
        assert Cut(other, 0).part(id_) in [*related(Cut(5, 0).part(id_)), *related(Cut(6, 0).part(id_))]


def test_the_rows_of_a_part_are_those_of_the_table(duck: DuckDBEngine, tmp_path: Path) -> None:
    rows = [row(n) for n in range(100)]
    place = {name: rows[0][name] for name in PLACE}
    rows[1] |= {"distractors": encode("distractors", [Distractor("x", "other words")]), "partners": [place["id"]]}
    rows[1] |= {"videos": [place]}
    run = planned(tmp_path, duck, rows)
    by_id = {one["id"]: one for one in rows}
    seen = []
    for part in sample_parts(run):
        table = part.rows.read(run.workspace.store).select(SOURCE_MATERIAL.names)
        assert [(r["media"], r["offset"]) for r in table.to_pylist()] == sorted(
            (r["media"], r["offset"]) for r in table.to_pylist()
        )
        assert all(r == by_id[r["id"]] for r in table.to_pylist())
        seen += rows_of(table, SourceMaterial)
    assert len(seen) == 100
    [known] = [one for one in seen if one.id == rows[1]["id"]]
    assert known.distractors == (Distractor("x", "other words"),)
    assert [(v.id, v.media, v.offset, v.captions) for v in known.videos] == [(rows[0]["id"], "media/0.tar", 0, ())]


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        (lambda rows: [*rows, row(900)], [900]),
        (lambda rows: rows[:10] + rows[11:], [10]),
        (lambda rows: [*rows[:10], row(10, captions=["other"]), *rows[11:]], [10]),
        (lambda rows: [*rows[:10], row(10, split="test"), *rows[11:]], [10]),
        (lambda rows: [*rows[:10], row(10, partners=["f" * 32]), *rows[11:]], [10]),
        (lambda rows: [*rows[:10], row(10, distractors='[{"id":"x","text":"y"}]'), *rows[11:]], [10]),
        (lambda rows: [*rows[:10], row(10, videos=[dict.fromkeys(PLACE)]), *rows[11:]], []),
        (lambda rows: [*rows[5:], *rows[:5]], []),
    ],
    ids=["added", "removed", "another caption", "another split", "another partner", "another distractor",
         "a partner that lies elsewhere", "another order"],
)  # fmt: skip
def test_a_changed_sample_changes_its_part_alone(
    duck: DuckDBEngine, tmp_path: Path, change: Any, touched: list[int]
) -> None:
    rows = [row(n) for n in range(100)]
    before, after = keys(planned(tmp_path, duck, rows)), keys(planned(tmp_path, duck, change(rows), "changed"))
    cut = Cut.of(100)
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        cut.part(row(n)["id"]) for n in touched
    }


@pytest.mark.slow
def test_both_engines_plan_the_same(duck: DuckDBEngine, spark: SparkEngine, tmp_path: Path) -> None:
    plans: list[list[tuple[str, str, list[dict[str, Any]]]]] = []
    rows = [row(n, videos=[{name: row(n + 1)[name] for name in PLACE}]) for n in range(200)]
    for engine in (duck, spark):
        run = planned(tmp_path / engine.name, engine, rows)
        read = [(p.name, p.key, p.rows.read(run.workspace.store).to_pylist()) for p in sample_parts(run)]
        plans.append(read)
    assert plans[0] == plans[1] and len(plans[0]) == 16


def test_a_release_without_samples_has_no_parts(duck: DuckDBEngine, tmp_path: Path) -> None:
    run = planned(tmp_path, duck, [])
    assert sample_parts(run) == [] and CotQuestions().plan(run) == []


@pytest.mark.parametrize("model", [False, True])
def test_the_driver_reads_no_rows(
    duck: DuckDBEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: bool
) -> None:
    cot = {"teachers": [{"type": "programmatic"}, MODEL], "judge": MODEL} if model else {}
    run = planned(tmp_path, duck, [row(n) for n in range(100)], **cot)
    names = {part.name for part in sample_parts(run)}
    monkeypatch.setattr(run, "_open_engine", None)
    read, opened = run.workspace.read_table, list[str]()

    def reading(files: Sequence[File], *rest: Any) -> pa.Table:
        opened.extend(file.key for file in files)
        return read(files, *rest)

    monkeypatch.setattr(run.workspace, "read_table", reading)
    stages: list[tuple[CotParts, str]] = [(CotQuestions(), "questions"), (CotPaths(), "paths"), (CotCheck(), "checks")]
    for stage, role in stages:
        assert stage.is_planned(run)
        parts = stage.plan(run)
        assert {part.name for part in parts} == names
        knows = model or role == "questions"
        assert all(bool(part.spec.rows.rows) == knows for part in parts)
        made = {part.name: Output({role: File(f"{role}-{part.name}", part.key, 1, 1)}) for part in parts}
        run.records[stage.name] = Record(stage.name, "", made)
    assert opened and all(key.startswith("plans/") for key in opened)


def test_a_part_is_committed_in_a_folder_of_its_own(duck: DuckDBEngine, tmp_path: Path) -> None:
    stage, run = CotQuestions(), planned(tmp_path, duck, [row(n) for n in range(100)])
    part, other = stage.plan(run)[:2]
    assert stage.marker(run, part).startswith(f"{stage.marker_prefix(run)}/{part.name}/")
    assert {stage.marker(run, one).rpartition("/")[0] for one in (part, other)} == {
        f"{part.spec.earlier.folder}/{one.name}" for one in (part, other)
    }


def test_a_plan_is_of_its_table_alone(duck: DuckDBEngine, tmp_path: Path) -> None:
    first: list[SamplePart] = sample_parts(planned(tmp_path, duck, [row(n) for n in range(100)]))
    again = planned(tmp_path, duck, [row(n) for n in range(100)], "again")
    assert sample_parts(again) == first
