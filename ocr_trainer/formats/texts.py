"""Images of single words or lines in compact arrays: what `labeled` is for detection."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ocr_trainer.data.images import image_size
from ocr_trainer.data.types import TextImage
from ocr_trainer.formats.labeled import Files, PackedStrings
from ocr_trainer.plugin import DataReport, SkippedItem
from ocr_trainer_runtime.images.read import read_image


class Texts(Sequence[str]):
    """Texts at some indices, read on access."""

    def __init__(self, texts: Sequence[str], indices: Sequence[int]) -> None:
        self._texts, self._indices = texts, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int | slice) -> str | list[str]:  # type: ignore[override]
        if isinstance(index, slice):
            return [self._texts[place] for place in self._indices[index]]
        return self._texts[self._indices[index]]

    def __iter__(self) -> Iterator[str]:
        return (self._texts[place] for place in self._indices)


class TextImages(Sequence[TextImage]):
    """A recognition split: texts in memory, pixels decoded on access.

    Args:
        images: Files and their texts. Consumed one by one, so a generator keeps memory flat.
    """

    def __init__(self, images: Iterable[tuple[Path | str, str]] = ()) -> None:
        self._names, self._texts = PackedStrings(), PackedStrings()
        for file, text in images:
            self._names.append(str(file))
            self._texts.append(text)
        self._indices: Sequence[int] = range(len(self._names))

    def subset(self, indices: Iterable[int]) -> TextImages:
        """Return a split of the images at these indices. It shares names and texts with this one."""
        result = TextImages()
        result._names, result._texts = self._names, self._texts
        result._indices = array("q", (self._indices[index] for index in indices))
        return result

    @property
    def files(self) -> Files:
        """One path per sample."""
        return Files(self._names, self._indices)

    @property
    def texts(self) -> Texts:
        """One text per sample. Reading it decodes no image."""
        return Texts(self._texts, self._indices)

    def size_of(self, index: int) -> tuple[int, int] | None:
        """Return height and width of an image from its header; None if that is damaged."""
        return image_size(Path(self._names[self._indices[index]]))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> TextImage:  # type: ignore[override]
        """Return a sample. It is a copy that the caller may modify.

        Raises:
            DataError: If the image cannot be read.
        """
        place = self._indices[index]
        file = self._names[place]
        notes: list[str] = []
        image = read_image(Path(file), notes)
        return TextImage(
            image, self._texts[place], file, [SkippedItem("remark", file, None, n) for n in notes]
        )


def is_usable(text: str, data_report: DataReport, file: Path, line: int | None) -> bool:
    """Return whether a text is not blank; record a blank text in the data report."""
    if text and not text.isspace():
        return True
    data_report.skip_label(file, line, "the text is empty")
    return False
