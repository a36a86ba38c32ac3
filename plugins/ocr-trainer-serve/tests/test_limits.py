"""Size, pixels, pages, time and queue: what is too much is refused in one sentence, and the service goes on."""

from __future__ import annotations

import io
import os
import signal
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from helpers.ink_models import encoded, page
from PIL import Image

GOOD = encoded(page("abc"))
BUSY = encoded(page("a", busy=True))
"""Keeps the detector busy until its process is killed."""


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert list(response.json()) == ["detail"]
    detail = response.json()["detail"]
    assert "\n" not in detail
    assert "Traceback" not in detail
    assert "/" not in detail
    return detail


def still_reads(service) -> bool:
    return service.read(GOOD).json()["pages"][0]["detections"][0]["text"] == "abc"


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" + b"\xff" * min((width + 7) // 8, 10_000)
    pixels = zlib.compress(row * min(height, 2000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_declared_size_is_refused_before_the_body_is_sent(service):
    host, port = httpx.URL(service.url).host, httpx.URL(service.url).port
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert b" 413 " in connection.recv(1000)


def test_large_bodies_are_refused_and_the_client_reads_why(service):
    large = bytes(3_000_000)
    assert refused(service.read(large), 413) == "the request has 3,000,000 bytes, more than 300,000"
    form = service.client.post("/v1/read", files={"file": ("a.png", large)})
    assert "more than 300,000" in refused(form, 413)
    assert still_reads(service)


def test_a_body_without_a_length_is_cut_off_at_the_limit(service):
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 200_000_000:
            sent += 65536
            yield bytes(65536)

    detail = refused(service.client.post("/v1/read", content=endless()), 413)
    assert detail == "the request has more than 300,000 bytes"
    assert still_reads(service)


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (1100, 1100)])
def test_images_of_too_many_pixels_are_refused_by_their_header(service, size: tuple[int, int]):
    detail = service.read(bomb(*size))
    assert "1,000,000" in refused(detail, 422)
    assert still_reads(service)


def test_pages_of_too_many_pixels_and_too_many_pages_are_refused(service):
    Image.new("RGB", (2000, 2000), "white").save(large := io.BytesIO(), "PDF", resolution=72)
    assert "pixels" in refused(service.read(large.getvalue()), 422)
    sheets = [Image.new("RGB", (50, 50), "white")] * 4
    sheets[0].save(many := io.BytesIO(), "PDF", save_all=True, append_images=sheets[1:])
    assert refused(service.read(many.getvalue()), 413) == "the file has more than 3 pages"
    sheets[0].save(many := io.BytesIO(), "TIFF", save_all=True, append_images=sheets[1:])
    assert refused(service.read(many.getvalue()), 413) == "the file has more than 3 pages"


@pytest.fixture(scope="session")
def small(serve):
    """A service that ends work after a second, where one request may wait."""
    return serve("--timeout", 1.5, "--queue", 1)


def test_work_that_takes_too_long_is_ended_and_leaves_nothing_behind(small):
    before = small.worker_pids
    assert refused(small.read(BUSY), 504) == "the file was not read within 1.5 s"
    small.wait_until_ready()
    assert still_reads(small)
    assert len(small.worker_pids) == 1
    assert not small.worker_pids & before
    assert small.metric('ocr_serve_worker_restarts_total{reason="timeout"}') == 1


def test_a_full_queue_refuses_at_once(small):
    with ThreadPoolExecutor(2) as waiting:
        slow = [waiting.submit(small.read, BUSY) for _ in range(2)]
        small.wait_until_busy(2)
        begin = time.perf_counter()
        response = small.read(GOOD)
        assert time.perf_counter() - begin < 1
        assert refused(response, 503) == "2 requests are already in progress: try again later"
        assert response.headers["retry-after"] == "2"
        assert {answer.result().status_code for answer in slow} == {504}
    assert small.metric("ocr_serve_requests_under_way") == 0


def test_a_crash_costs_one_answer(small):
    small.wait_until_ready()
    with ThreadPoolExecutor(1) as waiting:
        slow = waiting.submit(small.read, BUSY)
        small.wait_until_busy()
        time.sleep(0.2)
        (worker,) = small.worker_pids
        os.kill(worker, signal.SIGSEGV)
        assert refused(slow.result(), 500) == "the service failed on this file"
    assert small.metric('ocr_serve_worker_restarts_total{reason="crash"}') == 1


@contextmanager
def slow_upload(url: str) -> Iterator[socket.socket]:
    parsed = httpx.URL(url)
    with socket.create_connection((parsed.host, parsed.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        yield connection


def test_a_body_that_does_not_arrive_is_given_up(small):
    with slow_upload(small.url) as connection:
        assert b" 408 " in connection.recv(1000)


def test_a_client_that_goes_away_leaves_no_slot_taken(small):
    with slow_upload(small.url):
        pass
    time.sleep(0.3)
    assert small.metric("ocr_serve_requests_under_way") == 0
