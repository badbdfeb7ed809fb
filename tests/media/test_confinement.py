from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dataengine.cli.main import app
from dataengine.config.recipe import LimitsConfig
from dataengine.errors import RunError
from dataengine.media.limits import Limits
from dataengine.media.sandbox import environment
from dataengine.media.sandbox.confinement import MEASURES
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.media.sandbox.probes import ATTEMPTS
from dataengine.verify.installation import attempts

#: Measures each of which alone refuses an attempt.
REFUSED_BY = {
    "read a variable of its parent": ["environment"],
    "read a file": ["files"],
    "list a folder": ["files"],
    "read its parent's environment": ["files"],
    "write a file": ["files", "system calls", "resource limits"],
    "write to /tmp": ["files", "system calls", "resource limits"],
    "delete a file": ["files", "system calls"],
    "change a file's mode": ["system calls"],
    "connect by TCP": ["tcp", "system calls"],
    "open a UDP socket": ["system calls"],
    "open an abstract Unix socket": ["system calls"],
    "fork": ["system calls"],
    "signal its parent": ["signals", "system calls"],
    "trace its parent": ["files", "system calls"],
    "set up io_uring": ["system calls"],
    "raise its limits": ["system calls"],
    "outlive its parent": ["system calls"],
    "run a program": ["files", "system calls"],
}

Report = tuple[dict[str, str], dict[str, str]]


@pytest.fixture(scope="module")
def report() -> Report:
    return attempts()


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_decode_child_is_refused(attempt: str, report: Report) -> None:
    missing, refused = report
    if set(REFUSED_BY[attempt]) <= set(missing):
        pytest.skip(f"not in force here: {missing}")
    assert refused[attempt], attempt


def test_measures_that_are_missing_are_named(report: Report) -> None:
    assert set(report[0]) <= set(MEASURES) and set(REFUSED_BY) == set(ATTEMPTS)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("support.sandbox_functions:obey", None, workers=1, limits=Limits()) as opened:
        yield opened


def test_what_is_refused_costs_its_item(sandbox: Sandbox, tmp_path: Path, report: Report) -> None:
    if report[0]:
        pytest.skip(f"not in force here: {report[0]}")
    secret = tmp_path / ".ray" / "auth_token"
    secret.parent.mkdir()
    secret.write_text("secret")
    first, read, last = sandbox.map([("echo", 1), ("read", str(secret)), ("echo", 2)])
    assert isinstance(read, Failed) and read.failure == "corrupt" and "Permission denied" in read.message
    assert first == Ok([None, 1]) and last == Ok([None, 2]) and sandbox.missing == {}


def test_the_environment_is_a_list_of_known_names(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "RAY_AUTH_TOKEN", "OPENAI_API_KEY", "HTTPS_PROXY", "LD_PRELOAD")
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    variables = environment.variables(gpu=False)
    assert not set(secrets) & set(variables) and variables["LC_ALL"] == "C.UTF-8"
    assert "CUDA_VISIBLE_DEVICES" not in variables and environment.variables(gpu=True)["CUDA_VISIBLE_DEVICES"] == "0"
    [outcome] = Sandbox.map(sandbox, [("variables", None)])
    assert isinstance(outcome, Ok) and set(outcome.value) <= {*variables, "LC_CTYPE"}


def test_folders_that_hold_more_than_code_are_not_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, library = tmp_path / "project", tmp_path / "library"
    (project / "data").mkdir(parents=True)
    library.mkdir()
    monkeypatch.chdir(project / "data")
    monkeypatch.setattr(sys, "path", ["", str(project), str(library), "/", str(Path.home())])
    readable = environment.readable(gpu=False)
    assert str(library) in readable
    assert not {"", "/", str(project), str(project / "data"), str(Path.home())} & set(readable)


