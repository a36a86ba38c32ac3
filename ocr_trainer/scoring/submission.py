"""Ground truth and predictions as the ICDAR challenges exchange them.

A folder or a zip with one text file per image, `gt_img_1.txt` or `res_img_1.txt`, and one row per
text. Zips are read in memory: nothing is unpacked, and no member may be larger than `MAX_FILE_BYTES`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import split_rows, strip_bom
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.row_forms import FORMS, Form, detect

MAX_FILE_BYTES = 16 * 2**20
"""Of one file; 100,000 rows need no more, and a zip may promise anything."""

PREFIXES = re.compile(r"(poly_)?(gt_|res_|det_|pred_)?(img_)?(?=.)")
"""What the names of files have before that of their image."""

Lines = list[tuple[int, str]]
"""Line numbers, from 1, and rows."""


@dataclass(slots=True)
class Page:
    """What was said of one image."""

    file: str
    """As messages name it."""
    polygons: list[Polygon] = field(default_factory=list)
    """float64, (points, 2) each; perhaps of fewer than 3 points, perhaps crossing themselves."""
    texts: list[str] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Where each stands in the file, from 1."""

    def sorted(self) -> Page:
        """Return it with the most confident first; what is equally so keeps its order."""
        order = np.argsort(-np.array(self.confidences), kind="stable").tolist()
        kept = (
            [values[i] for i in order] for values in (self.polygons, self.texts, self.confidences, self.lines)
        )
        return Page(self.file, *kept)


@dataclass(frozen=True)
class Submission:
    """One side: the ground truth or the predictions."""

    form: Form | None
    """None where there is not a single row."""
    pages: dict[str, Page]
    """By the name of the image."""


def read(path: Path, data_report: DataReport, form: Form | None, option: str, confidence: bool) -> Submission:
    """Read a folder or a zip; what cannot be used goes into the ledger.

    Args:
        path: The folder or the zip.
        ledger: Takes rows that cannot be read, and files that are no text files.
        form: The form of the rows; found out if not given.
        option: How the user can say the form, for messages.
        confidence: Whether there may be confidences.

    Raises:
        DataError: If there is no such place, nothing to read in it, or its form cannot be told.
    """
    files: dict[str, tuple[str, Lines]] = {}
    for name, data in _members(path, data_report):
        file, image = f"{path}/{name}", image_of(name)
        if image in files:
            raise DataError(f"two files are for the image '{image}': '{files[image][0]}' and '{file}'")
        data_report.read(images=1)
        files[image] = file, list(split_rows(strip_bom(data, file), file, data_report))
    if not files:
        raise DataError(f"'{path}' holds no .txt file, of which there must be one per image")
    rows = [row for _, lines in files.values() for _, row in lines]
    if rows and form is None:
        try:
            form = detect(rows, confidence)
        except ValueError as fault:
            forms = ", ".join(str(f) for f in FORMS if confidence or not f.confidence)
            raise DataError(
                f"the form of the rows in '{path}' cannot be told: {fault}\n"
                f"  say it: {option} with one of {forms}"
            ) from fault
    pages = {image: Page(file) for image, (file, _) in files.items()}
    if form:
        for image, (_, lines) in files.items():
            _parse(pages[image], lines, form, data_report)
    return Submission(form if rows else None, pages)


def image_of(name: str) -> str:
    """Return the name of the image that a file is about."""
    stem = PurePosixPath(name).stem
    return PREFIXES.sub("", stem, count=1)


def _parse(page: Page, lines: Lines, form: Form, data_report: DataReport) -> None:
    for line, text in lines:
        data_report.read(labels=1)
        try:
            row = form.parse(text)
        except ValueError as fault:
            data_report.skip_label(page.file, line, str(fault))
            continue
        page.polygons.append(row.polygon)
        page.texts.append(row.text)
        page.confidences.append(row.confidence)
        page.lines.append(line)


def _members(path: Path, data_report: DataReport) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the text files, by name."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file() and _is_text(path, file.name, data_report):
                if file.stat().st_size > MAX_FILE_BYTES:
                    raise _too_large(f"{path}/{file.name}")
                yield file.name, file.read_bytes()
        return
    if not path.exists():
        raise DataError(f"there is no folder or zip '{path}'")
    try:
        with ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda member: member.filename):
                if not member.is_dir() and _is_text(path, member.filename, data_report):
                    yield member.filename, _content(archive, member, path)
    except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as fault:
        raise DataError(f"'{path}' is neither a folder nor a sound zip: {fault}") from fault


def _content(archive: ZipFile, member: ZipInfo, path: Path) -> bytes:
    """Read a member, and no more of it than may be."""
    if member.flag_bits & 1:
        raise DataError(f"'{path}' is encrypted; unpack it and give the folder")
    with archive.open(member) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(f"{path}/{member.filename}")
    return data


def _too_large(file: str) -> DataError:
    return DataError(f"'{file}' is larger than {MAX_FILE_BYTES >> 20} MiB: no file of rows for one image")


def _is_text(path: Path, name: str, data_report: DataReport) -> bool:
    place = PurePosixPath(name)
    # The `__MACOSX` folder holds a shadow of each file.
    if place.suffix.lower() == ".txt" and not place.name.startswith(".") and "__MACOSX" not in place.parts:
        return True
    data_report.skip_image(f"{path}/{name}", "not a .txt file, not read")
    return False
