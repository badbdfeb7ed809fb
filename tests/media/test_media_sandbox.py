from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataengine.errors import RunError, UsageError
from dataengine.media.image.resample import resize
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox

OBEY = "support.sandbox_functions:obey"
LIMITS = Limits(seconds=300.0, memory=512 << 20)
HASTY = Limits(seconds=5.0, memory=512 << 20)


_BEFORE = set[int]()


@pytest.fixture(autouse=True, scope="module")
def before() -> None:
    _BEFORE.update(children(os.getpid()))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(OBEY, "context", workers=1, limits=LIMITS) as opened:
        yield opened


@pytest.fixture
def hasty() -> Iterator[Sandbox]:
    with Sandbox(OBEY, "context", workers=1, limits=HASTY) as opened:
        yield opened


def run(sandbox: Sandbox, *items: tuple[str, Any]) -> list[Ok | Failed]:
    return list(sandbox.map(items))


def failures(outcomes: list[Ok | Failed]) -> list[str | None]:
    return [o.failure if isinstance(o, Failed) else None for o in outcomes]


def told(process: int | str, file: str) -> str:
    """What the kernel tells of a process; "" of one that has ended meanwhile."""
    try:
        return Path("/proc", str(process), file).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(parent: int) -> list[int]:
    """Living child processes by id."""
    stats = {place.name: told(place.name, "stat").rpartition(")")[2].split() for place in Path("/proc").glob("[0-9]*")}
    return [int(name) for name, words in stats.items() if words and words[0] != "Z" and int(words[1]) == parent]


def decoders() -> list[int]:
    """Decode processes of this test: others of this process's, as of formulas that were compared, live on."""
    here = [process for process in children(os.getpid()) if process not in _BEFORE]
    return [process for process in here if "dataengine.media.sandbox.child" in told(process, "cmdline")]


