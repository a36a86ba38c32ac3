"""Contract suite for augmentations."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ocr_trainer.config.context import run_context
from ocr_trainer.plugin import Context, Kind, Task
from ocr_trainer.testing.plugins import PluginSuite

if TYPE_CHECKING:
    from ocr_trainer.data.augmentation import Step
    from ocr_trainer.data.types import Sample
    from ocr_trainer.data.view import View

SEEDS = range(12)
"""Seeds that each test draws from."""


class AugmentationSuite(PluginSuite):
    """The contract of an augmentation: polygons follow the pixels, and chance follows from the generator.

    Set `overrides` so that it changes every sample, as in `augment.steps.NAME.probability=1`. For an
    augmentation of texts only, `overrides` must choose a recognizer.
    """

    kind: ClassVar[Kind] = Kind.augmentation

    follows: ClassVar[float] = 0.8
    """Least share of the polygons that must lie on their text afterwards. Effects may hide the others."""

    def context(self, folder: Path) -> Context:
        """Return the context of the run, which names the task."""
        return run_context(self.run(), folder)

    def step(self, folder: Path) -> Step:
        """Build the augmentation as a run does; it may read a few pages as the samples of the run."""
        from ocr_trainer.data.augmentation import Steps
        from ocr_trainer.testing.samples import boxes

        run: Any = self.run()
        pages = [boxes(seed) for seed in range(90, 93)]
        steps = Steps.build(run.augment.steps, self.context(folder), pages)
        (step,) = (*steps.before, *steps.after)
        return step

    def view(self, sample: Sample, task: Task) -> View:
        """Return what the augmentation gets: in recognition, an image of one text."""
        from ocr_trainer.data.types import TextImage
        from ocr_trainer.data.view import View
        from ocr_trainer.tasks.recognition.augment import TextView

        if task is Task.detection:
            return View.of(sample)
        return TextView.of_text(TextImage(sample.image, "text", sample.source))

    def test_it_keeps_polygons_and_texts_together(self, tmp_path: Path) -> None:
        """Whatever the labels, what it returns passes the checks of a run."""
        import numpy as np

        from ocr_trainer.testing.samples import edge_cases

        step, task = self.step(tmp_path), self.context(tmp_path).task
        for name, sample in edge_cases(64, 96).items():
            for seed in SEEDS:
                view = self.view(copy.deepcopy(sample), task)
                view.drop_outside()
                view.source = f"the page of the contract suite with {name}"
                step(view, np.random.default_rng(seed)).sample()

    def test_polygons_follow_the_pixels(self, tmp_path: Path) -> None:
        """Dark boxes on light paper stay where their polygons are, or go with them."""
        import numpy as np

        from ocr_trainer.testing.samples import boxes, stands_out

        step = self.step(tmp_path)
        if self.context(tmp_path).task is not Task.detection:
            return
        seen = []
        for seed in SEEDS:
            out = step(self.view(boxes(seed), Task.detection), np.random.default_rng(seed)).sample()
            seen += [
                found for polygon in out.polygons if (found := stands_out(out.image, polygon)) is not None
            ]
        share = sum(seen) / max(1, len(seen))
        assert share >= self.follows, (
            f"only {share:.0%} of the polygons lie on their text afterwards: move them with the pixels, "
            "through view.transform; if the texts are hidden on purpose, lower `follows`"
        )

    def test_the_same_seed_gives_the_same_sample(self, tmp_path: Path) -> None:
        """Nothing is drawn from global generators, and a worker process, which has a copy, draws the same."""
        import numpy as np

        from ocr_trainer.data.seeding import seed_generators
        from ocr_trainer.testing.datasets import equal
        from ocr_trainer.testing.samples import boxes

        step, task = self.step(tmp_path), self.context(tmp_path).task
        try:
            copied = pickle.loads(pickle.dumps(step))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise AssertionError(
                f"the augmentation must be picklable, as worker processes get a copy: {error}"
            ) from error
        for seed in SEEDS:
            outputs = []
            for place, each in enumerate((step, copied)):
                seed_generators(place)
                view = self.view(boxes(seed), task)
                outputs.append(each(view, np.random.default_rng(seed)).sample())
            assert equal(*outputs), "draw from `rng` only: with the same seed, the samples differ"

    def test_the_sample_is_not_modified(self, tmp_path: Path) -> None:
        """The dataset may keep its samples."""
        import numpy as np

        from ocr_trainer.testing.datasets import equal
        from ocr_trainer.testing.samples import boxes

        step, task = self.step(tmp_path), self.context(tmp_path).task
        for seed in SEEDS:
            sample = boxes(seed)
            before = copy.deepcopy(sample)
            step(self.view(sample, task), np.random.default_rng(seed)).sample()
            assert equal(sample, before), "it must not write into the image or the polygons that it gets"
