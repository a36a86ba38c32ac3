"""Names from outside that hold escape sequences: no command prints one raw, whatever it says of them."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.checkpoints import DETECTOR, RECOGNIZER, write_checkpoint

from ocr_trainer.cli.main import main

HOSTILE = "x\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp\u2066\r\n\tz"
"""Escapes, a C1 control, bidi controls, and breaks that could fake a line of output."""
DATA = ["model=dbnet", "dataset=icdar2015", "data.num_workers=0", "logger=[]"]
NAMED: list[list[str]] = [
    [HOSTILE],
    [f"{HOSTILE}=1"],
    ["check", f"{HOSTILE}=1"],
    ["check", f"exp_name={HOSTILE}"],
    ["check", f"model={HOSTILE}"],
    ["check", f"+seed.{HOSTILE}=1"],
    ["check", f"trainer.precision='{HOSTILE}'"],
    ["check", f"dataset.root={HOSTILE}", "dataset=icdar2015", f"experiment={HOSTILE}"],
    ["check", "--config-dir", HOSTILE],
    ["check", f"--{HOSTILE}"],
    ["check-data", "dataset=icdar2015", f"dataset.root={HOSTILE}"],
    ["check-data", f"--{HOSTILE}"],
    ["describe", "model", HOSTILE],
    ["describe", HOSTILE, "x"],
    ["list-plugins", HOSTILE],
    ["new-plugin", HOSTILE, "--kind", "model"],
    ["new-plugin", "x", "--kind", HOSTILE],
    ["overfit", f"--steps={HOSTILE}"],
    ["overfit", f"{HOSTILE}=1"],
    ["resume", HOSTILE],
    ["resume", f"--{HOSTILE}"],
    ["test", HOSTILE],
    ["test", "x", f"--margin={HOSTILE}"],
    ["predict", HOSTILE, HOSTILE],
    ["score", "--gt", HOSTILE, "--pred", HOSTILE, "--metric", "icdar"],
    ["score", "--gt", HOSTILE, "--pred", HOSTILE, "--metric", HOSTILE],
    ["model=dbnet", "dataset=synthetic", f"init_from={HOSTILE}"],
]


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Call the command line in this process; return its exit status and what it printed, which has no controls."""
    monkeypatch.setattr(sys, "argv", ["ocr-train", *words])
    try:
        status = main()
    except SystemExit as ended:
        status = int(str(ended.code))
    shown = capsys.readouterr()
    text = shown.out + shown.err
    raw = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {"\n", "\t"}
    assert not raw, text
    assert "Traceback" not in text
    return status, text


@pytest.mark.parametrize("words", NAMED, ids=lambda words: ascii(" ".join(words))[:40])
def test_a_hostile_word_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
):
    monkeypatch.chdir(tmp_path)
    status, text = said(capsys, monkeypatch, *words)
    assert status == 2
    assert text


def test_a_hostile_option_in_a_configuration_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        '# @package _global_\ntrainer: {"a\\e[31mb\\u202Ec": 1}\n"d\\x9be": 2\n'
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text('model: {name: "dbnet\\e[31m"}\nexp_name: "\\x9b"\n')
    for words in (["check", "--config-dir", ".", "experiment=mine"], ["resume", "run"]):
        status, text = said(capsys, monkeypatch, *words)
        assert status == 2
        assert "\\x1b[31m" in text or "\\x9b" in text


def test_hostile_names_of_images_and_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    name = HOSTILE.replace("/", "")
    images = tmp_path / "images"
    images.mkdir()
    _, png = cv2.imencode(".png", np.full((64, 96, 3), 200, np.uint8))
    (images / f"{name}.png").write_bytes(png.tobytes())
    (images / f"{name}2.png").write_bytes(b"no image")
    detector = write_checkpoint(tmp_path / "d.ckpt", DETECTOR)
    recognizer = write_checkpoint(tmp_path / "r.ckpt", RECOGNIZER)
    for words in ([str(detector)], [str(recognizer)], [str(detector), "--recognizer", str(recognizer)]):
        status, text = said(
            capsys, monkeypatch, "predict", *words, str(images), "--out", "out", *FORMATS[len(words)]
        )
        assert status == 0, text
        assert "\\x1b]0;title" in text
        assert "z.png" in text
        assert "\n\tz" not in text
    for side in ("gt", "res"):
        with zipfile.ZipFile(tmp_path / f"{side}.zip", "w") as archive:
            archive.writestr(f"{side}_{HOSTILE}.txt", f"1,2,3,{HOSTILE}\n")
            archive.writestr(f"{side}_1.txt", "0,0,10,0,10,10,0,10\n")
    status, text = said(
        capsys, monkeypatch, "score", "--gt", "gt.zip", "--pred", "res.zip", "--metric", "icdar"
    )
    assert status in (0, 2)
    (tmp_path / "words.tsv").write_text(f"{HOSTILE.replace(chr(10), '')}.png\tabc\n", encoding="utf-8")
    said(capsys, monkeypatch, "check-data", "dataset=words", f"dataset.root={tmp_path}", "data.num_workers=0")


FORMATS: dict[int, list[str]] = {1: [], 3: ["--format", "json,text,page,alto,hocr,tsv,overlay"]}


def test_a_hostile_file_name_in_a_process_of_its_own(cli: Callable[..., subprocess.CompletedProcess[str]]):
    done = cli("test", f"nowhere{HOSTILE.replace(chr(0), '')}")
    assert done.returncode == 2
    assert not set(done.stderr) & set("\x1b\x9b\u202e\r")
