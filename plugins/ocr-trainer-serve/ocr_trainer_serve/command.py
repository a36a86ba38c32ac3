"""The command `ocr-serve`, also available as `ocr-train serve`."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence

from ocr_trainer_serve.settings import Settings

MAX_TIMEOUT = 3600


def main() -> int:
    """Run `ocr-serve`; return 0, or 2 for an error."""
    from ocr_trainer_runtime import OcrTrainerError
    from ocr_trainer_runtime.text.visible import echo

    try:
        return serve(sys.argv[1:], "ocr-serve")
    except OcrTrainerError as error:
        echo(f"ocr-serve: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # while the models are loaded
        return 130


def serve(words: Sequence[str], program: str = "ocr-train serve") -> int:
    """Serve exported models until SIGINT or SIGTERM, then return 0.

    Raises:
        OcrTrainerError: The models cannot be loaded, or the address cannot be used.
    """
    settings = parse(words, program)
    from ocr_trainer_serve.server import run

    run(settings)
    return 0


def parse(words: Sequence[str], program: str) -> Settings:
    """Return the settings of a command line."""
    parser = ArgumentParser(
        program,
        description="Serve exported models over HTTP: POST images and PDFs to /v1/read, or drop them on the"
        " page at /. The service has no authentication: on other addresses, put a proxy with it in front.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="folders of an exported detector and recognizer"
    )
    add, default = parser.add_argument, Settings(models=())
    add("--host", default=default.host, help="address to listen on")
    add("--port", type=_whole(0, 65535), default=default.port, help="port to listen on; 0 for a free one")
    add(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        default=SUPPRESS,
        metavar="NAME",
        help="name that requests may have in Host; repeat it for several (default: any name; on a loopback"
        " address, only its own)",
    )
    add("--max-bytes", type=_whole(1, 2**30), default=default.max_bytes, help="largest request")
    add("--max-pixels", type=_whole(1, 2**30), default=default.max_pixels, help="largest image or PDF page")
    add("--max-pages", type=_whole(1, 10_000), default=default.max_pages, help="longest PDF or TIFF")
    add("--timeout", type=_seconds, default=default.timeout, help="seconds per request")
    add("--queue", type=_whole(0, 10_000), default=default.queue, help="requests that may wait")
    add("--workers", type=_whole(1, 256), default=default.workers, help="processes; each loads the models")
    add(
        "--threads",
        type=_whole(1, 1024),
        default=SUPPRESS,
        help="threads of each worker (default: cores / workers)",
    )
    add(
        "--int8",
        action="store_true",
        default=SUPPRESS,
        help="run the quantized models if the folders have them",
    )
    given = vars(parser.parse_args(words))
    if len(given["models"]) > 2:
        parser.error(f"give a detector and a recognizer, not {len(given['models'])} models")
    for name in ("models", "allowed_hosts"):
        given[name] = tuple(given.get(name, ()))
    return Settings(**given)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def convert(word: str) -> int:
        if not word.strip().isdecimal() or not least <= int(word) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}, not {word!r}")
        return int(word)

    return convert


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT:
        raise ArgumentTypeError(f"must be above 0 and at most {MAX_TIMEOUT}, not {word!r}")
    return seconds
