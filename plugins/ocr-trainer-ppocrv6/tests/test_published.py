"""Which weights are refused, and what is left of the models then: nothing is read that a file names."""

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ocr_trainer_ppocrv6 import published
from ocr_trainer_ppocrv6.detector import PPOCRv6Detector
from ocr_trainer_ppocrv6.onnx_file import MAX_BYTES, read_onnx
from ocr_trainer_ppocrv6.plugin import PPOCRv6DetConfig, PPOCRv6RecConfig, Size
from ocr_trainer_ppocrv6.recognizer import initial_charset

from ocr_trainer.errors import CheckpointError
from ocr_trainer.plugin import Context, Task

onnx = pytest.importorskip("onnx")
if find_spec("rapidocr") is None:
    pytest.skip("the wheel rapidocr is not installed", allow_module_level=True)
DETECTOR = Path(str(metadata.distribution("rapidocr").locate_file("rapidocr/models/PP-OCRv6_det_small.onnx")))
RECOGNIZER = DETECTOR.with_name("PP-OCRv6_rec_small.onnx")


def build(weights: Path | str) -> PPOCRv6Detector:
    return PPOCRv6Detector(PPOCRv6DetConfig(weights=str(weights)), Context(task=Task.detection))


def changed(change: Callable[[Any], None], path: Path, source: Path = DETECTOR) -> Path:
    """Write a copy of a file with a change."""
    model = onnx.load(source)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def without_last(model: Any) -> None:
    del model.graph.initializer[-1]


def with_one_more(model: Any) -> None:
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((2, 3), np.float32), "more"))


def with_one_more_in_use(model: Any) -> None:
    with_one_more(model)
    model.graph.node.append(onnx.helper.make_node("Relu", ["more"], ["nowhere"]))


def transposed(model: Any) -> None:
    kernel = model.graph.initializer[0]
    kernel.dims[:] = [kernel.dims[1], kernel.dims[0], *kernel.dims[2:]]


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")


def absurd(model: Any) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def endless(model: Any) -> None:
    model.graph.initializer[0].raw_data = np.full(24 * 27, np.inf, np.float32).tobytes()


def doubled(model: Any) -> None:
    model.graph.initializer[0].data_type = onnx.TensorProto.DOUBLE


def custom(model: Any) -> None:
    model.graph.node[5].domain = "com.microsoft"


def nested(model: Any) -> None:
    attribute = model.graph.node[5].attribute.add(name="body", type=onnx.AttributeProto.GRAPH)
    attribute.g.CopyFrom(onnx.helper.make_graph([], "inner", [], []))


def functions(model: Any) -> None:
    model.functions.add(name="own", domain="own")


def steeper(model: Any) -> None:
    node = next(node for node in model.graph.node if node.op_type == "HardSigmoid")
    next(attribute for attribute in node.attribute if attribute.name == "alpha").f = 0.5


def rewired(model: Any) -> None:
    first, second = [node for node in model.graph.node if node.op_type == "Relu"][:2]
    second.input[0] = first.input[0]


def crowded(model: Any) -> None:
    model.graph.node.extend(onnx.helper.make_node("Relu", ["x"], [f"y{k}"]) for k in range(5000))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_last, r"it has no tensor for head\.last\.bias \(1,\)"),
        (with_one_more, "it has weights that its graph does not use: more"),
        (with_one_more_in_use, "it has 1 tensors that this network does not have: more"),
        (transposed, r"conv2d_112\.w_0 \(3, 24, 3, 3\) does not fit backbone\.stem\.first\.conv\.weight"),
        (external, r"its tensor conv2d_112\.w_0 is in another file, which is never read"),
        (absurd, r"of shape \(1099511627776, 3, 3, 3\) has 648 numbers"),
        (endless, "is not finite"),
        (doubled, "is neither float32 nor int64"),
        (custom, "it has custom operators"),
        (functions, "it has custom operators"),
        (nested, "it has sparse tensors or nested graphs"),
        (steeper, "its tensors fit, but its graph differs"),
        (rewired, "its tensors fit, but its graph differs"),
        (crowded, "its graph has 5464 nodes, more than 5000"),
    ],
)
def test_files_of_another_network_or_with_what_none_needs_are_refused(
    change: Callable[[Any], None], said: str, tmp_path: Path
):
    path = changed(change, tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match=said) as caught:
        build(path)
    assert str(caught.value).startswith(f"model.weights={path} cannot be used: it")
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_onnx_file_is_refused(tmp_path: Path):
    path = tmp_path / "model.onnx"
    with pytest.raises(CheckpointError, match="it cannot be read: No such file"):
        build(path)
    path.write_bytes(DETECTOR.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="it is not an ONNX file, or it is damaged"):
        build(path)
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(CheckpointError, match="it has 256 MiB, more than 256"):
        build(path)
    with pytest.raises(CheckpointError, match=r"does not fit backbone\.stem\.first\.conv\.weight"):
        build(RECOGNIZER)


