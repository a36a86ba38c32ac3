"""Text recognition: the base class of its models, `Recognizer`, and everything around it.

Importing this package is cheap, so that its configuration can be; `Recognizer` imports torch when you use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_trainer.tasks.recognition.recognizer import Recognizer

__all__ = ["Recognizer"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ocr_trainer.tasks.recognition import recognizer

    return getattr(recognizer, name)
