"""Nothing that a run reads is unpickled but what its own worker processes send."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.readers import picture

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("ocr_trainer/**/*.py"), *ROOT.glob("plugins/*/ocr_trainer_*/**/*.py")])

PROGRAM = """
import json, pickle, sys
seen = set()
def note(event, words):
    if event == "pickle.find_class":
        seen.add(".".join(map(str, words)))
sys.addaudithook(note)
pickle.loads(pickle.dumps(json.JSONDecoder))
assert seen, "the watch does not work"

from pathlib import Path
from ocr_trainer.cli.main import main

TINY = ["model=dbnet", "model.neck_channels=8", "model.backbone.width=8", "model.size=64", "augment.crop=64", "data.batch_size=2",
        "trainer.accelerator=cpu", "trainer.max_epochs=1", "dataset=synthetic", "dataset.train_pages=4",
        "dataset.val_pages=2", "dataset.test_pages=2", "dataset.height=64", "dataset.width=64", "logger=csv"]
found = {}
def call(what, *words):
    seen.clear()
    sys.argv = ["ocr-train", *words]
    assert not main(), words
    found[what] = sorted(seen)
call("train", *TINY, "data.num_workers=0")
checkpoint = str(next(Path("runs").glob("**/last.ckpt")))
call("test", "test", checkpoint, "data.num_workers=0")
call("predict", "predict", checkpoint, "page.png", "--out", "found")
call("train with workers", *TINY, "data.num_workers=2")
Path("found.json").write_text(json.dumps(found))
"""

OF_WORKERS = {
    "multiprocessing.resource_sharer.DupFd",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "ocr_trainer.plugin.Skipped",
    "ocr_trainer.data.types.Batch",
    "ocr_trainer.data.types.GroundTruth",
    "torch.Size",
    "torch.Tensor",
    "torch.float16",
    "torch.multiprocessing.reductions.rebuild_storage_fd",
    "torch.multiprocessing.reductions.rebuild_tensor",
    "torch.multiprocessing.reductions.rebuild_typed_storage",
    "torch.storage.UntypedStorage",
    "torch.uint8",
}
"""What comes through a pipe from a process that the run itself has forked: batches, and tensors by descriptor."""


@pytest.mark.timeout(280)
def test_case_67_training_testing_and_predicting_unpickle_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(picture())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {what: set(names) for what, names in json.loads((tmp_path / "found.json").read_text()).items()}
    assert [found[what] for what in ("train", "test", "predict")] == [set()] * 3
    assert found["train with workers"] <= OF_WORKERS
    assert "torch.multiprocessing.reductions.rebuild_tensor" in found["train with workers"]


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of a source, by the end of their name: `np.load` is `load` of `np`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize(
    ("name", "keyword", "value"), [("torch.load", "weights_only", True), ("np.load", "allow_pickle", False)]
)
def test_case_67_files_are_loaded_without_pickle(name: str, keyword: str, value: bool) -> None:
    calls = [(path.name, call) for path in SOURCES for found, call in _calls(path) if found == name]
    for file, call in calls:
        given = {one.arg: one.value for one in call.keywords}
        assert isinstance(given.get(keyword), ast.Constant), file
        assert given[keyword].value is value, file
    assert calls or name == "np.load"


def test_case_67_no_source_unpickles_by_itself() -> None:
    """The kit that tests plugins copies what it was given through pickle, and reads no file so."""
    sources = [path for path in SOURCES if path.parent.name != "testing"]
    assert len(sources) > 100
    wanted = ("pickle.load", "pickle.loads", "joblib.load", "marshal.loads", "shelve.open", "dill.load")
    assert {path.name for path in sources for name, _ in _calls(path) if name.endswith(wanted)} == set()
