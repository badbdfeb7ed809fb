"""The table of all inputs, and trials of policies: the same as the run's own stages make."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.browsed import corpus, session_of
from typer.testing import CliRunner

from dataengine import contracts
from dataengine.browse.inputs import inputs, outcomes, score_columns
from dataengine.browse.session import Session
from dataengine.browse.view_engine import ViewEngine, with_values
from dataengine.browse.what_if import Moved, compare, moved
from dataengine.cli.main import app
from dataengine.contracts import CONTAMINATION, DECISIONS
from dataengine.errors import UsageError
from dataengine.pipeline import open_run
from dataengine.policy.annotated import annotated, known_columns
from dataengine.policy.load import load
from dataengine.policy.stage import Filter
from dataengine.policy.trial import tried
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record

ROWS = 3000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made: Run = corpus().made(tmp_path_factory.mktemp("made"), ROWS)
    return made


@pytest.fixture
def session(run: Run) -> Iterator[Session]:
    one = session_of(run)
    yield one
    one.engine.close()


def decided(run: Run, folder: Path, policy: str) -> dict[str, str]:
    """What the filter stage itself decides by the policy in a file: a rule, or "" for kept, by id."""
    recipe = run.recipe.model_copy(update={"filter": run.recipe.filter.model_copy(update={"policy": policy})})
    other = Run(recipe, lambda: run.engine)
    other.records = dict(run.records)
    output = Filter().compute(other, f"tried-{folder.name}")
    rows = other.workspace.read_table(output.files.values(), DECISIONS).to_pylist()
    return {row["id"]: row["rule"] or "" for row in rows}


def test_every_input_is_a_row_with_its_outcome_and_scores(run: Run, session: Session) -> None:
    inputs(session)
    rows = session.engine.rows("SELECT * FROM inputs").to_pylist()
    assert len(rows) == ROWS == len({row["input_id"] for row in rows})
    kept = run.table("filter", "decisions", DECISIONS).to_pylist()
    assert {r["id"] for r in rows if r["outcome"] == "kept"} == {r["id"] for r in kept if r["kept"]}
    assert {(r["id"], r["rule"]) for r in rows if r["outcome"] == "filtered"} == {
        (r["id"], r["rule"]) for r in kept if not r["kept"]
    }
    scores = {r["id"]: r for r in run.engine.collect(annotated(run)).to_pylist()}
    for row in rows:
        if row["outcome"] in ("kept", "filtered"):
            assert all(row[name] == value for name, value in scores[row["id"]].items())
        elif row["outcome"] == "failed":
            assert row["failure"] and row["id"] is None and row["kind"] is None
        else:
            assert row["duplicate_kind"] and row["group_id"] and row["caption"]
    sizes = {r["group_id"]: r["group_size"] for r in rows if r["group_id"]}
    assert sizes[next(r["representative"] for r in rows if r["duplicate_kind"] == "semantic")] > 1


def test_a_ledger_makes_no_difference(run: Run, session: Session) -> None:
    finished = Run(run.recipe, lambda: run.engine)
    finished.records = dict(run.records)
    other = session_of(corpus().with_ledger(finished))
    names = ", ".join(n for n in contracts.LEDGER.names)
    tables = [
        s.engine.rows(f"SELECT {names} FROM {outcomes(s.engine, s.needed())} ORDER BY input_id")
        for s in (session, other)
    ]
    assert tables[0].equals(tables[1])
    other.engine.close()


@pytest.mark.parametrize(
    ("until", "counts"),
    [("dedup", {"pending", "failed", "duplicate"}), ("ingest", {"pending", "failed", "duplicate"})],
)
def test_what_has_not_been_decided_is_pending(run: Run, until: str, counts: set[str]) -> None:
    begun = Run(run.recipe, lambda: run.engine)
    names = list(run.records)
    begun.records = {name: run.records[name] for name in names[: names.index(until) + 1]}
    session = session_of(begun)
    inputs(session)
    rows = session.engine.rows("SELECT outcome, count(*) AS n FROM inputs GROUP BY ALL").to_pylist()
    assert {row["outcome"] for row in rows} == counts and sum(row["n"] for row in rows) == ROWS
    with pytest.raises(UsageError, match=r"(score|dedup) is not up to date: run `dataengine \1 made\.yaml` first"):
        compare(session, *[load(run.recipe.filter.policy, known_columns(run.recipe))] * 2)


@pytest.mark.parametrize(
    ("conditions", "without"),
    [
        (["blur >= 60"], []),
        (["blur >= 1", "nsfw <= 0.3"], []),
        (["side: width >= 64"], ["entropy"]),
        (["caption_words >= 12"], []),
        (["kind = 'video' or contrast >= 0.2"], []),
        ([], ["side", "blur", "entropy", "nsfw"]),
        (["blur >= 20"], []),
    ],
)
def test_a_trial_decides_as_the_filter_stage_would(
    run: Run, session: Session, tmp_path: Path, conditions: Sequence[str], without: Sequence[str]
) -> None:
    from dataengine.policy import edit

    known, old = known_columns(run.recipe), run.recipe.filter.policy
    before = load(old, known)
    after, changes = tried(before, conditions, without, known, reason="tried")
    edit.write(tmp_path / "new.yaml", old, after, changes, known)
    verdicts = [decided(run, tmp_path, old), decided(run, tmp_path, str(tmp_path / "new.yaml"))]
    trial = compare(session, before, after)
    rows = session.engine.rows("SELECT * FROM judged").to_pylist()
    names = [["", *(rule.name for rule in policy.rules)] for policy in (before, after)]
    assert {r["id"]: names[0][r["before"]] for r in rows} == verdicts[0]
    assert {r["id"]: names[1][r["after"]] for r in rows} == verdicts[1]
    kept = [sum(not rule for rule in verdict.values()) for verdict in verdicts]
    assert (trial.samples, trial.kept_before, trial.kept_after) == (len(rows), *kept)
    for step in trial.steps:
        dropped = [sum(rule == step.rule for rule in verdict.values()) for verdict in verdicts]
        assert [step.before or 0, step.after or 0] == dropped
    moves = {id_ for id_ in verdicts[0] if bool(verdicts[0][id_]) != bool(verdicts[1][id_])}
    columns = [c for change in changes for rule in (change.after, change.before) if rule for c in rule.columns]
    shown = moved(session, before, after, columns, ROWS)
    assert {row.id for row in shown} == moves and sum(trial.moves.values()) == len(moves)
    assert all((row.before == "kept") != (row.after == "kept") and row.uri and row.source for row in shown)
    assert len(moved(session, before, after, columns, 3)) == min(3, len(moves))


def test_contamination_is_dropped_before_and_after(run: Run, tmp_path: Path) -> None:
    config = {"benchmarks": [{"name": "quiz", "type": "folder", "path": "quiz"}], "presets": [{"name": "phash"}]}
    fields = run.recipe.model_dump(mode="json") | {"contamination": config}
    hit = Run(type(run.recipe).model_validate(fields), lambda: run.engine)
    ids = (
        run.table("dedup", "groups", contracts.GROUPS).filter(pa.compute.field("kind").is_null())["id"].to_pylist()[:40]
    )
    match = {"preset": "phash", "benchmark": "quiz", "item": "1", "kind": "image", "similarity": 1.0}
    rows = pa.Table.from_pylist([{"representative": id_, "id": id_, **match} for id_ in ids], CONTAMINATION)
    file = hit.workspace.write_table("contamination/hits.parquet", rows)
    found = Record("contamination.find", "0", {"all": Output({"hits": file})})
    hit.records = {**run.records, "contamination.find": found}
    session = session_of(hit)
    known = known_columns(hit.recipe)
    before = load(hit.recipe.filter.policy, known)
    after, _ = tried(before, ["blur >= 60"], [], known)
    trial, verdicts = compare(session, before, after), decided(hit, tmp_path, hit.recipe.filter.policy)
    assert (trial.steps[0].rule, trial.steps[0].before, trial.steps[0].after) == ("contamination:phash", 40, 40)
    assert trial.kept_before == sum(not rule for rule in verdicts.values()) and trial.samples == len(verdicts)


def invoke(run: Run, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    @contextmanager
    def opened(place: str, workspace: str | None = None) -> Iterator[Session]:
        session = session_of(run, place)
        yield session
        session.engine.close()

    monkeypatch.setattr("dataengine.browse.session.opened", opened)
    return CliRunner().invoke(app, ["filter", "made.yaml", *arguments])


def test_the_command_shows_and_writes_a_trial(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "new.yaml"
    before = {path: path.read_bytes() for path in Path(run.recipe.workspace).rglob("*") if path.is_file()}
    shown = invoke(run, monkeypatch, "--try", "blur >= 60", "--show", "2")
    assert shown.exit_code == 0, shown.output
    assert "rule `blur`: blur >= 60 instead of blur >= 20" in shown.stdout
    assert re.search(r"kept → blur +\d+", shown.stdout) and re.search(r"= kept +\d+ +\d+ +-\d+", shown.stdout)
    assert before == {path: path.read_bytes() for path in before}, "nothing is written"
    arguments = ("--try", "blur >= 60", "--json", "--write", str(target), "--reason", "soft pictures teach little")
    answer = json.loads(invoke(run, monkeypatch, *arguments).stdout)
    assert answer["kept"]["before"] > answer["kept"]["after"] and answer["written"] == {"policy": str(target)}
    assert len(answer["shown"]) == 20 and answer["dropped"][1]["rule"] == "blur"
    written = load(target, known_columns(run.recipe))
    assert (written.version, written.rules[1].reason) == ("2", "soft pictures teach little")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--try", "blur >= 60", "--write", "v2"), "--write needs --reason"),
        (("--write", "v2", "--reason", "why"), "belong to a trial: add --try"),
        (("--try", "blur >= 60", "--sheet", "a.bmp"), r"ends in \.html or \.png"),
        (("--try", "blurr >= 60"), "unknown column `blurr`; did you mean `blur`"),
        (("--without", "blurr"), "no rule `blurr`; did you mean `blur`"),
    ],
)
def test_mistakes_of_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke(run, monkeypatch, *arguments)
    assert result.exit_code == 2 and re.search(message, result.stderr), result.stderr


@pytest.mark.parametrize(
    ("sql", "values", "text"),
    [
        ("SELECT ?, '?', \"?\" FROM t", (1.5,), "SELECT CAST(1.5 AS DOUBLE), '?', \"?\" FROM t"),
        ("a = ? OR b = ?", ("it's ?", True), "a = 'it''s ?' OR b = TRUE"),
    ],
)
def test_values_are_written_out(sql: str, values: Any, text: str) -> None:
    assert with_values(sql, values) == text


def test_numbers_that_json_lacks_are_text() -> None:
    row = Moved("a", "b", "c", None, "kept", "blur", {"blur": float("nan"), "width": 3})
    assert row.to_json()["values"] == {"blur": "nan", "width": 3}


def test_columns_whose_names_are_taken_have_others(tmp_path: Path) -> None:
    columns = dict.fromkeys(("r", "rowid", "outcome", "score_outcome", "position"), "integer")
    source = {"type": "folder", "name": "photos", "path": str(tmp_path), "columns": columns}
    named = score_columns(open_run(corpus().recipe(tmp_path, sources=[source])))
    assert {name: named[name] for name in columns} == {
        "r": "r",
        "rowid": "score_rowid",
        "outcome": "score_score_outcome",
        "score_outcome": "score_outcome",
        "position": "score_position",
    }
    assert named["blur"] == "blur"


def test_columns_that_older_files_lack_are_null(run: Run) -> None:
    rows = run.table("ingest", "samples", contracts.SAMPLES).slice(0, 5).drop_columns(["faces", "clip_end"])
    file = run.workspace.write_table("older.parquet", rows)
    with ViewEngine() as engine:
        table = engine.collect(engine.scan(run.workspace, [file], contracts.SAMPLES))
        assert table["faces"].null_count == 5 and table.column_names == contracts.SAMPLES.names
        assert table.schema.field("clip_end").type == pa.float64()
        empty = dataclasses.replace(file, rows=0)
        assert len(engine.collect(engine.scan(run.workspace, [empty], contracts.SAMPLES))) == 0
