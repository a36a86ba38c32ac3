"""Description of `albumentations`; importing it does not load the library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_trainer.errors import did_you_mean
from ocr_trainer.plugin import AugmentationConfig, AugmentationPlugin, Stage, Task
from ocr_trainer_albumentations.transforms import COMPOSITION, PIXEL, SPATIAL, UNUSABLE

USABLE = (*PIXEL, *SPATIAL, COMPOSITION)
DEFAULT = (
    {"name": "RandomShadow", "p": 0.2},
    {"name": "MotionBlur", "p": 0.1},
    {"name": "ISONoise", "p": 0.1},
)


def _default() -> list[dict[str, Any]]:
    return [dict(transform) for transform in DEFAULT]


@dataclass
class AlbumentationsConfig(AugmentationConfig):
    """Transforms of albumentations, one after the other."""

    stage: Stage = Stage.after
    """Before or after the preset. In a list such as augment=[strong,albumentations], the place decides."""

    transforms: list[dict[str, Any]] = field(default_factory=_default)
    """Transforms in order, each with its `name` and parameters: `[{name: RandomShadow, p: 0.3}]`."""

    def validate(self) -> Iterator[str]:
        """Yield a message for each transform that cannot be used."""
        yield from _faults(self.transforms)


def _faults(transforms: Sequence[Any]) -> Iterator[str]:
    for transform in transforms:
        name = transform.get("name") if isinstance(transform, Mapping) else None
        if not isinstance(name, str):
            yield f"transforms: {transform} has no name; write {{name: RandomShadow, p: 0.3}}"
        elif name in UNUSABLE:
            yield f"transforms: {name} cannot be used: {UNUSABLE[name]}"
        elif name not in USABLE:
            yield (
                f"transforms: there is no transform '{name}'.{did_you_mean(name, USABLE)}\n"
                f"      available: {', '.join(sorted(USABLE))}"
            )
        elif name == COMPOSITION:
            parts = transform.get("transforms")
            if isinstance(parts, Sequence) and not isinstance(parts, str) and parts:
                yield from _faults(parts)
            else:
                yield f"transforms: {name} takes a list of transforms: {{name: {name}, transforms: [...]}}"


albumentations = AugmentationPlugin(
    api=1,
    summary="the transforms of albumentations 2.0.8: shadows, rain, blurs, noise, perspective and others",
    config=AlbumentationsConfig,
    tasks=(Task.detection, Task.recognition),
    factory="ocr_trainer_albumentations.augmentation:Albumentations",
)