def gone(process: int, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if told(process, "stat").rpartition(")")[2].split()[:1] in ([], ["Z"]):
            return True
        time.sleep(0.02)
    return False


def test_results_come_in_the_order_of_the_items() -> None:
    waits = [0.2, 0.0, 0.1, 0.0, 0.05, 0.0, 0.0]
    with Sandbox(OBEY, None, workers=2, limits=LIMITS) as sandbox:
        assert run(sandbox, *(("work", w) for w in waits)) == [Ok(w) for w in waits]


def test_context_and_item_arrive(sandbox: Sandbox) -> None:
    assert run(sandbox, ("echo", {"a": b"\0" * 100})) == [Ok(["context", {"a": b"\0" * 100}])]


def test_nothing_in_nothing_out(sandbox: Sandbox) -> None:
    assert run(sandbox) == []


def test_items_and_results_larger_than_a_pipe(sandbox: Sandbox) -> None:
    items = [("echo", bytes([i]) * (3 << 20)) for i in range(12)]
    assert [o.value[1] for o in sandbox.map(items) if isinstance(o, Ok)] == [i[1] for i in items]
    outcome = run(sandbox, ("array", (9, 1000, 1000)))[0]
    assert isinstance(outcome, Ok) and outcome.value.shape == (9, 1000, 1000) and np.all(outcome.value == 7)


def test_an_input_error_is_the_inputs_failure(sandbox: Sandbox) -> None:
    assert run(sandbox, ("input", "half of it"), ("echo", 1)) == [Failed("truncated", "half of it"), Ok(["context", 1])]


def test_any_other_exception_is_corrupt(sandbox: Sandbox) -> None:
    assert run(sandbox, ("value", "odd"), ("echo", 1)) == [Failed("corrupt", "ValueError: odd"), Ok(["context", 1])]


@pytest.mark.slow
def test_a_hanging_item_times_out_and_its_neighbours_do_not(hasty: Sandbox) -> None:
    outcomes = run(hasty, ("echo", 0), ("hang", 0), ("echo", 1), ("echo", 2))
    assert failures(outcomes) == [None, "timeout", None, None]
    assert isinstance(outcomes[1], Failed) and "5 s" in outcomes[1].message


@pytest.mark.slow
def test_waiting_for_the_consumer_is_not_hanging(hasty: Sandbox) -> None:
    outcomes = []
    for outcome in hasty.map([("array", (2 << 20,))] * 6):
        outcomes.append(outcome)
        time.sleep(0.1 if len(outcomes) > 1 else 5.5)
    assert failures(outcomes) == [None] * 6


@pytest.mark.slow
@pytest.mark.parametrize(("order", "sign"), [("segfault", "SIGSEGV"), ("exit", "exit code 3")])
def test_a_dying_child_costs_the_item_it_held(sandbox: Sandbox, order: str, sign: str) -> None:
    outcomes = run(sandbox, ("echo", 0), (order, 0), ("echo", 1), (order, 0), ("echo", 2), ("echo", 3))
    assert failures(outcomes) == [None, "crashed", None, "crashed", None, None]
    assert isinstance(outcomes[1], Failed) and sign in outcomes[1].message


def test_only_the_item_that_crashes_is_tried_twice() -> None:
    with Sandbox("support.sandbox_functions:count_calls", None, workers=1, limits=LIMITS) as sandbox:
        outcomes = list(sandbox.map(range(8)))
    assert failures(outcomes) == [None] * 3 + ["crashed"] + [None] * 4
    calls = [o.value for o in outcomes if isinstance(o, Ok)]
    # The second child died on the first item that it was given, the third one took the rest.
    assert [n for _, n in calls] == [1, 2, 3, 1, 2, 3, 4] and len({process for process, _ in calls}) == 2


def test_memory_is_bounded_and_the_child_lives_on(sandbox: Sandbox) -> None:
    outcomes = run(sandbox, ("eat", 256 << 20), ("eat", 2 << 30), ("echo", 1))
    assert failures(outcomes) == [None, "out_of_memory", None]
    assert isinstance(outcomes[1], Failed) and "512 MiB" in outcomes[1].message


def test_an_item_that_does_not_fit_into_memory_fails_alone() -> None:
    with Sandbox(OBEY, None, workers=1, limits=Limits(memory=64 << 20)) as sandbox:
        items = [("echo", b"a"), ("echo", bytes(100 << 20)), ("echo", b"b")]
        assert failures(list(sandbox.map(items))) == [None, "out_of_memory", None]


def test_noise_of_libraries_does_not_disturb(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(sandbox, ("noise", 100_000), ("echo", 1)) == [Ok(100_000), Ok(["context", 1])]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("function", ["no_such_module:f", "support.sandbox_functions:no_such_function"])
def test_a_function_that_cannot_be_imported_ends_the_run(function: str) -> None:
    with (
        Sandbox(function, None, workers=1, limits=LIMITS) as sandbox,
        pytest.raises(RunError, match="no_such"),
    ):
        list(sandbox.map([1]))


def test_what_only_the_caller_can_mend_is_raised(sandbox: Sandbox) -> None:
    for order, error in (("usage", UsageError), ("import", RunError), ("no_data", RunError)):
        with pytest.raises(error, match=r"xyz|cannot be sent"):
            run(sandbox, (order, "xyz"))
    assert run(sandbox, ("echo", 1)) == [Ok(["context", 1])]


def test_reading_ahead_is_bounded(sandbox: Sandbox) -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, int]]:
        nonlocal taken
        while True:
            taken += 1
            yield "echo", taken

    outcomes = sandbox.map(endless())
    for n in range(1, 40):
        assert next(outcomes) == Ok(["context", n])
        assert taken - n < 10
    outcomes.close()  # type: ignore[attr-defined]


def test_large_items_wait_outside() -> None:
    taken = 0

    def large() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for _ in range(6):
            taken += 1
            yield "echo", bytes(70 << 20)

    with Sandbox(OBEY, None, workers=1, limits=Limits()) as sandbox:
        next(iter(sandbox.map(large())))
        assert taken <= 2


def test_closing_early_leaves_a_working_sandbox(sandbox: Sandbox) -> None:
    outcomes = sandbox.map([("echo", 0), ("hang", 0), ("hang", 0)])
    assert next(outcomes) == Ok(["context", 0])
    outcomes.close()  # type: ignore[attr-defined]
    assert run(sandbox, ("echo", 5)) == [Ok(["context", 5])]


