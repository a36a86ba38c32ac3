"""Applies transforms of albumentations to a view."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ocr_trainer.data.augmentation import Augmentation
from ocr_trainer.data.view import View
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context
from ocr_trainer_albumentations.plugin import AlbumentationsConfig
from ocr_trainer_albumentations.transforms import COMPOSITION

SWITCH = "NO_ALBUMENTATIONS_UPDATE"
"""Environment variable without which the library looks for a newer version on the network."""
IGNORED = "are not valid for transform"
"""Part of the warning for parameters that a transform does not have."""


class Albumentations(Augmentation):
    """The augmentation `albumentations`."""

    def __init__(self, config: AlbumentationsConfig, context: Context) -> None:
        library = import_offline()
        points = library.KeypointParams("xy", remove_invisible=False)
        # Compose warns about points that no transform takes; NoOp takes them.
        self.transforms = [
            library.Compose([library.NoOp(), transform], keypoint_params=points)
            for transform in make(config.transforms, library)
        ]

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Apply all transforms; the points of polygons are their keypoints."""
        python_rng = random.Random(int(rng.integers(2**63)))  # noqa: S311
        for transform in self.transforms:
            # Not `set_random_seed`: all transforms would draw the same numbers.
            transform.set_random_state(rng, python_rng)
            self._apply(transform, view)
        return view

    def _apply(self, transform: Any, view: View) -> None:
        points = np.concatenate([*view.polygons, np.zeros((0, 2), np.float32)])
        # A copy: transforms may write into the image that they get.
        changed = transform(image=view.image.copy(), keypoints=points)
        moved = np.asarray(changed["keypoints"], dtype=np.float32).reshape(-1, 2)
        if len(moved) != len(points):
            raise ValueError(f"albumentations returns {len(moved)} of {len(points)} points")
        view.image = np.ascontiguousarray(changed["image"])
        ends = np.cumsum([len(polygon) for polygon in view.polygons])
        view.polygons = np.split(moved, ends[:-1]) if len(ends) else []
        view.clip()


def import_offline() -> ModuleType:
    """Import the library without its look for a newer version, and leave the environment as it was."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1"
    try:
        import albumentations
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before
    module: ModuleType = albumentations
    return module


def make(transforms: Sequence[Mapping[str, Any]], library: ModuleType) -> list[Any]:
    """Return the transforms of a configuration.

    Raises:
        ConfigError: A parameter does not exist, or its value is refused.
    """
    made = []
    for transform in transforms:
        parameters = {key: value for key, value in transform.items() if key != "name"}
        name = transform["name"]
        if name == COMPOSITION:
            parameters["transforms"] = make(parameters["transforms"], library)
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                made.append(getattr(library, name)(**parameters))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"augment.steps.albumentations.transforms: {name}: {_reason(error)}") from error
        if ignored := [str(warning.message) for warning in said if IGNORED in str(warning.message)]:
            raise ConfigError(f"augment.steps.albumentations.transforms: {ignored[0]}")
    return made


def _reason(error: Exception) -> str:
    """Return the reason of an error in one line; those of pydantic, which the library wraps, take several."""
    errors = getattr(error.__cause__ or error.__context__, "errors", None)
    if errors is None:
        return " ".join(str(error).split())
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors())
