"""Asks two replicas of the packaged model on Ray, for a test that kills things: ``python serving_driver.py FOLDER REQUESTS``.

Prints ``asked`` when it begins, ``done N`` after the N-th completion, and ``finished``; then waits to be killed.
"""

from __future__ import annotations

import sys
import time

from dataengine.config.model_server import ModelServer
from dataengine.engines.ray import RayEngine
from dataengine.models.serving.completion import Completion, Request
from dataengine.models.serving.connect import chat_model
from dataengine.models.serving.messages import Message, TextBlock
from dataengine.models.serving.started import StartedServers
from dataengine.storage.store import Store

SERVER = ModelServer.model_validate({"packaged": "smollm2", "replicas": 2, "concurrency": 4}).placed(
    "model_servers/r/smol"
)


def requests(count: int) -> list[Request]:
    texts = [TextBlock(text=f"Name {number} things that are red.") for number in range(2, 2 + count)]
    return [Request((Message(role="user", content=(text,)),), 7, max_tokens=24) for text in texts]


def main() -> None:
    store, count = Store(sys.argv[1]), int(sys.argv[2])
    servers = StartedServers(store, lambda: None)
    servers.need([SERVER], RayEngine(None, None))
    client = chat_model(SERVER.model_copy(), store)
    client.setup()
    print("asked", flush=True)
    for done, (_, result) in enumerate(client.complete(requests(count), {}.__getitem__), 1):
        print(f"done {done} {type(result).__name__} {getattr(result, 'failure', '')}", flush=True)
        assert isinstance(result, Completion) or result.failure.value in ("truncated", "repetition"), result
    client.close()
    print("finished", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
