"""Scores of recognized text: word accuracy, error rates, normalized edit distances, confusions.

Texts are compared in normal form C and in logical order, the order in which they are typed, for
right-to-left scripts, too.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

from ocr_trainer.metrics.hangul import has_hangul, to_jamo

LENGTHS = (0, 1, 2, 3, 4, 6, 8, 12, 20, 40)
"""Upper bounds of the length classes in characters; longer texts form a last class."""

MAX_SHOWN = 50
"""Number of characters and confusions that are reported."""


@dataclass(slots=True)
class TextTally:
    """Counts behind the text scores; tallies of several sets add up."""

    texts: int = 0
    exact: int = 0
    """Texts read exactly right."""
    ignore_case: int = 0
    """Texts read correctly, ignoring case."""
    alphanumeric: int = 0
    """Texts read correctly, ignoring case and all characters but letters, their marks and digits."""
    blank: int = 0
    """Texts whose ground truth and prediction are both empty."""
    distance: int = 0
    """Sum of edit distances (Levenshtein) in characters."""
    words: int = 0
    """Words of the ground truths, separated by spaces."""
    word_distance: int = 0
    """Sum of edit distances in words."""
    similarity: float = 0.0
    """Sum of 1 - distance / length of the longer text; 1 for a text if both are empty."""
    common: int = 0
    """Sum of the lengths of longest common subsequences; letters and digits only, in lower case."""
    truth_alphanumeric: int = 0
    """Letters and digits of the ground truths."""
    read_alphanumeric: int = 0
    """Letters and digits of the predictions."""
    jamo: int = 0
    """Characters of ground truths with Hangul, with each syllable decomposed into its letters."""
    jamo_distance: int = 0
    """Sum of edit distances over these texts, decomposed in the same way."""
    characters: Counter[str] = field(default_factory=Counter)
    """Count of each character in the ground truths."""
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Count of each edit as (truth, read); truth is "" for an insertion, read is "" for a deletion."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Number of ground truths by length in characters."""
    exact_lengths: Counter[int] = field(default_factory=Counter)
    """Number of texts read exactly right by length of the ground truth."""
    distance_lengths: Counter[int] = field(default_factory=Counter)
    """Sum of edit distances in characters by length of the ground truth."""

    def __add__(self, other: TextTally) -> TextTally:
        total = TextTally()
        total += self
        total += other
        return total

    def __iadd__(self, other: TextTally) -> TextTally:
        for name in COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def add(self, truth: str, read: str) -> None:
        """Add one text.

        Args:
            truth: Ground truth.
            read: Prediction.
        """
        truth, read = unicodedata.normalize("NFC", truth), unicodedata.normalize("NFC", read)
        length = len(truth)
        self.texts += 1
        self.lengths[length] += 1
        self.characters.update(truth)
        words = truth.split()
        self.words += len(words)
        folded = _alphanumeric(truth)
        self.truth_alphanumeric += len(folded)
        if truth == read:
            self._add_exact(truth, length, len(folded))
            return
        # Training builds its metrics before the first step, but scores later.
        from rapidfuzz.distance import LCSseq, Levenshtein

        edits = Levenshtein.editops(truth, read)
        distance = len(edits)
        self.distance += distance
        self.distance_lengths[length] += distance
        self.similarity += 1 - distance / max(length, len(read))
        self.word_distance += Levenshtein.distance(words, read.split())
        for edit in edits:
            written = "" if edit.tag == "insert" else truth[edit.src_pos]
            self.confusions[written, "" if edit.tag == "delete" else read[edit.dest_pos]] += 1
        if has_hangul(truth):
            letters = to_jamo(truth)
            self.jamo += len(letters)
            self.jamo_distance += Levenshtein.distance(letters, to_jamo(read))
        read_folded = _alphanumeric(read)
        self.read_alphanumeric += len(read_folded)
        self.common += LCSseq.similarity(folded, read_folded)
        self.ignore_case += truth.lower() == read.lower()
        self.alphanumeric += folded == read_folded

    def _add_exact(self, text: str, length: int, alphanumeric: int) -> None:
        self.exact += 1
        self.ignore_case += 1
        self.alphanumeric += 1
        self.blank += not text
        self.exact_lengths[length] += 1
        self.similarity += 1
        self.common += alphanumeric
        self.read_alphanumeric += alphanumeric
        if has_hangul(text):
            self.jamo += len(to_jamo(text))

    def scores(self) -> dict[str, float]:
        """Return the scores by name; the jamo error rate only if a ground truth has Hangul.

        - `word_accuracy`: The share of texts read exactly right.
        - `word_accuracy_ignore_case`: The share of texts whose lower-case forms are equal.
        - `word_accuracy_alphanumeric`: The share of texts equal in lower case when only letters, their
          marks and digits are left. For ASCII that is [0-9a-z], which scene text benchmarks use; letters
          of other scripts count here, while those benchmarks drop them.
        - `cer`, `wer`: Character and word error rate: the edit distance of characters, or of words, over
          the whole set, divided by their number in the ground truths; above 1 if far too much is read.
        - `ned_icdar2019`: 1 - NED of ICDAR 2019 (ArT, LSVT, ReCTS), where NED is the mean of the distance
          divided by the length of the longer text, in the form of clovaai/deep-text-recognition-benchmark:
          an empty text counts 0, even if there is nothing to read.
        - `ned_mean`: The same, but 1 where both texts are empty.
        - `char_recall`, `char_precision`: MMOCR's: characters in common, divided by those of the ground
          truths, or of the predictions; letters and digits only, in lower case.
        - `jamo_error_rate`: As `cer`, over texts with Hangul, each syllable as its letters.
        """
        length = self.characters.total()
        named = {
            "word_accuracy": _share(self.exact, self.texts),
            "word_accuracy_ignore_case": _share(self.ignore_case, self.texts),
            "word_accuracy_alphanumeric": _share(self.alphanumeric, self.texts),
            "cer": _rate(self.distance, length),
            "wer": _rate(self.word_distance, self.words),
            "ned_icdar2019": _share(self.similarity - self.blank, self.texts),
            "ned_mean": _share(self.similarity, self.texts),
            "char_recall": _share(self.common, self.truth_alphanumeric),
            "char_precision": _share(self.common, self.read_alphanumeric),
        }
        return named | ({"jamo_error_rate": _rate(self.jamo_distance, self.jamo)} if self.jamo else {})

    def details(self) -> dict[str, Any]:
        """Return a breakdown of the errors, for JSON.

        - `by_length`: Number of texts, word accuracy and CER of each length class that occurs.
        - `by_character`: Count and correct count of ground truth characters, most errors first.
        - `confusions`: Truth, read and count, most frequent first; "" for an insertion or deletion.

        The last two have at most `MAX_SHOWN` entries.
        """
        wrong: Counter[str] = Counter()
        for (truth, _), count in self.confusions.items():
            wrong[truth] += count
        del wrong[""]  # insertions belong to no ground truth character
        return {
            "by_length": self._by_length(),
            "by_character": [
                {"character": c, "count": self.characters[c], "right": self.characters[c] - count}
                for c, count in _commonest(wrong)
            ],
            "confusions": [
                {"truth": truth, "read": read, "count": count}
                for (truth, read), count in _commonest(self.confusions)
            ],
        }

    def _by_length(self) -> dict[str, dict[str, float]]:
        classes: dict[int, list[int]] = {}
        for length in sorted(self.lengths):
            classes.setdefault(bisect_left(LENGTHS, length), []).append(length)
        return {_name(place): self._of_lengths(lengths) for place, lengths in classes.items()}

    def _of_lengths(self, lengths: list[int]) -> dict[str, float]:
        texts = sum(self.lengths[length] for length in lengths)
        exact = sum(self.exact_lengths[length] for length in lengths)
        distance = sum(self.distance_lengths[length] for length in lengths)
        characters = sum(self.lengths[length] * length for length in lengths)
        return {"texts": texts, "word_accuracy": exact / texts, "cer": _rate(distance, characters)}


