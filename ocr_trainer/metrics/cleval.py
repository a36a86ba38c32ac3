"""CLEval: text detection, and recognition with it, scored by characters.

Follows Baek et al., "CLEval: Character-Level Evaluation for Text Detection and Recognition Tasks"
(2020), and the authors' clovaai/CLEval with its default flags, whose published figures it gives. A
text found in several pieces, or together with its neighbors, is not lost as with a score by
intersection over union: what counts are the characters found, and each cut costs one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import numpy as np

from ocr_trainer.data.types import Polygon
from ocr_trainer.metrics.character_matching import find_pairs
from ocr_trainer.metrics.character_points import MAX_ASSUMED_LENGTH, Rings
from ocr_trainer.metrics.spelling import spelt


@dataclass(frozen=True)
class Tally:
    """The characters of one image, or by addition of a set, as one of the two scores counts them."""

    ground_truths: int = 0
    """Characters of the ground truth that is not don't-care."""
    detections: int = 0
    """Characters of the detections that are not don't-care, false ones included."""
    matched: int = 0
    """Characters of the ground truth that were found; end to end: and read."""
    false_positives: int = 0
    """Characters of detections that are not in the ground truth."""
    split_penalty: int = 0
    """Taken off what recall counts: one for each further detection of a truth."""
    merge_penalty: int = 0
    """Taken off what precision counts: one for each further truth of a detection."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def recall(self) -> float:
        """The share of the ground truth's characters that are found; 0 where there are none."""
        return max(0, self.matched - self.split_penalty) / self.ground_truths if self.ground_truths else 0.0

    @property
    def precision(self) -> float:
        """The share of the detections' characters that are right; 0 where there are none."""
        return max(0, self.matched - self.merge_penalty) / self.detections if self.detections else 0.0

    @property
    def hmean(self) -> float:
        """The harmonic mean of precision and recall; 0 where both are 0."""
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0


@dataclass(frozen=True)
class Counts:
    """What both scores of one image, or by addition of a set, are made of."""

    detection: Tally = field(default_factory=Tally)
    end_to_end: Tally = field(default_factory=Tally)
    """All zero where the detections' texts were not given."""
    split: int = 0
    """Ground-truth texts that several detections share."""
    merged: int = 0
    """Detections that hold several ground-truth texts."""
    overlapped: int = 0
    """Characters that were found again, by a further detection."""

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

    Polygons start where the text does. They are cut down to whole pixels, as the original does, and
    may cross themselves; of fewer than 3 points or not finite, they are skipped on both sides. The
    original's released code takes quadrilaterals only; other polygons are scored by the same rules.

    Args:
        gt_polygons: Ground truth, each float (points, 2), in pixels.
        gt_texts: One per truth. Only their lengths matter for detection; where `None`, as many
            characters are assumed as the outline suggests.
        gt_ignore: bool, one per truth: don't-care, neither to be found nor to be counted as wrong.
        det_polygons: Detections, each float (points, 2), in the same pixels.
        det_texts: One per detection, to be scored end to end, too.
    """
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
        right = spelt([text or "" for text in texts], recognitions, pairs.reading_orders(matched))
        end_to_end = Tally(total, read, right, read - right, **penalties)
    return Counts(
        detection=Tally(total, len(hits) + false, hit, false, **penalties),
        end_to_end=end_to_end,
        split=int(np.count_nonzero(pieces > 1)),
        merged=int(np.count_nonzero(contents > 1)),
        overlapped=len(hits) - hit,
    )


def _usable(polygons: Sequence[Polygon]) -> tuple[np.ndarray, Rings]:
    """Return the polygons that can be scored, and their indices."""
    index = np.array([i for i, polygon in enumerate(polygons) if len(polygon) >= 3], dtype=int)
    rings = Rings.of([polygons[i] for i in index])
    broken = np.unique(rings.owners[~np.isfinite(rings.points).all(axis=1)])
    if len(broken):
        index = np.delete(index, broken)
        rings = Rings.of([polygons[i] for i in index])
    return index, rings


def _false_characters(detections: Rings) -> np.ndarray:
    """Return how many characters each detection counts for if it matches nothing.

    The original takes height over width here: an upright detection costs more than a wide one.
    """
    return np.minimum(np.round(0.5 + 1 / (1e-5 + detections.aspect_ratios)), MAX_ASSUMED_LENGTH).astype(int)
