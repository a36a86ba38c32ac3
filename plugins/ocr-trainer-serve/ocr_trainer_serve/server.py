"""Run the service until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from ocr_trainer_runtime import ConfigError
from ocr_trainer_runtime.text.visible import echo
from ocr_trainer_serve.app import create_app
from ocr_trainer_serve.metrics import Metrics
from ocr_trainer_serve.pool import Pool
from ocr_trainer_serve.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CONNECTIONS = 400
"""Open connections beyond which requests are refused, so that file descriptors suffice."""


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; then accept no more, finish what runs, and return.

    Raises:
        OcrTrainerError: The models cannot be loaded, or the address cannot be used.
    """
    with _listening(settings) as listener:
        asyncio.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    measured = Metrics()
    async with Pool(settings, lambda reason: measured.restarts.labels(reason).inc()) as pool:
        measured.watch(pool)
        config = uvicorn.Config(
            create_app(settings, pool, measured),
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=int(settings.timeout) + 1,
        )
        echo(f"serving on {address(listener)}", file=sys.stderr, flush=True)
        await _Server(config).serve(sockets=[listener])


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals; unlike uvicorn's own, do not raise them again, so that the exit status is 0."""
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Take the address before the models are loaded, which takes longer."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0  # negative ones are of the resolver
        reason = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {settings.host}, port {settings.port}: {reason}") from error
    with listener:
        yield listener


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
