"""Description and options of the `wandb` logger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ocr_trainer.plugin import LoggerConfig, LoggerPlugin, option


class Mode(Enum):
    """Where a run is recorded."""

    auto = "auto"
    """Follow WANDB_MODE or wandb's settings; offline without an account."""
    online = "online"
    """Require an account: without one the run is refused before it starts."""
    offline = "offline"
    disabled = "disabled"


@dataclass
class WandbConfig(LoggerConfig):
    """The options at `logger.wandb`. None holds the API key: keys do not belong in a configuration."""

    project_name: str = "ocr-trainer"
    """Project of the run."""
    entity: str | None = None
    """User or team that owns the project; wandb's default if not given."""
    group: str | None = None
    """Runs of one group are shown together."""
    job_type: str | None = None
    """Role of the run in its group, such as `train`."""
    tags: list[str] = field(default_factory=list)
    """Tags of the run."""
    notes: str | None = None
    """Longer description of the run."""
    run_id: str | None = None
    """Id of the run, to continue an earlier one of the project; a resumed run keeps its id."""
    mode: Mode = Mode.auto
    """`auto` follows WANDB_MODE, and runs offline without an account."""
    init_timeout: float = option(20.0, above=0.0)
    """Seconds until the run goes offline if the server does not answer; the training does not wait."""
    finish_timeout: float = option(25.0, above=0.0)
    """Seconds to wait for the upload at the end; the rest stays on disk for `wandb sync`."""
    max_images: int = option(16, at_least=0)
    """Images kept per set; 0 keeps none."""

    def validate(self) -> Iterator[str]:
        """Yield what wandb would refuse after the training has started."""
        if not 0 < len(self.project_name) <= 128 or set(self.project_name) & set("/\\#?%:"):
            yield (
                f"project_name={self.project_name!r} is not a valid wandb project name: "
                "1 to 128 characters, none of / \\ # ? % :"
            )
        for tag in self.tags:
            if not 0 < len(tag) <= 64:
                yield f"tags has {tag!r}, but a wandb tag has 1 to 64 characters"
        if self.run_id is not None and (not self.run_id.strip() or set(self.run_id) & set(":;,#?/' ")):
            yield f"run_id={self.run_id!r} is not a valid wandb id: use letters, digits, - and _"


wandb = LoggerPlugin(
    api=1,
    summary="Weights & Biases, offline without an account",
    config=WandbConfig,
    factory="ocr_trainer_wandb.logger:factory",
)
