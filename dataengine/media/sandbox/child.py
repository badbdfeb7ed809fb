"""Main loop of a decode child: imports one function, confines itself, then processes items from its pipe until that closes.

Started by ``dataengine.media.sandbox.process`` as ``python -m``; dies with its parent, however that ends.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any, BinaryIO

from dataengine.errors import DataEngineError, InputError, RunError
from dataengine.media.sandbox.answers import Answer, Buffer, encode
from dataengine.media.sandbox.confinement import bound, restrict
from dataengine.media.sandbox.shared import Arena
from dataengine.media.sandbox.wire import HEAD_BYTES, Broken, Failed, Hello, Ok, Ready, body_size
from dataengine.text.quotations import without_quotations

Outcome = Ok | Failed | Broken

_PR_SET_PDEATHSIG = 1
_CHUNK = 1 << 20
_START_BYTES = 1 << 16


def main(parent: int, memory: int) -> None:
    """Serve stdin and stdout; ``parent`` is the process that must stay alive, ``memory`` the descriptor of what it shares, or
    -1."""
    _die_with(parent)
    requests, answers = _pipes()
    arena = Arena.inherited(memory) if memory >= 0 else None
    loaded = _blame_program(_classify(_load, _read(requests)))
    if not isinstance(loaded, Ok):
        _send(answers, encode(_startless(loaded), _START_BYTES))
        return
    function, hello, missing = loaded.value
    _send(answers, encode(Ready(missing | bound(hello.paths, hello.memory)), _START_BYTES))
    for item in count():
        _send(answers, _serve(requests, function, hello, arena.slot(item) if arena else None))


def _serve(
    requests: BinaryIO, function: Callable[[Any, Any], Any], hello: Hello, slot: memoryview | None
) -> list[Buffer]:
    """Process the next item; the encoded answer."""
    outcome = _classify(_read, requests)
    if isinstance(outcome, Ok):
        outcome = _blame_program(_classify(pickle.loads, outcome.value))
    if isinstance(outcome, Ok):
        outcome = _classify(function, hello.context, outcome.value)
    encoded = _classify(_encode, outcome, hello.answer_bytes, slot)
    return encoded.value if isinstance(encoded, Ok) else encode(encoded, hello.answer_bytes)


def _encode(answer: Answer, limit: int, slot: memoryview | None) -> list[Buffer]:
    try:
        return encode(answer, limit, slot)
    except TypeError as error:
        raise RunError(f"a decode process cannot send its result: {error}") from error


def _send(answers: BinaryIO, buffers: list[Buffer]) -> None:
    for buffer in buffers:
        rest = memoryview(buffer)
        while rest:
            rest = rest[answers.write(rest) :]


def _startless(outcome: Outcome) -> Outcome:
    """A start that fails is never an input's failure."""
    return (
        Broken(RunError(f"a decode process cannot start: {outcome.message}"))
        if isinstance(outcome, Failed)
        else outcome
    )


def _classify(work: Callable[..., Any], *arguments: Any) -> Outcome:
    """Exception classification, the only such place: whatever ``work`` raises is a failure of the input, except lack of memory,
    which has its own class, and errors of program or installation, which go to the caller."""
    try:
        return Ok(work(*arguments))
    except InputError as error:
        return Failed(error.failure, error.message)
    except MemoryError:
        return Failed("out_of_memory", "decoding needs more memory than the limit allows")
    except DataEngineError as error:
        return Broken(error)
    except ImportError as error:
        return Broken(RunError(f"a decode process cannot import a module: {error}; check the installation"))
    except Exception as error:
        return Failed("corrupt", f"{type(error).__name__}: {without_quotations(error)}")


def _blame_program(outcome: Outcome) -> Outcome:
    """For work that does not depend on the input's content: its failures are the program's, except lack of memory."""
    if isinstance(outcome, Failed) and outcome.failure != "out_of_memory":
        return Broken(RunError(f"a decode process cannot load its function, an item or a result: {outcome.message}"))
    return outcome


def _load(hello: bytes) -> tuple[Callable[[Any, Any], Any], Hello, dict[str, str]]:
    """The function to call, and measures that are not in force."""
    message: Hello = pickle.loads(hello)
    for needed in message.preload:
        importlib.import_module(needed)
    module, _, name = message.function.partition(":")
    function = getattr(importlib.import_module(module), name, None)
    if function is None:
        raise RunError(f"a decode process cannot load its function {message.function}: check the installation")
    for needed in _compiled():
        importlib.import_module(needed)
    _keep_nothing()
    missing = restrict(message.paths)
    for needed in message.threaded:
        importlib.import_module(needed)
    return function, message, missing


def _compiled() -> list[str]:
    """Modules that others name as ``COMPILED``: those that compile when they are imported."""
    own = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("dataengine.")]
    return [needed for names in own for needed in names.get("COMPILED", ())]


def _keep_nothing() -> None:
    """Numba would fail where it cannot keep what it compiles."""
    if caching := sys.modules.get("numba.core.caching"):
        caching.Cache.save_overload = lambda *_: None


def _read(requests: BinaryIO) -> bytes:
    """The next message; exits the process if the pipe is closed."""
    size = body_size(_exactly(requests, HEAD_BYTES))
    try:
        return _exactly(requests, size)
    except MemoryError:
        while size:
            size -= len(_exactly(requests, min(size, _CHUNK)))
        raise


def _exactly(requests: BinaryIO, size: int) -> bytes:
    data = requests.read(size)
    if len(data) < size:
        os._exit(0)
    return data


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Pipes to the parent, moved off the descriptors that C libraries write to."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    return requests, answers


def _die_with(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
