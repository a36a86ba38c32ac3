"""Read images with exported models, without torch. Nothing is imported before it is used.

```python
import ocr_trainer_runtime as ocr

reader = ocr.load("exported/det", "exported/rec")
page = reader.predict("page.jpg")
page.text, page.words, page.to_dict()
page.save("page.hocr")
```
"""

TYPE_CHECKING = False  # typing would take as long to import as all of json
if TYPE_CHECKING:
    from ocr_trainer_runtime.errors import ConfigError, DataError, ModelError, OcrTrainerError
    from ocr_trainer_runtime.formats import FORMATS
    from ocr_trainer_runtime.opening import load
    from ocr_trainer_runtime.reader import Reader
    from ocr_trainer_runtime.results import Page, Word

    __version__: str

_MODULES = {
    "errors": ("ConfigError", "DataError", "ModelError", "OcrTrainerError"),
    "opening": ("load",),
    "reader": ("Reader",),
    "formats": ("FORMATS",),
    "results": ("Page", "Word"),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "FORMATS",
    "ConfigError",
    "DataError",
    "ModelError",
    "OcrTrainerError",
    "Page",
    "Reader",
    "Word",
    "__version__",
    "load",
]


def __getattr__(name: str) -> object:
    """Import what is used for the first time."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("ocr-trainer-runtime")
    elif name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(f"ocr_trainer_runtime.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module 'ocr_trainer_runtime' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "__version__"})
