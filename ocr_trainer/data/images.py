"""Images with labels: the frame that outlines were drawn in, and checks by the header alone.

Images are read as viewers show them, with the EXIF orientation applied, because that is how people transcribe
and predict. Outlines may refer to the stored pixels; see `read_labeled`. `ocr_trainer_runtime.images` has the
decoder.
"""

from __future__ import annotations

from pathlib import Path

from ocr_trainer.data.types import Image
from ocr_trainer.errors import DataError
from ocr_trainer.plugin.options import ExifOrientation
from ocr_trainer_runtime.images.orientation import Size, frame_of, oriented, shown_size
from ocr_trainer_runtime.images.read import decode, png, read_bytes, read_header, reason


def read_labeled(
    path: Path,
    size: Size | None,
    declared: ExifOrientation = ExifOrientation.auto,
    notes: list[str] | None = None,
) -> Image:
    """Read an image in the pixel frame that its outlines were drawn in.

    Tools label what viewers show; the public datasets label the stored pixels. Where the recorded size of
    the image decides it, it counts; otherwise the declaration does. Without one, the stored pixels are
    assumed, and `notes` says so.

    Args:
        path: Image file.
        size: Height and width at annotation time, if known.
        declared: What the options, the annotation file or its format say.
        notes: Receives what the user should know about an image that can be read.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        DataError: As for `read_image`.
    """
    pixels, orientation = decode(read_bytes(path), path, notes)
    frame = frame_of(pixels.shape[:2], orientation, size, declared)
    if frame is ExifOrientation.auto and notes is not None:
        notes.append(
            f"it has the EXIF orientation {orientation}, and nothing says whether its labels were drawn on"
            " the image as it is shown or as it is stored: read as stored; if its labels lie beside the"
            " text, set dataset.exif_orientation=applied"
        )
    return oriented(pixels, orientation) if frame is ExifOrientation.applied else pixels


def stored_size(path: Path) -> tuple[Size, int]:
    """Return the height and width of the stored pixels, and the EXIF orientation, from the header.

    Raises:
        DataError: If the image cannot be used.
    """
    try:
        with path.open("rb") as file:
            header = read_header(file)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image '{path}': {reason(error)}") from error
    return header.size, header.orientation


def check_image(path: Path) -> str | None:
    """Return the reason an image cannot be used, or None. Only the header is read, no pixels."""
    try:
        with path.open("rb") as file:
            read_header(file)
    except (OSError, ValueError) as error:
        return reason(error)
    return None


def image_size(path: Path) -> Size | None:
    """Return height and width of an image as `read_image` returns it, from its header.

    Return None if the image cannot be used.
    """
    try:
        return shown_size(*stored_size(path))
    except DataError:
        return None


def write_image(path: Path, image: Image) -> None:
    """Write an image as PNG.

    Args:
        path: File to write.
        image: uint8 of shape (height, width, 3), RGB.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(png(image))
