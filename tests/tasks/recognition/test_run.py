"""Whole runs of a recognizer, as a user does them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

Cli = Callable[..., CompletedProcess[str]]

DIGITS = ["model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]"]
DIGITS += ["dataset.text.train_texts=32", "dataset.text.val_texts=8", "dataset.text.test_texts=8"]
SHORT = ["data.batch_size=8", "data.num_workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu"]


def run(cli: Cli, tmp_path: Path, *words: str) -> tuple[Path, CompletedProcess[str]]:
    """Run and return the run's folder."""
    before = set(tmp_path.glob("runs/*/*"))
    done = cli(*words)
    assert done.returncode == 0, done.stderr + done.stdout
    (folder,) = set(tmp_path.glob("runs/*/*")) - before
    return folder, done


def write_words(folder: Path, texts: dict[str, str]) -> None:
    from ocr_trainer.data.images import write_image
    from ocr_trainer.testing.recognizers import picture

    folder.mkdir()
    for name, text in texts.items():
        write_image(folder / name, picture(text))
    rows = "".join(f"{name}\t{text}\n" for name, text in texts.items())
    (folder / "train.txt").write_text(rows, encoding="utf-8")


def test_a_run_its_checkpoint_and_one_that_grows_from_it(cli: Cli, tmp_path: Path):
    folder, done = run(cli, tmp_path, *DIGITS, *SHORT)
    assert "test/word_accuracy" in done.stdout
    assert "test/cer" in done.stdout
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert {"by_length", "by_character", "confusions"} <= report["details"].keys()
    assert len(list((folder / "pictures").iterdir())) == 4
    best = folder / "checkpoints" / "best.ckpt"
    saved = torch.load(best, weights_only=True)
    assert saved["ocr_trainer"]["config"]["charset"]["characters"] == "0123456789"

    tested, _ = run(cli, tmp_path, "test", str(best), "exp_name=tested")
    again = json.loads((tested / "report.json").read_text(encoding="utf-8"))
    assert again["scores"] == {k: v for k, v in report["scores"].items() if k.startswith("test/")}

    words = tmp_path / "words"
    write_words(
        words, {f"{n}.png": text for n, text in enumerate(["12", "3b", "0 1", "b4", "55", "6 6", "7", "8"])}
    )
    grown, done = run(
        cli, tmp_path, "model=crnn", "model.size=tiny", "dataset=words", f"dataset.root={words}",
        f"init_from={best}", *SHORT, "exp_name=grown", "optimizer.lr=1e-12", "optimizer.weight_decay=0",
    )  # fmt: skip
    assert "tensors loaded from" in done.stderr
    bigger = torch.load(grown / "checkpoints" / "last.ckpt", weights_only=True)
    assert bigger["ocr_trainer"]["config"]["charset"]["characters"] == " 0123456789b"
    old, new = saved["state_dict"]["model.head.weight"], bigger["state_dict"]["model.head.weight"]
    torch.testing.assert_close(new[[0, *range(2, 12)]], old, rtol=0, atol=1e-6)
    told = json.loads((grown / "report.json").read_text(encoding="utf-8"))
    assert told["data"]["coverage"][0]["texts"] == 7

    # The data has no 9: only the checkpoint that the run started from had it.
    (grown / "report.json").unlink()
    resumed = cli("resume", str(grown), "trainer.max_epochs=2")
    assert resumed.returncode == 0, resumed.stderr


def test_unknown_characters_are_told_and_left_out(cli: Cli, tmp_path: Path):
    words = tmp_path / "words"
    write_words(
        words, {f"{n}.png": text for n, text in enumerate(["12", "3ü", "01", "ü4", "55", "66", "7", "8ß"])}
    )
    base = ["model=crnn", "model.size=tiny", "dataset=words", f"dataset.root={words}", "dataset.val_share=0"]
    base += [*SHORT, "charset.names=[digits]"]
    refused = cli(*base)
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        "ocr-train: train: the charset lacks 2 characters of the data: 3 of 15, in 3 of 8 texts; "
        "the run is refused (charset.unknown=error)\n"
        "  'ü' (U+00FC LATIN SMALL LETTER U WITH DIAERESIS): 2 times, as in "
    )
    folder, done = run(cli, tmp_path, *base, "charset.unknown=skip")
    assert "these texts are left out (charset.unknown=skip)" in done.stderr
    (told,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))["data"]["coverage"]
    assert (told["texts"], told["with_unknown_characters"]) == (8, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["dataset=sroie", "dataset.root=x"],
            "model=crnn does recognition, but dataset=sroie offers detection",
        ),
        (["dataset=sroie", "dataset.root=x"], "or cut its texts out: dataset=crops dataset.of.name=sroie"),
        (["dataset=crops", "dataset.of.name=words", "dataset.of.root=x"], "dataset.of must offer detection"),
        (["dataset=crops"], "dataset.of.name must be given: the name of a dataset plugin"),
        (["dataset=crops", "dataset.of=sroie"], "dataset.of.root must be given"),
        (
            ["dataset=words", "dataset.root=x", "augment.crop=64"],
            "'augment.crop' (from 'augment.crop=64') is an option of detection runs",
        ),
        (["dataset=words", "dataset.root=x", "charset.names=[latn]"], "Did you mean 'latin'?"),
        (["dataset=words", "dataset.root=x", "charset.file=none.txt"], "file=none.txt does not exist"),
        (["dataset=words", "dataset.root=x", "charset.replacement=ab"], "replacement must be one character"),
    ],
)
def test_what_cannot_be_is_refused_before_torch(words: list[str], said: str):
    import subprocess
    import sys

    code = (
        f"import sys; sys.argv = ['ocr-train', 'check', 'model=crnn', *{words!r}]\n"
        "from ocr_trainer.cli.main import main\n"
        "assert main() == 2 and not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert said in done.stderr
