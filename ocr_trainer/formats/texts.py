"""Images of one text each, words or lines, in compact arrays: what `labeled` is to detection."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ocr_trainer.data.images import read_image
from ocr_trainer.data.types import TextImage
from ocr_trainer.formats.labeled import Files, Strings
from ocr_trainer.plugin import DataReport


class Texts(Sequence[str]):
    """Some of many texts, made when they are asked for."""

    def __init__(self, texts: Sequence[str], places: Sequence[int]) -> None:
        self._texts, self._places = texts, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int | slice) -> str | list[str]:  # type: ignore[override]
        if isinstance(index, slice):
            return [self._texts[place] for place in self._places[index]]
        return self._texts[self._places[index]]

    def __iter__(self) -> Iterator[str]:
        return (self._texts[place] for place in self._places)


class TextImages(Sequence[TextImage]):
    """A split: texts read before, pixels decoded when asked for.

    Args:
        images: Files and what is written on them; taken one by one, so that a generator keeps memory flat.
    """

    def __init__(self, images: Iterable[tuple[Path | str, str]] = ()) -> None:
        self._names, self._texts = Strings(), Strings()
        for file, text in images:
            self._names.append(str(file))
            self._texts.append(text)
        self._places: Sequence[int] = range(len(self._names))

    def subset(self, places: Iterable[int]) -> TextImages:
        """Return a split of the images at these places; it shares names and texts with this one."""
        chosen = TextImages()
        chosen._names, chosen._texts = self._names, self._texts
        chosen._places = array("q", (self._places[place] for place in places))
        return chosen

    @property
    def files(self) -> Files:
        """One path per sample."""
        return Files(self._names, self._places)

    @property
    def texts(self) -> Texts:
        """One text per sample; no image is decoded for it."""
        return Texts(self._texts, self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> TextImage:  # type: ignore[override]
        """Return a sample that is the caller's to change.

        Raises:
            DataError: If the image cannot be read.
        """
        place = self._places[index]
        file = self._names[place]
        return TextImage(read_image(Path(file)), self._texts[place], file)


def is_usable(text: str, data_report: DataReport, file: Path, line: int | None) -> bool:
    """Tell whether there is anything to learn in a text; one that is empty goes into the ledger."""
    if text and not text.isspace():
        return True
    data_report.skip_label(file, line, "the text is empty")
    return False
