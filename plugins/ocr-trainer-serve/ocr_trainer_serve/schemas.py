"""The answers of the service, for its OpenAPI schema.

`Page` describes the format `json` of ocr-trainer; a test compares the two.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[float, float]


class Detection(BaseModel):
    """A detected text, a word or a line."""

    polygon: list[Point] = Field(min_length=3, description="Corners as x and y, in pixels of the image.")
    score: Unit = Field(description="Confidence of the detector.")
    text: str | None = Field(None, description="The text as typed; only with a recognizer.")
    text_score: Unit | None = Field(None, description="Confidence of the recognizer in the text.")
    character_scores: list[Unit] | None = Field(None, description="Confidence in each character of `text`.")
    block: int = Field(ge=0, description="Number of the block, from 0.")
    line: int = Field(ge=0, description="Number of the line in its block, from 0.")


class Page(BaseModel):
    """The texts of an image, or of a page of a PDF or TIFF, in reading order."""

    version: Literal[1] = Field(description="Version of this format.")
    image: str = Field(description="A name for the image; the name of an uploaded file is not kept.")
    page: int | None = Field(None, ge=1, description="Number of the page, if the file is a document.")
    width: int = Field(ge=1, description="Width of the image in pixels.")
    height: int = Field(ge=1, description="Height of the image in pixels.")
    exif_orientation: Literal["applied"] = Field(
        description="What width, height and polygons refer to: the image as it is shown."
    )
    warnings: list[str] = Field(description="Messages for the user.")
    detections: list[Detection] = Field(description="The texts in reading order.")
    preview: str | None = Field(
        None, description="With `preview=true`: the image as a `data:` URL of a JPEG."
    )


class Answer(BaseModel):
    """The result of reading a file."""

    pages: list[Page] = Field(description="One per image, or per page of a PDF or TIFF.")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="One sentence.")
