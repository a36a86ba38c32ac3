"""What the texts of a dataset have beyond the charset: told before training, and decided there."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_trainer.data.split import name_of
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import DataReport
from ocr_trainer.tasks.recognition.charset import named
from ocr_trainer.tasks.recognition.config import Unknown
from ocr_trainer.text import normalize

SHOWN = 10
"""Unknown characters that are told of, the commonest first."""
REMEDIES = "add them with charset.from_data=true, or set charset.unknown=skip or replace"
FILES = 3
"""Files that are named for each."""


@dataclass
class Survey:
    """What a split's texts are made of."""

    texts: int = 0
    changed: int = 0
    """Texts whose normal form, spaces or invisible marks were put right."""
    characters: Counter[str] = field(default_factory=Counter)
    unusable: dict[int, str] = field(default_factory=dict)
    """Why a text cannot be used, by its place."""


def survey(texts: Sequence[str]) -> Survey:
    """Go through the texts of a split."""
    found = Survey(texts=len(texts))
    for place, text in enumerate(texts):
        try:
            clean = normalize.clean(text)
        except ValueError as error:
            found.unusable[place] = str(error)
            continue
        if not clean:
            found.unusable[place] = "nothing of the text is visible"
        found.changed += clean != text
        found.characters.update(clean)
    return found


@dataclass
class Coverage:
    """What the texts of a split have that the charset lacks, and what became of them."""

    split: str
    survey: Survey
    unknown: Counter[str] = field(default_factory=Counter)
    files: dict[str, list[str]] = field(default_factory=dict)
    """The first files of each unknown character."""
    lacking: dict[int, str] = field(default_factory=dict)
    """The first unknown character of a text, by its place."""
    decision: str = ""
    """What becomes of the texts that lack one."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as report.json keeps it."""
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
    """Find what the charset lacks; texts are gone through only if it lacks something.

    Args:
        name: Of the split.
        split: With `texts`.
        survey: Of these texts.
        charset: The run's.
    """
    found = Coverage(name, survey)
    lacking = set(survey.characters) - set(charset)
    if not lacking:
        return found
    for place, text in enumerate(split.texts):
        if place in survey.unusable:
            continue
        unknown = [character for character in normalize.clean(text) if character in lacking]
        if not unknown:
            continue
        found.lacking[place] = unknown[0]
        found.unknown.update(unknown)
        for character in unknown:
            names = found.files.setdefault(character, [])
            source = name_of(split, place)
            if len(names) < FILES and source not in names:
                names.append(source)
    return found


def decide(coverage: Coverage, unknown: Unknown, replacement: str) -> None:
    """Say what becomes of training texts with characters that the charset lacks.

    Raises:
        DataError: The configuration wants none of them to pass.
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


def foresee(lacking: set[str], unknown: Unknown, replacement: str) -> dict[str, Any]:
    """Tell which characters the charset lacks of those that a dataset can write, as far as that is known.

    Raises:
        DataError: The configuration wants none of them to pass.
    """
    if not lacking:
        return {}
    listed = ", ".join(named(character) for character in sorted(lacking)[:SHOWN])
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    said = (
        f"train: the charset lacks {len(lacking)} characters that the dataset can write: {listed}{more}; "
        f"{_decision(unknown, replacement)}"
    )
    if unknown is Unknown.error:
        raise DataError(f"{said}\n  {REMEDIES}")
    print(said, file=sys.stderr)
    return {"lacking": "".join(sorted(lacking)), "decision": _decision(unknown, replacement)}


def usable(coverage: Coverage, unknown: Unknown, split: Any, data_report: DataReport) -> Sequence[int] | None:
    """Return the places of the texts to learn, or None for all; the rest goes into the ledger."""
    left_out = dict(coverage.survey.unusable)
    for place, reason in left_out.items():
        data_report.skip_label(name_of(split, place), None, reason)
    if unknown is Unknown.skip:
        left_out |= coverage.lacking
    if not left_out:
        return None
    return array("q", (place for place in range(coverage.survey.texts) if place not in left_out))
