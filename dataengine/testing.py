"""Small corpora, fakes and contract checks for tests of what is built on dataengine.

``write_corpus`` and ``write_recipe`` make a run's inputs in a folder; ``InProcess`` is a record engine without Ray, so that
a whole run takes a second or two; ``chat_server`` is a teacher's OpenAI-compatible endpoint that answers as a function says,
with faults on request; ``check_scorer`` holds a scorer to its contract::

    def test_my_policy_keeps_large_pictures(tmp_path):
        write_corpus(tmp_path / "in", images=6)
        recipe = dataengine.load(write_recipe(tmp_path, filter={"policy": "my_policy.yaml"}))
        dataengine.run(recipe, engine=InProcess())

    def test_my_scorer():
        check_scorer(MyScorer())
"""

from __future__ import annotations

import io
import json
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from dataengine.score.base import Scorer
    from dataengine.stage import Job, Part, Resources, Worker
    from dataengine.storage.store import Store
    from dataengine.storage.workspace import Output

Pixels = NDArray[np.uint8]
Body = dict[str, Any]
CAPTIONS = ("a red kite over the bay", "two bicycles against a wall", "fog between the hills", "an empty market hall")


def picture(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """A picture of soft colour patches under fine grain, ``(height, width, 3)`` uint8: two seeds are never near-duplicates,
    one seed in two sizes is one."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.integers(-12, 13, (height, width, 1))
    pixels: Pixels = np.clip(np.asarray(patches).astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return pixels


def write_corpus(folder: str | Path, images: int = 4, videos: int = 0, captions: bool = True) -> list[Path]:
    """Write JPEG pictures and two-second MP4 clips, each beside a ``.txt`` with its caption; their paths. The same bytes each
    time."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in range(images):
        paths.append(folder / f"image-{seed:03d}.jpg")
        Image.fromarray(picture(seed)).save(paths[-1], quality=90)
    for seed in range(videos):
        wide = picture(1000 + seed, 288, 192)
        paths.append(folder / f"video-{seed:03d}.mp4")
        paths[-1].write_bytes(video([wide[:, 2 * n : 2 * n + 192] for n in range(48)]))
    if captions:
        for n, path in enumerate(paths):
            path.with_suffix(".txt").write_text(f"{CAPTIONS[n % len(CAPTIONS)]}, number {n}")
    return paths


def video(frames: Sequence[Pixels], rate: int = 24) -> bytes:
    """H.264 in MP4 of frames of one even size, ``(H, W, 3)`` uint8, encoded on one thread."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode(None))
    return out.getvalue()


def write_recipe(folder: str | Path, **changes: Any) -> Path:
    """Write the smallest recipe over the files of ``folder/in`` with its workspace in ``folder/ws`` and a policy that keeps
    all; ``changes`` replace whole blocks. The path of the recipe."""
    folder = Path(folder)
    rule = {"name": "any", "keep": "width >= 1", "on_missing": "drop", "reason": "no picture"}
    (folder / "policy.yaml").write_text(yaml.safe_dump({"name": "all", "version": "1", "rules": [rule]}))
    blocks = {
        "name": "test",
        "workspace": str(folder / "ws"),
        "workers": 1,
        "sources": [{"type": "folder", "name": "in", "path": str(folder / "in"), "buckets": 1}],
        "score": {"scorers": [{"name": "technical"}], "device": "cpu"},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": None,
        "release": {"title": "Test", "license": "cc0-1.0", "description": "Made for a test."},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(blocks | changes, sort_keys=False))
    return path


class InProcess:
    """A record engine without Ray: all parts one after another in this process. Decoding still happens in child processes."""

    def run(
        self, worker: Worker, store: Store, jobs: Sequence[Job], resources: Resources, tick: Callable[[], None]
    ) -> Iterator[tuple[Part, Output]]:
        from dataengine.storage.workspace import commit_part

        worker.setup()
        try:
            for job in jobs:
                if job.in_place:
                    store.delete([job.marker])
                output = worker.process(job.part)
                commit_part(store, job.marker, job.part.key, output)
                yield job.part, output
        finally:
            worker.close()


def check_scorer(scorer: Scorer, pictures: Sequence[Pixels] = (), caption: str = CAPTIONS[0]) -> None:
    """Hold a scorer to its contract on ``pictures`` (or six of four sizes): it pickles before ``setup``, its columns are those
    of ``fields``, and a row depends neither on its neighbours nor on their order, down to the last bit. AssertionError."""
    samples = list(pictures) or [picture(n, 160 + 40 * (n % 4), 120 + 24 * (n % 3)) for n in range(6)]
    scorer.validate()
    names = [column.name for column in scorer.fields]
    assert names and len(set(names)) == len(names), f"{scorer.name}: fields are {names}; each needs a name of its own"
    assert "id" not in names, f"{scorer.name}: `id` is added by the stage"
    sent: Scorer = pickle.loads(pickle.dumps(scorer))
    assert sent.version == scorer.version, f"{scorer.name}: the version is another after pickling"
    prepared = [sent.prepare([pixels]) for pixels in samples]
    again = [scorer.prepare([pixels]) for pixels in samples]
    assert pickle.dumps(prepared) == pickle.dumps(again), f"{scorer.name}: prepare gives another result the second time"
    sent.setup("cpu", 1)
    captions = [[caption]] * len(samples)
    together = _checked(sent, prepared, captions)
    alone = [_checked(sent, [one], [[caption]]) for one in prepared]
    backwards = _checked(sent, prepared[::-1], captions)
    for n, row in enumerate(together):
        assert repr(row) == repr(alone[n][0]), f"{scorer.name}: sample {n} has other scores alone than with others"
        assert repr(row) == repr(backwards[-1 - n]), f"{scorer.name}: sample {n} has other scores in another order"


def _checked(scorer: Scorer, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Rows of the columns that ``score`` gives, as they would be stored."""
    columns = scorer.score(prepared, captions)
    names = [column.name for column in scorer.fields]
    assert sorted(columns) == sorted(names), (
        f"{scorer.name}: columns {sorted(columns)}, not those of fields: {sorted(names)}"
    )
    for column in scorer.fields:
        values = columns[column.name]
        assert len(values) == len(prepared), (
            f"{scorer.name}: {len(values)} of `{column.name}` for {len(prepared)} samples"
        )
        if pa.types.is_float64(column.type):
            rough = [v for v in values if v is not None and np.isfinite(v) and round(v, 4) != v]
            assert not rough, f"{scorer.name}: `{column.name}` is not rounded to 4 decimals: {rough[:3]}"
    stored = pa.table({c.name: pa.array(columns[c.name], c.type) for c in scorer.fields})
    rows: list[dict[str, Any]] = stored.to_pylist()
    return rows


@dataclass
class Turn:
    """How ``ChatServer`` answers one request. ``kind``: reply, status, slow, reset (the connection), cut (a body that ends
    early), drip (a body without an end); ``seconds`` of waiting before it; ``body``: bytes in place of a completion."""

    kind: str = "reply"
    status: int = 200
    text: str = "fine"
    finish: str = "stop"
    headers: dict[str, str] = field(default_factory=dict)
    message: Body = field(default_factory=dict)
    logprobs: list[float] | None = None
    tokens: list[Body] | None = None
    seconds: float = 0.0
    body: bytes | None = None


class ChatServer(ThreadingHTTPServer):
    """A chat-completions server on a loopback port: ``turns`` are used up first, then every request is answered by
    ``reply(body)``. ``bodies``, ``headers`` and ``times`` are those of all requests so far."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, reply: Callable[[Body], Turn] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns: list[Turn] = []
        self.reply: Callable[[Body], Turn] = reply or (lambda body: Turn())
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """For a teacher's ``endpoint`` in the recipe."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        return len(self.bodies)


@contextmanager
def chat_server(reply: Callable[[Body], Turn] | None = None) -> Iterator[ChatServer]:
    """A ChatServer at work in a thread."""
    server = ChatServer(reply)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.headers.append(dict(self.headers.items()))
            server.times.append(time.monotonic())
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
            turn = server.turns.pop(0) if server.turns else server.reply(body)
        try:
            time.sleep(turn.seconds)
            self._play(turn)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with server.lock:
                server.busy -= 1

    def _play(self, turn: Turn) -> None:
        if turn.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        data = json.dumps(_completion(turn)).encode() if turn.status == 200 else b'{"error": "told to"}'
        data = data if turn.body is None else turn.body
        self.send_response(turn.status)
        for name, value in {"Content-Type": "application/json", **turn.headers}.items():
            self.send_header(name, value)
        sent = data[: len(data) // 2] if turn.kind == "cut" else data
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        while turn.kind == "drip":
            self.wfile.write(b" ")
            time.sleep(0.05)
        self.wfile.write(sent)


def _completion(turn: Turn) -> Body:
    choice: Body = {"index": 0, "message": {"role": "assistant", "content": turn.text, **turn.message}}
    choice["finish_reason"] = turn.finish
    if turn.logprobs is not None:
        choice["logprobs"] = {"content": [{"token": "x", "logprob": p} for p in turn.logprobs]}
    if turn.tokens is not None:
        choice["logprobs"] = {"content": turn.tokens}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
