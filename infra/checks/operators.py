"""A Kubernetes API with two operators behind it, for a machine without a cluster.

What is created as a RayJob or a SparkApplication runs as a process here; its status reads as KubeRay and the Spark operator write
it. All else is real: the client, the manifests, the command of the stage, its exit code.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from places import BIN, ENVIRONMENT, ROOT


class Operators:
    """``created``: resources as they came in; ``resources``: those that exist, by path."""

    def __init__(self) -> None:
        self.created, self.resources = list[dict[str, Any]](), dict[str, dict[str, Any]]()

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.created.append(body)
        one = self.resources[f"{path}/{body['metadata']['name']}"] = {**body, "status": {}}
        work = {"RayJob": self._ray_job, "SparkApplication": self._spark_application}[body["kind"]]
        threading.Thread(target=work, args=(one,), daemon=True).start()
        return one

    def _ray_job(self, one: dict[str, Any]) -> None:
        one["status"] = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
        code = subprocess.run(one["spec"]["entrypoint"], shell=True, cwd=ROOT, env=ENVIRONMENT).returncode
        message = (
            f"Job entrypoint command failed with exit code {code}, last available logs (truncated to 20,000 chars):"
        )
        if code:
            one["status"] = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": message}
        else:
            one["status"] = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}

    def _spark_application(self, one: dict[str, Any]) -> None:
        spec = one["spec"]
        one["status"] = {"applicationState": {"state": "RUNNING"}}
        own = {variable["name"]: variable["value"] for variable in spec["driver"]["env"]}
        command = [str(BIN / "spark-submit"), "--master", "local[2]", spec["mainApplicationFile"], *spec["arguments"]]
        code = subprocess.run(command, cwd=ROOT, env={**ENVIRONMENT, **own}).returncode
        message = f"driver container failed with ExitCode: {code}, Reason: Error"
        state = {"state": "FAILED", "errorMessage": message} if code else {"state": "COMPLETED"}
        one["status"] = {"applicationState": state}


@contextmanager
def operators() -> Iterator[tuple[Operators, str]]:
    """The operators, and the address of their API."""
    here = Operators()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(201, here.create(self.path, body))

        def do_GET(self) -> None:
            one = here.resources.get(self.path)
            self._answer(404 if one is None else 200, one or {})

        def do_DELETE(self) -> None:
            self._answer(200 if here.resources.pop(self.path, None) else 404, {})

        def _answer(self, code: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield here, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
