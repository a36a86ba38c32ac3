"""CLEval: character-level scores of text detection and end-to-end recognition.

Follows Baek et al., "CLEval: Character-Level Evaluation for Text Detection and Recognition Tasks" (2020),
and reproduces the results of clovaai/CLEval with its default flags. Unlike an IoU score, a text found in
pieces or together with its neighbors is not lost: found characters count, and each cut costs one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Self

import numpy as np

from ocr_trainer.data.types import Detections, GroundTruth, Polygon
from ocr_trainer.metrics.base import Metric, rates
from ocr_trainer.metrics.character_points import MAX_ASSUMED_LENGTH, Rings
from ocr_trainer.metrics.spelling import count_correct_characters


@dataclass(frozen=True)
class Tally:
    """Characters of one image counted for one of the two scores; tallies of several images add up."""

    ground_truths: int = 0
    """Characters of the ground truth without don't-care regions."""
    detections: int = 0
    """Characters of the detections without don't-care regions, including false ones."""
    matched: int = 0
    """Characters of the ground truth that were found and, end to end, read."""
    false_positives: int = 0
    """Characters of detections that are not in the ground truth."""
    split_penalty: int = 0
    """Subtracted from recall's count: one for each additional detection of a truth."""
    merge_penalty: int = 0
    """Subtracted from precision's count: one for each additional truth of a detection."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def recall(self) -> float:
        """Fraction of the ground truth's characters that are found; 0 without any."""
        return max(0, self.matched - self.split_penalty) / self.ground_truths if self.ground_truths else 0.0

    @property
    def precision(self) -> float:
        """Fraction of the detections' characters that are correct; 0 without any."""
        return max(0, self.matched - self.merge_penalty) / self.detections if self.detections else 0.0

    @property
    def hmean(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


@dataclass(frozen=True)
class Counts:
    """Both scores of one image; counts of several images add up."""

    detection: Tally = field(default_factory=Tally)
    end_to_end: Tally = field(default_factory=Tally)
    """All zero if the texts of the detections are not given."""
    split: int = 0
    """Ground-truth texts found by several detections."""
    merged: int = 0
    """Detections that contain several ground-truth texts."""
    overlapped: int = 0
    """Characters found again by an additional detection."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.detection + other.detection,
            self.end_to_end + other.end_to_end,
            self.split + other.split,
            self.merged + other.merged,
            self.overlapped + other.overlapped,
        )


def evaluate(
    gt_polygons: Sequence[Polygon],
    gt_texts: Sequence[str | None],
    gt_ignore: Sequence[bool] | np.ndarray,
    det_polygons: Sequence[Polygon],
    det_texts: Sequence[str] | None = None,
) -> Counts:
    """Score the detections of one image.

    Polygons start where the text begins. Coordinates are truncated to whole pixels, as in the original, and
    polygons may cross themselves. Those with fewer than 3 points or non-finite coordinates are ignored on
    both sides. The original code accepts quadrilaterals only; other polygons follow the same rules.

    Args:
        gt_polygons: Ground truth, each float of shape (points, 2), in pixels.
        gt_texts: One per truth. Only their lengths matter for detection. None: estimate from the outline.
        gt_ignore: bool, one per truth: don't-care regions, which count neither as missed nor as wrong.
        det_polygons: Detections, each float of shape (points, 2), in the same pixels.
        det_texts: One per detection, for the end-to-end score.
    """
    # Training builds its metrics before the first step, but scores later.
    from ocr_trainer.metrics.character_matching import find_pairs

    (usable, ground_truths), (found, detections) = _usable(gt_polygons), _usable(det_polygons)
    texts, ignored = [gt_texts[i] for i in usable], np.asarray(gt_ignore, dtype=bool)[usable]
    known = np.array([-1 if text is None else len(text) for text in texts], dtype=int)
    lengths = np.where(ignored | (known < 0), ground_truths.assumed_lengths, known)

    pairs = find_pairs(ground_truths, lengths, ignored, detections)
    cared = ~pairs.in_dont_care(ignored, len(found))
    matched = pairs.match(~ignored, cared)
    pieces = np.bincount(pairs.truth[matched], minlength=len(usable))
    contents = np.bincount(pairs.detection[matched], minlength=len(found))
    penalties = {
        "split_penalty": int(np.maximum(pieces - 1, 0).sum()),
        "merge_penalty": int(np.maximum(contents - 1, 0).sum()),
    }

    hits = pairs.hits[matched[pairs.hits[:, 1]], 0]
    hit = len(np.unique(hits))
    false = int(_false_characters(detections)[cared & (contents == 0)].sum())
    total = int(lengths[~ignored].sum())
    end_to_end = Tally()
    if det_texts is not None:
        recognitions = [det_texts[i] for i in found]
        read = sum(len(recognitions[i]) for i in np.flatnonzero(cared))
        right = count_correct_characters(
            [text or "" for text in texts], recognitions, pairs.reading_orders(matched)
        )
        end_to_end = Tally(total, read, right, read - right, **penalties)
    return Counts(
        detection=Tally(total, len(hits) + false, hit, false, **penalties),
        end_to_end=end_to_end,
        split=int(np.count_nonzero(pieces > 1)),
        merged=int(np.count_nonzero(contents > 1)),
        overlapped=len(hits) - hit,
    )


def _usable(polygons: Sequence[Polygon]) -> tuple[np.ndarray, Rings]:
    """Return the indices of the polygons that can be scored, and the polygons."""
    index = np.array([i for i, polygon in enumerate(polygons) if len(polygon) >= 3], dtype=int)
    rings = Rings.of([polygons[i] for i in index])
    broken = np.unique(rings.owners[~np.isfinite(rings.points).all(axis=1)])
    if len(broken):
        index = np.delete(index, broken)
        rings = Rings.of([polygons[i] for i in index])
    return index, rings


def _false_characters(detections: Rings) -> np.ndarray:
    """Return how many characters each detection counts for if it matches nothing.

    The original divides height by width here, so an upright detection costs more than a wide one.
    """
    return np.minimum(np.round(0.5 + 1 / (1e-5 + detections.aspect_ratios)), MAX_ASSUMED_LENGTH).astype(int)


class Cleval(Metric):
    """CLEval of detections whose texts are not known."""

    def __init__(self) -> None:
        self.tally, self.texts = Tally(), 0

    def update(self, prediction: Detections, target: GroundTruth) -> None:
        """Count one image."""
        texts = [text or None for text in target.texts]  # an empty text is not known
        counts = evaluate(target.polygons, texts, target.ignore, prediction.polygons)
        self.tally += counts.detection
        self.texts += sum(map(bool, target.texts))

    def merge(self, other: Self) -> None:
        """Add the counts of another instance."""
        self.tally += other.tally
        self.texts += other.texts

    def compute(self) -> Mapping[str, float]:
        """Return precision, recall and hmean, if any text is known."""
        return rates(self.tally) if self.texts else {}