ALONE = """
import errno, os, socket, sys
from pathlib import Path
from dataengine.media.sandbox import kernel, landlock, seccomp
secret, port = Path(sys.argv[2]), int(sys.argv[3])
os.open("/dev/null", os.O_RDWR)
kernel.prctl(38, 1)
if sys.argv[1] == "landlock":
    landlock.restrict(["/usr/lib"], ["/dev/null"])
    os.listdir("/usr/lib")
    os.close(os.open("/dev/null", os.O_RDWR))
else:
    seccomp.restrict(devices=False)
    import threading
    thread = threading.Thread(target=list)
    thread.start()
    thread.join()
    assert secret.read_text() == "secret"
def refused(attempt):
    try:
        attempt()
    except PermissionError:
        return True
print(refused(secret.read_bytes), refused(lambda: secret.write_text("x")), refused(secret.unlink),
      refused(lambda: os.kill(os.getppid(), 0)), refused(lambda: socket.create_connection(("127.0.0.1", port))))
os.kill(os.getpid(), 0)
"""


@pytest.mark.parametrize(
    ("measure", "name", "refused"),
    [("landlock", "files", "True True True True True"), ("seccomp", "system calls", "None True True True True")],
)
def test_each_kernel_measure_holds_alone(measure: str, name: str, refused: str, tmp_path: Path, report: Report) -> None:
    if {name, "tcp", "signals"} & set(report[0]):
        pytest.skip(f"not in force here: {report[0]}")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    command = [sys.executable, "-c", ALONE, measure, str(secret), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (refused, 0), done.stderr
    assert secret.read_text() == "secret"


def old_kernel(limits: Limits) -> Sandbox:
    return Sandbox("support.sandbox_functions:obey", None, workers=1, limits=limits, preload=("support.old_kernel",))


def test_a_kernel_without_measures_is_said_and_goes_on() -> None:
    with old_kernel(Limits()) as sandbox:
        assert list(sandbox.map([("echo", 1)])) == [Ok([None, 1])]
    expected = {"files", "tcp", "signals", "system calls"} | ({"capabilities"} if os.geteuid() == 0 else set())
    assert set(sandbox.missing) == expected
    assert all("not implemented" in why for why in sandbox.missing.values())


def test_a_recipe_may_require_all_measures() -> None:
    limits = LimitsConfig(isolation="required").to_limits()
    with old_kernel(limits) as sandbox, pytest.raises(RunError, match=r"isolation is required.*files .*system calls"):
        list(sandbox.map([("echo", 1)]))
    assert (
        limits.bounds() == Limits().bounds()
        and LimitsConfig(isolation="required").model_dump() == LimitsConfig().model_dump()
    )


def test_a_child_may_compile_what_it_may_not_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with Sandbox("support.compiled:compute", None, workers=1, limits=Limits()) as sandbox:
        assert list(sandbox.map([1, 2])) == [Ok([1.0, 2]), Ok([1.0, 4])]
    kept = {path.name.split(".")[1].split("-")[0] for path in tmp_path.rglob("*.nbc")}
    assert {"_similar_patches", "across_rows"} <= kept and "_doubled" not in kept


@pytest.mark.parametrize(
    ("function", "threaded"),
    [
        ("dataengine.ingest.decode_task:decode", ("dataengine.media.faces",)),
        ("dataengine.cot.questions.worker:compose_all", ()),
        ("dataengine.verify.cot_records:check", ()),
    ],
)
def test_no_library_has_threads_that_escape(function: str, threaded: tuple[str, ...], report: Report) -> None:
    with Sandbox(function, None, workers=1, limits=Limits(), threaded=threaded) as sandbox:
        [outcome] = sandbox.map([b""])
    assert isinstance(outcome, Failed) and sandbox.missing == report[0]


def test_doctor_reports_the_installation(tmp_path: Path, report: Report) -> None:
    good = CliRunner().invoke(app, ["doctor", "--json", "--workspace", str(tmp_path / "workspace")])
    findings = {finding["name"]: finding for finding in json.loads(good.stdout)}
    assert "(code " in findings["dataengine"]["text"]
    assert good.exit_code == 0 and {*MEASURES, *ATTEMPTS, "Python", "pillow", "ray", "Java"} <= set(findings)
    assert findings["workspace"]["good"] and list((tmp_path / "workspace").rglob("*")) == []
    assert [n for n in MEASURES if not findings[n]["good"]] == list(report[0])
    (tmp_path / "file").write_text("")
    bad = CliRunner().invoke(app, ["doctor", "--workspace", str(tmp_path / "file")])
    assert bad.exit_code == 1 and "MISSING" in bad.stdout
