"""Light until used. Text detection: the base classes `Detector` and `Backbone`, and everything around them.

Importing this package is cheap, so that its configuration can be; the classes import torch when you use them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_trainer.tasks.detection.backbone import Backbone
    from ocr_trainer.tasks.detection.detector import Detector

__all__ = ["Backbone", "Detector"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