def test_an_error_of_the_source_passes_and_leaves_a_working_sandbox(sandbox: Sandbox) -> None:
    def source() -> Iterator[tuple[str, Any]]:
        yield "hang", 0
        raise KeyError("source")

    with pytest.raises(KeyError, match="source"):
        list(sandbox.map(source()))
    assert run(sandbox, ("echo", 5)) == [Ok(["context", 5])]


def test_leaving_kills_the_children() -> None:
    with Sandbox(OBEY, None, workers=2, limits=Limits()) as sandbox:
        outcomes = sandbox.map([("echo", 0), ("hang", 0), ("hang", 0)])
        next(outcomes)
        held = decoders()
        assert len(held) == 2
    assert all(gone(p) for p in held)


def test_a_child_lost_between_two_maps_is_replaced(sandbox: Sandbox) -> None:
    assert run(sandbox, ("echo", 1)) == [Ok(["context", 1])]
    os.kill(decoders()[0], signal.SIGKILL)
    assert run(sandbox, ("echo", 2)) == [Ok(["context", 2])]


def test_a_child_killed_at_work_costs_no_item(sandbox: Sandbox) -> None:
    outcomes: list[Ok | Failed] = []
    for outcome in sandbox.map([("echo", 0), ("work", 0.5), ("echo", 2)]):
        if not outcomes:
            os.kill(decoders()[0], signal.SIGKILL)
        outcomes.append(outcome)
    assert outcomes == [Ok(["context", 0]), Ok(0.5), Ok(["context", 2])]


def test_children_outlive_the_thread_that_used_them(sandbox: Sandbox) -> None:
    """The kernel's parent-death signal looks at threads; ours must not."""
    worker = threading.Thread(target=lambda: run(sandbox, ("segfault", 0), ("echo", 1)))
    worker.start()
    worker.join()
    held = decoders()
    time.sleep(0.1)
    assert len(held) == 1 and decoders() == held
    assert run(sandbox, ("echo", 2)) == [Ok(["context", 2])] and decoders() == held


def test_killing_the_parent_leaves_no_child() -> None:
    """Though the child hangs in C and reads no pipe."""
    code = (
        "from dataengine.media.limits import Limits\n"
        "from dataengine.media.sandbox.pool import Sandbox\n"
        "with Sandbox('support.sandbox_functions:obey', None, workers=2, limits=Limits(seconds=600)) as s:\n"
        "    for _ in s.map([('echo', 0), ('echo', 0), ('hang', 0), ('hang', 0)]): print('one', flush=True)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        for _ in range(2):
            assert parent.stdout.readline() == b"one\n"
        held = children(parent.pid)
        parent.kill()
        parent.wait()
    assert len(held) == 2 and all(gone(p) for p in held)


def test_a_sandbox_serves_one_map_at_a_time(sandbox: Sandbox) -> None:
    outcomes = sandbox.map([("echo", 0), ("echo", 1)])
    next(outcomes)
    with pytest.raises(RuntimeError, match="one map"):
        next(iter(sandbox.map([("echo", 2)])))


def test_a_decode_child_imports_only_what_it_needs() -> None:
    with Sandbox("support.sandbox_functions:modules", None, workers=1, limits=LIMITS) as sandbox:
        outcome = next(iter(sandbox.map([None])))
    assert isinstance(outcome, Ok)
    assert not {"torch", "ray", "pandas", "scipy", "cv2", "pyarrow", "duckdb"} & set(outcome.value)


@pytest.mark.parametrize("resizes", [False, True])
def test_what_resizes_is_compiled_before_a_child_is_confined(resizes: bool) -> None:
    with Sandbox("support.sandbox_functions:loaded", resize if resizes else None, workers=1, limits=LIMITS) as sandbox:
        outcome = next(iter(sandbox.map([None])))
    assert isinstance(outcome, Ok)
    assert ("dataengine.media.image.compiled_filter" in outcome.value) == resizes
