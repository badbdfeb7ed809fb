"""Scorers of plugins in runs: what they raise costs rows, what they are decides what is made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.plugin_files import level, with_plugin

from dataengine.browse.explain import explain
from dataengine.browse.session import opened
from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, StoppedError, UsageError
from dataengine.pipeline import execute
from dataengine.plugins.failure import ERROR
from dataengine.plugins.file import PluginFile
from dataengine.plugins.kinds import Kind
from dataengine.plugins.origin import Origin
from dataengine.score.plugin import Fault, PluginScorer
from dataengine.score.plugin_checks import adapted
from dataengine.storage.store import Store
from dataengine.testing import InProcess, write_corpus

#: Raises for the darker pictures of the corpus.
FAILS = """
def prepare(self, frames):
    value = float(np.mean(frames[0]))
    if value < 120:
        raise ValueError(f"too dark at {object()}")
    return value

Level.prepare = prepare
"""
#: As FAILS, but for the batch that such a picture is in.
BATCH_FAILS = """
def score(self, prepared, captions):
    if min(prepared) < 120:
        raise ValueError("a dark one among them")
    return {"level": [float(value) for value in prepared]}

Level.score = score
"""


def states(recipe: Recipe) -> dict[str, str]:
    return {report.name: report.state for report in execute(recipe, engine=InProcess())}


def ledger(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "ws/releases/test/ledger.parquet").to_pylist()
    return rows


def released(folder: Path) -> dict[str, bytes]:
    release = folder / "ws/releases/test"
    return {str(p.relative_to(release)): p.read_bytes() for p in sorted(release.rglob("*")) if p.is_file()}


def scorer(source: str, **options: Any) -> PluginScorer:
    made = adapted(Origin(Kind.SCORER, PluginFile("level.py", source.encode()), "level", options))
    assert isinstance(made, PluginScorer)
    return made


@pytest.mark.slow
def test_a_column_of_a_plugin_decides_and_is_told_everywhere(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=6)
    recipe = with_plugin(tmp_path, level(), {"gain": 0.8})
    states(recipe)
    rows = ledger(tmp_path)
    filtered = [row for row in rows if row["outcome"] == "filtered"]
    assert 0 < len(filtered) < len(rows) and {row["rule"] for row in filtered} == {"dark"}
    assert all(float(row["value"]) < 100 for row in filtered)
    content = json.loads(released(tmp_path)["manifest.json"])
    [used] = content["plugins"]
    assert (used["name"], used["sha256"], used["offers"]) == ("level.py", recipe.plugins[0].code, ["scorer level"])
    version = next(one["version"] for one in content["scorers"] if one["name"] == "level")
    assert content["scores"]["level"]["before"]["count"] == len(rows) == 6
    card = released(tmp_path)["README.md"].decode()
    assert f"level ({version})" in card and used["sha256"] in card and "scorer level" in card
    with opened(str(tmp_path / "recipe.yaml")) as session:
        lines = dict(explain(session, filtered[0]["uri"]).inputs[0])
    assert lines["outcome"] == "filtered: dark" and "level" in lines["fails by"]
    assert float(lines["level"]) == pytest.approx(float(filtered[0]["value"]), abs=0.01)


@pytest.mark.slow
def test_what_a_plugin_raises_costs_the_sample_alone(tmp_path: Path) -> None:
    """The other scorer has its columns, the ledger balances, and no address of an object is published."""
    write_corpus(tmp_path / "in", images=6, videos=1)
    states(with_plugin(tmp_path, level(FAILS), limits={"failed": 1}))
    rows = ledger(tmp_path)
    failed = [row for row in rows if row["outcome"] == "failed"]
    assert 0 < len(failed) < len(rows) == 7 and {row["failure"] for row in failed} == {ERROR}
    assert {row["message"].partition(" at ")[0] for row in failed} == {"ValueError: too dark"}
    assert not any("0x7" in row["message"] for row in failed)
    tables = [pq.read_table(path) for path in (tmp_path / "ws/annotations").glob("technical-*/*.parquet")]
    technical = [table for table in tables if "failure" in table.column_names]
    assert sum(table["blur"].null_count for table in technical) == 0 and sum(map(len, technical)) == 7


def test_a_batch_that_fails_loses_only_what_fails_by_itself() -> None:
    prepared = [{"value": float(value)} for value in (200, 10, 130, 140, 20, 150, 160)]
    outcomes = scorer(level(BATCH_FAILS)).outcomes(prepared, [[]] * len(prepared))
    lost = [n for n, one in enumerate(outcomes) if isinstance(one, Fault)]
    assert lost == [1, 4] and outcomes[5] == {"level": 150.0}


def test_an_input_error_is_a_failure_of_its_own_class() -> None:
    declines = "def prepare(self, frames):\n    raise InputError('no_face', 'nobody')\n\nLevel.prepare = prepare"
    one = scorer(level(declines))
    assert one.outcomes([one.prepare([])], [[]]) == [Fault("no_face", "nobody")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("raise ValueError('\\udc80 is \\0 odd')", Fault(ERROR, "ValueError: is odd")),
        ("raise InputError('no_face', '\\udc80 nobody')", Fault("no_face", "nobody")),
        ("raise InputError('No Face', 'nobody')", Fault(ERROR, "nobody")),
        ("raise InputError(3, None)", Fault(ERROR, "None")),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 3})", Fault(ERROR, "Odd")),
    ],
)
def test_a_failure_can_be_stored_whatever_it_says(body: str, fault: Fault) -> None:
    """As a row of the table, whose columns are texts."""
    for method in ("prepare(self, frames)", "score(self, prepared, captions)"):
        name = method.partition("(")[0]
        one = scorer(level(f"def {method}:\n    {body}\n\nLevel.{name} = {name}"))
        prepared = one.prepare([np.zeros((8, 8, 3), np.uint8)])  # type: ignore[attr-defined]
        assert one.outcomes([prepared], [[]]) == [fault]
        pa.array([fault.failure, fault.message], pa.string())


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("import no_such_package", RunError, "no_such_package.*install it on every node"),
        ("raise MemoryError('full')", MemoryError, "full"),
    ],
)
def test_a_machine_to_blame_is_no_bad_sample(body: str, error: type[Exception], message: str) -> None:
    one = scorer(level(f"def score(self, prepared, captions):\n    {body}\n\nLevel.score = score"))
    with pytest.raises(error, match=message):
        one.outcomes([{"value": 1.0}], [[]])


def test_values_are_stored_as_the_fields_say() -> None:
    more = (
        'Level.fields = [pa.field("level", pa.float64()), pa.field("n", pa.int64()), pa.field("word", pa.string())]\n'
    )
    body = "{'level': [np.float32(0.123456)], 'n': [np.int16(3)], 'word': [None]}"
    one = scorer(level(f"{more}Level.score = lambda self, prepared, captions: {body}"))
    assert one.outcomes([{"value": 1.0}], [[]]) == [{"level": 0.1235, "n": 3, "word": None}]
    for wrong in ("'n': [3.5]", "'n': ['3']", "'n': [1 << 70]", "'word': [b'x']", "'word': ['\\ud800']"):
        body = f"{{'level': [0.1], 'n': [3], 'word': ['x'], {wrong}}}"
        [outcome] = scorer(level(f"{more}Level.score = lambda self, prepared, captions: {body}")).outcomes(
            [{"value": 1.0}], [[]]
        )
        assert isinstance(outcome, Fault), wrong


def test_setting_up_fails_for_the_run() -> None:
    one = scorer(level("def setup(self, device, threads):\n    raise OSError('no weights')\n\nLevel.setup = setup"))
    with pytest.raises(RunError, match=r"scorer `level` of plugin level\.py .* cannot start: OSError: no weights"):
        one.setup("cpu", 1)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_too_many_failures_of_a_plugin_stop_the_run(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=60, captions=False)
    with pytest.raises(
        StoppedError, match=r"scorer `level` of a plugin failed at \d+ of 60 samples; limits.failed allows 20%"
    ):
        states(with_plugin(tmp_path, level(FAILS.replace("120", "128"))))


@pytest.mark.slow
def test_changed_code_scores_again_and_nothing_before(tmp_path: Path) -> None:
    write_corpus(tmp_path / "in", images=4)
    first = states(with_plugin(tmp_path, level()))
    assert first["score"] == "done"
    assert set(states(with_plugin(tmp_path, level())).values()) == {"up to date"}
    before = released(tmp_path)
    again = states(with_plugin(tmp_path, level("# edited")))
    assert again["ingest"] == again["dedup"] == "up to date" and again["score"] == again["release"] == "done"
    assert len(list((tmp_path / "ws/annotations").glob("level-*"))) == 2
    assert states(with_plugin(tmp_path, level()))["score"] == "up to date", "the first version is still there"
    assert released(tmp_path) == before


class Crash(BaseException):
    """The process is no more."""


@pytest.mark.slow
def test_a_run_that_crashes_between_two_writes_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "in", images=8)
    sources = [{"type": "folder", "name": "in", "path": str(tmp_path / "in"), "buckets": 4}]
    recipe = with_plugin(tmp_path, level(FAILS), sources=sources, limits={"failed": 1})
    put, scored = Store.put, list[str]()

    def crashing(self: Store, key: str, *arguments: Any) -> Any:
        written = put(self, key, *arguments)
        if key.startswith("annotations/level-"):
            scored.append(key)
            if len(scored) == 2:
                raise Crash
        return written

    monkeypatch.setattr(Store, "put", crashing)
    with pytest.raises(Crash):
        states(recipe)
    assert states(recipe)["score"] == "done"
    assert len(scored) == len(set(scored)) >= 3, "what was there is not scored again"
    resumed = released(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    states(with_plugin(other, level(FAILS), sources=sources, limits={"failed": 1}))
    assert released(other) == resumed


def test_a_scorer_of_files_reads_the_bytes_in_the_decode_child(tmp_path: Path) -> None:
    source = """
