"""`XmlDataset`: one XML file per page, which names its image."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import unquote

from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.formats.annotations import COORDINATE_LIMIT, NO_TRANSCRIPTION, Labels, Points, outline_error
from ocr_trainer.formats.crops import Crops, ordered_before
from ocr_trainer.formats.names import NameIndex, without_suffix
from ocr_trainer.formats.paired import Folders, Names, Pair, PairedDataset, Pairs, is_flat
from ocr_trainer.formats.places import Place, bounding_box, with_text_above
from ocr_trainer.formats.xml_files import Element, read_elements
from ocr_trainer.plugin import Context, Task
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_xml.document import number
from ocr_trainer_xml.matching import by_names
from ocr_trainer_xml.plugin import Level, Match, XmlConfig
from ocr_trainer_xml.scale import Scale, Sides

READERS = {"PcGts": "page_xml", "alto": "alto_xml"}
"""The dataset that reads each root element."""


class OtherXml(DataError):
    """A file is XML of another kind."""


class XmlDataset(PairedDataset):
    """Pages in XML with three splits; subclasses say where the outline and text of an element are.

    An outline without transcription is still text and is learned, unless `ignore_untranscribed` is set.
    Repeated points are dropped, as is the last point of an outline that ends where it began. An element
    without a usable outline has its box, or that of its parts; one with only a baseline is "don't care".

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

    def box(self, element: Element) -> Points:
        """Return the box of an element that has one besides its outline; empty if it has none.

        Raises:
            ValueError: The coordinates are not valid points.
        """
        return ()

    @abstractmethod
    def baseline(self, element: Element) -> Points:
        """Return the baseline of a line in the file's units; empty if it has none.

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
        return self._labels(annotation, None)

    def read_for(self, image: Path, annotation: Path) -> Labels:
        """Read the labels of an image, whose size may give the scale of the coordinates."""
        return self._labels(annotation, image)

    def _labels(self, annotation: Path, image: Path | None) -> Labels:
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
            self._data_report.remark(annotation, None, scale.note)
        parents = {id(child): element for element in elements for child in element.children}
        for element in self._outlined(elements, annotation):
            self._add(labels, element, parents.get(id(element)), scale, annotation)
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

    def _add(
        self, labels: Labels, element: Element, parent: Element | None, scale: Scale, annotation: Path
    ) -> None:
        """Add an element to the labels; text that was not divided down to the level is "don't care"."""
        wanted = self.tags[self._config.level]
        entries = len(self._data_report.skipped)
        place = self._place(element, parent, scale)
        text = self.text(element).strip() if element.tag == wanted else ""
        reason = NO_TRANSCRIPTION if self._config.ignore_untranscribed and not text else ""
        if element.tag != wanted:
            reason = f"no {wanted}"
        labels.add(place, text, reason, self._data_report, annotation, element.line)
        if element.tag != wanted and len(self._data_report.skipped) == entries:
            reason = f"the {element.tag} has no {wanted}: kept as don't care"
            self._data_report.skip_label(annotation, element.line, reason)

    def _place(self, element: Element, parent: Element | None, scale: Scale) -> Place:
        """Return where an element is, in pixels: without an outline, where its parts or its parent are."""
        points, error = self._scaled(self.outline, element, scale)
        points = [point for point, _ in groupby(points)]
        error = error or (f"the {element.tag} has no outline" if not points else outline_error(points) or "")
        if not error:
            return Place(points)
        parts = [p for part in element.children for p in self._scaled(self.outline, part, scale)[0]]
        box = self._scaled(self.box, element, scale)[0] or bounding_box(parts)
        if not (points or box):
            points = with_text_above(self._scaled(self.baseline, element, scale)[0])
        if not (points or box) and parent is not None and parent.tag in self.tags.values():
            points = self._scaled(self.outline, parent, scale)[0]
        return Place(points, box or None, error)

    @staticmethod
    def _scaled(read: Callable[[Element], Points], element: Element, scale: Scale) -> tuple[Points, str]:
        """Return points of an element in pixels, and why they cannot be read."""
        try:
            return [(x * scale.x, y * scale.y) for x, y in read(element)], ""
        except ValueError as error:
            return [], str(error)

    def _elements(self, annotation: Path, until: str | None = None) -> list[Element]:
        elements = read_elements(annotation, until)
        root = elements[0].tag
        if root != self.root_element:
            reader = f"; dataset={READERS[root]} reads it" if root in READERS else ""
            raise OtherXml(
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
        images = self._list_images(folders)
        known = by_names(images)
        index = NameIndex(known)
        homes: dict[str, Path] = {}
        deeper: list[str] = []
        others: list[str] = []
        for annotation, name, error in self._named(folders.annotations, not is_flat(folders, images)):
            beside = (annotation.relative_to(folders.annotations).parent / name).as_posix()
            keys = (beside, without_suffix(beside), name, PurePosixPath(name).stem)
            image = next((known[found] for key in keys if (found := index.find(key))), None)
            if image and image not in homes:
                homes[image] = annotation
                continue
            if isinstance(error, OtherXml):
                others.append(annotation.name)
            elif image:
                self._skip(annotation, f"its image '{image}' already belongs to '{homes[image].name}'")
            elif annotation.parent != folders.annotations:
                deeper.append(annotation.relative_to(folders.annotations).as_posix())
            elif not self._lists:  # files that a list leaves out need no image
                self._skip(annotation, str(error or self._missing(annotation, name, known, folders)))
        alone = [image for image in images if image not in homes and "/" in image]
        self._report_left(folders, deeper, alone)
        self._note_others(folders.annotations, others)
        pairs: Pairs = {}
        for image in images:
            home = homes.get(image)
            if home or "/" not in image:
                stem = without_suffix(image)
                relative = home.relative_to(folders.annotations).as_posix() if home else None
                pairs[image if stem in pairs else stem] = Pair(image, relative)
        return pairs

    def _named(self, folder: Path, nested: bool) -> list[tuple[Path, str, DataError | None]]:
        """Return each file, the name of its image, and an error if its head cannot be read.

        Files without errors come first, and among them files that are named like their image.
        """
        names = [name for name in self._files(folder) if nested or "/" not in name]
        files = [folder / name for name in names if name.lower().endswith(self.suffixes)]
        found: list[tuple[Path, str, DataError | None]] = []
        for file in files:
            try:
                self._path_guard.check(file)
                named = self._image_name(file) if self._config.match is Match.named else ""
                found.append((file, named or file.stem, None))
            except DataError as error:  # reported when it is read for the image of its name
                found.append((file, file.stem, error))
        return sorted(found, key=lambda one: (one[2] is not None, PurePosixPath(one[1]).stem != one[0].stem))

    def _image_name(self, annotation: Path) -> str:
        """Return the name of a file's image, without folders: only the image folder is searched."""
        path = self.image_name(self._elements(annotation, self.head)).strip()
        name = PurePosixPath(path.replace("\\", "/")).name
        return unquote(name) if "://" in path else name

    def _may_annotate(self, path: Path) -> bool:
        """Give no hints at files by their name: a file names its image itself."""
        return False

    def _missing(self, annotation: Path, name: str, known: Mapping[str, str], folders: Folders) -> str:
        if other := known.get(NameIndex(known).find(annotation.stem) or ""):
            return (
                f"it names the image '{name}', which is not in '{folders.images}'; dataset.match=stem takes"
                f" '{other}'"
            )
        return f"there is no image '{name}' for it in '{folders.images}'{self._below_root.hint(name)}"


def usual_folders(name: str) -> Names:
    """Return the usual pairs of image and XML folders; XML is usually in a folder named after the format."""
    return [
        *((images, name) for images in ("images", ".")),
        *(("images", other) for other in ("annotations", "gt", "xml")),
        (".", "xml"),
    ]
