"""OpenLineage events of a run, received by a server of HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import letters
from support.watched import receiver, watched

from dataengine.errors import UsageError
from dataengine.monitoring import lineage
from dataengine.monitoring.lineage import Lineage, dataset_of
from dataengine.storage.workspace import Record

Event = dict[str, Any]


def test_stages_are_jobs_with_versions_and_row_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "a-key-for-lineage")
    with receiver() as (url, requests):
        reports = watched(tmp_path, Lineage(url, letters.recipe(tmp_path)))
    assert all(headers["Authorization"] == "Bearer a-key-for-lineage" for *_, headers in requests)
    events: list[Event] = [json.loads(body) for *_, body, _ in requests]
    assert [(e["eventType"], e["job"]["name"]) for e in events] == [
        ("START", "letters"),
        ("START", "letters.ingest"),
        ("COMPLETE", "letters.ingest"),
        ("START", "letters.release"),
        ("COMPLETE", "letters.release"),
        ("COMPLETE", "letters"),
    ]
    ingest, release = events[2], events[4]
    record = reports[0].record
    assert isinstance(record, Record)
    [samples] = ingest["outputs"]
    assert (samples["namespace"], samples["name"]) == ("file", f"{tmp_path}/ingest/samples")
    assert samples["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert samples["facets"]["version"]["datasetVersion"] == record.digest
    assert [i["name"] for i in ingest["inputs"]] == [str(Path.cwd())]
    [read] = release["inputs"]
    assert read["facets"]["version"] == samples["facets"]["version"], "what one stage wrote, the next has read"
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 2
    parents = {e["run"]["facets"]["parent"]["run"]["runId"] for e in events if "." in e["job"]["name"]}
    assert parents == {events[0]["run"]["runId"]} and events[1]["run"]["runId"] == ingest["run"]["runId"]


def test_a_failure_names_its_error_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("DATABASE_PASSWORD", "was lost")
    with pytest.raises(OSError):
        watched(tmp_path / "ws", Lineage(str(path), letters.recipe(tmp_path / "ws")), broken=True)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(e["eventType"], e["job"]["name"]) for e in events[-2:]] == [
        ("FAIL", "letters.release"),
        ("FAIL", "letters"),
    ]
    message = events[-2]["run"]["facets"]["errorMessage"]["message"]
    assert (
        "@host/x [redacted], key" in message and "hunter2" not in path.read_text() and "sk-abc" not in path.read_text()
    )


def test_a_run_with_nothing_to_do_sends_nothing_and_a_dead_server_stops_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "_RETRIES", {"total": 0})
    with receiver(403) as (url, requests):
        watched(tmp_path, Lineage(url, letters.recipe(tmp_path)))
        sent = len(requests)
        watched(tmp_path, Lineage(url, letters.recipe(tmp_path)))
        assert sent == len(requests) == 6
    assert len([r for r in caplog.records if "cannot be sent" in r.message]) == 1


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("s3://bucket/ws/a", ("s3://bucket", "ws/a")),
        ("s3://bucket", ("s3://bucket", "/")),
        ("/data/ws", ("file", "/data/ws")),
        ("file:///data/ws", ("file", "/data/ws")),
    ],
)
def test_datasets_are_named_as_openlineage_says(place: str, named: tuple[str, str]) -> None:
    assert dataset_of(place) == named


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("http://", "is no URL of a server"),
        ("http://[::1", "is no URL of a server"),
        ("https://server:port", "is no URL of a server"),
        ("s3://me:hidden@bucket/events", "s3://bucket/events is no place for events"),
        ("no/events", "name a file"),
        (".", "name a file"),
    ],
)
def test_a_wrong_place_is_named(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        Lineage(place, letters.recipe(tmp_path))
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    "configured", ["transport: {type: nothing}", "transport: {type: http}", "transport: {type: http, url: 'a:b'}"]
)
def test_a_client_that_is_configured_wrongly_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str
) -> None:
    file = tmp_path / "openlineage.yml"
    file.write_text(configured)
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(file))
    with pytest.raises(UsageError, match="the client cannot use OPENLINEAGE_URL or openlineage"):
        Lineage("client", letters.recipe(tmp_path))


def test_only_ingest_reads_the_sources(tmp_path: Path) -> None:
    events = Lineage(str(tmp_path / "events"), letters.recipe(tmp_path))
    without_needs = [stage for stage, needs in events._needs.items() if not needs]
    assert len(without_needs) > 2
    assert [stage for stage in without_needs if events._inputs(stage)] == ["ingest"]
