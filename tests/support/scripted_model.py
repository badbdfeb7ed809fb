"""A model server as a command starts it, for tests: ``python scripted_model.py HOST PORT [FAULT]``.

It answers with the number of its process. FAULT: ``leaves`` a child behind that outlives it, ``hangs`` once the text "hang" is
asked, ``dies`` of the text "die", ``broken`` never answers, ``denies`` each request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULT = sys.argv[3] if len(sys.argv) > 3 else ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hanging = False

    def log_message(self, format: str, *args: Any) -> None:
        print(format % args, flush=True)

    def do_GET(self) -> None:
        while Handler.hanging:
            time.sleep(1)
        self._send(200, {"data": [{"id": "scripted"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][0]["content"]
        if FAULT == "dies" and text == "die":
            os._exit(3)
        if FAULT == "hangs" and text == "hang":
            Handler.hanging = True
        message = {"role": "assistant", "content": str(os.getpid())}
        self._send(404 if FAULT == "denies" else 200, {"choices": [{"message": message, "finish_reason": "stop"}]})

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    print("starting", flush=True)
    if FAULT == "broken":
        sys.exit(5)
    if FAULT == "leaves":
        left = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
        print(f"left {left.pid}", flush=True)
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever(0.05)


if __name__ == "__main__":
    main()
