"""A stranger's plugins: three that keep the contract unless told otherwise, and descriptions that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass, replace

from ocr_trainer.plugin import (
    Config,
    DatasetPlugin,
    LoggerConfig,
    LoggerPlugin,
    ModelPlugin,
    Options,
    Task,
    option,
)


@dataclass
class ModelConfig(Config):
    """The options of the model."""

    wide: bool = False
    """An option that changes the tensors with one of the faults."""

    fault: str = ""
    """What it does wrong."""


@dataclass
class DatasetConfig(Config):
    """The options of the dataset."""

    fault: str = ""
    """What it does wrong."""


@dataclass
class AcmeLoggerConfig(LoggerConfig):
    """The options of the logger."""

    fault: str = ""
    """What it does wrong."""


model = ModelPlugin(
    api=1, summary="a small detector", config=ModelConfig, task=Task.detection, factory="acme:make_model"
)
dataset = DatasetPlugin(
    api=1, summary="dark boxes", config=DatasetConfig, tasks=(Task.detection,), factory="acme:Dataset"
)
logger = LoggerPlugin(api=1, summary="figures", config=AcmeLoggerConfig, factory="acme:make_logger")


@dataclass
class Silent(Options):
    depth: int = 1


@dataclass
class Undocumented(DatasetConfig):
    inner: Silent = field(default_factory=Silent)
    """A section."""


@dataclass
class OddType(DatasetConfig):
    pages: set[int] = field(default_factory=set)
    """OmegaConf knows no sets."""


@dataclass
class OutOfBounds(DatasetConfig):
    share: float = option(2.0, at_most=1)
    """A share."""


@dataclass
class AtOdds(DatasetConfig):
    def validate(self) -> Iterator[str]:
        yield "these options never fit together"


@dataclass
class Renamed(AcmeLoggerConfig):
    def __post_init__(self) -> None:
        self.name = "something else"


@dataclass
class Doubling(DatasetConfig):
    pages: int = 1
    """Doubled each time."""

    def __post_init__(self) -> None:
        self.pages *= 2


@dataclass
class Off(AcmeLoggerConfig):
    enabled: bool = False
    """Off, whatever the user expects."""


long_winded = replace(dataset, summary="dark boxes\nand more")
wordless = replace(dataset, summary="")
taskless = replace(dataset, tasks=())
no_colon = replace(dataset, factory="acme.Dataset")
nowhere = replace(dataset, factory="acme:NoSuchThing")
no_call = replace(dataset, factory="acme:FAULTS")
undocumented = replace(dataset, config=Undocumented)
odd_type = replace(dataset, config=OddType)
out_of_bounds = replace(dataset, config=OutOfBounds)
at_odds = replace(dataset, config=AtOdds)
doubling = replace(dataset, config=Doubling)
sourceless = replace(dataset, config=make_dataclass("Sourceless", [], bases=(DatasetConfig,)))
off = replace(logger, config=Off)
renamed = replace(logger, config=Renamed)
