"""A recognizer of sub-words, from the page on what models may do: tokenizer, figures, step and epoch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cutting import Cut, cut_off, differ, ocr_train
from helpers.documented import changed, importable, unpack
from helpers.fakes import python_path
from helpers.launching import run_folder
from PIL import Image

from ocr_trainer.checkpoint.read import LAST, read
from ocr_trainer.testing.recognizers import picture

TEXTS = ["the", "then", "thin", "than", "heat", "neat", "tent", "net", "hint", "tithe", "an ant", "a hat"]
RUN = [
    *(
        "model=pieces",
        "model.pairs=6",
        "model.channels=16",
        "model.height=16",
        "dataset=words",
        "logger=[csv]",
    ),
    *("dataset.val_share=0.2", "dataset.test_share=0.2", "data.batch_size=2", "data.num_workers=0"),
    *("trainer.accelerator=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=1", "augment=none"),
    *("trainer.enable_progress_bar=false", "data.max_skipped=0.5", "data.bucket_batches=1"),
]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution of the page, as if it were installed."""
    return unpack("writing-a-model.md", tmp_path_factory.mktemp("pieces"))


@pytest.fixture
def _here(pieces: Path) -> Iterator[None]:
    with importable(pieces):
        yield


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Override the dataset's folder, which has images of the texts."""
    return [*RUN, f"dataset.root={write(tmp_path / 'words', TEXTS)}"]


def write(root: Path, texts: list[str]) -> Path:
    root.mkdir()
    for index, text in enumerate(texts):
        Image.fromarray(picture(text)).save(root / f"{index}.png")
    rows = (f"{index}.png\t{text}\n" for index, text in enumerate(texts))
    (root / "labels.txt").write_text("".join(rows), encoding="utf-8")
    return root


def logged(folder: Path, name: str) -> dict[int, float]:
    """Return a figure by step."""
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8") as file:
        return {int(row["step"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}


@pytest.mark.usefixtures("_here")
def test_it_trains_resumes_and_reads(tmp_path: Path, words: list[str]):
    assert ocr_train(tmp_path / "whole", words) == 0
    whole = run_folder(tmp_path / "whole")
    steps = json.loads((whole / "report.json").read_text(encoding="utf-8"))["steps"]

    # The figures are logged, and are no part of the loss.
    parts, losses = logged(whole, "train/entropy"), logged(whole, "train/loss")
    assert parts == losses
    assert all(0 <= value <= 1 for value in logged(whole, "train/piece_accuracy").values())
    expected = {step: 0.1 * (1 - step / steps) for step in range(steps)}
    assert logged(whole, "train/smoothing") == pytest.approx(expected, abs=1e-6)

    # Resumed within the second epoch, it ends as if it had not been cut, smoothing and all.
    folder = cut_off(tmp_path / "cut", words, Cut("on_train_batch_end", steps // 2 + 1))
    assert ocr_train(tmp_path / "cut", ["resume", str(folder)]) == 0
    assert differ(whole, folder) == []
    resumed = logged(folder, "train/smoothing")
    assert resumed.items() <= logged(whole, "train/smoothing").items()
    assert resumed.keys() >= {*range(steps // 2 + 1, steps)}

    # The checkpoint is enough to read: the data is gone.
    config = read(whole / "checkpoints" / LAST)["ocr_trainer"]["config"]
    learned = json.loads(config["charset"]["tokenizer"])["pieces"]
    assert learned[: len(config["charset"]["characters"])] == list(config["charset"]["characters"])
    assert len(learned) == len(config["charset"]["characters"]) + 6
    assert {"th", "an"} <= set(learned)
    image = (tmp_path / "words").rename(tmp_path / "moved") / "0.png"
    best = str(whole / "checkpoints" / "best.ckpt")
    assert ocr_train(tmp_path / "read", ["predict", best, str(image), "--out", "out"]) == 0
    row = json.loads((tmp_path / "read" / "out" / "readings.jsonl").read_text(encoding="utf-8"))
    assert set(row["text"]) <= set(config["charset"]["characters"])


@pytest.mark.usefixtures("_here")
def test_texts_that_changed_are_noticed_when_a_run_is_resumed(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
):
    folder = cut_off(tmp_path / "cut", words, Cut("on_train_batch_end", 3))
    labels = tmp_path / "words" / "labels.txt"
    labels.write_text(labels.read_text().replace("the\n", "eht\n").replace("thin", "niht"))
    assert ocr_train(tmp_path / "cut", ["resume", str(folder)]) == 2
    assert "has another tokenizer than the model makes of the data now" in capsys.readouterr().err


LEARN = "    return PieceTokenizer([*charset, *pairs])"
CASES = {
    "it makes something else": (LEARN, "    return pairs", "returns a list, not a tokenizer"),
    "its state is not plain": (
        '{"pieces": self.pieces}',
        '{"pieces": set(self.pieces)}',
        "is not JSON: TypeError",
    ),
    "it is missing": (
        "def learn",
        "def learnt",
        "its tokenizer ocr_trainer_pieces.tokenizer:learn cannot be imp",
    ),
    "its codes are out of range": ("np.array(codes", "np.array([99] + codes", "gives the code 99, but has"),
    "it lacks characters": (
        LEARN,
        LEARN.replace("*charset", "*charset.replace('h', '')"),
        "the tokenizer of model=pieces lacks 'h' (U+0068 LATIN SMALL LETTER H)",
    ),
}


@pytest.mark.parametrize(("before", "after", "message"), CASES.values(), ids=CASES)
def test_a_tokenizer_at_fault_is_refused(
    pieces: Path,
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    message: str,
):
    with importable(changed(pieces, tmp_path / "site", "tokenizer", before, after)):
        assert ocr_train(tmp_path / "here", words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unknown", "decision"),
    [("error", "the run is refused"), ("skip", "these texts are left out"), ("replace", "each becomes 'e'")],
)
def test_what_it_cannot_encode_is_reported_like_unknown_characters(
    pieces: Path,
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    unknown: str,
    decision: str,
):
    _, after, _ = CASES["it lacks characters"]
    options = [f"charset.unknown={unknown}", "charset.replacement=e", "trainer.max_steps=1"]
    with importable(changed(pieces, tmp_path / "site", "tokenizer", LEARN, after)):
        assert ocr_train(tmp_path / "here", [*words, *options]) == (2 if unknown == "error" else 0)
    errors = capsys.readouterr().err
    assert "train: the charset lacks 1 characters of the data" in errors
    assert decision in errors


def test_a_replacement_that_it_cannot_encode_is_refused(
    pieces: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
):
    _, after, _ = CASES["it lacks characters"]
    options = ["charset.unknown=replace", "charset.replacement=h"]
    with importable(changed(pieces, tmp_path / "site", "tokenizer", LEARN, after)):
        assert ocr_train(tmp_path / "here", [*words, *options]) == 2
    assert (
        "charset.replacement='h' (U+0068 LATIN SMALL LETTER H) cannot be encoded" in capsys.readouterr().err
    )


@pytest.mark.slow
def test_its_own_tests_pass(pieces: Path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(pieces / "tests")],
        cwd=pieces,
        env={**os.environ, **python_path(pieces), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
