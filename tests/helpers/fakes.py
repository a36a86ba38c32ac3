"""Plugins that are real to Python: modules and `.dist-info` folders on its path. Nothing is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocr_trainer.plugin import allowlist, discovery, metadata

HEAD = """\
from ocr_trainer.plugin import Config, DatasetPlugin, LoggerConfig, LoggerPlugin, ModelPlugin, Task
"""
MODELS = "[ocr_trainer.models]\n"
IMPORTED = "from pathlib import Path\nPath(__file__).with_suffix('.imported').touch()\n"
"""A module that begins so leaves a file behind when it is imported."""
MODEL = "plugin = ModelPlugin(api=1, summary='a model', config=Config, task=Task.detection, factory='a_module:Model')\n"


def install(
    folder: Path, distribution: str, entry_points: str, source: str = HEAD + MODEL, metadata: bytes = b""
) -> str:
    """Make what an installer leaves of a distribution: its one module, whose name is returned, and metadata.

    `{}` in the entry points stands for the module's name.
    """
    module = distribution.replace("-", "_")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    header = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\nSummary: a fake\n"
    (info / "METADATA").write_bytes(metadata or header.encode())
    (info / "entry_points.txt").write_text(entry_points.replace("{}", module), encoding="utf-8")
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    return module


def python_path(*folders: Path) -> dict[str, str]:
    """Return the environment variable that puts folders on Python's path."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([*map(str, folders), *([before] if before else [])])}


TINY = (
    *(
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "augment.crop=64",
        "data.batch_size=2",
        "data.num_workers=0",
    ),
    *("dataset.train_pages=4", "dataset.val_pages=1", "dataset.test_pages=1", "dataset.height=64"),
    *("dataset.width=64", "dataset.max_words=5", "trainer.accelerator=cpu", "trainer.max_epochs=1"),
)
"""A run of DBNet of two steps."""


def imported(folder: Path) -> list[str]:
    """Return the modules that were imported, of those that tell."""
    return sorted(path.stem for path in folder.glob("*.imported"))


@contextmanager
def visible(folder: Path) -> Iterator[Path]:
    """Let this process see a folder of fakes; it is read when plugins are first asked for."""
    folder.mkdir(exist_ok=True)
    sys.path.insert(0, str(folder))
    discovery.installed.cache_clear()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
                del sys.modules[name]
        allowlist.restrict()
        metadata.config_folder.cache_clear()
        discovery.installed.cache_clear()
        discovery.described.cache_clear()
