"""Reader of text labels and predictions: a file with one row per text, or a folder with one file per text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ocr_trainer.errors import ConfigError, DataError, did_you_mean
from ocr_trainer.formats.annotations import read_bytes, read_rows
from ocr_trainer.formats.rows import excerpt
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring import left_out
from ocr_trainer.scoring.left_out import RowCounts
from ocr_trainer.scoring.row_forms import unquoted
from ocr_trainer.text.normalize import clean

QUOTED = re.compile(r'([^"]+?)\s*,\s*(".*")\s*')
SPACED = re.compile(r"(\S+\.\w+) (.*)")
CONFIDENCE = re.compile(r"(0?\.\d+|[01](\.\d*)?|\d(\.\d+)?[eE]-\d+)\s*")

Row = tuple[str, str]
"""Name of an image and its text."""


def _tab(row: str) -> Row | None:
    name, tab, text = row.partition("\t")
    return (name, text) if tab else None


def _tab_confidence(row: str) -> Row | None:
    fields = row.split("\t")
    return (fields[0], fields[1]) if len(fields) == 3 and CONFIDENCE.fullmatch(fields[2]) else None


def _quoted(row: str) -> Row | None:
    found = QUOTED.fullmatch(row)
    return (found[1], unquoted(found[2].strip())) if found else None


def _space(row: str) -> Row | None:
    found = SPACED.fullmatch(row)
    return (found[1], found[2]) if found else None


FORMS: dict[str, Callable[[str], Row | None]] = {
    "tab+confidence": _tab_confidence,
    "tab": _tab,
    "quoted": _quoted,
    "space": _space,
}
"""Parser of each row form; returns None for a row of another form. If forms fit equally, the first wins."""

TEXT_FILE = re.compile(r"(.+?)(\.gt|\.pred|)\.txt", re.IGNORECASE)
IMAGE_SUFFIX = re.compile(r"\.(png|jpe?g|tiff?|bmp|gif|webp|jp2|p[bgnp]m)$", re.IGNORECASE)


@dataclass
class Texts:
    """One side: the ground truth or the predictions."""

    form: str | None
    """A key of `FORMS`, or "folder"; None if there are no rows."""
    texts: dict[str, str] = field(default_factory=dict)
    """Normalized texts by image name without suffix."""
    places: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    """File and line number of each text, by image name; no line number in folders."""
    rows: int = 0
    """Rows, or files of a folder."""

    @property
    def counts(self) -> RowCounts:
        """The rows, and those of them that cannot be used."""
        return RowCounts(self.rows, self.rows - len(self.texts))

    def by_basename(self) -> Texts:
        """Return a copy whose names have no folders, or `self` if names would then be ambiguous."""
        short = {name: PurePosixPath(name).name for name in self.texts}
        if len(set(short.values())) < len(short):
            return self
        return Texts(
            self.form,
            {short[name]: text for name, text in self.texts.items()},
            {short[name]: place for name, place in self.places.items()},
            self.rows,
        )


def check_form(form: str) -> None:
    """Check that a form exists.

    Raises:
        ConfigError: There is no such form.
    """
    if form not in FORMS:
        raise ConfigError(
            f"there is no form '{form}'.{did_you_mean(form, FORMS)}\n  forms: {', '.join(FORMS)}"
        )


def read(path: Path, data_report: DataReport, form: str | None, option: str, truth: bool) -> Texts:
    """Read ground truth or predictions from a file of rows or a folder of files.

    Args:
        path: The file or the folder.
        data_report: Receives the rows and files that cannot be used.
        form: Form of the rows, a key of `FORMS`; None to detect it.
        option: Name of the option that sets the form, for messages.
        truth: Whether this is the ground truth. In a folder, the ground truth is the first file that exists
            of X.gt.txt, X.txt and X.pred.txt; the prediction is the last.

    Raises:
        DataError: The path does not exist, has no texts (for ground truth) or no .txt files (for a folder),
            or the form of its rows cannot be detected.
    """
    if path.is_dir():
        found = _folder(path, data_report, truth)
    elif path.is_file():
        found = _file(path, data_report, form, option, truth)
    else:
        raise DataError(f"there is no file or folder '{path}'")
    if truth and not found.texts:
        raise DataError(f"the ground truth '{path}' has no texts")
    return found


def pairs(gt: Texts, pred: Texts, data_report: DataReport) -> Iterator[tuple[str, str]]:
    """Yield each ground truth text with its prediction, which is empty if it is missing.

    If no names match, they are compared without their folders, where that is unambiguous.

    Raises:
        DataError: The sides have no name in common.
    """
    gt, pred = _comparable(gt, pred)
    if pred.texts and not gt.texts.keys() & pred.texts.keys():
        ours, theirs = (next(iter(side.texts)) for side in (gt, pred))
        raise DataError(
            "no name in the predictions matches one in the ground truth\n"
            f"  ground truth such as '{ours}', predictions such as '{theirs}'"
        )
    for name, place in pred.places.items():
        if name not in gt.texts:
            data_report.skip_label(*place, f"no ground truth for '{name}', not scored")
    for name, text in gt.texts.items():
        if name not in pred.texts:
            data_report.skip_label(*gt.places[name], f"no prediction for '{name}', scored as an empty text")
        yield text, pred.texts.get(name, "")


def without(gt: Texts, pred: Texts) -> dict[str, int]:
    """Return how many texts of each side the other lacks, as `pairs` compares their names."""
    gt, pred = _comparable(gt, pred)
    return left_out.without(list(gt.texts), list(pred.texts))


def _comparable(gt: Texts, pred: Texts) -> tuple[Texts, Texts]:
    """Return both sides; without the folders of their names, if no names match."""
    if gt.texts.keys() & pred.texts.keys():
        return gt, pred
    return gt.by_basename(), pred.by_basename()


def _file(path: Path, data_report: DataReport, form: str | None, option: str, truth: bool) -> Texts:
    rows = list(read_rows(path, data_report))
    if not rows:
        return Texts(None)
    form = form or _detect(path, [row for _, row in rows], option, truth)
    found = Texts(form, rows=len(rows))
    for line, row in rows:
        data_report.read(labels=1)
        parsed = FORMS[form](row)
        if parsed is None:
            data_report.skip_label(path, line, f"not of the form {form}: {excerpt(row)}")
            continue
        name, text = parsed
        _add(found, IMAGE_SUFFIX.sub("", name.strip()), text, (str(path), line), data_report)
    return found


def _detect(path: Path, rows: Sequence[str], option: str, truth: bool) -> str:
    """Return the form that most rows have."""
    forms = [form for form in FORMS if not (truth and form == "tab+confidence")]
    fitting = {form: sum(FORMS[form](row) is not None for row in rows) for form in forms}
    best = max(fitting, key=lambda form: fitting[form])
    if fitting[best] <= 0.5 * len(rows):
        raise DataError(
            f"cannot detect the form of the rows in '{path}', such as {excerpt(rows[0])}\n"
            f"  set it with {option}, one of {', '.join(forms)}"
        )
    return best


def _folder(path: Path, data_report: DataReport, truth: bool) -> Texts:
    own, other = (".gt", ".pred") if truth else (".pred", ".gt")
    files: dict[str, dict[str, Path]] = {}
    for file in sorted(path.iterdir()):
        if file.is_file() and (parts := TEXT_FILE.fullmatch(file.name)):
            files.setdefault(parts[1], {})[parts[2].lower()] = file
    if not files:
        raise DataError(f"'{path}' contains no .txt files; there must be one per image")
    found = Texts("folder", rows=len(files))
    for name, candidates in files.items():
        data_report.read(labels=1)
        file = next(candidates[kind] for kind in (own, "", other) if kind in candidates)
        try:
            text = read_bytes(file).decode("utf-8")
        except UnicodeDecodeError as fault:
            byte = fault.object[fault.start]
            data_report.skip_label(file, None, f"not UTF-8: byte 0x{byte:02x}")
            continue
        _add(found, name, text, (str(file), None), data_report)
    return found


def _add(found: Texts, name: str, text: str, place: tuple[str, int | None], data_report: DataReport) -> None:
    """Add a normalized text to `found`, or report why it cannot be used."""
    name = name.replace("\\", "/")  # separators of Windows
    if not name:
        data_report.skip_label(*place, "the name is empty, not used")
        return
    if name in found.texts:
        data_report.skip_label(*place, f"duplicate text for '{name}', not used")
        return
    try:
        found.texts[name] = clean(text)
    except ValueError as fault:
        data_report.skip_label(*place, f"{fault}, not used")
        return
    found.places[name] = place
