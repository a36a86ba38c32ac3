"""Bytes and requests from strangers: refused in one sentence, and nothing of the server is read or shown."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import httpx
import pytest
from helpers.ink_models import encoded, page

SECRET = "the content of a file of the server"
GOOD = encoded(page("abc"))
PDF = b"""%%PDF-1.7
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]/Resources<</XObject<</X 4 0 R>>>>/Contents 5 0 R>>endobj
4 0 obj<</Type/XObject/Subtype/Image/Width 9/Height 9/ColorSpace/DeviceRGB/BitsPerComponent 8/Length 0
/F(%s)/FFilter/DCTDecode>>stream
endstream endobj
5 0 obj<</Length 24>>stream
q 72 0 0 72 0 0 cm /X Do Q
endstream endobj
trailer<</Root 1 0 R>>
%%%%EOF"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the server that no answer may show: an image, and a text."""
    (tmp_path / "secret.png").write_bytes(encoded(page("cba cba")))
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    return tmp_path


def bodies(folder: Path) -> dict[str, bytes]:
    image, text = folder / "secret.png", folder / "secret.txt"
    return {
        "url": f"file://{image}".encode(),
        "path": str(image).encode(),
        "climbing": f"../../../../../..{image}".encode(),
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{image}"/></svg>'.encode(),
        "entity": f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file://{text}">]><a>&b;</a>'.encode(),
        "html": f'<img src="file://{image}">'.encode(),
        "json": f'{{"path": "{image}", "url": "file://{image}"}}'.encode(),
        "magick": f'push graphic-context\nimage over 0,0 0,0 "{image}"\npop graphic-context'.encode(),
        "postscript": f"%!PS\n({image}) (r) file showpage".encode(),
        "list": f"#EXTM3U\nfile://{image}".encode(),
    }


@pytest.mark.parametrize("kind", bodies(Path()))
def test_no_path_in_a_body_is_followed(service, secret: Path, kind: str):
    response = service.read(bodies(secret)[kind])
    assert response.status_code == 415
    assert response.json() == {"detail": "the file is neither an image nor a PDF"}


@pytest.mark.parametrize("form", ["file://{}", "{}", "../..{}", "http://127.0.0.1:9{}"])
def test_no_name_of_a_file_is_followed(service, secret: Path, form: str):
    (secret / "link.png").symlink_to(secret / "secret.png")
    name = form.format(secret / "link.png")
    response = service.client.post("/v1/read", files={"file": (name, GOOD)})
    assert [word["text"] for word in response.json()["pages"][0]["detections"]] == ["abc"]
    assert str(secret) not in response.text
    as_text = service.client.post("/v1/read", data={"file": name})
    assert as_text.status_code == 415 or as_text.status_code == 422
    assert SECRET not in as_text.text
    field = service.client.post("/v1/read", data={"file": name}, files={"other": ("a", GOOD)})
    assert field.json() == {"detail": "the form has no file in its field 'file'"}
    for option in ("path", "url", "source", "file"):
        answer = service.read(GOOD, **{option: name})
        assert answer.json()["pages"][0]["detections"][0]["text"] == "abc"


def test_a_pdf_cannot_include_a_file_of_the_server(service, secret: Path):
    response = service.read(PDF % str(secret / "secret.png").encode())
    assert response.status_code in (200, 422)
    if response.status_code == 200:
        assert response.json()["pages"][0]["detections"] == []


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/static/../page.py", "/%2e%2e/%2e%2e/etc/passwd", "//etc"]
)
def test_no_path_of_a_url_is_a_file(service, path: str):
    parsed = httpx.URL(service.url)
    with socket.create_connection((parsed.host, parsed.port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")


def damaged(seed: int) -> bytes:
    """An image or a PDF with bytes cut off, overwritten or doubled."""
    chance = random.Random(seed)
    start = [GOOD, encoded(page("bca"), ".jpg"), encoded(page("c"), ".tiff"), encoded(page("a"), ".webp")]
    data = bytearray(chance.choice([*start, PDF % b"a", encoded(page("ab"), ".bmp")]))
    for _ in range(chance.randint(1, 20)):
        place = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 50)]
            case _:
                data[place:place] = data[place : place + 30]
    return bytes(data or b"x")


def test_damaged_files_are_read_or_refused_in_one_sentence(service):
    for seed in range(60):
        response = service.read(damaged(seed))
        assert response.status_code in (200, 413, 415, 422), (seed, response.text)
        if response.status_code != 200:
            detail = response.json()["detail"]
            assert 10 < len(detail) < 300
            assert "\n" not in detail
            assert "/" not in detail.replace("image/", "")
    assert service.metric('ocr_serve_worker_restarts_total{reason="crash"}') == 0
    assert not any("Traceback" in line for line in service.said)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"nothing of the kind"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n' * 3
            + b"--x--\r\n",
        ),
        ("multipart/form-data; boundary=" + "x" * 500, b"--x--"),
        ("multipart/form-data; boundary=\xff", b"--x--"),
    ],
)
def test_damaged_forms_are_refused_in_one_sentence(service, kind: str, body: bytes):
    header = {"Content-Type": kind.encode("latin-1")}
    response = service.client.post("/v1/read", content=body, headers=header)
    assert response.status_code in (400, 415, 422), response.text
    assert list(response.json()) == ["detail"]
    assert not any("Traceback" in line for line in service.said)


@pytest.mark.parametrize("query", ["format=exe", "dpi=nan", "dpi=1e9", "preview=perhaps", "format=../json"])
def test_unknown_options_are_refused_in_one_sentence(service, query: str):
    response = service.client.post(f"/v1/read?{query}", content=GOOD)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(query.partition("=")[0])
    assert "\n" not in response.json()["detail"]


def test_other_names_in_host_are_refused_on_a_loopback_address(service):
    assert service.client.get("/healthz", headers={"Host": "localhost:80"}).status_code == 200
    assert service.client.get("/healthz", headers={"Host": "rebound.example"}).status_code == 400


def test_answers_cannot_be_kept_framed_or_run(service):
    for response in (service.read(GOOD, format="hocr"), service.client.get("/"), service.client.get("/none")):
        headers = response.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