COUNTERS = tuple(f.name for f in fields(TextTally) if f.type.startswith("Counter"))
NUMBERS = tuple(f.name for f in fields(TextTally) if f.name not in COUNTERS)


def count_text(truth: str, read: str) -> TextTally:
    """Return the tally of one text: its ground truth and its prediction."""
    tally = TextTally()
    tally.add(truth, read)
    return tally


def count_texts(pairs: Iterable[tuple[str, str]]) -> TextTally:
    """Return the tally of texts, each given as (truth, read)."""
    tally = TextTally()
    for truth, read in pairs:
        tally.add(truth, read)
    return tally


def _alphanumeric(text: str) -> str:
    """Return the letters, marks of letters and digits of a text in lower case."""
    text = text.lower()
    if text.isalnum():
        return text
    return "".join(c for c in text if c.isalnum() or unicodedata.category(c)[0] == "M")


def _commonest(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """Return the most frequent entries; ties are sorted by key, so that the order is deterministic."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_SHOWN]


def _share(part: float, whole: int) -> float:
    """Return part / whole; 0 if `whole` is 0."""
    return part / whole if whole else 0.0


def _rate(distance: int, length: int) -> float:
    """Return distance / length; if `length` is 0, 1 for a distance above 0 and else 0."""
    return distance / length if length else float(distance > 0)


def _name(place: int) -> str:
    """Return the name of a length class, such as `5 to 6`."""
    bounds = [(first + 1, last) for first, last in pairwise((-1, *LENGTHS))]
    if place == len(bounds):
        return f"over {LENGTHS[-1]}"
    first, last = bounds[place]
    return f"{last}" if first == last else f"{first} to {last}"
