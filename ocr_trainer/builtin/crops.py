"""Dataset plugin `crops`: the texts of a detection dataset, cut out as text images for recognition."""

from __future__ import annotations

from dataclasses import replace

from ocr_trainer.builtin.plugin import CropsConfig
from ocr_trainer.formats.crops import Crops as CropsOf
from ocr_trainer.formats.crops import ordered_before
from ocr_trainer.formats.labeled import LazySplits
from ocr_trainer.plugin import Context, Kind, Task
from ocr_trainer.plugin.build import build


class Crops(LazySplits[CropsOf]):
    """Three splits of text images, each from the same split of a detection dataset."""

    def __init__(self, config: CropsConfig, context: Context) -> None:
        self._config, self._data_report = config, context.data_report
        self._pages = build(Kind.dataset, config.of, replace(context, task=Task.detection))

    def _open(self, split: str) -> CropsOf | None:
        pages, config = getattr(self._pages, split), self._config
        if pages is None:
            return None
        return CropsOf(
            pages,
            self._data_report,
            margin=config.margin,
            mask=config.mask,
            ordered=ordered_before(self, split) if config.ordered is None else config.ordered,
            min_height=config.min_height,
            min_width=config.min_width,
            cache_mb=config.cache_mb,
        )
