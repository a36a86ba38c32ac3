"""Augmentation plugins of a run: their contract, order and random streams, and what is checked after each.

Every plugin draws from a stream of its own, which follows from (seed, epoch, index) and its name. Adding,
removing or reordering plugins does not change the draws of the others, nor those of the task's augmentation.
"""

from __future__ import annotations

import traceback
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ocr_trainer.data.split import Split
from ocr_trainer.data.view import View
from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.plugin import AugmentationConfig, Context, Kind, Stage, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception


class Augmentation(ABC):
    """A random change of training samples."""

    samples: Split[Any] = ()
    """The samples that the run trains on, for augmentations that combine several. The core sets it."""

    @abstractmethod
    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Return the changed view; it may be the one that was passed in.

        A geometric change goes through `view.transform` and `view.crop`: polygons follow, and the image is
        resampled once. To change pixels, assign `view.image`. Texts are added with `view.add` and dropped
        with `view.keep`, each with its polygon.

        Args:
            view: A training sample.
            rng: The only source of randomness to use: resumed runs then draw the same numbers.
        """


@dataclass(frozen=True)
class Step:
    """An augmentation of the run."""

    key: str
    """The key of its options in `augment.steps`."""
    plugin: str
    """The name of the plugin, with the distribution if the user gave it."""
    augmentation: Augmentation

    def __call__(self, view: View, rng: np.random.Generator, fixed: bool = False) -> View:
        """Apply the augmentation and check what it returns.

        Args:
            view: A training sample.
            rng: Generator of the sample, keyed by (seed, epoch, index). Nothing is drawn from it.
            fixed: Whether the size of the image must stay.

        Raises:
            PluginBroken: The augmentation fails, or returns a sample that violates the contract.
        """
        source, size = view.source, view.size
        try:
            view = self.augmentation(view, stream(rng, self.key))
        except OcrTrainerError:
            raise
        except Exception as error:
            raise self._broken(source, f"it fails with {describe_exception(error)}{_place(error)}") from error
        if not isinstance(view, View):
            raise self._broken(source, f"it returns a {type(view).__name__}, not the view")
        if (fault := view.fault()) is not None:
            raise self._broken(source, fault)
        if fixed and view.size != size:
            before, after = (f"{width} x {height}" for height, width in (size, view.size))
            raise self._broken(
                source,
                f"it turns the crop of {before} pixels into one of {after}, but a batch takes one size: "
                f"set augment.steps.{self.key}.stage=before to change the page instead",
            )
        return view

    def _broken(self, source: str, reason: str) -> OcrTrainerError:
        return discovery.broken(discovery.find(Kind.augmentation, self.plugin), f"on {source}, {reason}")


@dataclass(frozen=True)
class Steps:
    """The augmentations before and after that of the task, in order."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    @classmethod
    def build(
        cls, configs: Mapping[str, AugmentationConfig], context: Context, samples: Split[Any] = ()
    ) -> Self:
        """Build the augmentations of the section `augment.steps`.

        Args:
            configs: The options of each.
            context: What every factory gets.
            samples: The samples that the run trains on.

        Raises:
            PluginError: An augmentation cannot be used.
        """
        steps: dict[Stage, list[Step]] = {stage: [] for stage in Stage}
        for key, config in configs.items():
            augmentation = build(Kind.augmentation, config, context)
            augmentation.samples = samples
            steps[config.stage].append(Step(key, config.name, augmentation))
        return cls(tuple(steps[Stage.before]), tuple(steps[Stage.after]))

    def prepare(self, view: View, rng: np.random.Generator) -> View:
        """Apply the augmentations before that of the task."""
        if self.before:
            view.drop_outside()  # labels beyond the image are an error in the data, not of a plugin
        for step in self.before:
            view = step(view, rng)
        return view

    def finish(self, view: View, rng: np.random.Generator, fixed: bool = False) -> View:
        """Apply the augmentations after that of the task; if `fixed`, the size of the image must stay."""
        for step in self.after:
            view = step(view, rng, fixed)
        return view


NO_STEPS = Steps()
"""No augmentation plugins."""


def _place(error: Exception) -> str:
    """Return where in the code of a plugin an exception comes from, such as ` (flip.py, line 8)`."""
    frames = traceback.extract_tb(error.__traceback__)
    own = Path(__file__).parent
    places = [frame for frame in frames if Path(frame.filename).parent != own]
    return f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""


def stream(rng: np.random.Generator, name: str) -> np.random.Generator:
    """Return the stream of a plugin for the sample that `rng` belongs to. Nothing is drawn from `rng`."""
    seeds = rng.bit_generator.seed_seq
    assert isinstance(seeds, np.random.SeedSequence)
    key = zlib.crc32(name.encode())
    return np.random.default_rng(np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, key)))
