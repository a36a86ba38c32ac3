"""Put a load on the service: latencies, and memory at the start, in the middle and at the end.

    python benchmarks/serve_load.py
    python benchmarks/serve_load.py --models exported/det exported/rec --images page.jpg --requests 100

Without models it takes those of the tests, which need no training: then the time is that of the service and
of the pipeline, not of a network. Requests go to this machine only.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Start a service, put the load on it, print figures, end it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", help="exported detector and recognizer")
    parser.add_argument("--images", nargs="+", type=Path, help="files to send, in turn")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models, contents = arguments.models, [path.read_bytes() for path in arguments.images or ()]
        if models is None or not contents:
            models, contents = stand_ins(Path(folder), models, contents)
        words = [*models, "--port", "0", "--workers", arguments.workers, "--threads", arguments.threads]
        code = "import sys; from ocr_trainer_serve.command import main; sys.exit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, text=True
        )
        try:
            url = re.search(r"http://\S+", process.stderr.readline())[0]
            load(url, contents, arguments.requests, arguments.clients)
        finally:
            process.terminate()
            print(f"exit status after SIGTERM: {process.wait(timeout=90)}")


def stand_ins(folder: Path, models: list[str] | None, contents: list[bytes]) -> tuple[list[str], list[bytes]]:
    """Return the models and images of the tests where none are given."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.ink_models import encoded, page, write_models

    pages = [encoded(page("abc ca b", "bb cab", "aa"), suffix) for suffix in (".png", ".jpg")]
    return models or [str(path) for path in write_models(folder)], contents or pages


def load(url: str, contents: list[bytes], requests: int, clients: int) -> None:
    """Send requests from several clients at once, and print what they took."""
    seconds: list[float] = []
    memory: dict[int, tuple[float, float]] = {}
    local = threading.local()

    def send(number: int) -> int:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=url, timeout=300, trust_env=False)
        begin = time.perf_counter()
        status = local.client.post("/v1/read", content=contents[number % len(contents)]).status_code
        seconds.append(time.perf_counter() - begin)
        if number in marks:
            memory[number] = resident(url)
        return status

    marks = {0, requests // 20, requests // 4, requests // 2, 3 * requests // 4, requests - 1}
    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        statuses = list(pool.map(send, range(requests)))
    whole = time.perf_counter() - begin
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{requests} requests by {clients} clients in {whole:.1f} s: {requests / whole:.1f} per second")
    print(f"statuses: { {status: statuses.count(status) for status in set(statuses)} }")
    print(f"p50 {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms, p99 {1000 * cuts[98]:.0f} ms")
    for number, (service, workers) in sorted(memory.items()):
        print(f"after request {number + 1:5}: service {service:.0f} MB, workers {workers:.0f} MB")
    print(f"load average of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def resident(url: str) -> tuple[float, float]:
    """Return the memory of the service and of its workers, in megabytes."""
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    names = ("process_resident_memory_bytes", "ocr_serve_workers_resident_bytes")
    service, workers = (float(re.search(rf"^{name} (\S+)", text, re.MULTILINE)[1]) / 1e6 for name in names)
    return service, workers


if __name__ == "__main__":
    main()
