"""What detectors with DB's shrunk text share, whatever their networks: sizes, targets and decoding."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ocr_trainer.data.types import Detections, Sample
from ocr_trainer.plugin.options import DBConfig, Unclip
from ocr_trainer.tasks.detection import Detector
from ocr_trainer.tasks.exportable import Exportable, OutputKind
from ocr_trainer_dbnet.calibration import calibration_candidates
from ocr_trainer_dbnet.targets import make_targets
from ocr_trainer_runtime.detection.db import decode_map, unclip_ratio
from ocr_trainer_runtime.detection.fit import scale_of


class DBDetector(Detector):
    """A detector whose outputs have a "probability" map of shrunk text: float (batch, height, width), 0 to 1.

    A subclass has the network and its loss; the targets are those of `targets.make_targets`.
    """

    score_option: ClassVar[str | None] = "box_threshold"

    def __init__(self, config: DBConfig) -> None:
        super().__init__()
        self.config = config

    def scale(self, height: int, width: int) -> float:
        """Return the factor that `config.side` and `config.size` ask for, limited by `config.max_side`."""
        return scale_of(height, width, self.config)

    def encode(self, sample: Sample) -> dict[str, np.ndarray]:
        """Return the target maps of a sample; see `targets.make_targets`."""
        return make_targets(sample.polygons, sample.ignore, sample.image.shape[:2], self.config)

    def decode(self, outputs: dict[str, Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
        """Find the text regions in each probability map; see `db.decode_map` of the runtime."""
        config = self.config
        maps = outputs["probability"].detach().float().cpu().numpy()
        maps = maps.reshape(len(sizes), *maps.shape[-2:])
        return [decode_map(map_, size, config) for map_, size in zip(maps, sizes, strict=True)]

    def exportable(self) -> Exportable:
        """Return the model itself: in evaluation mode it returns the probability map alone."""
        config = self.config
        sizes = {"side": config.side.value, "size": config.size, "max_side": config.max_side}
        names = ("binarize_threshold", "box_threshold", "max_candidates", "min_side", "shrink_ratio")
        unclip = None if config.unclip is Unclip.exact else unclip_ratio(config)
        rules = {"shape": config.shape.value, "unclip": config.unclip.value, "unclip_ratio": unclip}
        options = {name: getattr(config, name) for name in names}
        return Exportable(
            self, OutputKind.regions, "probability", sizes, {"decode": "regions", **options, **rules}
        )

    def positives(self, targets: dict[str, Tensor]) -> int:
        """Return the number of pixels of a batch that lie in learned kernels."""
        return int((targets["shrunk"] * targets["mask"]).sum())

    def calibrations(self) -> list[dict[str, Any]]:
        """Return the decoding settings to choose from on validation data."""
        return calibration_candidates(self.config)
