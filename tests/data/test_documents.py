"""Pages of PDFs and TIFFs as images: what is rendered, what is refused, and with which sentence."""

from __future__ import annotations

import io
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_trainer.errors import DataError
from ocr_trainer_runtime.images import pdf, tiff_pages
from ocr_trainer_runtime.images.documents import expanded, pages_of
from ocr_trainer_runtime.images.inputs import GivenImage
from ocr_trainer_runtime.images.read import read_image

pikepdf = pytest.importorskip("pikepdf", reason="pikepdf is missing: pip install 'ocr-trainer-runtime[pdf]'")
pytest.importorskip("pypdfium2", reason="pypdfium2 is missing: pip install 'ocr-trainer-runtime[pdf]'")

GRAYS = (0.1, 0.5, 0.9)


def write_pdf(path: Path, *grays: float, size: tuple[float, float] = (144, 72), **options) -> Path:
    """Write a PDF with a page per gray, whose lower half is filled."""
    with pikepdf.new() as document:
        for gray in grays:
            document.add_blank_page(page_size=(144, 72))
            page = document.pages[-1]
            page.MediaBox = pikepdf.Array([0, 0, *size])
            page.Contents = document.make_stream(f"{gray} g 0 0 {size[0]} {size[1] / 2} re f".encode())
        document.save(path, **options)
    return path


