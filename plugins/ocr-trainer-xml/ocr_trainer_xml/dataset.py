"""`XmlDataset`: an XML file per page, which names its image."""

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
from ocr_trainer_xml.document import number
from ocr_trainer_xml.plugin import Level, Match, XmlConfig

READERS = {"PcGts": "page_xml", "alto": "alto_xml"}
"""By root element, the dataset that reads it."""

NAME_LIMIT = 1024
"""Characters; no file has a longer name, and accents in a row are not put together in a moment."""


class XmlDataset(PairedDataset):
    """Three splits; a format says where an element's outline and text stand.

    An outline without transcription is text all the same, which nobody has read yet: it is learned,
    unless `ignore_untranscribed` is set. Of an outline that ends where it began, the last point is
    left out, and so are points repeated in a row. What has a baseline only, or nothing, is skipped.

    Raises:
        DataError: If there is no such folder, or nothing in it where it is looked for.
    """

    suffixes = (".xml",)
    root_element: ClassVar[str]
    """What the outermost element is called."""
    head: ClassVar[str]
    """The element at which the name of the image is known."""
    size: ClassVar[tuple[str, str]]
    """The attributes of `Page` that hold the height and the width of the image."""
    tags: ClassVar[Mapping[Level, str]]
    """What the elements of each level are called, from coarse to fine."""

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
        """Read a split; for recognition, the lines or words are cut out of its pages."""
        pages = super()._open(split)
        if pages is None or self._task is not Task.recognition:
            return pages
        return Crops(pages, self._data_report, ordered=ordered_before(self, split))

    @abstractmethod
    def image_name(self, elements: list[Element]) -> str:
        """Return the image that a file names, as it names it; nothing if it names none."""

    @abstractmethod
    def outline(self, element: Element) -> Points:
        """Return the points around an element; none if it has no outline.

        Raises:
            ValueError: If they are no points.
        """

    @abstractmethod
    def text(self, element: Element) -> str:
        """Return what is written in an element."""

    def scale(self, elements: list[Element], annotation: Path) -> float:
        """Return the pixels per unit of the coordinates.

        Raises:
            DataError: If it is not known.
        """
        return 1.0

    def read(self, annotation: Path) -> Labels:
        """Read one file; what cannot be used of it goes into the ledger.

        Raises:
            DataError: If nothing of it can be used.
        """
        elements = self._elements(annotation)
        pages = [element for element in elements if element.tag == "Page"]
        if len(pages) != 1:
            raise DataError(f"'{annotation}' describes {len(pages)} pages, but belongs to one image")
        scale = self.scale(elements, annotation)
        size = self._size(pages[0], annotation)
        labels = Labels(size=size if scale == 1 else None)
        for element in self._outlined(elements, annotation):
            self._add(labels, element, scale, annotation)
        return labels

    def _outlined(self, elements: list[Element], annotation: Path) -> list[Element]:
        """Return the elements of the level asked for, and coarser ones that were never divided into such.

        Raises:
            DataError: If there is text on the page, but not of that level: it would be learned as background.
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

    def _add(self, labels: Labels, element: Element, scale: float, annotation: Path) -> None:
        """Take an element in; text that was not divided down to the level asked for is "don't care"."""
        wanted = self.tags[self._config.level]
        entries = len(self._data_report.skipped)
        try:
            points = [(x * scale, y * scale) for x, y in self.outline(element)]
            if not points:
                raise ValueError(f"the {element.tag} has no outline")
        except ValueError as fault:
            self._data_report.read(labels=1)
            self._data_report.skip_label(annotation, element.line, str(fault))
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
                f"'{annotation}' is not for dataset={self._config.name}: it begins with <{root}>,"
                f" not <{self.root_element}>{reader}"
            )
        return elements

    def _size(self, page: Element, annotation: Path) -> tuple[int, int] | None:
        """Return height and width; nothing where they are missing or, as some writers have it, 0."""
        sides = []
        for name in self.size:
            try:
                side = number(page.attributes.get(name, "0"))
                if not 0 <= side <= COORDINATE_LIMIT:
                    raise ValueError(f"{side:g} is the side of no image")
            except ValueError as fault:
                raise DataError(f"'{annotation}', line {page.line}: {name}: {fault}") from None
            sides.append(round(side))
        return (sides[0], sides[1]) if all(sides) else None

    def _pairs(self, folders: Folders) -> Pairs:
        """Match files with the images that they name; what has no partner goes into the ledger."""
        images = [path for path in files_in(folders.images) if is_image(path)]
        known = {_key(path.stem): path for path in reversed(images)}
        known |= {_key(path.name): path for path in images}
        homes: dict[Path, Path] = {}
        for annotation, name, fault in self._named(folders.annotations):
            image = known.get(_key(name)) or known.get(_key(PurePosixPath(name).stem))
            if image and image not in homes:
                homes[image] = annotation
                continue
            if image:
                fault = f"its image '{image.name}' is described in '{homes[image].name}'"
            elif self._lists:  # a list chooses, and what it leaves out may well be without an image
                continue
            self._data_report.read(images=1)
            self._data_report.skip_image(annotation, fault or self._missing(annotation, name, known, folders))
        pairs: Pairs = {}
        for image in images:
            home = homes.get(image)
            pairs[image.name if image.stem in pairs else image.stem] = Pair(image.name, home and home.name)
        return pairs

    def _named(self, folder: Path) -> list[tuple[Path, str, str]]:
        """Return each file, the name of its image, and why it cannot be used if its head tells.

        Of two files for one image, the one that can be used and is named like it comes first.
        """
        files = [path for path in files_in(folder) if path.suffix.lower() in self.suffixes]
        found = []
        for file in files:
            try:
                self._path_guard.check(file)
                named = self._image_name(file) if self._config.match is Match.named else ""
                found.append((file, named or file.stem, ""))
            except DataError as fault:  # met again, and told, when it is read for an image of its name
                found.append((file, file.stem, str(fault)))
        return sorted(found, key=lambda one: (bool(one[2]), PurePosixPath(one[1]).stem != one[0].stem))

    def _image_name(self, annotation: Path) -> str:
        """Return the name of a file's image, without folders: none but that of the images is opened."""
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
    """Return a name as it is compared: accents may be composed in the file and apart on the disk."""
    return normalize("NFC", name) if len(name) <= NAME_LIMIT else name


def usual_folders(name: str) -> Names:
    """Return where images and XML lie: the XML in a folder named after the format, as a rule."""
    return [
        *((images, name) for images in ("images", ".")),
        *(("images", other) for other in ("annotations", "gt", "xml")),
        (".", "xml"),
    ]
