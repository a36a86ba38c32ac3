"""The settings of a service: its models, address and limits."""

from __future__ import annotations

import os
from dataclasses import dataclass

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a service; the command line has an option for each."""

    models: tuple[str, ...]
    """Folders or files of an exported detector and recognizer."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0 for a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that requests may have in `Host`; empty for any, except on a loopback address."""
    max_bytes: int = 20_000_000
    """Largest body of a request, in bytes."""
    max_pixels: int = 50_000_000
    """Largest image, and largest rendered page of a PDF, in pixels."""
    max_pages: int = 20
    """Largest number of pages of a PDF or TIFF."""
    timeout: float = 60.0
    """Seconds from the start of a request to its answer."""
    queue: int = 16
    """Requests that may wait while all workers are busy."""
    workers: int = 1
    """Processes that read; each loads the models."""
    threads: int | None = None
    """Threads of each worker; None to share the cores among the workers."""
    int8: bool = False
    """Whether to run the quantized models if the folders have them."""

    @property
    def worker_threads(self) -> int:
        """Threads of each worker."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads if self.threads is not None else max(1, cores // self.workers)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that requests may have in `Host`; empty for any.

        On a loopback address, only its own names are allowed. Otherwise, a website whose name resolves to
        127.0.0.1 could use the service through its visitors' browsers.
        """
        local = self.host in LOOPBACK
        return self.allowed_hosts or (LOOPBACK if local else ())

    @property
    def slots(self) -> int:
        """Requests that may be in progress at once: being received, waiting or being read."""
        return self.workers + self.queue
