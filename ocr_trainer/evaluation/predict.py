"""`ocr-train predict`: what checkpoints find and read in images."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.images import read_image, write_image
from ocr_trainer.data.types import Image
from ocr_trainer.engine.callbacks.bar import Tell, progress
from ocr_trainer.engine.startup import enable_garbage_collection
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.pipeline import BATCH_SIZE, Saved, open_reader, recognize, usual_device
from ocr_trainer.evaluation.test import rebuild
from ocr_trainer.results import json_file, page_of, shown_path
from ocr_trainer.results.writers import FORMATS
from ocr_trainer.tasks.recognition.data import fit


def predict(
    run: RunConfig,
    saved: dict[str, Any],
    images: Sequence[Path],
    out: Path,
    recognizer: Saved | None = None,
    formats: Sequence[str] = ("json", "overlay"),
    margin: float | None = None,
) -> int:
    """Find text in images, and read it where there is a recognizer; write the results for each to `out`.

    One image is in work and one is read ahead, however many there are. An image that cannot be read is
    named on standard error and passed over.

    Args:
        run: The detector's run.
        saved: What its checkpoint holds.
        images: Their files.
        out: The folder of results; made if there is none.
        recognizer: What reads the texts.
        formats: Of `FORMATS`.
        margin: What is cut out around a text, as a share of its height; None for what the recognizer
            was trained with.

    Returns:
        How many images were read.

    Raises:
        DataError: None could be read, or nothing can be written to `out`.
    """
    reader = open_reader((run, saved), recognizer, margin, out)
    enable_garbage_collection()
    names = _names(images)
    done = texts = 0
    with _writing(out), progress(len(images), "reading") as tell:
        for path, image in _readable(images, tell):
            found, recognitions = reader(image)
            found.warnings += _pages_left(path)
            page = page_of(path, image.shape[:2], found, recognitions)
            for name in formats:
                suffix, make = FORMATS[name]
                _write(out / f"{names[path]}{suffix}", make(page, image))
            told = f"{page.source}: {len(page.texts)} texts{''.join(f'; {w}' for w in page.warnings)}"
            tell(told, bool(page.warnings))
            done, texts = done + 1, texts + len(page.texts)
    _close(done, len(images), f"{texts} texts", out)
    return done


def predict_texts(run: RunConfig, saved: dict[str, Any], images: Sequence[Path], out: Path) -> int:
    """Read images of single words or lines; write `readings.jsonl` and `readings.tsv` to `out`.

    The one has a JSON object a row, the other file, tab and text. Images that cannot be read are named on
    standard error and passed over.

    Returns:
        How many images were read.

    Raises:
        DataError: None could be read, or nothing can be written to `out`.
    """
    model = rebuild(run, saved, out).to(usual_device())
    enable_garbage_collection()
    done = 0
    with _writing(out), progress(len(images), "reading") as tell:
        rows = (out / "readings.jsonl").open("w", encoding="utf-8")
        table = (out / "readings.tsv").open("w", encoding="utf-8")
        with rows, table:
            # Small at once: a folder of photographs would fill the memory.
            readable = ((path, fit(image, model)) for path, image in _readable(images, tell))
            while chunk := list(islice(readable, BATCH_SIZE)):
                recognitions = recognize(model, [image for _, image in chunk])
                for (path, _), reading in zip(chunk, recognitions, strict=True):
                    name = shown_path(path)
                    print(json_file.row(name, reading), file=rows)
                    print(f"{name}\t{reading.text}", file=table)
                    tell(f"{name}: {reading.text}")
                done += len(chunk)
    _close(done, len(images), "readings.jsonl, readings.tsv", out)
    return done


def _close(done: int, images: int, what: str, out: Path) -> None:
    if not done:
        raise DataError(f"none of the {images} images could be read")
    if images > 1:
        print(f"{done} of {images} images: {what}")
    print(out)


def _readable(paths: Sequence[Path], tell: Tell) -> Iterator[tuple[Path, Image]]:
    """Yield images while the next is being read; those that cannot be are named and passed over."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        coming: deque[tuple[Path, Future[Image]]] = deque()
        ahead = iter(paths)
        for path in islice(ahead, 1):
            coming.append((path, pool.submit(read_image, path)))
        while coming:
            path, future = coming.popleft()
            for following in islice(ahead, 1):
                coming.append((following, pool.submit(read_image, following)))
            try:
                image = future.result()
            except DataError as error:
                print(f"ocr-train: passed over: {error}", file=sys.stderr)
                tell()
                continue
            del future  # it would keep the image
            yield path, image


def _pages_left(path: Path) -> list[str]:
    """Say so if an image is one of several in its file."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return []
    pages = cv2.imcount(str(path))
    return [f"the file has {pages} pages, only the first was read"] if pages > 1 else []


def _names(images: Sequence[Path]) -> dict[Path, str]:
    """Give each image its own name among the results; pictures of one name may come from several folders."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in images:
        name, number = path.stem, 2
        while name in taken:
            name, number = f"{path.stem}-{number}", number + 1
        if path not in names:
            names[path] = name
            taken.add(name)
    return names


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Make the folder of results, and say in the user's words if something cannot be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except BrokenPipeError:
        raise  # of what is printed, not of what is written
    except OSError as error:
        raise DataError(f"predictions cannot be written to {out}: {error.strerror}") from error


def _write(place: Path, content: str | Image) -> None:
    if isinstance(content, str):
        place.write_text(content, encoding="utf-8")
    else:
        write_image(place, content)
