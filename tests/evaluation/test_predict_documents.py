"""`ocr-train predict` and `Reader.predict` on PDFs and TIFFs of several pages; files of several images."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint
from PIL import Image

import ocr_trainer
from ocr_trainer.cli.main import main
from ocr_trainer.errors import ConfigError, DataError
from ocr_trainer.evaluation.predict import Reader
from ocr_trainer.results import Page
from ocr_trainer_runtime.reader import Pages

pikepdf = pytest.importorskip("pikepdf", reason="pikepdf is missing: pip install 'ocr-trainer[pdf]'")
pdfium = pytest.importorskip("pypdfium2", reason="pypdfium2 is missing: pip install 'ocr-trainer[pdf]'")

Predict = Callable[..., int]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    detector = write_checkpoint(folder / "det.ckpt", DETECTOR)
    recognizer = write_checkpoint(folder / "rec.ckpt", (*RECOGNIZER, "model.max_width=512"), seed=3)
    return str(detector), str(recognizer)


@pytest.fixture(scope="module")
def reader(pair: tuple[str, str]) -> Reader:
    return ocr_trainer.load(pair[0], recognizer=pair[1])


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    def run(*words: str) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-train", "predict", *words])
        return main()

    return run


def picture(word: str) -> np.ndarray:
    image = np.full((90, 150, 3), 255, np.uint8)
    cv2.putText(image, word, (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    return image


def write_pdf(path: Path, *words: str, promised: int | None = None) -> Path:
    """Write a PDF with a picture per page, at 150 dpi, and perhaps a promise of more pages than there are."""
    pages = [Image.fromarray(picture(word)) for word in words]
    path.parent.mkdir(exist_ok=True)
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=150)
    if promised is not None:
        data = path.read_bytes()
        assert b"/Count %d" % len(words) in data
        path.write_bytes(data.replace(b"/Count %d" % len(words), b"/Count %d" % promised))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_images_and_documents(pair: tuple[str, str], predict: Predict, tmp_path: Path, capsys):
    scans = tmp_path / "scans"
    write_pdf(scans / "b.pdf", "ONE", "TWO", promised=3)
    (scans / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    Image.fromarray(picture("PHOTO")).save(scans / "b.jpg", quality=95)
    first, second = Image.fromarray(picture("FAX")), Image.fromarray(picture("FAX2"))
    first.save(scans / "fax.tif", save_all=True, append_images=[second])
    formats = "json,pdf,csv,icdar"
    words = ("scans", "--recognizer", pair[1], "--out", "out", "--format", formats, "--dpi", "150")
    assert predict(pair[0], *words) == 0
    told = capsys.readouterr()
    assert (
        told.err.splitlines()[0]
        == "ocr-train: skipped: cannot read page 3 of the PDF 'scans/b.pdf': it is damaged (Failed to load page.)"
    )
    assert told.err.splitlines()[1:] == [
        "ocr-train: skipped: cannot read the PDF 'scans/broken.pdf': it is damaged"
    ]
    assert "scans/b.pdf page 2: 1 texts" in told.out
    assert "5 of 7 images: 5 texts" in told.out

    out = tmp_path / "out"
    pages = ["b", "b-2-0001", "b-2-0002", "fax-0001", "fax-0002"]
    assert names(out) == sorted(
        [f"{name}.json" for name in pages]
        + ["b.pdf", "b-2.pdf", "fax.pdf", "predictions.csv", "predictions.zip"]
    )
    records = {name: json.loads((out / f"{name}.json").read_text("utf-8")) for name in pages}
    assert [(r["image"], r.get("page")) for r in records.values()] == [
        ("scans/b.jpg", None),
        *(("scans/b.pdf", 1), ("scans/b.pdf", 2), ("scans/fax.tif", 1), ("scans/fax.tif", 2)),
    ]
    texts = {name: [found["text"] for found in record["detections"]] for name, record in records.items()}
    for document, parts in {"b": pages[:1], "b-2": pages[1:3], "fax": pages[3:]}.items():
        with pdfium.PdfDocument(out / f"{document}.pdf") as written:
            shown = [page.get_textpage().get_text_range().split() for page in written]
            assert shown == [" ".join(texts[part]).split() for part in parts]
    with pdfium.PdfDocument(out / "b-2.pdf") as written, pdfium.PdfDocument(scans / "b.pdf") as given:
        assert written[0].get_size() == pytest.approx(given[0].get_size(), abs=0.5)
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["page"]) for row in rows] == [
        (r["image"], str(r.get("page", ""))) for r in records.values() for _ in r["detections"]
    ]
    with ZipFile(out / "predictions.zip") as archive:
        assert archive.namelist() == [f"res_{name}.txt" for name in pages]


def test_a_recognizer_reads_pages_as_words(pair: tuple[str, str], predict: Predict, tmp_path: Path):
    write_pdf(tmp_path / "words.pdf", "ONE", "TWO")
    assert predict(pair[1], "words.pdf", "--out", "out") == 0
    rows = [json.loads(row) for row in (tmp_path / "out" / "readings.jsonl").read_text("utf-8").splitlines()]
    assert [(row["image"], row["page"]) for row in rows] == [("words.pdf", 1), ("words.pdf", 2)]
    table = (tmp_path / "out" / "readings.tsv").read_text("utf-8").splitlines()
    assert table == [f"words.pdf page {row['page']}\t{row['text']}" for row in rows]


def test_a_pdf_that_cannot_be_read_is_an_error(
    pair: tuple[str, str], predict: Predict, tmp_path: Path, capsys
):
    (tmp_path / "empty.pdf").write_bytes(b"")
    assert predict(pair[0], "empty.pdf", "--format", "json") == 2
    assert capsys.readouterr().err.splitlines() == [
        "ocr-train: skipped: cannot read the PDF 'empty.pdf': the file is empty",
        "ocr-train: none of the 1 images could be read",
    ]


def test_the_zip_file_of_predict_has_the_scores_of_test(
    pair: tuple[str, str], predict: Predict, tmp_path: Path
):
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    for folder in ("images", "gt"):
        (data / folder).mkdir(parents=True)
    for number in range(1, 6):
        height, width = rng.integers(60, 140), rng.integers(100, 300)
        cv2.imwrite(
            str(data / "images" / f"img_{number}.jpg"), rng.integers(0, 255, (height, width, 3), np.uint8)
        )
        # The detector has learned nothing, and finds one text, the whole image.
        right, bottom = (width - 1, height - 1) if number % 2 else (30, 20)
        rows = [f"0,0,{right},0,{right},{bottom},0,{bottom},TEXT", "5,30,20,30,20,40,5,40,more"][
            : number - 1 or 1
        ]
        (data / "gt" / f"gt_img_{number}.txt").write_text("\n".join(rows), encoding="utf-8")
    (data / "train.txt").write_text("img_1", encoding="utf-8")
    (data / "val.txt").write_text("img_2\nimg_3\nimg_4\nimg_5", encoding="utf-8")
    scores = ocr_trainer.evaluate(pair[0], "dataset=icdar2015", dataset={"root": str(data)})
    assert predict(pair[0], "data/images/img_[2-5].jpg", "--format", "icdar") == 0
    (data / "gt" / "gt_img_1.txt").unlink()
    found = tmp_path / "predictions" / "predictions.zip"
    for metric, prefix in (("icdar", "test/"), ("cleval", "test/cleval_")):
        scored = ocr_trainer.score(data / "gt", found, metric=metric, form="quad+text")["scores"]
        for score in ("precision", "recall", "hmean"):
            assert 0.1 < scored[score] == pytest.approx(scores[prefix + score], abs=1e-6)


def test_files_of_an_earlier_command_do_not_stay(pair: tuple[str, str], predict: Predict, tmp_path: Path):
    write_pdf(tmp_path / "a.pdf", "ONE", "TWO")
    words = ("a.pdf", "--recognizer", pair[1], "--out", "out", "--format", "pdf,icdar")
    assert predict(pair[0], *words) == 0
    before = (tmp_path / "out" / "predictions.zip").read_bytes(), (tmp_path / "out" / "a.pdf").read_bytes()
    assert predict(pair[0], *words) == 0
    assert names(tmp_path / "out") == ["a.pdf", "predictions.zip"]
    assert before == (
        (tmp_path / "out" / "predictions.zip").read_bytes(),
        (tmp_path / "out" / "a.pdf").read_bytes(),
    )


def test_a_document_gives_pages_and_an_image_a_page(reader: Reader, tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", "ONE", "TWO")
    single = write_pdf(tmp_path / "single.pdf", "ONE")
    Image.fromarray(picture("ONE")).save(tmp_path / "one.png")
    for given in (path, str(path), path.read_bytes(), [path]):
        pages = reader.predict(given, dpi=150)
        assert isinstance(pages, Pages)
        found = list(pages)
        assert [page.number for page in found] == [1, 2]
        assert (found[0].width, found[0].height, found[0].dpi) == (150, 90, 150)
    (page,) = reader.predict(single)
    assert page.source == str(single)
    assert repr(page).startswith(f"<Page of '{single} page 1': 300 x 180 pixels, ")
    assert page.image.shape == (180, 300, 3)  # rendered again
    assert page.to_dict()["page"] == 1
    page.save(tmp_path / "saved.pdf")
    with pdfium.PdfDocument(tmp_path / "saved.pdf") as written:
        assert len(written) == 1
    image = reader.predict(tmp_path / "one.png")
    assert isinstance(image, Page)
    assert "page" not in image.to_dict()
    many = reader.predict([tmp_path / "one.png", path, str(single)])
    assert [(Path(page.source).name, page.number) for page in many] == [
        *(("one.png", None), ("a.pdf", 1), ("a.pdf", 2), ("single.pdf", 1)),
    ]


def test_pages_that_cannot_be_read_are_skipped_and_counted(reader: Reader, tmp_path: Path):
    path = write_pdf(tmp_path / "a.pdf", "ONE", promised=2)
    with pytest.raises(DataError, match=r"^cannot read page 2 of the PDF"):
        list(reader.predict(path, dpi=50))
    pages = reader.predict([path, b"%PDF-1.4"], on_error=lambda error: None, dpi=50)
    assert [page.number for page in pages] == [1]
    assert [str(error).partition(" of ")[0] for error in pages.skipped] == [
        "cannot read page 2",
        "cannot read the PDF 'image 2': it is damaged",
    ]
    with pytest.raises(DataError, match="it is damaged"):
        reader.predict(b"%PDF-1.4")
    with pytest.raises(ConfigError, match=r"^dpi must be at least 10 and at most 2400, not 3000$"):
        reader.predict(path, dpi=3000)
