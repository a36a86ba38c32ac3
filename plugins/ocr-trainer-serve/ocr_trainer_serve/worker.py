"""A process that reads one file at a time. It gets the content of files, never a path.

It answers each message on standard output with an HTTP status, and exits when standard input ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from math import ceil
from typing import Any, BinaryIO

import ocr_trainer_runtime as ocr
from ocr_trainer_serve import frames
from ocr_trainer_serve.documents import Refused, limit_pixels, read_document

GRACE = 5
"""Seconds after the time limit at which this process ends itself, in case the service is gone."""
FAILED = "the service failed on this file; its log has the reason"


def main() -> int:
    """Load the models, then answer until there are no more messages."""
    for number in (signal.SIGINT, signal.SIGTERM):  # systemd signals all processes; the service decides
        signal.signal(number, signal.SIG_IGN)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print: that must not mix with messages
    return serve(sys.stdin.buffer, output)


def serve(messages: BinaryIO, answers: BinaryIO) -> int:
    """Answer messages; the first one holds the settings."""
    first = frames.read(messages)
    if first is None:
        return 0
    settings, _ = first
    limit_pixels(settings["max_pixels"])
    try:
        reader = ocr.load(*settings["models"], threads=settings["threads"], int8=settings["int8"])
    except ocr.OcrTrainerError as error:
        frames.write(answers, {"error": str(error)})
        return 0
    frames.write(answers, {"ready": True})
    while (message := frames.read(messages)) is not None:
        if hasattr(signal, "alarm"):
            signal.alarm(ceil(settings["timeout"]) + GRACE)
        frames.write(answers, *answer(reader, settings, *message))
        if hasattr(signal, "alarm"):
            signal.alarm(0)
    return 0


def answer(reader: ocr.Reader, settings: dict[str, Any], job: dict[str, Any], content: bytes) -> frames.Frame:
    """Read a file and write the result in the format that the job names."""
    begin = time.perf_counter()
    try:
        result = read_document(reader, content, job, settings)
    except Refused as refused:
        return {"status": refused.status, "detail": str(refused)}, b""
    except ocr.OcrTrainerError as error:
        return {"status": 422, "detail": str(error)}, b""
    except MemoryError:
        return {"status": 422, "detail": "the file needs more memory than there is"}, b""
    except Exception:
        traceback.print_exc()
        return {"status": 500, "detail": FAILED}, b""
    told = {"pages": result.pages, "words": result.words, "seconds": time.perf_counter() - begin}
    return {"status": 200, **result.kind._asdict(), **told}, result.content


if __name__ == "__main__":
    sys.exit(main())
