"""Find and read text in images: one image, or a stream of them."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from ocr_trainer_runtime.errors import ConfigError, DataError
from ocr_trainer_runtime.images.documents import expanded, pages_of
from ocr_trainer_runtime.images.inputs import GivenImage, is_stream
from ocr_trainer_runtime.images.pdf import DPI, check_dpi
from ocr_trainer_runtime.pipeline import BATCH_SIZE, Pipeline, recognize, whole
from ocr_trainer_runtime.recognition.fit import fit
from ocr_trainer_runtime.results import Page, page_of
from ocr_trainer_runtime.text.visible import visible
from ocr_trainer_runtime.types import Detections, Image, Recognition

if TYPE_CHECKING:
    from ocr_trainer_runtime.images.inputs import Given

OnError = Literal["raise", "skip"] | Callable[[DataError], object]
"""What to do with an image of a stream that cannot be read: raise the error, skip the image with a warning,
or call a function with the error and skip the image."""

T = TypeVar("T")


class Reader:
    """A detector, a recognizer or both, ready to read images. Threads can share it.

    A detector finds words, a recognizer reads images of single words or lines, and both together find and
    read the words of pages. `load` makes one.
    """

    page_type: ClassVar[type[Page]] = Page
    """The class of the pages that the reader returns."""

    def __init__(self, pipeline: Pipeline, description: str) -> None:
        """Store the models, and the line that describes them."""
        self.pipeline = pipeline
        self._description = description

    @property
    def finds(self) -> bool:
        """Whether it finds words, with a detector."""
        return self.pipeline.detector is not None

    @property
    def reads(self) -> bool:
        """Whether it reads words, with a recognizer."""
        return self.pipeline.recognizer is not None

    def __repr__(self) -> str:
        return f"<Reader: {self._description}>"

    @overload
    def predict(self, images: Given, *, dpi: float = DPI) -> Page: ...  # type: ignore[overload-overlap]

    @overload
    def predict(
        self, images: Iterable[Given | GivenImage], *, on_error: OnError = "raise", dpi: float = DPI
    ) -> Pages: ...

    def predict(
        self, images: Given | Iterable[Given | GivenImage], *, on_error: OnError = "raise", dpi: float = DPI
    ) -> Page | Pages:
        """Find and read the text of one image, or of many, one after the other.

        An image is a path, the content of an image file as bytes, a PIL image, or a numpy array: uint8 of
        shape (height, width) for gray, (height, width, 3) for RGB or (height, width, 4) for RGBA, from 0 to
        255. Transparent areas become white, and the EXIF orientation of files and PIL images is applied.

        A PDF, or a TIFF with several pages, is a document, and each of its pages is an image. For a single
        document, the result is `Pages`, even if it has only one page. Type checkers cannot know that: pass a
        list for them, `predict(["file.pdf"])`.

        Args:
            images: An image or a document, or an iterable of them. The iterable is read as you ask for its
                pages, one image ahead; if the images are files, at most two of them are in memory.
            on_error: What to do with an image of an iterable, or a page of a document, that cannot be read:
                `"raise"` the error, `"skip"` the image with a warning, or call a function with the error and
                skip the image. The result counts the skipped images. A single image always raises, and so
                does a document of which no page can be read.
            dpi: Resolution at which the pages of a PDF are rendered, in pixels per inch.

        Returns:
            The `Page` of the image, or an iterator over the pages of all images in their order. Polygons are
            in pixels of the image. Without a detector, a page has one word, the whole image.

        Raises:
            DataError: An image cannot be read, or has another type.
            ConfigError: `on_error` is invalid, or `dpi` is not from 10 to 2400.
        """
        if not (on_error in ("raise", "skip") or callable(on_error)):
            raise ConfigError(f"on_error is 'raise', 'skip' or a function, not {on_error!r}")
        check_dpi(dpi, "dpi")
        if is_stream(images):
            return self._pages(images, on_error, dpi)
        given = GivenImage(images, "the image")
        if (pages := pages_of(given, dpi)) is not None:
            return self._pages(pages, on_error, dpi)
        page = _page(self.page_type, given, *self.pipeline(given.image()))
        given.release()
        return page

    def predict_pages(self, source: Given, *, dpi: float = DPI) -> Pages:
        """Find and read the text of each page of a document; an image is a document of one page.

        Args:
            source: A PDF, a TIFF or another image: a path, or the content of the file as bytes.
            dpi: Resolution at which the pages of a PDF are rendered, in pixels per inch.

        Returns:
            An iterator over the pages, which reads a page when you ask for it, and one ahead.

        Raises:
            DataError: The file cannot be read.
            ConfigError: `dpi` is not from 10 to 2400.
        """
        check_dpi(dpi, "dpi")
        given = GivenImage(source, "the image")
        pages = pages_of(given, dpi)
        return self._pages([given] if pages is None else pages, "raise", dpi)

    def _pages(self, images: Iterable[Given | GivenImage], on_error: OnError, dpi: float) -> Pages:
        return Pages(self.pipeline, images, on_error, dpi, self.page_type)


class Pages(Iterator[Page]):
    """The pages of a stream of images, in order; the images are read one ahead."""

    skipped: list[DataError]
    """Why images were skipped, so far."""

    def __init__(
        self,
        pipeline: Pipeline,
        images: Iterable[Given | GivenImage],
        on_error: OnError,
        dpi: float,
        kind: type[Page] = Page,
    ) -> None:
        """Store the models and the images; read nothing yet."""
        self.skipped = []
        self._on_error = on_error
        given = (
            page
            for number, image in enumerate(images, start=1)
            for page in ([image] if isinstance(image, GivenImage) else _expanded(image, number, dpi))
        )
        read = _read_words if pipeline.detector is None else _read_pages
        self._pages = read(pipeline, self._loaded(given), kind)

    def __next__(self) -> Page:
        """Return the next page."""
        return next(self._pages)

    def _loaded(self, images: Iterator[GivenImage]) -> Iterator[tuple[GivenImage, Image]]:
        """Yield images, decoded, without those that cannot be read."""
        for given, future in read_ahead(images, GivenImage.image):
            try:
                image = future.result()
            except DataError as error:
                if self._on_error == "raise":
                    raise
                self.skipped.append(error)
                if callable(self._on_error):
                    self._on_error(error)
                else:
                    warnings.warn(visible(f"skipped: {error}"), stacklevel=4)
                continue
            del future  # it holds a reference to the image
            yield given, image
            del image
            # A page that is kept does not keep its image; it can be read again.
            given.release()


def _expanded(image: Given, number: int, dpi: float) -> Iterable[GivenImage]:
    return expanded(GivenImage(image, f"image {number}"), dpi)


def read_ahead(items: Iterator[T], load: Callable[[T], Any]) -> Iterator[tuple[T, Future[Any]]]:
    """Yield items with what a thread loads for them; the thread is one item ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        pending: deque[tuple[T, Future[Any]]] = deque()
        for item in islice(items, 1):
            pending.append((item, pool.submit(load, item)))
        while pending:
            current = pending.popleft()
            for item in islice(items, 1):
                pending.append((item, pool.submit(load, item)))
            yield current


