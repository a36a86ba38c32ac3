"""Bad data in a real run: what is skipped is counted and named, and too much of it stops the run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from ocr_trainer_synthetic.plugin import SyntheticConfig
from ocr_trainer_synthetic.synthetic import Synthetic

from ocr_trainer.cli.main import main
from ocr_trainer.engine.report import write
from ocr_trainer.plugin import Context, Task

PAGES = 8
TINY = [
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=128",
        "augment.crop=64",
        "data.batch_size=2",
    ),
    *("data.num_workers=0", "trainer.accelerator=cpu", "trainer.max_epochs=1", "logger=[]", "dataset=sroie"),
]

Outcome = tuple[int, str, dict]


class Receipts:
    """A folder in the form of SROIE, of small rendered pages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "img").mkdir(parents=True)
        (root / "box").mkdir()
        config = SyntheticConfig(train_pages=PAGES, height=128, width=128, max_words=8)
        pages = Synthetic(config, Context(task=Task.detection)).train
        for index in range(PAGES):
            sample = pages[index]
            cv2.imwrite(str(self.image(index)), sample.image)
            rows = [
                ",".join(f"{value:.1f}" for value in polygon.ravel()) + f",{text}"
                for polygon, text in zip(sample.polygons, sample.texts, strict=True)
            ]
            self.box(index).write_text("\n".join(rows) + "\n", encoding="utf-8")
        self.split([f"p{i}" for i in range(PAGES - 2)], [f"p{PAGES - 2}", f"p{PAGES - 1}"])

    def split(self, train: list[str], val: list[str]) -> None:
        (self.root / "train.txt").write_text("\n".join(train) + "\n", encoding="utf-8")
        (self.root / "val.txt").write_text("\n".join(val) + "\n", encoding="utf-8")

    def image(self, index: int) -> Path:
        return self.root / "img" / f"p{index}.png"

    def box(self, index: int) -> Path:
        return self.root / "box" / f"p{index}.csv"

    def add(self, index: int, row: str) -> int:
        """Add a row; return the number of its line."""
        with self.box(index).open("a", encoding="utf-8") as file:
            file.write(row + "\n")
        return len(self.box(index).read_text(encoding="utf-8").splitlines())


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts(tmp_path / "data")


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command line on the folder; return exit status, standard error and the report."""

    def call(*words: str, root: Path = tmp_path / "data") -> Outcome:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["ocr-train", *TINY, f"dataset.root={root}", *words])
        status = main()
        reports = list(tmp_path.glob("runs/default/*/report.json"))
        report = json.loads(reports[-1].read_text(encoding="utf-8")) if reports else {}
        return status, capsys.readouterr().err, report

    return call


def test_a_missing_folder(run: Callable[..., Outcome], tmp_path: Path):
    status, said, _ = run(root=tmp_path / "nowhere")
    assert status == 2
    assert str(tmp_path / "nowhere") in said
    assert "dataset.root" in said
    assert "Traceback" not in said


def test_an_empty_split(run: Callable[..., Outcome], receipts: Receipts):
    receipts.split([f"p{i}" for i in range(PAGES)], [])
    status, said, _ = run()
    assert (status, said) == (2, "ocr-train: the val split of dataset=sroie is empty\n")


def test_an_annotation_line_that_does_not_parse_is_named_with_file_and_line(
    run: Callable[..., Outcome], receipts: Receipts
):
    line = receipts.add(0, "1,2,three,4,5,6,7,8,TOTAL")
    status, _, report = run("data.max_skipped=0.5")
    assert status == 0
    assert (report["skipped"]["labels"], report["skipped"]["images"]) == (1, 0)
    (entry,) = report["skipped"]["entries"]
    assert entry.startswith(f"{receipts.box(0)}:{line}: ")


def test_more_bad_labels_than_allowed_stop_the_run_before_training(
    run: Callable[..., Outcome], receipts: Receipts, tmp_path: Path
):
    line = receipts.add(1, "no,coordinates")
    status, said, report = run("data.max_skipped=0.001")
    assert (status, report) == (2, {})
    assert "labels cannot be used, more than data.max_skipped=0.001 allows:" in said
    assert f"{receipts.box(1)}:{line}: " in said
    assert not list(tmp_path.glob("runs/default/*/checkpoints/*"))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"GIF89a, or so it says"), id="garbage"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:200]), id="truncated"),
        pytest.param(lambda path: path.unlink(), id="missing"),
    ],
)
@pytest.mark.parametrize("index", [0, PAGES - 1])
def test_an_unreadable_image_is_skipped_and_named(
    run: Callable[..., Outcome], receipts: Receipts, spoil: Callable[[Path], object], index: int
):
    spoil(receipts.image(index))
    status, said, report = run("data.max_skipped=0.5")
    assert status == 0, said
    assert report["skipped"]["images"] == 1
    assert f"p{index}" in report["skipped"]["entries"][0]
    assert report["steps"] in (2, 3)


def test_an_image_without_annotation(run: Callable[..., Outcome], receipts: Receipts):
    receipts.box(2).unlink()
    status, _, report = run("data.max_skipped=0.5")
    assert (status, report["skipped"]["images"]) == (0, 1)
    assert "p2" in report["skipped"]["entries"][0]


def test_too_many_unreadable_images_stop_the_run(run: Callable[..., Outcome], receipts: Receipts):
    for index in range(3):
        receipts.image(index).write_bytes(b"not an image")
    status, said, report = run("data.max_skipped=0.1")
    assert (status, report) == (2, {})
    assert "3 of " in said
    assert "checked images cannot be used, more than data.max_skipped=0.1 allows:" in said


def test_a_sample_of_the_headers_is_judged_by_its_own_size(run: Callable[..., Outcome], receipts: Receipts):
    receipts.image(0).write_bytes(b"not an image")
    status, said, _ = run("data.max_skipped=0.2", "data.check_images=2")
    assert status == 2
    assert "1 of 2 checked images cannot be used" in said


@pytest.mark.parametrize("workers", [0, 1])
def test_a_cut_image_that_only_decoding_shows_stops_the_run_when_they_are_many(
    run: Callable[..., Outcome], receipts: Receipts, workers: int
):
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 255, (128, 128, 3), np.uint8)
        data = cv2.imencode(".png", noise)[1].tobytes()
        receipts.image(index).write_bytes(data[: len(data) // 2])
    status, said, _ = run("data.max_skipped=0.2", f"data.num_workers={workers}")
    assert status == 2
    assert "Traceback" not in said
    assert "images cannot be read, more than data.max_skipped=0.2 of 6:" in said


def test_polygons_outside_and_crossing_are_survived_and_counted(
    run: Callable[..., Outcome], receipts: Receipts
):
    receipts.add(0, "-30,-30,40,-30,40,30,-30,30,PARTLY OUTSIDE")
    crossing = receipts.add(1, "10,10,60,60,60,10,10,60,CROSSING")
    outside = receipts.add(2, "-90,-90,-40,-90,-40,-40,-90,-40,OUTSIDE")
    receipts.add(3, "500,10,600,10,600,40,500,40,BEYOND")
    status, said, report = run("data.max_skipped=0.5")
    assert status == 0, said
    named = "\n".join(report["skipped"]["entries"])
    assert f"p1.csv:{crossing}" in named
    assert f"p2.csv:{outside}" in named
    assert "PARTLY" not in named
    assert "p3.png: label " in named
    assert "lies outside the image of 128 x 128 pixels" in named
    assert report["skipped"]["labels"] == 3


def test_pages_without_text_train_and_score(run: Callable[..., Outcome], receipts: Receipts):
    for index in range(PAGES):
        receipts.box(index).write_text("", encoding="utf-8")
    status, said, report = run()
    assert status == 0, said
    assert report["skipped"]["labels"] == 0
    assert report["scores"]["test/recall"] == 0.0


def test_the_report_says_that_val_was_tested_on(run: Callable[..., Outcome], receipts: Receipts):
    status, _, report = run()
    assert (status, report["test_split"]) == (0, "val")


def test_a_run_folder_that_cannot_be_made(run: Callable[..., Outcome], receipts: Receipts, tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    status, said, _ = run(f"output_dir={tmp_path}/taken")
    assert status == 2
    assert said.startswith(f"ocr-train: cannot create a run directory in {tmp_path}/taken/default: ")
    assert "output_dir=" in said


def test_a_report_names_files_whose_names_are_not_utf8(tmp_path: Path):
    name = os.fsdecode(b"bad\xff\xfc.png")
    write(tmp_path, {"entries": [name, "ü.png"]})
    said = (tmp_path / "report.json").read_bytes().decode("utf-8")
    assert json.loads(said) == {"entries": [name, "ü.png"]}
    assert "ü.png" in said
