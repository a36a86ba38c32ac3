"""`XmlDataset`: one XML file per page, which names its image."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from unicodedata import normalize
from urllib.parse import unquote

from ocr_trainer.data.images import files_in, is_image
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.annotations import COORDINATE_LIMIT, Labels, Points
from ocr_trainer.formats.crops import Crops, ordered_before
from ocr_trainer.formats.paired import Folders, Names, Pair, PairedDataset, Pairs
from ocr_trainer.formats.xml_files import Element, read_elements
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_xml.document import number
from ocr_trainer_xml.plugin import Level, Match, XmlConfig
from ocr_trainer_xml.scale import Scale, Sides

READERS = {"PcGts": "page_xml", "alto": "alto_xml"}
"""The dataset that reads each root element."""

NAME_LIMIT = 1024
"""Longest name to normalize, in characters. No file name is longer; NFC is slow on many accents in a row."""


class XmlDataset(PairedDataset):
    """Pages in XML with three splits; subclasses say where the outline and text of an element are.

    An outline without transcription is still text and is learned, unless `ignore_untranscribed` is set.
    Repeated points are dropped, as is the last point of an outline that ends where it began. Elements
    with only a baseline, or without any outline, are skipped.

    Raises:
        DataError: The folder does not exist or has no annotations in a known layout.
    """

    suffixes = (".xml",)
    root_element: ClassVar[str]
    """The name of the root element."""
    head: ClassVar[str]
    """The element up to which a file is read to find the name of its image."""
    size: ClassVar[tuple[str, str]]
    """The attributes of `Page` that hold the height and the width of the image."""
    tags: ClassVar[Mapping[Level, str]]
    """The element names of the levels, from coarse to fine."""

    _config: XmlConfig

    def __init__(self, config: XmlConfig, context: Context) -> None:
        super().__init__(config, context)
        self._task = context.task
        if self._task is Task.recognition and config.level is Level.region:
            raise ConfigError(
                f"dataset={config.name}: a recognizer reads lines or words, not regions of many lines:"
                " dataset.level=line"
            )

    def _open(self, split: str) -> Any:
        """Open a split; for recognition, crop the lines or words from its pages."""
        pages = super()._open(split)
        if pages is None or self._task is not Task.recognition:
            return pages
        return Crops(pages, self._data_report, ordered=ordered_before(self, split))

    @abstractmethod
    def image_name(self, elements: list[Element]) -> str:
        """Return the image path that a file states, or an empty string."""

    @abstractmethod
    def outline(self, element: Element) -> Points:
        """Return the outline of an element in the file's units; empty if it has none.

        Raises:
            ValueError: The coordinates are not valid points.
        """

    @abstractmethod
    def text(self, element: Element) -> str:
        """Return the transcription of an element."""

    @abstractmethod
    def frame(self, elements: list[Element]) -> ExifOrientation:
        """Return what a file says of the frame of its coordinates, as our writers do; `auto` if nothing."""

    def scale(self, elements: list[Element], page: Element, annotation: Path, image: Path | None) -> Scale:
        """Return the pixels per unit of the coordinates.

        Raises:
            DataError: The unit is unknown, or needs a resolution that is not given, or is contradicted.
        """
        return Scale()

    def read(self, annotation: Path) -> Labels:
        """Read the labels of one file; elements that cannot be used are recorded as skipped.

        Raises:
            DataError: The file as a whole cannot be used.
        """
        return self._read(annotation, None)

    def read_for(self, image: Path, annotation: Path) -> Labels:
        """Read the labels of an image, whose size may give the scale of the coordinates."""
        return self._read(annotation, image)

    def _read(self, annotation: Path, image: Path | None) -> Labels:
        elements = self._elements(annotation)
        pages = [element for element in elements if element.tag == "Page"]
        if len(pages) != 1:
            raise DataError(f"'{annotation}' describes {len(pages)} pages instead of one")
        scale = self.scale(elements, pages[0], annotation, image)
        sides = self._sides(pages[0], annotation)
        size = (round(sides[0]), round(sides[1])) if sides and (scale.y, scale.x) == (1, 1) else None
        labels = Labels(size=size, exif=self.frame(elements))
        if scale.exif is not ExifOrientation.auto:
            labels.exif = scale.exif
        if scale.note:
            self._data_report.note(annotation, None, scale.note)
        for element in self._outlined(elements, annotation):
            self._add(labels, element, scale, annotation)
        return labels

    def _outlined(self, elements: list[Element], annotation: Path) -> list[Element]:
        """Return the elements of the configured level, and coarser ones that were not divided.

        Raises:
            DataError: The page has text, but none of that level; it would be learned as background.
        """
        wanted, names = self.tags[self._config.level], list(self.tags.values())
        coarser = names[: names.index(wanted)]
        counts = Counter(element.tag for element in elements)
        for level in (Level.line, Level.word, Level.region):
            if counts[self.tags[level]] and not counts[wanted]:
                raise DataError(
                    f"'{annotation}' has no {wanted}, but {counts[self.tags[level]]} {self.tags[level]}:"
                    f" dataset.level={level.value}"
                )
        return [
            element
            for element in elements
            if element.tag == wanted
            or (element.tag in coarser and not any(child.tag in names for child in element.children))
        ]

    def _add(self, labels: Labels, element: Element, scale: Scale, annotation: Path) -> None:
        """Add an element to the labels; text that was not divided down to the level is "don't care"."""
        wanted = self.tags[self._config.level]
        entries = len(self._data_report.skipped)
        try:
            points = [(x * scale.x, y * scale.y) for x, y in self.outline(element)]
            if not points:
                raise ValueError(f"the {element.tag} has no outline")
        except ValueError as error:
            self._data_report.read(labels=1)
            self._data_report.skip_label(annotation, element.line, str(error))
            return
        points = [point for point, _ in groupby(points)]
        text = self.text(element).strip() if element.tag == wanted else ""
        ignore = element.tag != wanted or (self._config.ignore_untranscribed and not text)
        labels.add(points, text, ignore, self._data_report, annotation, element.line)
        if element.tag != wanted and len(self._data_report.skipped) == entries:
            reason = f"the {element.tag} has no {wanted}: kept as don't care"
            self._data_report.skip_label(annotation, element.line, reason)

    def _elements(self, annotation: Path, until: str | None = None) -> list[Element]:
        elements = read_elements(annotation, until)
        root = elements[0].tag
        if root != self.root_element:
            reader = f"; dataset={READERS[root]} reads it" if root in READERS else ""
            raise DataError(
                f"'{annotation}' is not for dataset={self._config.name}: its root element is <{root}>,"
                f" not <{self.root_element}>{reader}"
            )
        return elements

    def _sides(self, page: Element, annotation: Path) -> Sides | None:
        """Return height and width in units of the page, or None if they are missing or 0, as some write."""
        sides = []
        for name in self.size:
            try:
                side = number(page.attributes.get(name, "0"))
                if not 0 <= side <= COORDINATE_LIMIT:
                    raise ValueError(f"{side:g} is not the side of an image")
            except ValueError as error:
                raise DataError(f"'{annotation}', line {page.line}: {name}: {error}") from None
            sides.append(side)
        return (sides[0], sides[1]) if all(sides) else None

    def _pairs(self, folders: Folders) -> Pairs:
        """Match files with the images that they name; files without a partner are recorded as skipped."""
        images = [path for path in files_in(folders.images) if is_image(path)]
        known = {_key(path.stem): path for path in reversed(images)}
        known |= {_key(path.name): path for path in images}
        homes: dict[Path, Path] = {}
        for annotation, name, error in self._named(folders.annotations):
            image = known.get(_key(name)) or known.get(_key(PurePosixPath(name).stem))
            if image and image not in homes:
                homes[image] = annotation
                continue
            if image:
                error = f"its image '{image.name}' already belongs to '{homes[image].name}'"
            elif self._lists:  # files that a list leaves out need no image
                continue
            self._data_report.read(images=1)
            self._data_report.skip_image(annotation, error or self._missing(annotation, name, known, folders))
        pairs: Pairs = {}
        for image in images:
            home = homes.get(image)
            pair = Pair(image.name, home.name if home else None)
            pairs[image.name if image.stem in pairs else image.stem] = pair
        return pairs

    def _named(self, folder: Path) -> list[tuple[Path, str, str]]:
        """Return each file, the name of its image, and an error if its head cannot be read.

        Files without errors come first, and among them files that are named like their image.
        """
        files = [path for path in files_in(folder) if path.suffix.lower() in self.suffixes]
        found = []
        for file in files:
            try:
                self._path_guard.check(file)
                named = self._image_name(file) if self._config.match is Match.named else ""
                found.append((file, named or file.stem, ""))
            except DataError as error:  # reported when it is read for the image of its name
                found.append((file, file.stem, str(error)))
        return sorted(found, key=lambda one: (bool(one[2]), PurePosixPath(one[1]).stem != one[0].stem))

    def _image_name(self, annotation: Path) -> str:
        """Return the name of a file's image, without folders: only the image folder is searched."""
        path = self.image_name(self._elements(annotation, self.head)).strip()
        name = PurePosixPath(path.replace("\\", "/")).name
        return unquote(name) if "://" in path else name

    @staticmethod
    def _missing(annotation: Path, name: str, known: Mapping[str, Path], folders: Folders) -> str:
        if _key(annotation.stem) in known:
            other = known[_key(annotation.stem)].name
            return (
                f"it names the image '{name}', which is not in '{folders.images}'; dataset.match=stem takes"
                f" '{other}'"
            )
        return f"there is no image '{name}' for it in '{folders.images}'"


def _key(name: str) -> str:
    """Return a name for comparison: accents may be composed in the file and decomposed on the disk."""
    return normalize("NFC", name) if len(name) <= NAME_LIMIT else name


def usual_folders(name: str) -> Names:
    """Return the usual pairs of image and XML folders; XML is usually in a folder named after the format."""
    return [
        *((images, name) for images in ("images", ".")),
        *(("images", other) for other in ("annotations", "gt", "xml")),
        (".", "xml"),
    ]
