"""Decoding, counting and explaining, on pages whose pixels are the probability map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.pages import RUN, Mirror, box, mirror, page
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.data.types import Detections, GroundTruth, Sample
from ocr_trainer.metrics import icdar
from ocr_trainer.tasks.detection.data import scoring_loader
from ocr_trainer.tasks.detection.diagnosis import diagnose
from ocr_trainer.tasks.detection.scoring import Scorer
from ocr_trainer.tasks.detection.tally import THRESHOLDS, Tally, tally_image


def scored(model: Mirror, samples: list[Sample]) -> tuple[Tally, Scorer, tuple]:
    scorer = Scorer(model)
    for batch in scoring_loader(samples, model, RUN):
        outputs = model(batch.images)
        scorer.add(outputs, batch.ground_truths)
    return scorer.finish(), scorer, (outputs, batch.ground_truths[-1])


GOOD = page({"one": (box(20, 20, 100, 24), 0.9), "two": (box(20, 60, 40, 24), 0.8)})


def test_every_image_is_decoded_and_counted_once():
    tally, scorer, _ = scored(mirror("model.unclip=exact"), [GOOD] * 9)
    assert (tally.images, tally.icdar.matched, tally.icdar.cared_truths) == (9, 18, 18)
    assert tally.scores() == {
        f"{kind}{name}": 1.0 for kind in ("", "cleval_") for name in ("precision", "recall", "hmean")
    }
    assert scorer.warnings == []


def test_warnings_of_the_decoding_name_the_image():
    _, scorer, _ = scored(mirror("model.max_candidates=1"), [GOOD])
    assert len(scorer.warnings) == 1
    assert scorer.warnings[0].startswith("a page: 2 text candidates")


def test_an_error_in_a_thread_is_not_lost():
    model = mirror()
    model.decode = None  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError):
        scored(model, [GOOD])


def truth(polygons: list[np.ndarray], texts: list[str] | None = None) -> GroundTruth:
    texts = texts if texts is not None else ["text"] * len(polygons)
    return GroundTruth(polygons, texts, np.zeros(len(polygons), bool), "here", (400, 400), (1.0, 1.0))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_the_curve_is_what_matching_the_rest_by_itself_gives(ground_truths: int, found: int, seed: int):
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> list[np.ndarray]:
        return [box(*rng.uniform(0, 60, 2), *rng.uniform(10, 60, 2)) for _ in range(count)]

    gt, polygons, scores = boxes(ground_truths), boxes(found), rng.random(found).astype(np.float32)
    tally = tally_image(truth(gt), Detections(polygons, scores))
    for threshold, row in zip(THRESHOLDS, tally.curve.tolist(), strict=True):
        left = [polygon for polygon, score in zip(polygons, scores, strict=True) if score >= threshold]
        counts = icdar.match(gt, np.zeros(ground_truths, bool), left)
        assert row == [counts.matched, counts.cared_truths, counts.cared_detections]
    assert tally.heights[:, 0].sum() == tally.aspects[:, 0].sum() == tally.best_iou.sum() == ground_truths
    assert tally.heights[:, 1].sum() == tally.heights[:, 3].sum() == tally.icdar.matched


def test_classes_of_height_and_aspect_go_by_the_pixels_that_the_model_sees():
    half = GroundTruth([box(0, 0, 200, 40)], ["wide"], np.array([False]), "here", (200, 200), (0.5, 0.5))
    details = tally_image(half, Detections([box(0, 0, 200, 40)], np.ones(1, np.float32))).details()
    (height,), (aspect,) = details["by_height"], details["by_aspect"]
    assert (height["from"], height["below"], height["hmean"]) == (16.0, 24.0, 1.0)
    assert (aspect["from"], aspect["below"], aspect["hmean"]) == (4.0, 8.0, 1.0)


def test_without_texts_there_is_no_cleval():
    found = Detections([box(0, 0, 50, 20)], np.ones(1, np.float32))
    assert set(tally_image(truth(found.polygons, [""]), found).scores()) == {"precision", "recall", "hmean"}


@pytest.mark.parametrize(
    ("overrides", "sample", "said"),
    [
        (["model.box_threshold=0.95"], GOOD, "the 2 regions in a page score below model.box_threshold=0.95, the best 0.90"),
        ([], page({}), "none of the 1 images has text to find"),
        ([], Sample(GOOD.image * 0, GOOD.polygons, GOOD.texts, GOOD.ignore, "dark"), "the model sees no text yet"),
        (["model.unclip=ratio", "model.unclip_ratio=0.3"], GOOD, "2 of 2 texts are found at an IoU of 0.3 to 0.5"),
        ([], Sample(GOOD.image, [p + 999 for p in GOOD.polygons], ["a", "b"], GOOD.ignore, "far"), "2 labels lie outside their images"),
        ([], Sample(GOOD.image, [p + 75 for p in GOOD.polygons], ["a", "b"], GOOD.ignore, "off"), "of 2 texts 2 are not touched by any box"),
    ],
)  # fmt: skip
def test_a_score_near_zero_is_explained(overrides: list[str], sample: Sample, said: str):
    model = mirror(*overrides)
    tally, _, (outputs, last) = scored(model, [sample])
    assert said in (diagnose(tally, model, outputs, last) or "")


def test_a_score_that_will_do_is_not():
    model = mirror("model.unclip=exact")
    tally, _, (outputs, last) = scored(model, [GOOD])
    assert diagnose(tally, model, outputs, last) is None
    assert torch.equal(outputs["probability"][0, :, 0] > 0, torch.zeros(128, dtype=torch.bool))
