"""Text detection: the base class of its models, `Detector`, and everything around it.

Importing this package is cheap, so that its configuration can be; `Detector` imports torch when you use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_trainer.tasks.detection.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ocr_trainer.tasks.detection import detector

    return getattr(detector, name)
