"""CLEval against published scores, a brute-force implementation and small examples."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.metrics import character_matching
from ocr_trainer.metrics.character_points import Rings
from ocr_trainer.metrics.cleval import Counts, Tally, evaluate
from ocr_trainer.metrics.spelling import longest_common_subsequence
from ocr_trainer.plugin import DataReport
from ocr_trainer.scoring.submission import read

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[3] / "shared" / "data"))
FIXTURES = DATA / "metric_fixtures"
needs_fixtures = pytest.mark.skipif(
    not FIXTURES.exists(), reason="metric_fixtures is missing (set OCR_TRAINER_DATA)"
)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


# The authors' documents


def korean_documents() -> Counts:
    """Return the sum of the counts of the 100 documents."""
    archives = [FIXTURES / "cleval" / f"{side}_eval_doc_v1_kr.zip" for side in ("gt", "res")]
    gt, pred = (read(archive, DataReport(), None, "", confidence=False).pages for archive in archives)
    assert gt.keys() == pred.keys()
    assert len(gt) == 100
    counts = Counts()
    for image, truth in gt.items():
        found, ignore = pred[image], [text == "###" for text in truth.texts]
        counts += evaluate(truth.polygons, truth.texts, ignore, found.polygons, found.texts)
    return counts


@needs_fixtures
def test_published_figures() -> None:
    counts = korean_documents()
    (expected,) = (
        figures
        for name, figures in json.loads((FIXTURES / "expected.json").read_text(encoding="utf-8")).items()
        if name.startswith("cleval/")
    )
    assert counts.detection.hmean == pytest.approx(expected["det_hmean"], abs=1e-15)
    assert counts.end_to_end.hmean == pytest.approx(expected["e2e_hmean"], abs=1e-15)
    assert counts.detection == Tally(46486, 46816, 46218, 150, split_penalty=415, merge_penalty=770)
    # What the original prints, too, but nobody published.
    assert counts.end_to_end == Tally(46486, 46103, 43025, 3078, split_penalty=415, merge_penalty=770)
    assert counts.detection.recall == pytest.approx(0.9853074043798132, abs=1e-15)
    assert counts.detection.precision == pytest.approx(0.9707792207792207, abs=1e-15)
    assert (counts.split, counts.merged, counts.overlapped) == (377, 470, 448)


@needs_fixtures
def test_the_usual_rule_for_points_on_an_outline_gives_other_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def contained(points: np.ndarray, rings: Rings) -> tuple[np.ndarray, np.ndarray]:
        shapes = character_matching._shapes(rings)
        point, ring = shapely.STRtree(shapes).query(shapely.points(points), predicate="within")
        return point, ring

    monkeypatch.setattr(character_matching, "inside", contained)
    counts = korean_documents()
    assert counts.detection.hmean == pytest.approx(0.97804166, abs=1e-8)
    assert counts.end_to_end.hmean == pytest.approx(0.91658814, abs=1e-8)


# A brute-force twin: the paper's rules, loop by loop, for quadrilaterals of whole numbers


def holds(ring: Sequence, x: float, y: float) -> bool:
    within = False
    for (xi, yi), (xj, yj) in zip(ring, [ring[-1], *ring[:-1]], strict=True):
        if (yi <= y < yj or yj <= y < yi) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
            within = not within
    return within


def ratio(quad: list) -> float:
    sides = [np.hypot(*np.subtract(a, b)) for a, b in zip(quad, [*quad[1:], quad[0]], strict=True)]
    return ((sides[0] + sides[2]) / 2 + 1e-5) / ((sides[1] + sides[3]) / 2 + 1e-5)


def characters_of(quad: list, length: int) -> list[tuple[float, float]]:
    a, b, c, d = quad if ratio(quad) >= 0.5 else [quad[3], *quad[:3]]
    start, end = np.add(a, d) / 2, np.add(b, c) / 2
    step = (end - start) / max(length, 1)
    return [tuple(start + step / 2 + step * i) for i in range(length)]


def twin(
    ground_truths: list, texts: list[str], ignore: list[bool], found: list, recognitions: list[str]
) -> Counts:
    gt, det = [p.tolist() for p in ground_truths], [p.tolist() for p in found]
    assumed = [min(round(0.5 + max(ratio(p), 1 / ratio(p))), 10) for p in gt]
    points = [characters_of(p, assumed[i] if ignore[i] else len(texts[i])) for i, p in enumerate(gt)]
    shapes, outlines = [shapely.Polygon(p) for p in gt], [shapely.Polygon(p) for p in det]
    cared = [i for i in range(len(gt)) if not ignore[i]]
    for i in range(len(gt)):
        for j in cared:
            shapes[i] = shapes[i] - shapes[j] if ignore[i] else shapes[i]
    inside = {
        (i, d): {k for k, point in enumerate(points[i]) if holds(det[d], *point)}
        for i in range(len(gt))
        for d in range(len(det))
    }
    # The original keeps shares as float32, which decides where they add up to the very limit.
    share = {
        (i, d): float(np.float32(shapes[i].intersection(outlines[d]).area / outlines[d].area))
        for i, d in inside
    }

    def dropped(d: int) -> bool:
        touched = sum(share[i, d] for i in range(len(gt)) if ignore[i] and inside[i, d])
        return touched >= 0.3 or any(share[i, d] >= 0.3 for i in range(len(gt)) if ignore[i])

    kept = [d for d in range(len(det)) if not dropped(d)]
    strong = {pair for pair in inside if inside[pair] and share[pair] >= 0.3}
    matched = {
        (i, d)
        for i, d in strong
        if [p[0] for p in strong].count(i) == 1 and [p[1] for p in strong].count(d) == 1
    }
    for i in range(len(gt)):
        pieces = {(i, d) for d in kept if (i, d) in strong}
        matched |= pieces if len(pieces) > 1 else set()
    for d in range(len(det)):
        parts = {(i, d) for i in cared if inside[i, d]}
        matched |= parts if len(parts) > 1 and sum(share[p] for p in parts) >= 0.3 else set()
    matched = {(i, d) for i, d in matched if i in cared and d in kept}

    pieces = [[d for d in range(len(det)) if (i, d) in matched] for i in range(len(gt))]
    contents = [[i for i in range(len(gt)) if (i, d) in matched] for d in range(len(det))]
    hits = [(i, k) for i, d in matched for k in inside[i, d]]
    false = sum(min(round(0.5 + 1 / (1e-5 + ratio(det[d]))), 10) for d in kept if not contents[d])
    penalties = [sum(max(len(some) - 1, 0) for some in side) for side in (pieces, contents)]
    total = sum(len(texts[i]) for i in cared)
    left, right = list(recognitions), 0
    for i in cared:
        waiting, order = list(pieces[i]), []
        for k in range(len(points[i])):
            here = [d for d in waiting if k in inside[i, d]]
            if len(waiting) > 1 and here:
                order.append(here[0])
                waiting.remove(here[0])
        order += waiting[:1]
        common = table_lcs(texts[i], "".join(left[d] for d in order))
        right += len(common)
        for character in common:
            holder = next(d for d in order if character in left[d])
            left[holder] = left[holder].replace(character, "", 1)
    read = sum(len(recognitions[d]) for d in kept)
    return Counts(
        Tally(total, len(hits) + false, len(set(hits)), false, *penalties),
        Tally(total, read, right, read - right, *penalties),
        sum(len(p) > 1 for p in pieces),
        sum(len(c) > 1 for c in contents),
        len(hits) - len(set(hits)),
    )


def table_lcs(a: str, b: str) -> str:
    """The textbook's table, with the original's choice between equals."""
    table = [[""] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            up, aside = table[i][j + 1], table[i + 1][j]
            table[i + 1][j + 1] = table[i][j] + x if x == y else up if len(up) > len(aside) else aside
    return table[-1][-1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_longest_common_subsequence(a: str, b: str) -> None:
    assert longest_common_subsequence(a, b) == table_lcs(a, b)


# Whole numbers in a small square: many outlines touch, overlap by the limit, or halve a character.
boxes = st.builds(
    lambda x, y, w, h: box(x, y, x + w, y + h),
    *(st.integers(0, 12), st.integers(0, 6), st.integers(1, 12), st.integers(1, 5)),
)
leaning = st.builds(lambda b, dx: b + np.array([(0, 0), (0, 0), (dx, 0), (dx, 0)]), boxes, st.integers(-3, 3))
rising = st.builds(lambda b, dy: b + np.array([(0, 0), (0, dy), (0, dy), (0, 0)]), boxes, st.integers(-3, 3))
words = st.tuples(boxes | leaning | rising, st.text("abcd", max_size=5))


@settings(deadline=None, max_examples=150)
@given(ground_truths=st.lists(words, max_size=6), found=st.lists(words, max_size=6), data=st.data())
def test_agrees_with_its_twin(ground_truths: list, found: list, data: st.DataObject) -> None:
    # Detections are often the truths, moved a little or cut.
    for polygon, text in ground_truths:
        if data.draw(st.booleans()):
            found = [*found, (polygon + data.draw(st.integers(-1, 1)), text[: data.draw(st.integers(0, 5))])]
    ignore = data.draw(st.lists(st.booleans(), min_size=len(ground_truths), max_size=len(ground_truths)))
    page = ([p for p, _ in ground_truths], [t for _, t in ground_truths], ignore, [p for p, _ in found])
    recognitions = [t for _, t in found]
    assert evaluate(*page, recognitions) == twin(*page, recognitions)
    assert evaluate(*page).detection == twin(*page, recognitions).detection
