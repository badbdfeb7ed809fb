"""A run's metrics: as files, pushed, and answered over HTTP."""

from __future__ import annotations

import socket
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.watched import receiver, watched

from dataengine.errors import UsageError
from dataengine.monitoring.metrics import RunMetrics
from dataengine.monitoring.metrics_places import Written, metrics_server, written
from dataengine.progress import Together
from dataengine.storage.store import Store


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Values by name and labels, without that of the recipe."""
    return {
        (one.name.removeprefix("dataengine_"), *(v for k, v in sorted(one.labels.items()) if k != "recipe")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def metrics_of(workspace: Path) -> RunMetrics:
    return RunMetrics(Store(workspace), "letters")


def test_a_file_has_what_the_run_has_done(tmp_path: Path) -> None:
    metrics, path = metrics_of(tmp_path / "ws"), str(tmp_path / "run.prom")
    writer = written(path, metrics)
    assert writer is not None
    watched(tmp_path / "ws", Together([metrics, writer]), seconds=0.02)
    values = samples(Path(path).read_text())
    assert (
        values["run_exit_code",] == 0 and values["run_state", "finished"] == 1 and values["run_state", "running"] == 0
    )
    assert values["stage_parts_made_total", "ingest"] == 3 and values["stage_queue_parts", "ingest"] == 0
    assert [values["stage_items_total", name, "ingest"] for name in ("inputs", "samples", "failed")] == [3, 2, 1]
    assert values["stage_failures_total", "timeout", "ingest"] == 1
    assert values["stage_outcomes", "kept", "release"] == 2 and values["stage_items_total", "kept", "release"] == 2
    assert values["stage_written_bytes_total", "ingest"] == 2 and values["stage_decoded_files_total", "ingest"] == 3
    assert 0.04 <= values["stage_model_seconds_total", "ingest"] <= values["stage_worker_seconds_total", "ingest"]
    assert values["stage_ready_samples_total", "ingest"] == 9 and values["stage_batches_total", "ingest"] == 3
    assert values["model_server_requests_total", "cache", "vlm"] == 2
    assert values["model_server_failures_total", "rate_limit", "vlm"] == 2


def test_a_second_run_counts_from_zero(tmp_path: Path) -> None:
    watched(tmp_path, metrics_of(tmp_path))
    metrics = metrics_of(tmp_path)
    watched(tmp_path, metrics, "abxc")
    names = {(s.name, *s.labels.values()): s.value for family in metrics.collect() for s in family.samples}
    assert names["dataengine_stage_parts_made_total", "letters", "ingest"] == 1
    assert names["dataengine_stage_outcomes", "letters", "ingest", "samples"] == 3
    assert names["dataengine_model_server_requests_total", "letters", "vlm", "server"] == 2


def test_a_failed_run_says_so(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path)
    with pytest.raises(OSError):
        watched(tmp_path, metrics, broken=True)
    states = {
        s.labels["state"]: s.value for f in metrics.collect() if f.name == "dataengine_run_state" for s in f.samples
    }
    assert states == {"running": 0, "finished": 0, "failed": 1}


def test_a_gateway_gets_them_under_the_recipe_and_one_that_refuses_stops_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as (url, requests):
        metrics = metrics_of(tmp_path)
        writer = written(url, metrics)
        assert writer is not None
        watched(tmp_path, Together([metrics, writer]))
    method, path, body, _ = requests[-1]
    assert (method, path) == ("POST", "/metrics/job/dataengine/recipe/letters")
    assert samples(body.decode())["run_state", "finished"] == 1
    with receiver(500) as (url, requests):
        refused = written(url, metrics_of(tmp_path))
        assert refused is not None
        watched(tmp_path, refused, "abxy")
    assert len(requests) > 2 and len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_a_server_of_no_http_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(1 << 16)
                        connection.sendall(b"220 mail ready\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        writer = written(f"http://127.0.0.1:{server.getsockname()[1]}", metrics_of(tmp_path))
        assert writer is not None
        watched(tmp_path, writer)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_a_gateway_that_hangs_does_not_hold_up_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, tries = [1000.0], list[float]()

    def hang() -> None:
        tries.append(clock[0])
        clock[0] += 5
        raise TimeoutError

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    writer = Written("a gateway", hang)
    writer.start("ingest", 9, 9)
    for _ in range(9):
        clock[0] += 10
        writer.start("ingest", 9, 9)
    writer.finish(None)
    assert tries == [1000.0, 1055.0, 1100.0]


def test_they_are_answered_on_loopback_while_the_run_lives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics = metrics_of(tmp_path)
    with metrics_server(":0", metrics) as address:
        assert address.startswith("127.0.0.1:")
        watched(tmp_path, metrics)
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            assert samples(answer.read().decode())["stage_parts_made_total", "ingest"] == 3
        with metrics_server(address, metrics) as taken:
            assert taken == "" and "cannot be listened on" in caplog.text
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://{address}/metrics")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nonsense", "no address"),
        ("127.0.0.1:99999", "no address"),
        ("http://a:b@gate", "no password"),
        ("http://", "no URL"),
        ("http://gateway:port", "no URL"),
        ("http://[::1", "no URL"),
        ("no/x.prom", "folder"),
    ],
)
def test_a_wrong_place_is_named(tmp_path: Path, place: str, message: str) -> None:
    metrics = metrics_of(tmp_path)
    with pytest.raises(UsageError, match=message):
        if written(place, metrics) is None:
            with metrics_server(place, metrics):
                pass
