"""Light. The contract between the core and plugins (`ocr_trainer.plugin.api`), and how plugins are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_trainer.plugin.api import (
        API,
        REQUIRED,
        Bounds,
        Config,
        Context,
        Options,
        Plugin,
        Task,
        option,
        plugin_option,
        sections_option,
    )
    from ocr_trainer.plugin.backbone import BackboneConfig
    from ocr_trainer.plugin.data_report import DataReport, SkippedItem
    from ocr_trainer.plugin.kind import Kind
    from ocr_trainer.plugin.kinds import (
        GROUPS,
        PLUGIN_TYPES,
        BackbonePlugin,
        CommandPlugin,
        DatasetPlugin,
        ExporterPlugin,
        FilePer,
        FormatSignature,
        MetricPlugin,
        ModelPlugin,
        Prediction,
        Pretrained,
        PublishedWeights,
        TaskPlugin,
        WriterPlugin,
    )
    from ocr_trainer.plugin.training_kinds import (
        AugmentationConfig,
        AugmentationPlugin,
        CallbackPlugin,
        LoggerConfig,
        LoggerPlugin,
        Nonfinite,
        OptimizerConfig,
        OptimizerPlugin,
        ScheduleConfig,
        SchedulePlugin,
        Stage,
    )

__all__ = [
    "API",
    "GROUPS",
    "PLUGIN_TYPES",
    "REQUIRED",
    "AugmentationConfig",
    "AugmentationPlugin",
    "BackboneConfig",
    "BackbonePlugin",
    "Bounds",
    "CallbackPlugin",
    "CommandPlugin",
    "Config",
    "Context",
    "DataReport",
    "DatasetPlugin",
    "ExporterPlugin",
    "FilePer",
    "FormatSignature",
    "Kind",
    "LoggerConfig",
    "LoggerPlugin",
    "MetricPlugin",
    "ModelPlugin",
    "Nonfinite",
    "OptimizerConfig",
    "OptimizerPlugin",
    "Options",
    "Plugin",
    "Prediction",
    "Pretrained",
    "PublishedWeights",
    "ScheduleConfig",
    "SchedulePlugin",
    "SkippedItem",
    "Stage",
    "Task",
    "TaskPlugin",
    "WriterPlugin",
    "option",
    "plugin_option",
    "sections_option",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used; listing plugins does not need the contract."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    modules = (
        import_module(f"{__name__}.{module}")
        for module in ("kind", "data_report", "api", "training_kinds", "kinds")
    )
    value = next(getattr(module, name) for module in modules if hasattr(module, name))
    globals()[name] = value
    return value