import pyarrow as pa

class Ends:
    name = "ends"
    version = "1"
    fields = [pa.field("last_byte", pa.int64())]
    kinds = ("image",)

    def validate(self):
        pass

    def prepare_file(self, data, limits):
        return {"last_byte": data[-1]}

SCORERS = [Ends]
"""
    write_corpus(tmp_path / "in", images=2, videos=1)
    recipe = with_plugin(tmp_path, source, score={"scorers": [{"name": "ends"}]}, filter={"policy": _all(tmp_path)})
    states(recipe)
    [path] = (tmp_path / "ws/annotations").glob("ends-*/*.parquet")
    assert sorted(pq.read_table(path)["last_byte"].to_pylist(), key=str) == [0xD9, 0xD9, None], "ends of JPEGs"


def _all(folder: Path) -> str:
    rule = "{name: any, keep: width >= 1, on_missing: drop, reason: none}"
    (folder / "all.yaml").write_text(f'name: all\nversion: "1"\nrules: [{rule}]\n')
    return str(folder / "all.yaml")


def test_a_scorer_of_embeddings_needs_the_recipe_to_have_clip(tmp_path: Path) -> None:
    source = """
import pyarrow as pa
from dataengine.score.base import EmbeddingScorer

class First(EmbeddingScorer):
    name = "first"
    version = "1"
    fields = [pa.field("first", pa.float64())]

    def validate(self):
        pass

    def score(self, vectors, captions):
        return {"first": [round(float(vector[0]), 4) for vector in vectors]}

SCORERS = [First]
"""
    recipe = with_plugin(tmp_path, source, score={"scorers": [{"name": "first"}]}, filter={"policy": _all(tmp_path)})
    with pytest.raises(UsageError, match="first reads the embeddings of `clip`; add that scorer, too"):
        execute(recipe, engine=InProcess())
