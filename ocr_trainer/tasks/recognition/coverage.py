"""Charset coverage: find characters of the data that the charset lacks, before training starts."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_trainer.data.split import name_of
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.tasks.recognition.charset import named
from ocr_trainer.tasks.recognition.config import Unknown
from ocr_trainer.text import normalize
from ocr_trainer_runtime.text.visible import echo

SHOWN = 10
"""How many unknown characters to list, the most frequent first."""
REMEDIES = "add them with charset.from_data=true, or set charset.unknown=skip or replace"
FILES = 3
"""How many files to name per unknown character."""


@dataclass
class Survey:
    """Statistics of the texts of a split."""

    texts: int = 0
    changed: int = 0
    """Texts whose Unicode normal form, spaces or invisible characters were corrected."""
    characters: Counter[str] = field(default_factory=Counter)
    unusable: dict[int, str] = field(default_factory=dict)
    """Why a text cannot be used, by its index."""


def survey(texts: Sequence[str]) -> Survey:
    """Return the statistics of texts."""
    result = Survey(texts=len(texts))
    for index, text in enumerate(texts):
        if reason := normalize.fault(text):
            result.unusable[index] = reason
            continue
        clean = normalize.clean(text)
        result.changed += clean != text
        result.characters.update(clean)
    return result


def usable_texts(texts: Sequence[str], found: Survey) -> Iterator[str]:
    """Yield the normalized texts, without those that cannot be used."""
    return (normalize.clean(text) for index, text in enumerate(texts) if index not in found.unusable)


@dataclass
class Coverage:
    """The characters of a split's texts that the charset lacks, and how the run handles these texts."""

    split: str
    survey: Survey
    unknown: Counter[str] = field(default_factory=Counter)
    files: dict[str, list[str]] = field(default_factory=dict)
    """The first files of each unknown character."""
    lacking: dict[int, str] = field(default_factory=dict)
    """The first unknown character of a text, by the text's index."""
    decision: str = ""
    """How the run handles texts with unknown characters."""

    def to_dict(self) -> dict[str, Any]:
        """Return the form that report.json has."""
        return {
            "split": self.split,
            "texts": self.survey.texts,
            "put_right": self.survey.changed,
            "unusable": len(self.survey.unusable),
            "with_unknown_characters": len(self.lacking),
            "decision": self.decision,
            "unknown": [
                {"character": c, "count": n, "files": self.files[c]} for c, n in self.unknown.most_common()
            ],
        }

    def __str__(self) -> str:
        total = sum(self.unknown.values())
        head = (
            f"{self.split}: the charset lacks {len(self.unknown)} characters of the data: {total} of "
            f"{self.survey.characters.total()}, in {len(self.lacking)} of {self.survey.texts} texts; "
            f"{self.decision}"
        )
        lines = [
            f"\n  {named(character)}: {count} times, as in {', '.join(self.files[character])}"
            for character, count in self.unknown.most_common(SHOWN)
        ]
        more = len(self.unknown) - SHOWN
        return (
            head
            + "".join(lines)
            + (f"\n  … and {more} more characters (see report.json)" if more > 0 else "")
        )


def cover(name: str, split: Any, survey: Survey, charset: str) -> Coverage:
    """Find the characters of a split that the charset lacks.

    Args:
        name: The name of the split.
        split: The split. It must have `texts`.
        survey: The statistics of these texts.
        charset: The charset of the run.
    """
    coverage = Coverage(name, survey)
    lacking = set(survey.characters) - set(charset)
    # A second pass over millions of texts, which most runs do not need.
    if not lacking:
        return coverage
    for index, text in enumerate(split.texts):
        if index in survey.unusable:
            continue
        unknown = [character for character in normalize.clean(text) if character in lacking]
        if not unknown:
            continue
        coverage.lacking[index] = unknown[0]
        coverage.unknown.update(unknown)
        for character in unknown:
            names = coverage.files.setdefault(character, [])
            source = name_of(split, index)
            if len(names) < FILES and source not in names:
                names.append(source)
    return coverage


def decide(coverage: Coverage, unknown: Unknown, replacement: str) -> None:
    """Decide how the run handles training texts with unknown characters.

    Raises:
        DataError: There are some, and `charset.unknown` is `error`.
    """
    if not coverage.lacking:
        return
    coverage.decision = _decision(unknown, replacement)
    if unknown is Unknown.error:
        raise DataError(f"{coverage}\n  {REMEDIES}")


def _decision(unknown: Unknown, replacement: str) -> str:
    return {
        Unknown.error: "the run is refused (charset.unknown=error)",
        Unknown.skip: "these texts are left out (charset.unknown=skip)",
        Unknown.replace: f"each becomes {named(replacement)} (charset.unknown=replace)",
    }[unknown]


def check_possible_characters(lacking: set[str], unknown: Unknown, replacement: str) -> dict[str, Any]:
    """Report the characters that the charset lacks, for a dataset that generates its texts.

    Args:
        lacking: Characters that the dataset can produce and the charset lacks.
        unknown: The option `charset.unknown`.
        replacement: The option `charset.replacement`.

    Returns:
        The entries of report.json.

    Raises:
        DataError: There are some, and `charset.unknown` is `error`.
    """
    if not lacking:
        return {}
    listed = ", ".join(named(character) for character in sorted(lacking)[:SHOWN])
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    message = (
        f"train: the charset lacks {len(lacking)} characters that the dataset can write: {listed}{more}; "
        f"{_decision(unknown, replacement)}"
    )
    if unknown is Unknown.error:
        raise DataError(f"{message}\n  {REMEDIES}")
    echo(message, file=sys.stderr)
    return {"lacking": "".join(sorted(lacking)), "decision": _decision(unknown, replacement)}


def usable(coverage: Coverage, unknown: Unknown, split: Any, data_report: DataReport) -> Sequence[int] | None:
    """Return the indices of the texts to use, or None for all. Record unusable texts in the data report."""
    left_out = dict(coverage.survey.unusable)
    for index, reason in left_out.items():
        data_report.skip_label(name_of(split, index), None, reason)
    if unknown is Unknown.skip:
        left_out |= coverage.lacking
    if not left_out:
        return None
    # 8 bytes per text: a list of a million indices takes about 40 MB.
    return array("q", (index for index in range(coverage.survey.texts) if index not in left_out))