def reason(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        pages_of(GivenImage(path, ""))
    message = str(raised.value)
    (unusable,) = expanded(GivenImage(path, ""))
    with pytest.raises(DataError) as again:
        unusable.image()
    assert str(again.value) == message
    return message


@pytest.mark.parametrize("as_bytes", [False, True])
def test_pages_are_rendered_in_order_at_the_resolution(as_bytes: bool, tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", *GRAYS)
    given = GivenImage(path.read_bytes() if as_bytes else path, "the image")
    pages = pages_of(given, dpi=100)
    assert pages is not None
    assert [page.label for page in pages] == [
        f"{'the image' if as_bytes else path} page {n}" for n in (1, 2, 3)
    ]
    for gray, page in zip(GRAYS, pages, strict=True):
        image = page.image()
        assert (image.shape, image.dtype, page.dpi, page.content()) == ((100, 200, 3), np.uint8, 100, None)
        assert (image[:49] == 255).all()
        np.testing.assert_allclose(image[51:], 255 * gray, atol=1)


def test_forms_and_rotation_are_shown_as_viewers_show_them(tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", 0)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].Rotate = 90
        look = document.make_stream(b"1 0 0 rg 0 0 20 20 re f")
        look.update(
            pikepdf.Dictionary(Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form, BBox=[0, 0, 20, 20])
        )
        field = document.make_indirect(
            pikepdf.Dictionary(
                **{"Type": pikepdf.Name.Annot, "Subtype": pikepdf.Name.Widget, "FT": pikepdf.Name.Tx},
                **{"T": "a", "V": "b", "Rect": [100, 40, 120, 60], "F": 4, "AP": pikepdf.Dictionary(N=look)},
            )
        )
        document.pages[0].Annots = pikepdf.Array([field])
        document.Root.AcroForm = pikepdf.Dictionary(Fields=[field])
        document.save(path)
    image = pdf.render(path, path, 1, 72)
    assert image.shape == (144, 72, 3)
    assert tuple(image[110, 50]) == (255, 0, 0)
    assert (image[:, :35] == 0).all()


def test_a_pdf_is_known_by_its_content_or_its_suffix(tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", 0.5)
    other = path.rename(tmp_path / "scan")
    (page,) = pages_of(GivenImage(other, "")) or ()
    assert page.number == 1
    (tmp_path / "b.PDF").write_bytes(b"\n" * 100 + other.read_bytes())
    assert len(pages_of(GivenImage(tmp_path / "b.PDF", "")) or ()) == 1
    (tmp_path / "c.pdf").write_bytes(b"no pdf")
    assert reason(tmp_path / "c.pdf") == f"cannot read the PDF '{tmp_path / 'c.pdf'}': it is damaged"


def test_pdfs_that_cannot_be_used(tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", *GRAYS)
    start = f"cannot read the PDF '{path}': "
    content = path.read_bytes()
    for data, why in [
        (b"", "the file is empty"),
        (content[: len(content) // 2], "it is damaged"),
        (b"%PDF-1.7\n" + bytes(range(256)), "it is damaged"),
        (million_pages(), "it has 1,000,000 pages, more than 10,000"),
    ]:
        path.write_bytes(data)
        assert reason(path) == start + why
    write_pdf(path, 0.5, encryption=pikepdf.Encryption(user="secret", owner="other"))
    assert reason(path) == start + "it asks for a password: save it without one"
    # One that only forbids to print needs no password.
    write_pdf(path, 0.5, encryption=pikepdf.Encryption(user="", owner="other"))
    assert len(pages_of(GivenImage(path, "")) or ()) == 1
    missing = GivenImage(tmp_path / "none.pdf", "")
    assert expanded(missing) == [missing]


def million_pages() -> bytes:
    """Return a PDF of 12 KB in which one page stands a million times."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1000000/Kids[" + b"3 0 R " * 1000 + b"]>>",
        b"<</Type/Pages/Parent 2 0 R/Count 1000/Kids[" + b"4 0 R " * 1000 + b"]>>",
        b"<</Type/Page/Parent 3 0 R/MediaBox[0 0 99 99]>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj%sendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 5\n0000000000 65535 f \n"
    return data + head + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(data)


def test_a_broken_page_costs_only_itself(tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", *GRAYS)
    # More pages are promised than there are.
    path.write_bytes(path.read_bytes().replace(b"/Count 3", b"/Count 4"))
    pages = pages_of(GivenImage(path, ""), 72) or ()
    assert [page.image().shape for page in pages[:3]] == [(72, 144, 3)] * 3
    with pytest.raises(DataError, match=rf"^cannot read page 4 of the PDF '{path}': it is damaged \("):
        pages[3].image()


def test_pages_have_the_pixel_limit_of_images(tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", 0.5, size=(14400, 14400))
    (page,) = pages_of(GivenImage(path, "")) or ()
    with pytest.raises(DataError) as raised:
        page.image()
    assert str(raised.value) == (
        f"cannot read page 1 of the PDF '{path}': at 300 dpi it has 60000 x 60000 pixels, more than 89,478,485:"
        " choose a lower resolution"
    )
    (page,) = pages_of(GivenImage(path, ""), dpi=10) or ()
    assert page.image().shape == (2000, 2000, 3)


def test_without_the_package_a_message_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = write_pdf(tmp_path / "a.pdf", 0.5)
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    assert reason(path) == (
        f"cannot read the PDF '{path}': PDFs need the package pypdfium2: pip install 'ocr-trainer-runtime[pdf]'"
    )


def test_threads_render_at_once(tmp_path: Path):
    grays = [number / 20 for number in range(20)]
    path = write_pdf(tmp_path / "a.pdf", *grays)
    wrong: list[tuple[int, float]] = []

    def check() -> None:
        for number, gray in enumerate(grays, start=1):
            value = float(pdf.render(path, path, number, 50)[-5, 5, 0])
            if abs(value - 255 * gray) > 1:
                wrong.append((number, value))

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "group4", "jpeg"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_of_a_tiff(compression: str | None, big: bool, tmp_path: Path):
    mode = "1" if compression == "group4" else "RGB"
    shades = [255, 0, 255, 0] if mode == "1" else [0, 80, 160, 240]
    first, *more = [
        Image.new(mode, (60 + n, 40), (s,) * 3 if mode == "RGB" else s) for n, s in enumerate(shades)
    ]
    path = tmp_path / "a.tif"
    first.save(path, save_all=True, append_images=more, compression=compression, big_tiff=big)
    for given in (GivenImage(path, ""), GivenImage(path.read_bytes(), "the image")):
        pages = pages_of(given)
        assert pages is not None
        assert [page.number for page in pages] == [1, 2, 3, 4]
        for number, (page, shade) in enumerate(zip(pages, shades, strict=True)):
            assert page.image().shape == (40, 60 + number, 3)
            assert np.abs(page.image().astype(int) - shade).max() <= 2
    np.testing.assert_array_equal(pages[0].image(), read_image(path))


def test_a_tiff_of_one_page_is_an_image_and_thumbnails_are_no_pages(tmp_path: Path):
    path = tmp_path / "a.tif"
    Image.new("RGB", (60, 40)).save(path)
    assert pages_of(GivenImage(path, "")) is None
    small = Image.new("RGB", (6, 4))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.new("RGB", (60, 40)).save(path, save_all=True, append_images=[small])
    with Image.open(path) as file:
        assert file.n_frames == 2
    assert pages_of(GivenImage(path, "")) is None


def test_damaged_chains_of_a_tiff_end(tmp_path: Path):
    first, second = Image.new("L", (6, 4)), Image.new("L", (7, 4))
    first.save(file := io.BytesIO(), "TIFF", save_all=True, append_images=[second])
    data = file.getvalue()
    starts = tiff_pages.offsets(data)
    assert len(starts) == 2
    # The last directory says where the next one is: nowhere. Let it lead back, or out of the file.
    (count,) = struct.unpack_from("<H", data, starts[1])
    place = starts[1] + 2 + 12 * count
    for offset in (starts[0], len(data) + 100, 2**32 - 1):
        damaged = data[:place] + struct.pack("<I", offset) + data[place + 4 :]
        assert len(tiff_pages.offsets(damaged)) in (0, 2)
    for length in range(0, len(data), 7):
        assert len(tiff_pages.offsets(data[:length])) <= 2