def test_a_copy_of_the_file_is_as_good_as_the_wheel(tmp_path: Path):
    path = tmp_path / "copy.onnx"
    path.write_bytes(DETECTOR.read_bytes())
    assert read_onnx(path).structure == published.DETECTORS[Size.small].structure
    copied, own = build(path).state_dict(), build("rapidocr").state_dict()
    # The head of the threshold map is not published, so its layers are those of the other head or 0.
    assert all(np.array_equal(copied[name], value) for name, value in own.items())


@pytest.mark.parametrize(
    ("characters", "said"),
    [
        (None, "it lists no characters in its metadata, under 'character'"),
        ("a\nb\nab", r"1 of its characters are not single ones: 'ab'"),
        ("a\n\u2028", r"1 of its characters are not single ones: '\\u2028'"),
        ("a\nb\na", "some of its characters occur twice"),
        ("a\nb\n ", "some of its characters occur twice"),
    ],
)
def test_wrong_characters_are_refused(characters: str | None, said: str, tmp_path: Path):
    def change(model: Any) -> None:
        del model.metadata_props[:]
        if characters is not None:
            model.metadata_props.add(key="character", value=characters)

    path = changed(change, tmp_path / "model.onnx", RECOGNIZER)
    with pytest.raises(CheckpointError, match=said):
        initial_charset(PPOCRv6RecConfig(weights=str(path)))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], Path]:
    """Install a wheel of some version with some file, in front of the real one."""

    def install(version: str, content: bytes) -> Path:
        info = tmp_path / f"rapidocr-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rapidocr\nVersion: {version}\n")
        models = tmp_path / "rapidocr" / "models"
        models.mkdir(parents=True)
        (models / DETECTOR.name).write_bytes(content)
        return models / DETECTOR.name

    monkeypatch.syspath_prepend(tmp_path)
    return install


def test_a_wheel_of_another_version_or_with_other_weights_is_refused(fake: Callable[[str, bytes], Path]):
    fake("3.9.1", DETECTOR.read_bytes())
    with pytest.raises(CheckpointError) as caught:
        build("rapidocr")
    assert str(caught.value) == (
        "model.weights=rapidocr cannot be used: the wheel rapidocr 3.9.1 is installed, not 3.10.*\n"
        "  pip install 'ocr-trainer-ppocrv6[rapidocr]'"
    )


def test_a_wheel_with_changed_weights_is_refused(fake: Callable[[str, bytes], Path]):
    path = fake("3.10.0", DETECTOR.read_bytes()[:-1] + b"\0")
    with pytest.raises(CheckpointError, match=f"{path} is not the file that was published: its SHA-256 is "):
        build("rapidocr")
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{path} cannot be read: No such file"):
        build("rapidocr")


def test_without_the_wheel_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(CheckpointError, match="the wheel rapidocr is not installed\n  pip install"):
        build("rapidocr")


def test_the_wheel_is_not_imported_and_its_license_is_named_once():
    code = (
        "import logging, sys; logging.basicConfig(level=logging.INFO)\n"
        "from ocr_trainer_ppocrv6.recognizer import initial_charset\n"
        "from ocr_trainer_ppocrv6.plugin import PPOCRv6RecConfig\n"
        "print(*(len(initial_charset(PPOCRv6RecConfig(weights='rapidocr'))) for _ in range(2)))\n"
        "print('rapidocr' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["18705", "18705", "False", "False"]
    (line,) = [line for line in done.stderr.splitlines() if "license" in line]
    assert Path(line.rpartition("license: ")[2]).read_text(encoding="utf-8").count("Apache") > 3