def _read_pages(
    pipeline: Pipeline, images: Iterator[tuple[GivenImage, Image]], kind: type[Page]
) -> Iterator[Page]:
    for given, image in images:
        page = _page(kind, given, *pipeline(image))
        del image
        yield page


def _read_words(
    pipeline: Pipeline, images: Iterator[tuple[GivenImage, Image]], kind: type[Page]
) -> Iterator[Page]:
    """Read images of single words or lines, many at once."""
    assert pipeline.recognizer is not None
    model = pipeline.recognizer
    # Resize before batching: a batch of large photographs would fill the memory.
    fitted = ((given, image.shape[:2], fit(image, model)) for given, image in images)
    while chunk := list(islice(fitted, BATCH_SIZE)):
        for (given, size, _), reading in zip(
            chunk, recognize(model, [i for *_, i in chunk], pipeline.batch_size), strict=True
        ):
            yield _page(kind, given, whole(size), [reading], size)


def _page(
    kind: type[Page],
    given: GivenImage,
    detections: Detections,
    recognitions: list[Recognition] | None,
    size: tuple[int, int] | None = None,
) -> Page:
    """Return the page of an image; `size` is its height and width if the image was released."""
    detections.warnings += given.notes
    page = page_of(given.source, size or given.image().shape[:2], detections, recognitions, kind)
    page.number, page.dpi = given.number, given.dpi
    page.load_image, page.load_file = given.image, given.content
    return page
