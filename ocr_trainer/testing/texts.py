"""What a dataset of texts has to keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ocr_trainer.plugin import Task
from ocr_trainer.testing.datasets import DatasetSuite, check_image_array


class TextDatasetSuite(DatasetSuite):
    """The contract of a dataset of texts; `overrides` has to choose a recognizer: `model=crnn`."""

    task: ClassVar[Task] = Task.recognition

    def faults(self, sample: Any) -> Iterator[str]:
        """Yield the ways in which a sample breaks the contract."""
        from ocr_trainer.data.types import TextImage

        if not isinstance(sample, TextImage):
            yield f"it must be an ocr_trainer.data.types.TextImage, not {type(sample).__name__}"
            return
        yield from check_image_array(sample.image)
        if not (isinstance(sample.text, str) and sample.text.strip()):
            yield f"text must be what is written on the image, not {sample.text!r}"
        if not (isinstance(sample.source, str) and sample.source):
            yield "source must say where the sample came from"

    def learned(self, sample: Any) -> int:
        """Return 1: each sample is a text to learn."""
        return 1

    def same(self, one: Any, other: Any) -> bool:
        """Tell whether two samples are equal to the bit."""
        import numpy as np

        return (one.source, one.text) == (other.source, other.text) and np.array_equal(one.image, other.image)

    def scribble(self, sample: Any) -> None:
        """Change a sample, as a careless caller may."""
        if sample.image.flags.writeable:
            sample.image[:] = 1
        sample.text = ""

    def test_texts_are_known_beforehand(self, tmp_path: Path) -> None:
        """Where a split has `texts`, they are those of its samples; else the dataset has `characters`."""
        context = self.context(tmp_path)
        dataset = self.build(context)
        for name, split in self.splits(context).items():
            texts = getattr(split, "texts", None)
            if texts is None:
                known = getattr(dataset, "characters", None)
                assert known, (
                    f"{name} has no `texts`, so the dataset must tell in `characters` what it writes"
                )
                beyond = {c for i in self.looked_at(split) for c in split[i].text} - set(known)
                assert not beyond, f"the texts of {name} have characters that `characters` lacks: {beyond}"
                continue
            assert len(texts) == len(split), f"{name}.texts must have one string per sample"
            for index in self.looked_at(split):
                assert texts[index] == split[index].text, f"{name}.texts[{index}] must be the sample's text"
