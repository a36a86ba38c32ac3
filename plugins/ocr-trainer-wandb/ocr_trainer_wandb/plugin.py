"""What the `wandb` logger is and can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ocr_trainer.plugin import LoggerConfig, LoggerPlugin, option


class Mode(Enum):
    """Where a run goes."""

    auto = "auto"
    """As WANDB_MODE or wandb's settings say; offline where there is no account."""
    online = "online"
    """There must be an account: without one the run is refused before it begins."""
    offline = "offline"
    disabled = "disabled"


@dataclass
class WandbConfig(LoggerConfig):
    """The options at `logger.wandb`. There is none for the API key: keys do not belong in a configuration."""

    project_name: str = "ocr-trainer"
    """The project the run belongs to."""
    entity: str | None = None
    """The user or team that owns the project; wandb's default if not given."""
    group: str | None = None
    """Runs of one group are shown together."""
    job_type: str | None = None
    """What the run does within its group, such as `train`."""
    tags: list[str] = field(default_factory=list)
    """Tags of the run."""
    notes: str | None = None
    """A longer description of the run."""
    run_id: str | None = None
    """The id of the run, to go on with an earlier one of the project; a resumed run keeps its own."""
    mode: Mode = Mode.auto
    """`auto` follows WANDB_MODE, and runs offline where there is no account."""
    init_timeout: float = option(20.0, above=0.0)
    """Seconds to wait for the server before the run goes offline; the training does not wait."""
    finish_timeout: float = option(25.0, above=0.0)
    """Seconds to wait for the upload at the end; what is left stays on disk for `wandb sync`."""
    max_images: int = option(16, at_least=0)
    """Pictures kept of each set of pictures; 0 keeps none."""

    def validate(self) -> Iterator[str]:
        """Yield what wandb would refuse once the training is under way."""
        if not 0 < len(self.project_name) <= 128 or set(self.project_name) & set("/\\#?%:"):
            yield (
                f"project_name={self.project_name!r} is no name for a wandb project: "
                "1 to 128 characters, none of / \\ # ? % :"
            )
        for tag in self.tags:
            if not 0 < len(tag) <= 64:
                yield f"tags has {tag!r}, but a wandb tag has 1 to 64 characters"
        if self.run_id is not None and (not self.run_id.strip() or set(self.run_id) & set(":;,#?/' ")):
            yield f"run_id={self.run_id!r} is no wandb id: letters, digits, - and _"


wandb = LoggerPlugin(
    api=1,
    summary="Weights & Biases, offline where there is no account",
    config=WandbConfig,
    factory="ocr_trainer_wandb.logger:factory",
)
