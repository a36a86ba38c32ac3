"""As much of a wandb server as a run needs, on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeServer(ThreadingHTTPServer):
    """Creates runs, takes what is streamed to them, and forgets it, but for `history`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.history: list[dict] = []
        self.connected = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: bytes) -> dict:
        if path.endswith("/file_stream"):
            self.connected.set()
            chunk = json.loads(body).get("files", {}).get("wandb-history.jsonl", {"content": []})
            self.history += map(json.loads, chunk["content"])
        if b"mutation UpsertBucket" in body:
            project = {"name": "project", "entity": {"name": "entity"}}
            run = {"id": "1", "name": "id", "displayName": "run", "project": project, "historyLineCount": 0}
            return {"data": {"upsertBucket": {"bucket": run, "inserted": True}}}
        if b"mutation CreateRunFiles" in body:
            return {"data": {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": []}}}
        return {"data": {}}


class Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = json.dumps(self.server.answer(self.path, body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):
        self.do_POST()

    def log_message(self, *args):
        pass


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
