"""`ocr-train export`: what it writes, what it refuses, and that nothing half-written stays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from helpers.documented import importable, unpack
from helpers.full_disk import limited
from ocr_trainer_export.characters import why_not_in_lines, why_not_left_to_right
from ocr_trainer_export.onnx_format import OnnxExporter
from ocr_trainer_export.plugin import OnnxConfig, PlainConfig
from ocr_trainer_export.rapidocr_format import RapidOcrExporter

import ocr_trainer
from ocr_trainer.cli.main import main
from ocr_trainer.data.images import write_image
from ocr_trainer.errors import ConfigError, DataError, ExportError
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.model import TrainableModel
from ocr_trainer.testing.exported import subject

PARSEQ = ("model=parseq", "model.size=tiny", "model.max_length=4", "charset.characters='AB'")
CRNN = ("model=crnn", "model.size=tiny", "charset.characters=' AB'")


def export(trained: Any, out: Path, *words: str, **options: Any) -> ocr_trainer.Export:
    return ocr_trainer.export(trained.path, options.pop("format", "onnx"), out, *words, **options)


def run_example(folder: Path, image: Any, tmp_path: Path) -> list[str]:
    write_image(tmp_path / "image.png", image)
    done = subprocess.run(
        [sys.executable, str(folder / "example.py"), str(tmp_path / "image.png")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_command_writes_a_gated_detector(
    detector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "made"
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "ocr-train",
            "export",
            str(detector.path),
            "--format",
            "onnx",
            "--out",
            str(out),
            "--license",
            "MIT",
        ],
    )
    assert main() == 0
    said = capsys.readouterr()
    assert said.err == f"ocr-train: comparing 50 pages with onnxruntime {onnxruntime.__version__}\n"
    head, *rows, place = said.out.splitlines()
    assert head.split()[:3] == ["size", "batch", "images"]
    assert [row.split()[:3] for row in rows] == [
        [size, batch, "50"] for size in ("0.75", "1", "1.25") for batch in ("1", "6")
    ]
    assert all(row.endswith("agrees") for row in rows)
    assert place == str(out)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "example.py",
        "gate.json",
        "model.onnx",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["ocr_trainer"])
    assert metadata["license"] == "MIT"
    assert metadata["postprocessing"]["box_threshold"] == 0.3
    assert metadata["data"]["gated_on"]["images"] == 50
    (given,) = session.get_inputs()
    assert (given.type, given.shape) == ("tensor(uint8)", ["batch", 3, "height", "width"])
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| `test/score` | 0.2500 |" in card
    assert "| 1.25 | 6 | 50 |" in card
    assert json.loads((out / "gate.json").read_text())["passed"] is True
    boxes = run_example(out, detector.samples[0].image, tmp_path)
    assert boxes
    assert all(len(json.loads(f"[{box[1:-1]}]")) == 4 for box in boxes)


@pytest.mark.parametrize(
    "format_",
    [
        *("onnx", "rapidocr"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("opencv", "onnxtr", "safetensors")),
    ],
)
def test_the_example_reads_what_the_model_reads(format_: str, recognizer: Any, tmp_path: Path):
    out = tmp_path / "made"
    made = export(recognizer, out, format=format_, gate=False)
    assert str(made) == "not gated: nothing was compared with the checkpoint"
    assert "**Not gated.**" in (out / "README.md").read_text(encoding="utf-8")
    assert json.loads((out / "gate.json").read_text()) == {"passed": None, "reason": "--no-gate"}
    assert (out / "characters.txt").read_text() == " \n0\n1\nA\n"
    sample = next(sample for sample in recognizer.samples if len(sample.text) == 4)
    assert run_example(out, sample.image, tmp_path) == [sample.text]


def test_too_few_samples_are_refused(recognizer: Any, tmp_path: Path):
    with pytest.raises(
        DataError, match="the gate needs 500 texts, but the test split of dataset=synthetic has 7"
    ):
        export(recognizer, tmp_path / "made", "dataset.text.test_texts=7")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_refused(recognizer: Any, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="exists: choose another folder, or remove it first"):
        export(recognizer, tmp_path)


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("n" * 300, "cannot be the folder of an export: File name too long"),
        ("a\0b", "cannot be the folder of an export: .*null"),
        (".", "^. exists: choose another folder, such as exported$"),
    ],
)
def test_an_impossible_folder_is_refused(
    out: str, reason: str, recognizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=reason):
        export(recognizer, Path(out), gate=False)
    assert not list(tmp_path.iterdir())


def test_int8_without_the_images_of_the_gate_is_refused(recognizer: Any, tmp_path: Path):
    with pytest.raises(ConfigError, match="needs the images of the gate, which --no-gate leaves out"):
        export(recognizer, tmp_path / "made", "exporter.int8=true", gate=False)
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_names_the_others(recognizer: Any, tmp_path: Path):
    with pytest.raises(ocr_trainer.PluginNotFound, match="onnx"):
        export(recognizer, tmp_path / "made", format="onx")


@pytest.mark.parametrize(
    ("which", "format_"),
    [
        *(
            ("recognizer", name)
            for name in ("onnx", "rapidocr", "paddlex", "opencv", "onnxtr", "safetensors")
        ),
        pytest.param("detector", "torch_export", marks=pytest.mark.slow),
    ],
)
def test_nothing_stays_on_a_full_disk(
    which: str, format_: str, request: pytest.FixtureRequest, tmp_path: Path
):
    trained = request.getfixturevalue(which)
    with limited(100_000), pytest.raises(DataError, match="the export cannot be written to"):
        export(trained, tmp_path / "made", format=format_, gate=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (PARSEQ, "RapidOCR decodes with CTC, and this model writes one character after the other"),
        (
            (*CRNN, "model.beam=3"),
            "it decodes with model.beam=3, but RapidOCR takes the best class of each step",
        ),
    ],
)
def test_what_ctc_cannot_decode_is_refused(words: tuple[str, ...], reason: str):
    exporter = RapidOcrExporter(PlainConfig(name="rapidocr"), Context(task=Task.recognition))
    assert reason in str(exporter.refusal(subject(words)[0]))


@pytest.mark.parametrize(
    ("why_not", "character", "reason"),
    [
        (why_not_in_lines, "\u2028", "would split them at U+2028 of the charset"),
        (why_not_in_lines, "\x85", "would split them at U+0085 of the charset"),
        (why_not_left_to_right, "\u05d0", "run from right to left, such as U+05D0"),
    ],
)
def test_characters_that_a_consumer_garbles_are_refused(
    why_not: Callable[[Any, str], str | None], character: str, reason: str
):
    made, _ = subject(CRNN)
    assert why_not(made, "it") is None
    made.model.charset += character
    assert reason in str(why_not(made, "it"))


def test_a_charset_that_the_runtime_refuses_is_refused():
    exporter = OnnxExporter(OnnxConfig(name="onnx"), Context(task=Task.recognition))
    made, _ = subject(CRNN)
    assert exporter.refusal(made) is None
    made.model.charset += "\n"
    assert exporter.refusal(made) == "it has a charset with U+000A, which no line of text contains"


def test_a_model_that_does_not_say_what_its_outputs_mean_is_refused():
    class Silent(TrainableModel):
        pass

    with pytest.raises(ExportError, match="Silent cannot be exported: it does not implement `exportable`"):
        Silent().exportable()


def test_a_detector_is_refused_by_a_format_for_recognizers(detector: Any, recognizer: Any, tmp_path: Path):
    with importable(unpack("writing-an-exporter.md", tmp_path / "stranger")):
        with pytest.raises(ExportError) as refused:
            export(detector, tmp_path / "made", format="npz")
        with pytest.raises(ConfigError, match="exporter 'npz' has no option 'compres'"):
            export(recognizer, tmp_path / "made", "exporter.compres=true", format="npz")
    assert str(refused.value) == (
        f"--format npz is for models that read text; {detector.path} finds text: model=dbnet"
    )
    assert not (tmp_path / "made").exists()


def test_a_stranger_exports_a_recognizer(recognizer: Any, tmp_path: Path):
    with importable(unpack("writing-an-exporter.md", tmp_path / "stranger")):
        export(recognizer, tmp_path / "made", format="npz", gate=False, exporter={"compress": True})
    assert (tmp_path / "made" / "model.npz").is_file()


def test_data_for_no_gate_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    words = ("ocr-train", "export", "best.ckpt", "--format", "onnx", "--out", str(tmp_path / "made"))
    monkeypatch.setattr(sys, "argv", [*words, "--no-gate", "--data", "dataset.root=elsewhere"])
    assert main() == 2
    assert capsys.readouterr().err == (
        "ocr-train: --no-gate compares nothing, but --data names images to compare on: leave out one of the two\n"
    )
