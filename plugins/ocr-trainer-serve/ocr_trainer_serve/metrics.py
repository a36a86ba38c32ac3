"""The metrics at `/metrics`, in Prometheus' text format."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from ocr_trainer_serve.pool import Pool

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of a service, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry, "namespace": "ocr_serve"}
        self.requests = Counter(
            "requests", "Requests to /v1/read, by status of the answer.", ["status"], **own
        )
        self.seconds = Histogram(
            "request_seconds",
            "Seconds from the start of a request to its answer.",
            buckets=SECONDS,
            **own,
        )
        self.reading = Histogram(
            "reading_seconds", "Seconds that a worker spent on a file.", buckets=SECONDS, **own
        )
        self.pages = Counter("pages", "Pages that were read.", **own)
        self.words = Counter("words", "Texts that were found.", **own)
        self.restarts = Counter(
            "worker_restarts", "Workers that were replaced, by reason: timeout or crash.", ["reason"], **own
        )
        self.under_way = Gauge("requests_under_way", "Requests being received, waiting or being read.", **own)
        self.alive = Gauge("workers", "Workers that run.", **own)
        self.memory = Gauge("workers_resident_bytes", "Memory that all workers hold together.", **own)

    def watch(self, pool: Pool) -> None:
        """Take the state of a pool whenever the metrics are requested."""
        self.under_way.set_function(lambda: pool.under_way)
        self.alive.set_function(lambda: sum(worker.alive for worker in pool.workers))
        self.memory.set_function(lambda: sum(worker.resident_bytes for worker in pool.workers))

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self.registry)
