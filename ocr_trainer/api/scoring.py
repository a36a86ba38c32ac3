"""Score predictions on disk, from any program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_trainer.api.guest import guest
from ocr_trainer.errors import ConfigError


def score(
    gt: str | os.PathLike[str],
    pred: str | os.PathLike[str],
    metric: str,
    *,
    iou: float | None = None,
    ignore_case: bool = False,
    form: str | None = None,
    pred_form: str | None = None,
    dont_care: Sequence[str] = ("###",),
    max_skipped: float = 0.01,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score prediction files against ground truth files.

    ```python
    report = ocr.score("gt.zip", "results.zip", metric="cleval")
    report["scores"]["hmean"], report["left_out"]
    ```

    Args:
        gt: The ground truth. For metrics of detections: a folder or a zip with a file per image. For metrics
            of texts: a file with a row per image, or a folder with a file per image.
        pred: The predictions, in the same form.
        metric: The name of a metric plugin: `"icdar"` (boxes by IoU), `"cleval"` (boxes and texts by
            characters), `"deteval"`, `"tiou"`, `"text"` (texts), or one that you installed.
        iou: `icdar` only: minimum IoU of a match, exclusive; 0.5 by default.
        ignore_case: `cleval` only: convert texts to upper case.
        form: Row format of the ground truth; detected by default.
        pred_form: Row format of the predictions; detected by default.
        dont_care: Texts that mark "don't care" regions.
        max_skipped: Largest share of the rows of either side that may be unusable.
        options: Options of the metric's plugin, such as `{"recall": 0.7}` for `deteval`.

    Returns:
        `scores`, from 0 to 1 except for error rates, `counts`, the `forms` of the rows, in `read` how many
        rows there are and how many of them are left out, and in `left_out` every file, row and outline that
        was not scored, with the reason.

    Raises:
        ConfigError: The options contradict each other, or there is no such form or option.
        PluginError: The metric is not installed, cannot be used, or fails.
        DataError: One side cannot be read, too much of it cannot be used, or the two do not match.
    """
    from ocr_trainer.config.tasks import prediction
    from ocr_trainer.plugin import DataReport, Kind, MetricPlugin, Prediction, discovery
    from ocr_trainer.scoring.options import ScoreOptions

    with guest():
        plugin = discovery.load(Kind.metric, metric)
        assert isinstance(plugin, MetricPlugin)
        _check(metric, iou, ignore_case)
        if not 0 <= max_skipped <= 1:
            raise ConfigError(f"max_skipped= must be from 0 to 1, not {max_skipped:g}")
        limit = 0.5 if iou is None else iou
        chosen = ScoreOptions(
            *(Path(gt), Path(pred), metric, limit, ignore_case, form, pred_form, dont_care),
            max_skipped,
            options or {},
        )
        data_report = DataReport()
        if Prediction.regions not in map(prediction, plugin.tasks):
            from ocr_trainer.scoring.score_text import score_text as compare
        else:
            from ocr_trainer.scoring.score_pages import score_pages as compare
        report = compare(chosen, data_report)
        return {**report, "left_out": [str(entry) for entry in data_report.skipped]}


def _check(metric: str, iou: float | None, ignore_case: bool) -> None:
    if metric != "cleval" and ignore_case:
        why = {"icdar": ": icdar ignores texts", "text": ": text reports scores with and without case"}
        raise ConfigError(f"ignore_case= is for metric=cleval{why.get(metric, '')}")
    if iou is None:
        return
    if metric != "icdar":
        why = {"cleval": ": cleval matches by characters", "text": ": text ignores outlines"}
        raise ConfigError(f"iou= is for metric=icdar{why.get(metric, '')}")
    if not 0 <= iou < 1:
        raise ConfigError(f"iou= must be at least 0 and below 1, not {iou:g}")
