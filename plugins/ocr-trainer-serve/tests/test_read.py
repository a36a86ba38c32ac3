"""What the service answers: the formats, the schema, and pages of documents."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import httpx
import jsonschema
import pytest
from helpers.ink_models import encoded, page
from ocr_trainer_serve.schemas import Answer, Page
from PIL import Image

LINES = ("abc ca", "bb")


@pytest.fixture(scope="module")
def image() -> bytes:
    return encoded(page(*LINES))


def documents(*pages: str, kind: str) -> bytes:
    images = [Image.fromarray(page(text)) for text in pages]
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {"resolution": 300}
    images[0].save(file := io.BytesIO(), kind, save_all=True, append_images=images[1:], **options)
    return file.getvalue()


def texts(response: httpx.Response) -> list[list[str]]:
    assert response.status_code == 200, response.text
    return [[word["text"] for word in shown["detections"]] for shown in response.json()["pages"]]


def test_a_body_and_a_form_are_read_alike(service, image: bytes):
    body = service.read(image)
    form = service.client.post("/v1/read", files={"file": ("any name", image)})
    assert texts(body) == [["abc", "ca", "bb"]]
    assert form.json() == body.json()


def test_answers_fit_the_schema_of_the_trainer(service, image: bytes):
    response = service.read(image)
    answer = Answer.model_validate_json(response.content)
    assert answer.pages[0].detections[0].text == "abc"
    (written,) = response.json()["pages"]
    assert (written["width"], written["height"]) == (420, 160)


def test_the_models_of_the_schema_are_those_of_the_results():
    schemas = list(Path(__file__).parents[3].glob("**/results/page.schema.json"))
    schema = json.loads(schemas[0].read_text(encoding="utf-8"))
    own = Page.model_json_schema()
    for theirs, ours in ((schema, own), (schema["$defs"]["detection"], own["$defs"]["Detection"])):
        assert set(theirs["properties"]) == set(ours["properties"]) - {"preview"}
        assert set(theirs["required"]) == set(ours["required"])


def test_the_openapi_schema_describes_the_answers(service, image: bytes):
    schema = service.client.get("/openapi.json").json()
    operation = schema["paths"]["/v1/read"]["post"]
    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "application/octet-stream"}
    assert {"200", "408", "413", "415", "422", "503", "504"} <= set(operation["responses"])
    told = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(service.read(image).json(), {**told, "components": schema["components"]})
    for path in ("/docs", "/redoc"):  # their scripts come from elsewhere
        assert service.client.get(path).status_code == 404


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_pages_of_documents_are_read(service, kind: str):
    response = service.read(documents("a", "bb", "ccc", kind=kind), dpi=300)
    assert texts(response) == [["a"], ["bb"], ["ccc"]]
    assert [shown["page"] for shown in response.json()["pages"]] == [1, 2, 3]


def test_a_preview_shows_each_page(service):
    response = service.read(documents("a", "b", kind="PDF"), preview="true")
    for shown in response.json()["pages"]:
        content = shown["preview"].removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(content))) as preview:
            assert preview.size == (shown["width"], shown["height"])


def test_every_format_is_written(service, image: bytes):
    schema = service.client.get("/openapi.json").json()
    parameters = schema["paths"]["/v1/read"]["post"]["parameters"]
    (formats,) = [found["schema"]["enum"] for found in parameters if found["name"] == "format"]
    assert {"json", "text", "hocr", "alto", "page", "tsv", "csv", "pdf", "icdar", "overlay"} <= set(formats)
    found = {name: service.read(image, format=name) for name in formats}
    assert {name: response.status_code for name, response in found.items()} == dict.fromkeys(formats, 200)
    assert found["text"].text.split() == ["abc", "ca", "bb"]
    for name in ("hocr", "alto", "page"):
        assert "abc" in "".join(ElementTree.fromstring(found[name].content).itertext()) + found[name].text
    assert found["pdf"].content.startswith(b"%PDF-")
    assert zipfile.ZipFile(io.BytesIO(found["icdar"].content)).namelist()
    assert found["overlay"].headers["content-type"] == "image/png"
    assert found["csv"].headers["content-type"] == "text/csv; charset=utf-8"


def test_a_document_is_written_as_one_file(service):
    import pypdfium2

    pdf = documents("a", "bb", kind="PDF")
    assert service.read(pdf, format="text").text == "a\n\fbb\n"
    rows = service.read(pdf, format="csv").text.splitlines()
    assert [row.rpartition(",")[2] for row in rows] == ["text", "a", "bb"]
    alto = zipfile.ZipFile(io.BytesIO(service.read(pdf, format="alto").content))
    assert alto.namelist() == ["page-1.alto.xml", "page-2.alto.xml"]
    with pypdfium2.PdfDocument(service.read(pdf, format="pdf").content) as written:
        found = [shown.get_textpage().get_text_bounded().split() for shown in written]
        assert found == [["a"], ["bb"]]


def test_health_and_metrics(service, image: bytes):
    assert service.client.get("/healthz").json() == {"status": "ok"}
    assert service.client.get("/readyz").json() == {"status": "ready"}
    before = service.metric('ocr_serve_requests_total{status="200"}'), service.metric("ocr_serve_words_total")
    service.read(image)
    after = service.metric('ocr_serve_requests_total{status="200"}'), service.metric("ocr_serve_words_total")
    assert after == (before[0] + 1, before[1] + 3)
    assert service.metric("ocr_serve_workers") == 1
    assert service.metric("ocr_serve_workers_resident_bytes") > 10_000_000
