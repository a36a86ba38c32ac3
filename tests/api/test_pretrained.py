"""Published weights are used by name wherever a checkpoint is: the real ones, of the wheel `rapidocr`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.calling import Call
from PIL import Image, ImageDraw, ImageFont

import ocr_trainer as ocr
from ocr_trainer.api.checkpoints import open_checkpoint
from ocr_trainer.api.pretrained import resolve
from ocr_trainer.errors import CheckpointError, ConfigError

LINES = ["TOTAL 12.50", "Thank you for your visit"]


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    """A white page with two lines, uint8, (200, 480, 3)."""
    image = Image.new("RGB", (480, 200), "white")
    drawing = ImageDraw.Draw(image)
    for row, line in enumerate(LINES):
        drawing.text((30, 30 + 80 * row), line, fill="black", font=ImageFont.load_default(32))
    return np.asarray(image)


@pytest.mark.parametrize("name", ["ppocrv6", None])
def test_both_models_read_a_page(page: np.ndarray, name: str | None) -> None:
    reader = ocr.load(name)
    assert (reader.finds, reader.reads) == (True, True)
    assert reader.predict(page).text.split("\n") == LINES


def test_one_model_by_its_own_name(page: np.ndarray) -> None:
    finder, reader = ocr.load("ppocrv6_det"), ocr.load("ppocrv6_rec")
    found = finder.predict(page)
    assert (finder.reads, len(found.words)) == (False, 2)
    assert [reader.predict(page[20 + 80 * row : 80 + 80 * row, :450]).text for row in (0, 1)] == LINES


def test_options_of_both_apply(page: np.ndarray) -> None:
    assert ocr.load("ppocrv6", "model.box_threshold=1").predict(page).words == []
    reader = ocr.load("ppocrv6", "recognizer.beam=3")
    assert reader.pipeline.recognizer is not None
    assert reader.pipeline.recognizer.config.beam == 3


def test_names_stand_for_the_models_that_have_the_weights(tmp_path: Path) -> None:
    file = tmp_path / "some.ckpt"
    file.touch()
    assert resolve("ppocrv6", None) == ("ppocrv6_det", "ppocrv6_rec")
    assert resolve("ppocrv6_det", None) == ("ppocrv6_det", None)
    assert resolve("ppocrv6", file) == ("ppocrv6_det", file)
    assert resolve(file, "ppocrv6") == (file, "ppocrv6_rec")
    assert resolve(file, None) == (file, None)
    assert resolve(None, file) == ("ppocrv6_det", file)


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ppocrv6").touch()
    assert resolve("ppocrv6", None) == ("ppocrv6", None)
    with pytest.raises(CheckpointError, match=r"^ppocrv6 cannot be read as a checkpoint"):
        ocr.load("ppocrv6")


def test_what_is_neither_a_file_nor_a_name_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint ppocrv5\. Did you mean 'ppocrv6'\?"):
        ocr.load("ppocrv5")
    with pytest.raises(CheckpointError, match=r"several models: choose ppocrv6_det or ppocrv6_rec"):
        open_checkpoint("ppocrv6")


def test_without_such_a_model_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCR_TRAIN_DISABLE_PLUGINS", "model/ppocrv6_det,model/ppocrv6_rec")
    with pytest.raises(ConfigError, match=r"no checkpoint is named.*\n.*pip install 'ocr-trainer\[start\]'"):
        ocr.load()


def test_predict_reads_without_a_checkpoint(call: Call, tmp_path: Path, page: np.ndarray) -> None:
    Image.fromarray(page).save(tmp_path / "page.png")
    status, out, err = call("predict", "page.png")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "page.png: 2 texts"
    assert (tmp_path / "predictions" / "page.txt").read_text().split("\n")[:2] == LINES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ppocrv5", "page.png"], "there is no checkpoint ppocrv5. Did you mean 'ppocrv6'?"),
        (["best.pt", "page.png"], "there is no checkpoint best.pt\n"),
        (["run", "page.png"], "run is a folder without a checkpoint"),
    ],
)
def test_the_first_word_is_a_checkpoint_unless_it_names_images(
    call: Call, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    status, _, err = call("predict", *words)
    assert status == 2
    assert err.startswith(f"ocr-train: {message}")


def test_they_are_scored_end_to_end_on_data_of_the_user(call: Call) -> None:
    data = ("dataset=synthetic", "dataset.test_pages=2", "dataset.train_pages=1", "dataset.val_pages=1")
    status, out, err = call("test", "ppocrv6", *data)
    assert (status, err) == (0, "")
    (score,) = (line.split()[1] for line in out.splitlines() if "test/e2e_cleval_hmean" in line)
    assert float(score) > 0.8
