"""Contract suite for recognition datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.plugin import Task
from ocr_trainer.testing.datasets import DatasetSuite, check_image_array


class TextDatasetSuite(DatasetSuite):
    """The contract of a dataset of text images. `overrides` must choose a recognizer: `model=crnn`."""

    task: ClassVar[Task] = Task.recognition

    def violations(self, sample: Any) -> Iterator[str]:
        """Yield the ways in which a sample violates the contract."""
        from ocr_trainer.data.types import TextImage

        if not isinstance(sample, TextImage):
            yield f"it must be an ocr_trainer.data.types.TextImage, not {type(sample).__name__}"
            return
        yield from check_image_array(sample.image)
        if not (isinstance(sample.text, str) and sample.text.strip()):
            yield f"text must be the text in the image, not {sample.text!r}"
        if not (isinstance(sample.source, str) and sample.source):
            yield "source must say where the sample comes from"

    def trainable_texts(self, sample: Any) -> int:
        """Return 1: each sample is one text."""
        return 1

    def equal(self, one: Any, other: Any) -> bool:
        """Return whether two samples are exactly equal."""
        import numpy as np

        return (one.source, one.text) == (other.source, other.text) and np.array_equal(one.image, other.image)

    def overwrite(self, sample: Any) -> None:
        """Modify a sample in place, as a caller may."""
        if sample.image.flags.writeable:
            sample.image[:] = 1
        sample.text = ""

    def test_texts_or_characters_are_declared(self, tmp_path: Path) -> None:
        """The `texts` of a split are those of its samples; without `texts`, the dataset has `characters`."""
        context = self.context(tmp_path)
        dataset = self.build(context)
        for name, split in self.splits(context).items():
            texts = getattr(split, "texts", None)
            if texts is None:
                known = getattr(dataset, "characters", None)
                assert known, (
                    f"{name} has no `texts`, so the dataset must declare all characters in `characters`"
                )
                missing = {c for i in self.checked_indices(split) for c in split[i].text} - set(known)
                assert not missing, f"the texts of {name} have characters that `characters` lacks: {missing}"
                continue
            assert len(texts) == len(split), f"{name}.texts must have one string per sample"
            for index in self.checked_indices(split):
                assert texts[index] == split[index].text, f"{name}.texts[{index}] must be the sample's text"
