"""Reader of ground truth and predictions in the layout of the ICDAR challenges.

The layout is a folder or a zip file with one text file per image, `gt_img_1.txt` or `res_img_1.txt`, and
one row per text. Zip files are read in memory: nothing is extracted to disk, and a member larger than
`MAX_FILE_BYTES` is refused.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.errors import DataError
from ocr_trainer.formats.annotations import split_rows, strip_bom
from ocr_trainer.formats.rows import excerpt
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.left_out import RowCounts
from ocr_trainer.scoring.row_forms import FORMS, Form, detect

MAX_FILE_BYTES = 16 * 2**20
"""Size limit of one file. Enough for 100,000 rows; protects against zip bombs."""

SUFFIXES = (".txt", ".gt")
"""Suffixes of files of rows; MSRA-TD500 has `.gt`."""

PREFIXES = re.compile(r"(poly_)?(gt_|res_|det_|pred_)?(img_)?(?=.)")
"""Prefixes of file names that are not part of the image's name."""

Lines = list[tuple[int, str]]
"""Rows with their line numbers, from 1."""


@dataclass(slots=True)
class Page:
    """The rows of one image, in parallel lists."""

    file: str
    """Path of the file, for messages."""
    polygons: list[Polygon] = field(default_factory=list)
    """float64, (points, 2) each, in pixels. Not validated: may have fewer than 3 points or cross itself."""
    texts: list[str] = field(default_factory=list)
    """Empty strings if the form has no text."""
    confidences: list[float] = field(default_factory=list)
    """1 if the form has no confidence."""
    lines: list[int] = field(default_factory=list)
    """Line number of each row in the file, from 1."""

    def sorted(self) -> Page:
        """Return a copy with the most confident rows first; the sort is stable."""
        order = np.argsort(-np.array(self.confidences), kind="stable").tolist()
        columns = (self.polygons, self.texts, self.confidences, self.lines)
        return Page(self.file, *([values[i] for i in order] for values in columns))


@dataclass(frozen=True)
class Submission:
    """One side: the ground truth or the predictions."""

    form: Form | None
    """None if there are no rows."""
    pages: dict[str, Page]
    """Pages by image name."""
    counts: RowCounts = field(default_factory=RowCounts)
    """Rows of all files, and those of them that are not outlines in this form."""


def read(path: Path, data_report: DataReport, form: Form | None, option: str, confidence: bool) -> Submission:
    """Read ground truth or predictions from a folder or a zip file.

    Args:
        path: The folder or the zip file.
        data_report: Receives the rows that cannot be parsed and the files that are not text files.
        form: Form of the rows; None to detect it.
        option: Name of the option that sets the form, for messages.
        confidence: Whether forms with a confidence are possible.

    Raises:
        DataError: The path does not exist, contains no text files or two for one image, is damaged or too
            large, or the form of its rows cannot be detected.
    """
    files: dict[str, tuple[str, Lines]] = {}
    for name, data in _members(path, data_report):
        file, image = f"{path}/{name}", image_of(name)
        if image in files:
            raise DataError(f"two files belong to the image '{image}': '{files[image][0]}' and '{file}'")
        data_report.read(images=1)
        files[image] = file, list(split_rows(strip_bom(data, file), file, data_report))
    if not files:
        raise DataError(f"'{path}' contains no .txt files; there must be one per image")
    rows = [row for _, lines in files.values() for _, row in lines]
    if rows and form is None:
        try:
            form = detect(rows, confidence)
        except ValueError as fault:
            forms = ", ".join(str(f) for f in FORMS if confidence or not f.confidence)
            raise DataError(
                f"cannot detect the form of the rows in '{path}': {fault}\n"
                f"  set it with {option}, one of {forms}"
            ) from fault
    elif form is not None and form.may_hide_angles(rows):
        raise DataError(
            f"{option}{form} takes the last number of the rows in '{path}', such as {excerpt(rows[0])}, "
            f"for a text\n  if it is the angle of a rotated box, set {option}ltrb+angle or "
            f"{option}cxcywh+angle, or +degrees;\n  if it is a text, put it in quotes"
        )
    pages = {image: Page(file) for image, (file, _) in files.items()}
    if form:
        for image, (_, lines) in files.items():
            _parse(pages[image], lines, form, data_report)
    used = sum(len(polygon) >= 3 for page in pages.values() for polygon in page.polygons)
    return Submission(form if rows else None, pages, RowCounts(len(rows), len(rows) - used))


def image_of(name: str) -> str:
    """Return the name of the image that a file belongs to: its stem without `PREFIXES`."""
    stem = _posix(name).stem
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
    """Yield name and content of each text file, sorted by name."""
    if path.is_dir():
        # Only a folder without files of rows is searched for folders of them, as a zip file is.
        own = [file for file in sorted(path.iterdir()) if file.is_file()]
        for file in own if any(map(_has_rows, own)) else sorted(path.rglob("*")):
            name = file.relative_to(path).as_posix()
            if file.is_file() and _is_text(path, name, data_report):
                if file.stat().st_size > MAX_FILE_BYTES:
                    raise _too_large(f"{path}/{name}")
                yield name, file.read_bytes()
        return
    if not path.exists():
        raise DataError(f"there is no folder or zip '{path}'")
    try:
        with ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda member: member.filename):
                if not member.is_dir() and _is_text(path, member.filename, data_report):
                    yield member.filename, _content(archive, member, path)
    except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as fault:
        raise DataError(f"'{path}' is neither a folder nor a valid zip file: {fault}") from fault


def _content(archive: ZipFile, member: ZipInfo, path: Path) -> bytes:
    """Return the content of a member of a zip file.

    Raises:
        DataError: The file is encrypted, or the member is larger than `MAX_FILE_BYTES`.
    """
    if member.flag_bits & 1:
        raise DataError(f"'{path}' is encrypted; unpack it and pass the folder")
    # Limit the read itself: the size in the zip file's directory may be false.
    with archive.open(member) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(f"{path}/{member.filename}")
    return data


def _too_large(file: str) -> DataError:
    return DataError(f"'{file}' is larger than {MAX_FILE_BYTES >> 20} MiB, the limit for one image's rows")


def _posix(name: str) -> PurePosixPath:
    """Return a path in a zip file, which some programs write with the separators of Windows."""
    return PurePosixPath(name.replace("\\", "/"))


def _is_text(path: Path, name: str, data_report: DataReport) -> bool:
    if _has_rows(_posix(name)):
        return True
    data_report.skip_image(f"{path}/{name}", "not a .txt file, not read")
    return False


def _has_rows(file: PurePath) -> bool:
    # macOS adds a metadata file for each file, in the folder `__MACOSX`.
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and "__MACOSX" not in file.parts
