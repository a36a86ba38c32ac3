"""The plugin `lmdb`: its options and how to recognize its folders. A light module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocr_trainer.plugin import DatasetPlugin, FormatSignature, Task
from ocr_trainer.plugin.options import FolderConfig


@dataclass
class LmdbConfig(FolderConfig):
    """The options of `lmdb`."""

    train_folder: Path | None = None
    """Folder of the training LMDBs. If null, it is found by name; `root` itself if no split has a folder."""

    val_folder: Path | None = None
    """Folder of the validation LMDBs. If null, it is found by name."""

    test_folder: Path | None = None
    """Folder of the test LMDBs. If null, it is found by name."""


lmdb = DatasetPlugin(
    api=1,
    summary="LMDBs of images and their texts, such as MJSynth, SynthText and Union14M",
    config=LmdbConfig,
    tasks=(Task.recognition,),
    factory="ocr_trainer_lmdb.dataset:Lmdb",
    signatures=tuple(FormatSignature(f"{folder}data.mdb") for folder in ("", "*/", "*/*/")),
)
