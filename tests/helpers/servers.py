"""Servers that do not serve."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Broken(BaseHTTPRequestHandler):
    """Answers 500."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_error(500)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args):
        pass


@contextmanager
def server(kind: str) -> Iterator[str]:
    """The address of a server that refuses, never answers, or fails."""
    if kind == "500":
        with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as failing:
            threading.Thread(target=failing.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{failing.server_port}"
            failing.shutdown()
        return
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if kind == "black hole":
            place.listen(50)
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
