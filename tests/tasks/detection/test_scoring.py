"""Decoding, counting and explaining, on pages whose pixels are the probability map."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.mirror import RUN, Mirror, box, mirror, page

from ocr_trainer.config.context import run_context
from ocr_trainer.data.types import Sample
from ocr_trainer.metrics.build import build_metrics
from ocr_trainer.metrics.detection import Icdar
from ocr_trainer.metrics.tally import Tally
from ocr_trainer.tasks.detection.data import scoring_loader
from ocr_trainer.tasks.detection.diagnosis import diagnose
from ocr_trainer.tasks.detection.scoring import Scorer


def scored(model: Mirror, samples: list[Sample]) -> tuple[Tally, Scorer, tuple]:
    scorer = Scorer(model, build_metrics(RUN, run_context(RUN, Path())))
    for batch in scoring_loader(samples, model, RUN):
        outputs = model(batch.images)
        scorer.add(outputs, batch.ground_truths)
    metric = scorer.finish().get("icdar")
    assert isinstance(metric, Icdar)
    return metric.tally, scorer, (outputs, batch.ground_truths[-1])


GOOD = page({"one": (box(20, 20, 100, 24), 0.9), "two": (box(20, 60, 40, 24), 0.8)})


def test_every_image_is_decoded_and_counted_once():
    tally, scorer, _ = scored(mirror("model.unclip=exact"), [GOOD] * 9)
    assert (tally.images, tally.icdar.matched, tally.icdar.cared_truths) == (9, 18, 18)
    assert scorer.metrics.compute() == {
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
