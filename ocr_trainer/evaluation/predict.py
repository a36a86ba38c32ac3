"""`ocr-train predict`: find and read text in images with trained models."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from ocr_trainer.config.schema import RunConfig
from ocr_trainer.data.images import read_image
from ocr_trainer.data.types import Image
from ocr_trainer.engine.callbacks.bar import Report, progress
from ocr_trainer.engine.startup import enable_garbage_collection
from ocr_trainer.errors import DataError
from ocr_trainer.evaluation.pipeline import BATCH_SIZE, Saved, default_device, open_reader, recognize
from ocr_trainer.evaluation.test import rebuild
from ocr_trainer.plugin import Config
from ocr_trainer.results import json_file, page_of, shown_path
from ocr_trainer.results.files import ResultFiles, default_formats
from ocr_trainer.tasks.recognition.data import fit


def predict(
    run: RunConfig,
    saved: dict[str, Any],
    images: Sequence[Path],
    out: Path,
    recognizer: Saved | None = None,
    formats: Mapping[str, Config] | None = None,
    margin: float | None = None,
) -> int:
    """Find text in images, read it if there is a recognizer, and write the results of each image to `out`.

    At most two images are in memory: the current one, and the next one, which a thread loads. An image that
    cannot be loaded is reported on standard error and skipped.

    Args:
        run: The detector's run.
        saved: The content of its checkpoint.
        images: The image files.
        out: The folder of results, which is created if needed.
        recognizer: The recognizer, or None.
        formats: The options of the formats of result files, by the names of their writer plugins; by
            default, `json` and `overlay`.
        margin: The margin to crop around a text, as a share of its height; None for the margin that the
            recognizer was trained with.

    Returns:
        The number of images that could be loaded.

    Raises:
        DataError: No image could be loaded, or `out` cannot be written.
        PluginBroken: A writer failed; all other files are written.
    """
    files = ResultFiles(out, formats or default_formats())
    reader = open_reader((run, saved), recognizer, margin, out)
    enable_garbage_collection()
    names = _names(images)
    done = texts = 0
    with _writing(out), progress(len(images), "reading") as report:
        for path, image in _load(images, report):
            detections, recognitions = reader(image)
            detections.warnings += _page_warning(path)
            page = page_of(path, image.shape[:2], detections, recognitions)
            files.write(names[path], page, image)
            line = f"{page.source}: {len(page.texts)} texts{''.join(f'; {w}' for w in page.warnings)}"
            report(line, bool(page.warnings))
            done, texts = done + 1, texts + len(page.texts)
    _print_summary(done, len(images), f"{texts} texts", out)
    files.finish()
    return done


def predict_texts(run: RunConfig, saved: dict[str, Any], images: Sequence[Path], out: Path) -> int:
    """Recognize images of single words or lines, and write `readings.jsonl` and `readings.tsv` to `out`.

    The first has a JSON object per line; the second has file and text, separated by a tab. An image that
    cannot be loaded is reported on standard error and skipped.

    Args:
        run: The recognizer's run.
        saved: The content of its checkpoint.
        images: The image files.
        out: The folder of results, which is created if needed.

    Returns:
        The number of images that could be loaded.

    Raises:
        DataError: No image could be loaded, or `out` cannot be written.
    """
    model = rebuild(run, saved, out).to(default_device())
    enable_garbage_collection()
    done = 0
    with _writing(out), progress(len(images), "reading") as report:
        rows = (out / "readings.jsonl").open("w", encoding="utf-8")
        table = (out / "readings.tsv").open("w", encoding="utf-8")
        with rows, table:
            # Resize before batching: a batch of large photographs would fill the memory.
            loaded = ((path, fit(image, model)) for path, image in _load(images, report))
            while chunk := list(islice(loaded, BATCH_SIZE)):
                recognitions = recognize(model, [image for _, image in chunk])
                for (path, _), reading in zip(chunk, recognitions, strict=True):
                    name = shown_path(path)
                    print(json_file.row(name, reading), file=rows)
                    print(f"{name}\t{reading.text}", file=table)
                    report(f"{name}: {reading.text}")
                done += len(chunk)
    _print_summary(done, len(images), "readings.jsonl, readings.tsv", out)
    return done


def _print_summary(done: int, images: int, what: str, out: Path) -> None:
    if not done:
        raise DataError(f"none of the {images} images could be read")
    if images > 1:
        print(f"{done} of {images} images: {what}")
    print(out)


def _load(paths: Sequence[Path], report: Report) -> Iterator[tuple[Path, Image]]:
    """Yield images while a thread loads the next one. Report and skip those that cannot be loaded."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        pending: deque[tuple[Path, Future[Image]]] = deque()
        remaining = iter(paths)
        for path in islice(remaining, 1):
            pending.append((path, pool.submit(read_image, path)))
        while pending:
            path, future = pending.popleft()
            for following in islice(remaining, 1):
                pending.append((following, pool.submit(read_image, following)))
            try:
                image = future.result()
            except DataError as error:
                print(f"ocr-train: skipped: {error}", file=sys.stderr)
                report()
                continue
            del future  # it holds a reference to the image
            yield path, image


def _page_warning(path: Path) -> list[str]:
    """Return a warning if a TIFF file has several pages."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return []
    pages = cv2.imcount(str(path))
    return [f"the file has {pages} pages, only the first was read"] if pages > 1 else []


def _names(images: Sequence[Path]) -> dict[Path, str]:
    """Return a unique name for the results of each image; files in different folders may have equal names."""
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
    """Create the folder of results, and convert errors of writing there.

    Raises:
        DataError: Something cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except BrokenPipeError:
        raise  # from standard output, not from a result file
    except OSError as error:
        raise DataError(f"predictions cannot be written to {out}: {error.strerror}") from error
