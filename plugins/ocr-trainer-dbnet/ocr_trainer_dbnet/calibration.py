"""Settings of decoding to choose from on validation data."""

from __future__ import annotations

from typing import Any

from ocr_trainer.plugin.options import DBConfig, Unclip
from ocr_trainer_runtime.detection.db import unclip_ratio

CANDIDATE_THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
CANDIDATE_RATIOS = (1.5, 1.7, 2.0, 2.3)
"""What `calibration_candidates` offers; from the authors' ratio for quads to what long lines need."""


def calibration_candidates(config: DBConfig) -> list[dict[str, Any]]:
    """Return the settings to choose from on validation data, as changes to `config`.

    The settings are every threshold of `CANDIDATE_THRESHOLDS` with `unclip=exact` and with every ratio of
    `CANDIDATE_RATIOS`. The first setting is the present one.
    """
    exact = (Unclip.exact, None)
    present = exact if config.unclip is Unclip.exact else (Unclip.ratio, unclip_ratio(config))
    rules = [exact, *((Unclip.ratio, ratio) for ratio in CANDIDATE_RATIOS)]
    candidates = [(threshold, *rule) for threshold in CANDIDATE_THRESHOLDS for rule in rules]
    names = ("binarize_threshold", "unclip", "unclip_ratio")
    # A dict keeps the order and drops the present setting where it is a candidate, too.
    settings = dict.fromkeys([(config.binarize_threshold, *present), *candidates])
    return [dict(zip(names, values, strict=True)) for values in settings]
