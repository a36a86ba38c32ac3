"""Train OCR models by name, and read images with them. Nothing is imported before it is used.

```python
import ocr_trainer as ocr

run = ocr.train("experiment=receipts", dataset={"root": "receipts"}, trainer={"max_epochs": 5})
reader = ocr.load(run.folder)
[word.polygon for word in reader.predict("page.jpg").words]
```

docs/python-api.md shows all of it; docs/architecture.md explains the packages.
"""

TYPE_CHECKING = False  # typing would take as long to import as all of json
if TYPE_CHECKING:
    from ocr_trainer.api.catalog import InstalledPlugin, describe, plugins
    from ocr_trainer.api.checks import check, check_data, overfit
    from ocr_trainer.api.evaluate import Scores, evaluate
    from ocr_trainer.api.export import Export, export
    from ocr_trainer.api.load import load
    from ocr_trainer.api.runs import Run, resume, train
    from ocr_trainer.api.scoring import score
    from ocr_trainer.config.schema import RunConfig
    from ocr_trainer.errors import (
        CallbackRaised,
        CheckpointError,
        ConfigError,
        DataError,
        ExportError,
        MemoryExhausted,
        NumbersError,
        OcrTrainerError,
        PluginBroken,
        PluginConflict,
        PluginDenied,
        PluginError,
        PluginNotFound,
        ProcessLost,
    )
    from ocr_trainer.evaluation.check_data import DataCheck
    from ocr_trainer.evaluation.predict import Reader
    from ocr_trainer.results.page import Page, Word
    from ocr_trainer.runs.signals import Stopped
    from ocr_trainer_runtime.reader import Pages

    __version__: str

_MODULES = {
    "api.catalog": ("InstalledPlugin", "describe", "plugins"),
    "api.checks": ("check", "check_data", "overfit"),
    "api.evaluate": ("Scores", "evaluate"),
    "api.export": ("Export", "export"),
    "api.load": ("load",),
    "api.runs": ("Run", "resume", "train"),
    "api.scoring": ("score",),
    "config.schema": ("RunConfig",),
    "errors": (
        "CallbackRaised",
        *(
            "CheckpointError",
            "ConfigError",
            "DataError",
            "ExportError",
            "MemoryExhausted",
            "NumbersError",
            "OcrTrainerError",
        ),
        *("PluginBroken", "PluginConflict", "PluginDenied", "PluginError", "PluginNotFound", "ProcessLost"),
    ),
    "evaluation.check_data": ("DataCheck",),
    "evaluation.predict": ("Pages", "Reader"),
    "results.page": ("Page", "Word"),
    "runs.signals": ("Stopped",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CallbackRaised",
    "CheckpointError",
    "ConfigError",
    "DataCheck",
    "DataError",
    "Export",
    "ExportError",
    "InstalledPlugin",
    "MemoryExhausted",
    "NumbersError",
    "OcrTrainerError",
    "Page",
    "Pages",
    "PluginBroken",
    "PluginConflict",
    "PluginDenied",
    "PluginError",
    "PluginNotFound",
    "ProcessLost",
    "Reader",
    "Run",
    "RunConfig",
    "Scores",
    "Stopped",
    "Word",
    "__version__",
    "check",
    "check_data",
    "describe",
    "evaluate",
    "export",
    "load",
    "overfit",
    "plugins",
    "resume",
    "score",
    "train",
]


def __getattr__(name: str) -> object:
    """Import what is used for the first time."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("ocr-trainer")
    elif name in _PLACES:
        from importlib import import_module

        value = getattr(import_module(f"ocr_trainer.{_PLACES[name]}"), name)
    else:
        raise AttributeError(f"module 'ocr_trainer' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES, "__version__"})
