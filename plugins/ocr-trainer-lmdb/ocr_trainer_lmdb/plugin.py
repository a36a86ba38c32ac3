"""What `lmdb` is, in light lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import FolderConfig


@dataclass
class LmdbConfig(FolderConfig):
    """The options of `lmdb`."""

    train_folder: Path | None = None
    """The folder of the training LMDBs; found by its name if null, and `root` itself if there is none."""

    val_folder: Path | None = None
    """The folder of the validation LMDBs; found by its name if null and there is one."""

    test_folder: Path | None = None
    """The folder of the test LMDBs; found by its name if null and there is one."""


lmdb = DatasetPlugin(
    api=1,
    summary="LMDBs of images and their texts, as of MJSynth, SynthText, Union14M and the benchmarks",
    config=LmdbConfig,
    tasks=(Task.recognition,),
    factory="ocr_trainer_lmdb.dataset:Lmdb",
    signatures=tuple(FormatSignature(f"{folder}data.mdb") for folder in ("", "*/", "*/*/")),
)
