"""`ocr-train predict` with a detector, a recognizer, and both; models are small and have learned nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint

from ocr_trainer.cli.inputs import given_images
from ocr_trainer.cli.main import main
from ocr_trainer.errors import DataError
from ocr_trainer_runtime.reader import read_ahead

Predict = Callable[..., int]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    detector = write_checkpoint(folder / "det.ckpt", DETECTOR)
    # Without biases even random weights read something.
    recognizer = write_checkpoint(folder / "rec.ckpt", (*RECOGNIZER, "model.max_width=512"), seed=3)
    return str(detector), str(recognizer)


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    def run(*words: str) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-train", "predict", *words])
        return main()

    return run


def picture(path: Path, word: str = "TOTAL", size: tuple[int, int] = (90, 150)) -> np.ndarray:
    image = np.full((*size, 3), 255, np.uint8)
    cv2.putText(image, word, (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return image


def record(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_both_read_pages_in_all_forms(pair: tuple[str, str], predict: Predict, tmp_path: Path, capsys):
    det, rec = pair
    image = picture(tmp_path / "pages" / "one.png")
    picture(tmp_path / "pages" / "two.jpg", "CASH")
    (tmp_path / "pages" / "notes.md").write_text("no image")
    (tmp_path / "pages" / "broken.jpg").write_bytes(b"\xff\xd8 not an image")
    formats = "json,page,alto,hocr,tsv,text,overlay"
    assert predict(det, "pages", "--recognizer", rec, "--out", "out", "--format", formats) == 0
    suffixes = (".json", ".xml", ".alto.xml", ".hocr", ".tsv", ".txt", ".overlay.png")
    assert names(tmp_path / "out") == {f"{name}{suffix}" for name in ("one", "two") for suffix in suffixes}
    told = capsys.readouterr()
    assert told.err.count("skipped") == 1
    assert "pages/broken.jpg" in told.err
    assert "2 of 3 images: " in told.out
    assert told.out.rstrip().endswith("out")

    (found,) = record(tmp_path / "out" / "one.json")["detections"]
    assert found["text"] == read_directly(rec, image, np.array(found["polygon"], np.float32))
    assert found["text"] != ""
    assert len(found["character_scores"]) == len(found["text"])
    assert (tmp_path / "out" / "one.txt").read_text(encoding="utf-8") == f"{found['text']}\n"
    overlay = cv2.imread(str(tmp_path / "out" / "one.overlay.png"))
    assert overlay.shape == (90, 300, 3)


def read_directly(rec: str, image: np.ndarray, polygon: np.ndarray) -> str:
    """Read what is in a polygon without the reader."""
    import torch

    from ocr_trainer.checkpoint.read import read
    from ocr_trainer.config.compose import compose
    from ocr_trainer.evaluation.rebuild import rebuild
    from ocr_trainer_runtime.recognition.rectify import cut

    saved = read(rec)
    model = rebuild(compose([], saved["ocr_trainer"]["config"]), saved, Path())
    crop = cut(image, polygon)
    height, width = model.size(*crop.shape[:2])
    crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    padded = np.pad(crop, ((0, 0), (0, -width % model.stride), (0, 0)))
    with torch.inference_mode():
        outputs = model(torch.from_numpy(padded.transpose(2, 0, 1)[None].copy()), torch.tensor([width]))
        return model.decode(outputs)[0].text


def test_a_detector_alone_writes_no_texts(pair: tuple[str, str], predict: Predict, tmp_path: Path):
    picture(tmp_path / "one.png")
    assert predict(pair[0], "one.png") == 0
    assert names(tmp_path / "predictions") == {"one.json", "one.overlay.png"}
    (found,) = record(tmp_path / "predictions" / "one.json")["detections"]
    assert "text" not in found


def test_a_recognizer_alone_reads_images_of_words(pair: tuple[str, str], predict: Predict, tmp_path: Path):
    # More than are read at once, of all widths: the rows must still belong to their images.
    for number in range(70):
        picture(
            tmp_path / "words" / f"{number:03}.png", "x" * (number % 7 + 1), (70, 40 + 13 * (number % 11))
        )
    assert predict(pair[1], "words/*.png", "--out", "out") == 0
    rows = [json.loads(row) for row in (tmp_path / "out" / "readings.jsonl").read_text("utf-8").splitlines()]
    assert [row["image"] for row in rows] == [f"words/{number:03}.png" for number in range(70)]
    table = (tmp_path / "out" / "readings.tsv").read_text("utf-8").splitlines()
    assert table == [f"{row['image']}\t{row['text']}" for row in rows]
    assert len({row["text"] for row in rows}) > 1
    for row in (rows[0], rows[33], rows[69]):
        assert predict(pair[1], row["image"], "--out", "again") == 0
        alone = json.loads((tmp_path / "again" / "readings.jsonl").read_text("utf-8"))
        assert (alone["image"], alone["text"]) == (row["image"], row["text"])
        assert alone["character_scores"] == pytest.approx(row["character_scores"], abs=2e-4)


def test_images_may_be_files_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.jpg", "deep/c.png", "deep/.hidden.png", "[odd].png"):
        picture(tmp_path / "in" / name)
    (tmp_path / "in" / "x.txt").write_text("")
    found = [str(path) for path in given_images(["in/b.png", "in", "in/**/*", "none.png", "in/[odd].png"])]
    assert found == ["in/b.png", "in/[odd].png", "in/a.jpg", "in/deep/c.png", "none.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"^there is no image in the folder 'empty'"):
        given_images(["empty"])
    with pytest.raises(DataError, match=r"^no image matches 'in/\*.bmp'$"):
        given_images(["in/*.bmp"])


def test_what_a_folder_holds_and_is_not_read_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.jpg", "in/b.png", "in/deep/c.png"):
        picture(tmp_path / name)
    (tmp_path / "in" / "b.png").rename(tmp_path / "in" / "b.download")
    (tmp_path / "in" / "a.jpg").rename(tmp_path / "in" / "a.jfif")
    (tmp_path / "in" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1")
    for name in ("clip.mov", "notes.txt", "more.txt"):
        (tmp_path / "in" / name).write_bytes(b"no image")
    assert [path.name for path in given_images(["in"])] == ["IMG_1.HEIC", "a.jfif", "b.download"]
    assert capsys.readouterr().err.splitlines() == [
        "ocr-train: note: 'in': other files, not read: 2 .txt, 1 .mov",
        "ocr-train: note: 'in': 1 images in its subfolders are not read; 'in/**/*' reads them",
    ]
    assert [path.name for path in given_images(["in/*.*"])] == ["IMG_1.HEIC", "a.jfif", "b.download"]
    assert capsys.readouterr().err == "ocr-train: note: 'in/*.*': other files, not read: 2 .txt, 1 .mov\n"
    (tmp_path / "in").rename(tmp_path / "only")
    for name in ("IMG_1.HEIC", "a.jfif", "b.download"):
        (tmp_path / "only" / name).unlink()
    with pytest.raises(
        DataError, match=r"1 images in its subfolders are not read; 'only/\*\*/\*' reads them"
    ):
        given_images(["only"])


def test_one_image_is_read_ahead_and_no_more():
    taken: list[int] = []
    begun: list[int] = []

    def images():
        for number in range(6):
            taken.append(number)
            yield number

    for number, (image, future) in enumerate(read_ahead(images(), begun.append)):
        future.result()
        assert image == number
        assert max(len(taken), len(begun)) <= number + 2
    assert taken == begun == list(range(6))


WRONG = "the first checkpoint must find text, and that of --recognizer must read it, but\n"


@pytest.mark.parametrize("command", ["test", "predict"])
def test_checkpoints_in_the_wrong_place(command: str, pair: tuple[str, str], tmp_path, monkeypatch, capsys):
    det, rec = pair
    finds, reads = f"  {det} finds text: model=dbnet\n", f"  {rec} reads text: model=crnn\n"
    turned = f"  swap them: ocr-train {command} {det} … --recognizer {rec}\n"
    for first, second, message in [
        (rec, det, f"{WRONG}{reads}{finds}{turned}"),
        (det, det, f"{WRONG}{finds}{finds}"),
        (rec, rec, f"{WRONG}{reads}{reads}"),
    ]:
        images = ["a.png"] if command == "predict" else []
        monkeypatch.setattr(sys, "argv", ["ocr-train", command, first, *images, "--recognizer", second])
        monkeypatch.chdir(tmp_path)
        assert main() == 2
        assert capsys.readouterr().err == f"ocr-train: {message}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--format", "json,epub"],
            "no writer plugin named 'epub' is installed.\n"
            "  installed: alto, csv, hocr, icdar, json, overlay, page, pdf, text, tsv",
        ),
        (["--format", "txt"], "no writer plugin named 'txt' is installed. Did you mean 'text'?"),
        (["--format", ""], "no writer plugin named '' is installed."),
        (["writer.alto.a=1"], "writer.alto.a=1 is for --format alto; the formats are json,overlay"),
        (["--format", "tsv", "writer.tsv.sep=,"], "writer 'tsv' has no option 'sep'.\n      options: none"),
        (["--format", "text"], "--format text needs a recognizer: add --recognizer CKPT"),
        (["--dpi", "5"], "--dpi must be at least 10 and at most 2400, not 5"),
        (["--margin", "0.1"], "--margin needs a recognizer: add --recognizer CKPT"),
        (["recognizer.beam=3"], "recognizer.beam=3 needs a recognizer: add --recognizer CKPT"),
        (
            ["dataset.root=x"],
            "'dataset.root=x' is not an image, and predict accepts only options of model.…, tiles.… and writer.…",
        ),
        (["--recognizer", "REC", "--margin", "2"], "--margin must be at least 0 and at most 1, not 2"),
        (["--recognizer", "REC", "recognizer.bea=3"], "bea"),
        (["--recognizer", "none.ckpt"], "there is no checkpoint none.ckpt"),
    ],
)
def test_words_that_cannot_be(words: list[str], message: str, pair, predict: Predict, tmp_path: Path, capsys):
    picture(tmp_path / "a.png")
    given = [pair[1] if word == "REC" else word for word in words]
    assert predict(pair[0], "a.png", *given) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "predictions").exists()


def test_forms_are_for_pages(pair: tuple[str, str], predict: Predict, tmp_path: Path, capsys):
    picture(tmp_path / "a.png")
    assert predict(pair[1], "a.png", "--format", "json") == 2
    assert capsys.readouterr().err.startswith("ocr-train: --format is for pages, ")


def test_names_that_are_not_utf8(pair: tuple[str, str], tmp_path: Path):
    picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / b"bad\xff.png".decode("utf-8", "surrogateescape"))
    done = subprocess.run(
        [sys.executable, "-m", "ocr_trainer", "predict", pair[0], "."],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (written,) = (tmp_path / "predictions").glob("*.json")
    assert record(written)["image"] == "bad\ufffd.png"


def test_the_dataset_of_the_training_is_not_needed(
    pair: tuple[str, str], predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    picture(tmp_path / "page.png")
    monkeypatch.setenv("OCR_TRAIN_ALLOW_PLUGINS", "dbnet,crnn")
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "dataset/*")
    assert predict(pair[0], "page.png", "--recognizer", pair[1]) == 0
    assert (tmp_path / "predictions" / "page.json").is_file()
