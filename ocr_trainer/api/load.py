"""Load trained models to read images with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.checkpoints import Saved, SwappedError, open_checkpoints, split_overrides
from ocr_trainer.api.guest import guest, torch_only
from ocr_trainer.api.overrides import overrides_of
from ocr_trainer.api.pretrained import Checkpoint, resolve
from ocr_trainer.errors import CheckpointError, ConfigError
from ocr_trainer.plugin import Prediction
from ocr_trainer.runs import collector

if TYPE_CHECKING:
    from ocr_trainer.evaluation.predict import Reader


def load(
    checkpoint: Checkpoint | None = None,
    *overrides: str,
    recognizer: Checkpoint | None = None,
    device: str | None = None,
    margin: float | None = None,
    **options: Any,
) -> Reader:
    """Load a detector, a recognizer, or both, to read images with.

    ```python
    reader = ocr.load("detector.ckpt", recognizer="recognizer.ckpt")
    page = reader.predict("page.jpg")
    page.text, page.words[0].polygon, page.words[0].confidence
    ```

    Args:
        checkpoint: A checkpoint; a run directory, which stands for its best checkpoint; or the name of
            published weights, such as `"ppocrv6"`. The default is the installed published weights. If the
            weights are those of a detector and a recognizer, both are loaded.
        overrides: Options of the model, as in `"model.box_threshold=0.6"`, and of the recognizer, as in
            `"recognizer.beam=3"`.
        recognizer: The recognizer that reads what the detector finds, given like `checkpoint`.
        device: Device of the models, such as `"cpu"` or `"cuda:1"`; by default, the GPU if there is one.
        margin: Margin around each cropped word, from 0 to 1 as a fraction of its height; by default, that of
            the recognizer's training.
        options: Overrides as keyword arguments: `model={"box_threshold": 0.6}`.

    Returns:
        The reader. Several threads can share it.

    Raises:
        CheckpointError: A checkpoint is missing, damaged, does not match its model, or has the wrong task.
        ConfigError: An option is wrong.
        PluginError: The plugin of a model is missing, denied or broken.
    """
    with guest():
        checkpoint, recognizer = resolve(checkpoint, recognizer)
        words, reading = split_overrides(overrides_of(overrides, options), recognizer, margin)
        if other := [word for word in words if not word.lstrip("+~").startswith(("model.", "tiles."))]:
            raise ConfigError(
                f"{other[0]!r} is not an option of a model: load takes only model.… and tiles.… options"
            )
        try:
            first, second = open_checkpoints(checkpoint, recognizer)
        except SwappedError as error:
            hint = f"swap them: load({str(recognizer)!r}, recognizer={str(checkpoint)!r})"
            raise SwappedError(f"{error}\n  {hint}") from None
        if first.prediction is None:
            raise CheckpointError(
                f"a reader needs a model that finds or reads text; {checkpoint} {first.does}"
            )
        pair = (first, second) if first.prediction is Prediction.regions else (None, first)
        return _reader(pair, (words, reading) if pair[0] else ([], words), device, margin)


def _reader(
    pair: tuple[Saved | None, Saved | None],
    overrides: tuple[Sequence[str], Sequence[str]],
    device: str | None,
    margin: float | None,
) -> Reader:
    """Rebuild a detector and a recognizer, of which one may be None."""
    runs = [
        (saved.compose_model(words), saved.content) if saved is not None else None
        for saved, words in zip(pair, overrides, strict=True)
    ]
    with torch_only:
        from ocr_trainer.evaluation.pipeline import open_pipeline
        from ocr_trainer.evaluation.predict import Reader

        pipeline = open_pipeline(runs[0], runs[1], margin, Path(), device)
        collector.resume()
    models = [f"{saved.task.value} by {saved.model} from {saved.path}" for saved in pair if saved is not None]
    return Reader(pipeline, ", ".join(models))
