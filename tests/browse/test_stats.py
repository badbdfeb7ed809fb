"""``dataengine stats``: what SQL is answered, and what a hostile query cannot do; ``dataengine diff`` of two releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.browsed import corpus, session_of
from support.ledger_rows import dup, ledger
from support.release_manifest import listed, manifest
from typer.testing import CliRunner

from dataengine.browse.session import Session
from dataengine.browse.stats import query, tables
from dataengine.cli.main import app
from dataengine.errors import UsageError
from dataengine.stage import Run

A, B, C, D, E = (letter * 32 for letter in "abcde")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made: Run = corpus().made(tmp_path_factory.mktemp("counted"), 600)
    return made


@pytest.fixture(scope="module")
def session(run: Run) -> Iterator[Session]:
    one = session_of(run)
    with tables(one):
        yield one
    one.engine.close()


def test_all_tables_are_there(run: Run) -> None:
    one = session_of(run)
    with tables(one) as described:
        assert {"inputs", "samples", "failures", "groups", "decisions", "score_nsfw", "unique_samples"} <= set(
            described
        )
        assert described["inputs"][0] == ("input_id", "VARCHAR", 600)
        for table, columns in described.items():
            [[count]] = query(one, f"SELECT count(*) FROM {table}").rows
            assert count == columns[0][2], table
    one.engine.close()


def test_an_answer(session: Session) -> None:
    answer = query(session, "SELECT outcome, count(*) AS n, max(blur) AS most FROM inputs GROUP BY ALL ORDER BY n")
    assert answer.columns == ["outcome", "n", "most"] and sum(row[1] for row in answer.rows) == 600 and not answer.more
    assert query(session, "FROM samples", 3).more and len(query(session, "FROM samples", 3).rows) == 3
    odd = query(
        session, "SELECT 'NaN'::DOUBLE AS a, [1, 2] AS b, '\\x00'::BLOB AS c, {'d': 1.5} AS d, DATE '2026-01-01' AS e"
    )
    assert odd.to_json() == [{"a": "nan", "b": [1, 2], "c": "00", "d": {"d": "1.5"}, "e": "2026-01-01"}]
    json.dumps(odd.to_json(), allow_nan=False)
    joined = (
        "SELECT count(*) FROM samples s JOIN groups g ON s.id = g.id JOIN score_technical t ON t.id = g.representative"
    )
    assert query(session, joined).rows[0][0] > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "COPY inputs TO '{folder}/out.csv'",
        "COPY inputs TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
        "WITH x AS (COPY inputs TO '{file}' (FORMAT parquet, USE_TMP_FILE false)) SELECT 1",
        "WITH x AS (COPY inputs TO '{folder}/out.csv') SELECT 1",
        "SELECT * FROM query('COPY inputs TO ''{folder}/out.csv''')",
        "EXPLAIN ANALYZE COPY inputs TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['{secret}']",
        "RESET enable_external_access",
        "PRAGMA database_list",
        "CALL enable_logging(storage = 'file', storage_config = {{'path': '{folder}/log'}})",
        "SELECT 1; COPY inputs TO '{folder}/out.csv'",
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE inputs",
        "WITH x AS (DELETE FROM inputs RETURNING *) SELECT * FROM x",
        "EXPLAIN ANALYZE DELETE FROM inputs",
        "SELECT getenv('HOME')",
        "",
        "SELECT",
    ],
)
def test_a_hostile_query_reads_and_writes_nothing(session: Session, run: Run, tmp_path: Path, sql: str) -> None:
    secret, file = tmp_path / "secret.txt", Path(run.recipe.workspace, "dedup/unique.parquet")
    secret.write_text("the secret")
    before = file.read_bytes()
    with pytest.raises(UsageError, match="--sql: ") as error:
        query(session, sql.format(secret=secret, folder=tmp_path, file=file))
    assert "the secret" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"] and file.read_bytes() == before


def test_a_query_leaves_nothing_in_the_session(session: Session) -> None:
    query(session, "EXPLAIN ANALYZE CREATE TEMP TABLE left_over AS SELECT 1")
    with pytest.raises(UsageError, match="left_over does not exist"):
        query(session, "FROM left_over")
    assert query(session, "SELECT count(*) FROM inputs").rows == [(600,)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT INTERVAL 1000000000 DAY", "a value is too large to be shown"),
        ("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00'", "cast it, as in now"),
        ("SELECT '\udcff'", "no well-formed text"),
    ],
)
def test_values_that_cannot_be_shown(session: Session, sql: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        query(session, sql)


def test_a_map_with_keys_that_are_no_text_is_json(session: Session) -> None:
    answer = query(session, "SELECT MAP {DATE '2026-01-01': 1} AS a")
    assert answer.to_json() == [{"a": {"2026-01-01": 1}}]


def test_a_query_without_end_is_stopped(session: Session) -> None:
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7"
    with pytest.raises(UsageError, match=r"no answer within 2 s"):
        query(session, endless, seconds=2)
    assert query(session, "SELECT 1").rows == [(1,)], "the session goes on"


def test_the_command_prints_tables_rows_and_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(place: str, workspace: str | None = None) -> Iterator[Session]:
        yield session_of(run, place)

    monkeypatch.setattr("dataengine.browse.session.opened", opened)
    invoke = CliRunner().invoke
    assert "score_technical" in invoke(app, ["stats", "made.yaml"]).stdout
    assert json.loads(invoke(app, ["stats", "made.yaml", "--json"]).stdout)["inputs"]["rows"] == 600
    arguments = ["stats", "made.yaml", "--sql", "SELECT id, caption FROM inputs", "--limit", "2"]
    assert "there are more than 2 rows" in invoke(app, arguments).stdout
    assert len(json.loads(invoke(app, [*arguments, "--json"]).stdout)) == 2


def release(folder: Path, *rows: dict[str, Any], **changes: Any) -> str:
    folder.mkdir()
    pq.write_table(ledger(*rows), folder / "ledger.parquet")
    (folder / "manifest.json").write_bytes(manifest(files=[listed("ledger.parquet")], **changes).to_bytes())
    return str(folder)


def step(rule: str, keep: str) -> dict[str, Any]:
    return {"rule": rule, "reason": f"not {keep}", "entering": 9, "dropped": 1, "remaining": 8, "keep": keep}


def quantiles(*values: float) -> dict[str, Any]:
    one = dict(zip(("min", "p10", "p50", "p90", "max"), values, strict=True)) | {"count": 5}
    return {"before": one, "after": one}


def test_two_releases_are_compared(tmp_path: Path) -> None:
    old = release(
        tmp_path / "old",
        {"uri": "a", "id": A, "outcome": "kept"},
        {"uri": "b", "id": B, "outcome": "kept"},
        {"uri": "c", "id": C, "outcome": "filtered", "rule": "blur", "value": "3"},
        {"uri": "e", "id": E, "outcome": "kept"},
        funnel=[step("blur", "blur >= 5"), step("side", "width >= 9")],
        scores={"blur": quantiles(0, 10, 50, 90, 100), "same": quantiles(0, 1, 2, 3, 4)},
    )
    new = release(
        tmp_path / "new",
        {"uri": "a", "id": A, "outcome": "kept"},
        {"uri": "b", **dup(B, A, 2.0)},
        {"uri": "c", "id": C, "outcome": "kept"},
        {"uri": "d", "id": D, "outcome": "kept"},
        {"uri": "d2", **dup(D, D, 0.0, "exact")},
        funnel=[step("blur", "blur >= 3"), step("nsfw", "nsfw <= 1")],
        scores={"blur": quantiles(0, 10, 30, 90, 100), "same": quantiles(0, 1, 2, 3, 4)},
        policy={"name": "p", "version": "2", "digest": "e"},
    )
    shown = CliRunner().invoke(app, ["diff", old, new])
    assert shown.exit_code == 0, shown.output
    answer = json.loads(CliRunner().invoke(app, ["diff", old, new, "--json"]).stdout)
    assert (answer["same"], answer["added"], answer["removed"]) == (1, 2, 2)
    assert answer["added_from"] == {"absent": 1, "filtered: blur": 1}
    assert answer["removed_because"] == {"absent": 1, "duplicate: perceptual": 1}
    assert {r["rule"]: (r["old"], r["new"]) for r in answer["rules"]} == {
        "blur": ("blur >= 5", "blur >= 3"),
        "nsfw": ("", "nsfw <= 1"),
        "side": ("width >= 9", ""),
    }
    assert answer["settings"] == [["policy", "p version 1", "p version 2"]]
    assert [(s["score"], s["old"]["p50"], s["new"]["p50"], s["size"]) for s in answer["scores"]] == [
        ("blur", 50, 30, 0.25)
    ]
    assert answer["shown_added"] == [[C, "c", "s", "filtered: blur"], [D, "d", "s", "absent"]]
    assert answer["shown_removed"] == [[B, "b", "s", "duplicate: perceptual"], [E, "e", "s", "absent"]]
    for text in ("blur >= 5", "filtered: blur", "p version 2", "perceptual"):
        assert text in shown.stdout
    assert "keep the same samples by the same rules" in CliRunner().invoke(app, ["diff", old, old]).stdout
    assert CliRunner().invoke(app, ["diff", old, str(tmp_path)]).exit_code == 2
