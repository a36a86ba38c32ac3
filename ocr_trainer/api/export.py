"""Export trained models to formats that other software runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.checkpoints import Saved, open_checkpoint
from ocr_trainer.api.evaluate import TESTED
from ocr_trainer.api.guest import guest, libraries
from ocr_trainer.api.overrides import overrides_of
from ocr_trainer.api.pretrained import Checkpoint
from ocr_trainer.errors import ConfigError, ExportError
from ocr_trainer.plugin import ExporterPlugin, Kind, Prediction, discovery
from ocr_trainer.runs import collector

if TYPE_CHECKING:
    from ocr_trainer.exporting.gate import Verdict

PREFIX = "exporter."
"""Prefix of overrides that set options of the exporter."""
WHAT = {Prediction.regions: "models that find text", Prediction.text: "models that read text"}


@dataclass(frozen=True)
class Export:
    """An exported model."""

    folder: Path
    """Its folder: the model, README.md, example.py, gate.json and for a recognizer characters.txt."""
    verdict: Verdict | None = field(repr=False)
    """The verdict of the gate; None if it did not run."""
    notes: Sequence[str] = ()
    """Further remarks, such as why there is no int8 model."""

    def __str__(self) -> str:
        if self.verdict is None:
            return "not gated: nothing was compared with the checkpoint"
        from ocr_trainer.exporting.card import gate_rows, plain_table

        return "\n".join([plain_table(gate_rows(self.verdict)), *self.notes])


def export(
    checkpoint: Checkpoint,
    format: str,
    out: str | os.PathLike[str],
    *overrides: str,
    gate: bool = True,
    license: str | None = None,
    exporter: Mapping[str, Any] | None = None,
    **options: Any,
) -> Export:
    """Export a model to a format that other software runs, if it gives the same results there.

    ```python
    made = ocr.export("best.ckpt", "onnx", "exported", "dataset.root=receipts")
    print(made)
    ```

    Args:
        checkpoint: A checkpoint; a run directory, which stands for its best checkpoint; or the name of a
            model with published weights, such as `"ppocrv6_rec"`.
        format: The name of an exporter, such as `"onnx"`; `ocr_trainer.plugins("exporter")` lists them.
        out: The folder to create. If it exists, it must be empty.
        overrides: Overrides of the configuration in the checkpoint: data for the gate, such as
            `"dataset.root=other"`, and options of the model. `"exporter.KEY=VALUE"` sets an option of the
            exporter.
        gate: Write the export only if it passes the gate. `False` writes it without a comparison, and the
            model card says so.
        license: The license of the weights, for the model card.
        exporter: Options of the exporter.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The folder and the verdict of the gate.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or does not match its model.
        ConfigError: An option is wrong, or the folder is in use.
        ExportError: The model cannot be exported to the format, or the export differs from the checkpoint.
        DataError: The data of the gate cannot be used, or the files cannot be written.
    """
    with guest():
        words = overrides_of(overrides, options)
        own = dict(word.removeprefix(PREFIX).partition("=")[::2] for word in words if word.startswith(PREFIX))
        words = [word for word in words if not word.startswith(PREFIX)]
        folder = Path(out).expanduser()
        _check_free(folder)
        description = discovery.load(Kind.exporter, format)
        assert isinstance(description, ExporterPlugin)
        saved = open_checkpoint(checkpoint)
        _check_prediction(saved, format, description)
        from ocr_trainer.config.plugin_options import plugin_config

        config = plugin_config(Kind.exporter, format, {**own, **(exporter or {})})
        run = saved.compose([*TESTED, *words]) if gate else saved.compose_model(words)
        with libraries:
            from ocr_trainer.exporting import export as exporting

            collector.resume()
            request = exporting.Request(run, saved.content, saved.path, config, folder, gate, license)
            verdict, notes = exporting.export(request)
        return Export(folder, verdict, tuple(notes))


def _check_free(folder: Path) -> None:
    """Refuse a folder that is not empty, or that cannot be made.

    Raises:
        ConfigError: It is not empty, is a file or a link, is the current folder, or has an impossible name.
    """
    try:
        os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # too long; NUL
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{str(folder)!r} cannot be the folder of an export: {reason}") from error
    if not folder.name:  # the complete folder could not be renamed to it
        raise ConfigError(f"{folder} exists: choose another folder, such as {folder / 'exported'}")
    if folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} exists: choose another folder, or remove it first")


def _check_prediction(saved: Saved, format_: str, description: ExporterPlugin) -> None:
    """Refuse a model that the format does not support.

    Raises:
        ExportError: The model predicts something that the format is not for.
    """
    if saved.prediction is None:
        raise ExportError(f"only models that find or read text can be exported; {saved.path} {saved.does}")
    if saved.prediction not in description.predictions:
        wanted = " and ".join(WHAT[prediction] for prediction in description.predictions)
        raise ExportError(f"--format {format_} is for {wanted}; {saved.path} {saved.does}")
