"""Augmentations of a run: their contract, their order, their random streams, and what is checked after each.

Every augmentation draws from a stream of its own, which follows from (seed, epoch, index) and its name. Adding,
removing or reordering augmentations does not change the draws of the others.
"""

from __future__ import annotations

import traceback
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ocr_trainer.data.view import View
from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.plugin import AugmentationConfig, Context, Kind, Stage, discovery
from ocr_trainer.plugin.build import build
from ocr_trainer.plugin.contract import describe_exception


class Augmentation(ABC):
    """A random change of training samples."""

    #: The samples that the run trains on, for augmentations that combine several. The core sets it.
    samples: Sequence[Any] = ()

    @abstractmethod
    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Return the changed view; it may be the one that was passed in.

        A geometric change goes through `view.transform` and `view.crop`, so that polygons follow and the image
        is resampled once. To change pixels, assign `view.image`. Texts are added with `view.add` and dropped
        with `view.keep`, each with its polygon.

        Args:
            view: A training sample.
            rng: The only source of randomness to use: resumed runs then draw the same numbers.
        """


@dataclass(frozen=True)
class Step:
    """An augmentation of the run, by the name of its plugin."""

    name: str
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
            view = self.augmentation(view, stream(rng, self.name))
        except OcrTrainerError:
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            raise self._broken(source, f"it fails with {describe_exception(error)} ({where})") from error
        if not isinstance(view, View):
            raise self._broken(source, f"it returns a {type(view).__name__}, not the view")
        if (fault := view.fault()) is not None:
            raise self._broken(source, fault)
        if fixed and view.size != size:
            before, after = (f"{width} x {height}" for height, width in (size, view.size))
            raise self._broken(
                source,
                f"it turns the crop of {before} pixels into one of {after}: after the crop, the size must stay; "
                f"augment.steps.{self.name.rpartition(':')[2]}.stage=before changes the page instead",
            )
        return view

    def _broken(self, source: str, reason: str) -> OcrTrainerError:
        return discovery.broken(discovery.find(Kind.augmentation, self.name), f"on {source}, {reason}")


@dataclass(frozen=True)
class Steps:
    """The augmentations before and after that of the task, in order."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    @classmethod
    def build(
        cls, configs: Mapping[str, AugmentationConfig], context: Context, samples: Sequence[Any] = ()
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
        for config in configs.values():
            augmentation = build(Kind.augmentation, config, context)
            augmentation.samples = samples
            steps[config.stage].append(Step(config.name, augmentation))
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


def stream(rng: np.random.Generator, name: str) -> np.random.Generator:
    """Return the stream of an augmentation for the sample that `rng` belongs to, without drawing from `rng`."""
    key = rng.bit_generator.seed_seq.entropy
    return np.random.default_rng(np.random.SeedSequence(key, spawn_key=(zlib.crc32(name.encode()),)))
