"""The distributions on the pages of single kinds: files, wheel, install, describe, use, tests."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint
from helpers.environments import OFFLINE, Environment
from helpers.fakes import TINY

from ocr_trainer.checkpoint.read import read

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"^`(ocr-trainer-\w+/[\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {"ocr-trainer-boxes": "writing-a-writer.md", "ocr-trainer-seen": "writing-a-callback.md"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with a wheel of each page."""
    environment = Environment.make(tmp_path_factory.mktemp("pages"))
    for name, page in PAGES.items():
        for path, text in FILE.findall((DOCS / page).read_text(encoding="utf-8")):
            (environment.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (environment.folder / path).write_text(text, encoding="utf-8")
        environment.pip("wheel", *OFFLINE, "--wheel-dir", "dist", str(environment.folder / name))
    environment.pip("install", *OFFLINE, *map(str, (environment.folder / "dist").iterdir()))
    return environment


def test_they_are_listed(installed: Environment):
    rows = [row for row in installed.listed() if row["distribution"] in PAGES]
    assert [(row["kind"], row["name"], row["broken"]) for row in rows] == [
        ("callback", "seen", None),
        ("callback", "time_limit", None),
        ("writer", "boxes", None),
    ]
    done = installed.ocr_train("describe", "writer", "boxes")
    assert "writer.boxes.delimiter=,   str\n    The character between two fields.\n" in done.stdout


@pytest.mark.slow
def test_the_writer_writes(installed: Environment):
    folder = installed.folder / "images"
    folder.mkdir()
    image = np.full((90, 150, 3), 255, np.uint8)
    cv2.putText(image, "TOTAL", (10, 60), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2)
    cv2.imwrite(str(folder / "a.png"), image)
    detector = str(write_checkpoint(folder / "det.ckpt", DETECTOR))
    recognizer = str(write_checkpoint(folder / "rec.ckpt", (*RECOGNIZER, "model.max_width=512"), seed=3))
    words = ("predict", detector, "images/a.png", "--format", "boxes", "--out", "found")
    done = installed.ocr_train(*words)
    assert (done.returncode, done.stderr) == (
        2,
        "ocr-train: --format boxes needs a recognizer: add --recognizer CKPT\n",
    )
    done = installed.ocr_train(*words, "--recognizer", recognizer, "writer.boxes.delimiter=;")
    assert done.returncode == 0, done.stderr
    with (installed.folder / "found" / "a.boxes.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, delimiter=";")
    assert list(row) == ["left", "top", "right", "bottom", "text"]
    assert 0 <= int(row["left"]) < int(row["right"]) <= 150
    assert row["text"]


@pytest.mark.slow
def test_the_callbacks_follow_a_run(installed: Environment):
    words = (
        "model=dbnet",
        *TINY,
        "logger=[csv]",
        "callback=[seen,time_limit]",
        "trainer.log_every_n_steps=1",
    )
    done = installed.ocr_train(*words, "callback.seen.every=1", "exp_name=pages")
    assert done.returncode == 0, done.stderr
    (folder,) = (installed.folder / "runs" / "pages").iterdir()
    states = read(folder / "checkpoints" / "last.ckpt")["callbacks"]
    assert states["Seen"] == {"images": 4}
    assert states["Timer"]["time_elapsed"]["train"] > 0
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        counts = [row["train/images_seen"] for row in csv.DictReader(file) if row["train/images_seen"]]
    assert [float(count) for count in counts] == [2, 4]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.slow
def test_their_own_tests_pass(name: str, installed: Environment):
    done = installed.python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", str(installed.folder / name / "tests")
    )
    assert done.returncode == 0, done.stdout + done.stderr
