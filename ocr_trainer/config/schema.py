"""The configuration of a run, typed. Every default of the core is written here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ocr_trainer.config.security import redact_config
from ocr_trainer.plugin import REQUIRED, Config, Options, option


class OptimizerName(Enum):
    """The optimizers of torch.optim that a run can choose."""

    sgd = "sgd"
    adam = "adam"
    adamw = "adamw"


class ScheduleName(Enum):
    """How the learning rate goes over a run."""

    constant = "constant"
    poly = "poly"
    cosine = "cosine"
    one_cycle = "one_cycle"


class Nonfinite(Enum):
    """What becomes of a training step whose loss or gradient is not finite."""

    stop = "stop"
    skip = "skip"


@dataclass
class OptimizerConfig(Options):
    """How weights are changed."""

    name: OptimizerName = OptimizerName.adamw
    """The algorithm: sgd, adam or adamw."""
    lr: float = option(1e-3, above=0)
    """The learning rate at its highest."""
    weight_decay: float = option(1e-2, at_least=0)
    """Pull of the weights towards zero (decoupled from the gradient in adamw only)."""
    decay_norms: bool = False
    """Decay the weights of norms and the biases, too."""
    momentum: float = option(0.9, at_least=0, below=1)
    """Momentum of sgd; the first beta of adam and adamw."""
    nonfinite: Nonfinite = Nonfinite.stop
    """A step whose loss or gradient is not finite ends the run (stop) or is passed over (skip)."""
    max_nonfinite: int = option(10, at_least=1)
    """With skip: so many steps passed over in a row end the run."""


@dataclass
class ScheduleConfig(Options):
    """How the learning rate goes over the optimizer's steps."""

    name: ScheduleName = ScheduleName.cosine
    """The curve after the warm-up: constant, poly, cosine, or one_cycle (which warms up along a cosine)."""
    warmup: float = option(0.05, at_least=0, below=1)
    """The share of the run in which the learning rate rises to its highest."""
    power: float = option(0.9, above=0)
    """The exponent of poly."""
    final: float = option(0.0, at_least=0, at_most=1)
    """The share of the learning rate that cosine and one_cycle end at."""


@dataclass
class EmaConfig(Options):
    """An exponential moving average of the weights, which is scored and saved in their place."""

    enabled: bool = False
    """Keep the average."""
    decay: float = option(0.998, above=0, below=1)
    """How much of the average each step keeps; lower in the first steps, so that short runs gain, too."""


@dataclass
class AugmentConfig(Options):
    """How training images are varied. Scales are relative to the size at which the model is scored."""

    crop: int = option(480, at_least=32)
    """Height and width of what the network sees in training, in pixels; a multiple of the model's stride."""
    scale: list[float] = option([0.7, 1.4], above=0)
    """The range of the resizing factor, drawn uniformly on a log scale."""
    rotate: float = option(5.0, at_least=0, at_most=180)
    """The greatest rotation to either side, in degrees."""
    flip: float = option(0.0, at_least=0, at_most=1)
    """How often an image is mirrored left to right."""
    perspective: float = option(0.0, at_least=0, at_most=0.2)
    """How far each corner of the image may move along each side, as a share of the side."""
    text_share: float = option(0.9, at_least=0, at_most=1)
    """How often the crop is laid so that it holds text; elsewhere it may fall anywhere."""
    whole_text: bool = False
    """Cut between texts only, and scale what is cut out to the size of the crop; `scale` is then not used."""
    color: float = option(0.2, at_least=0, below=1)
    """The greatest change of brightness and contrast, as a share."""
    tint: float = option(0.0, at_least=0, below=1)
    """The greatest loss of each of red, green and blue, as a share, as in coloured light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """How often the colors are taken away."""
    blur: float = option(0.0, at_least=0, at_most=1)
    """How often the crop is blurred."""
    blur_sigma: float = option(2.0, above=0, at_most=20)
    """The strongest blur along x and along y: a Gaussian's standard deviation, in pixels."""
    noise: float = option(0.0, at_least=0, at_most=1)
    """How often noise is added."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """The strongest noise: its standard deviation, of 255 gray levels."""
    jpeg: float = option(0.0, at_least=0, at_most=1)
    """How often the crop is compressed as JPEG."""
    jpeg_quality: int = option(30, at_least=1, at_most=100)
    """The lowest quality of the compression."""

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        if len(self.scale) != 2 or self.scale[0] > self.scale[1]:
            yield f"scale must be [lowest, highest], not {list(self.scale)}"


@dataclass
class TextAugmentConfig(Options):
    """How the training images of words and lines are varied. Lengths are shares of the text's height."""

    rotate: float = option(2.0, at_least=0, at_most=45)
    """The greatest rotation to either side, in degrees."""
    shear: float = option(0.1, at_least=0, at_most=1)
    """The greatest slant to either side: how far the top moves sideways."""
    perspective: float = option(0.05, at_least=0, at_most=0.2)
    """How far each corner may move to each side."""
    stretch: float = option(1.15, at_least=1, at_most=4)
    """The greatest factor by which a text is widened or narrowed."""
    jitter: float = option(0.05, at_least=0, at_most=0.3)
    """How far each border may move in or out, as where a detector cuts too tightly or too widely."""
    color: float = option(0.2, at_least=0, below=1)
    """The greatest change of brightness and contrast, as a share."""
    tint: float = option(0.0, at_least=0, below=1)
    """The greatest loss of each of red, green and blue, as a share, as in coloured light."""
    gray: float = option(0.0, at_least=0, at_most=1)
    """How often the colors are taken away."""
    invert: float = option(0.0, at_least=0, at_most=1)
    """How often dark and light change places."""
    erode: float = option(0.0, at_least=0, at_most=1)
    """How often what is dark is made thinner."""
    dilate: float = option(0.0, at_least=0, at_most=1)
    """How often what is dark is made thicker."""
    blur: float = option(0.1, at_least=0, at_most=1)
    """How often the image is blurred."""
    blur_sigma: float = option(0.03, above=0, at_most=0.5)
    """The strongest blur along x and along y: a Gaussian's standard deviation."""
    motion: float = option(0.0, at_least=0, at_most=1)
    """How often the image is blurred along a line, as if camera or text had moved."""
    motion_length: float = option(0.2, above=0, at_most=1)
    """How long the line is at most."""
    noise: float = option(0.1, at_least=0, at_most=1)
    """How often noise is added."""
    noise_sigma: float = option(15.0, above=0, at_most=128)
    """The strongest noise: its standard deviation, of 255 gray levels."""
    jpeg: float = option(0.1, at_least=0, at_most=1)
    """How often the image is compressed as JPEG."""
    jpeg_quality: int = option(40, at_least=1, at_most=100)
    """The lowest quality of the compression."""
    rand_layers: int = option(0, at_least=0, at_most=16)
    """How many different operations of RandAugment are drawn; each is carried out half of the time."""
    rand_magnitude: float = option(5.0, at_least=0, at_most=10)
    """How strong they are."""


class Unknown(Enum):
    """What becomes of a training text with characters that the charset lacks."""

    error = "error"
    skip = "skip"
    replace = "replace"


@dataclass
class CharsetConfig(Options):
    """The characters that a recognizer tells apart: those of all sources given here together."""

    names: list[str] = field(default_factory=list)
    """Sets by name, such as digits, latin, german or hangul."""
    file: Path | None = None
    """A file of characters, one a row or all in one."""
    characters: str = ""
    """The characters themselves, in this order; a checkpoint keeps them here."""
    from_data: bool = False
    """Add the characters of the training texts; they are taken where nothing else is given."""
    unknown: Unknown = Unknown.error
    """What becomes of a training text with a character that it lacks: error, skip or replace."""
    replacement: str = "\N{REPLACEMENT CHARACTER}"
    """What replaces an unknown character; it becomes one of the charset."""

    @property
    def given(self) -> bool:
        """Whether any source but the data is given."""
        return bool(self.names or self.file or self.characters)

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        for name in self.names:
            # On use: the table of sets costs nothing to runs that name none.
            from ocr_trainer.text import charsets

            try:
                charsets.named(name)
            except ValueError as error:
                yield str(error)
        if self.file is not None and not self.file.expanduser().is_file():
            yield f"file={self.file}: there is no such file"
        if len(self.replacement) != 1:
            yield f"replacement must be one character, not {self.replacement!r}"


@dataclass
class DataConfig(Options):
    """How samples reach the model."""

    batch_size: int | None = option(None, at_least=1)
    """Images per training step and device; left empty: 4 to detect text in, 64 to recognize."""
    eval_batch_size: int | None = option(None, at_least=1)
    """Images per scoring step, padded to the largest; left empty: 1 to detect text in, 64 to recognize."""
    pool: int = option(8, at_least=1)
    """Batches that are drawn together and sorted by width, so that little is padded; for recognition."""
    workers: int | None = option(None, at_least=0)
    """Processes that prepare samples; left empty: half the processors, at most 8."""
    timeout: float = option(300.0, at_least=0)
    """Seconds to wait for a batch before the processes that prepare it count as hanging; 0 for no limit."""
    max_skipped: float = option(0.01, at_least=0, at_most=1)
    """The share of images, or of labels, that may be unusable before a run refuses to start."""
    check_images: int = option(2000, at_least=0)
    """How many images of a split have their headers looked at before training, evenly spread."""
    pictures: int = option(4, at_least=0)
    """How many scored images are drawn for the loggers after each validation."""


@dataclass
class CalibrateConfig(Options):
    """Choosing thresholds on the validation split once the training is over."""

    enabled: bool = True
    """Let validation data choose how the best checkpoint decodes; the test split is never looked at."""
    images: int = option(200, at_least=1)
    """At most so many validation images, evenly spread."""


class Resume(Enum):
    """Whether a run goes on with an earlier one."""

    never = "never"
    auto = "auto"


@dataclass
class CheckpointConfig(Options):
    """When a run's state is kept, beside before each validation, at each epoch's end and on a signal."""

    every_n_steps: int | None = option(None, at_least=1)
    """After every so many optimizer steps."""
    every_minutes: float | None = option(15.0, above=0)
    """After so many minutes: what a run that is killed loses at most."""


@dataclass
class RanksConfig(Options):
    """Processes that train together, one per device."""

    timeout: float = option(600.0, above=0)
    """Seconds to wait for another process, which may be dead or stuck, before the run ends (strategy=ddp)."""


@dataclass
class EarlyStoppingConfig(Options):
    """Ending a run that no longer gets better."""

    enabled: bool = False
    """End it."""
    patience: int = option(5, at_least=1)
    """After so many validations in a row that were no better than the best."""
    min_delta: float = option(0.0, at_least=0)
    """What counts as better, in points of the task's own figure (0 to 1)."""


PRECISIONS = (
    *("32", "64", "16", "bf16", "32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"),
    *("transformer-engine", "transformer-engine-float16"),
)
"""What Lightning can compute with."""


@dataclass
class TrainerConfig(Options):
    """The options of `lightning.pytorch.Trainer` under its own names."""

    accelerator: str = "auto"
    """cpu, gpu, tpu, hpu, mps or auto."""
    strategy: str = "auto"
    """How several devices share the work: auto, ddp, fsdp, …"""
    devices: Any = 1
    """How many devices, or a list of which, or auto for all there are."""
    num_nodes: int = option(1, at_least=1)
    """How many machines."""
    precision: str | None = None
    """32-true, bf16-mixed, 16-mixed, …"""
    fast_dev_run: int | bool = False
    """Run so many batches of everything, to see that it runs."""
    max_epochs: int | None = option(10, at_least=-1)
    """Stop after so many epochs; -1 for no end."""
    min_epochs: int | None = option(None, at_least=0)
    """Train at least so many epochs."""
    max_steps: int = option(-1, at_least=-1)
    """Stop after so many optimizer steps; -1 for no end."""
    min_steps: int | None = option(None, at_least=0)
    """Train at least so many steps."""
    max_time: Any = None
    """Stop after so long: DD:HH:MM:SS."""
    limit_train_batches: int | float | None = option(None, at_least=0)
    """So many batches per epoch, or a share of them if it is a fraction."""
    limit_val_batches: int | float | None = option(None, at_least=0)
    """The same for validation; 0 switches it off."""
    limit_test_batches: int | float | None = option(None, at_least=0)
    """The same for the test; 0 switches it off."""
    limit_predict_batches: int | float | None = option(None, at_least=0)
    """The same for prediction."""
    overfit_batches: int | float = option(0.0, at_least=0)
    """Train and validate on the same few batches."""
    val_check_interval: Any = None
    """Validate every so many batches, or at a share of an epoch."""
    check_val_every_n_epoch: int | None = option(1, at_least=1)
    """Validate after every so many epochs."""
    num_sanity_val_steps: int | None = option(0, at_least=-1)
    """Validation batches before training begins."""
    log_every_n_steps: int | None = option(10, at_least=0)
    """How often losses go to the loggers."""
    enable_checkpointing: bool | None = None
    """Write checkpoints."""
    enable_progress_bar: bool | None = None
    """Show progress."""
    enable_model_summary: bool | None = False
    """Print a table of the model's parts."""
    accumulate_grad_batches: int = option(1, at_least=1)
    """Add up the gradients of so many batches before each step."""
    gradient_clip_val: int | float | None = option(None, at_least=0)
    """Clip gradients to this."""
    gradient_clip_algorithm: str | None = None
    """norm or value."""
    deterministic: Any = None
    """true, false or warn."""
    benchmark: bool | None = None
    """Let cuDNN look for the fastest algorithm."""
    inference_mode: bool = True
    """Score without autograd's bookkeeping."""
    use_distributed_sampler: bool = False
    """Ours already gives each device its share; Lightning's would replace it."""
    profiler: str | None = None
    """simple, advanced, pytorch, …"""
    detect_anomaly: bool = False
    """Stop at the operation that first yields NaN (slow)."""
    barebones: bool = False
    """Switch off everything that costs time beside training."""
    sync_batchnorm: bool = False
    """Normalize over the batches of all devices."""
    reload_dataloaders_every_n_epochs: int = option(0, at_least=0)
    """Make the loaders anew every so many epochs."""
    enable_autolog_hparams: bool = True
    """Log hyper-parameters at the start."""
    model_registry: str | None = None
    """Where Lightning's model registry uploads checkpoints."""

    @property
    def endless(self) -> bool:
        """Whether nothing bounds the steps; a limit of time may still end the run."""
        return self.max_steps == -1 and self.max_epochs in (None, -1)

    def validate(self) -> Iterator[str]:
        """Yield what is wrong with the options taken together."""
        limits = ("limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches")
        for name in (*limits, "overfit_batches"):
            value = getattr(self, name)
            if isinstance(value, float) and value > 1:
                yield f"{name} is a share up to 1.0 or a whole number of batches, not {value:g}"
        if str(self.precision) not in ("None", *PRECISIONS):
            yield f"precision={self.precision} is none of: {', '.join(PRECISIONS)}"
        if self.gradient_clip_algorithm not in (None, "norm", "value"):
            yield f"gradient_clip_algorithm={self.gradient_clip_algorithm} is neither norm nor value"
        if isinstance(self.max_time, str) and not re.fullmatch(r"\d+:\d\d:\d\d:\d\d", self.max_time):
            yield f"max_time={self.max_time} is not of the form DD:HH:MM:SS"
        if self.endless and not self.max_time:
            yield "nothing ends the training: set trainer.max_epochs, trainer.max_steps or trainer.max_time"


@dataclass
class RunConfig(Options):
    """A whole run."""

    model: Config = REQUIRED
    """The model plugin and its options."""
    dataset: Config = REQUIRED
    """The dataset plugin and its options."""
    logger: dict[str, Any] = field(default_factory=dict)
    """The logger plugins, each with its options under its name."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """How weights are changed."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """How the learning rate goes."""
    ema: EmaConfig = field(default_factory=EmaConfig)
    """Averaging of the weights."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """How training images are varied, for detection."""
    text_augment: TextAugmentConfig = field(default_factory=TextAugmentConfig)
    """How training images are varied, for recognition."""
    charset: CharsetConfig = field(default_factory=CharsetConfig)
    """The characters that a recognizer tells apart."""
    data: DataConfig = field(default_factory=DataConfig)
    """How samples reach the model."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """Lightning's Trainer."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """When the state is kept."""
    ranks: RanksConfig = field(default_factory=RanksConfig)
    """Processes that train together."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    """Ending a run that no longer gets better."""
    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """Choosing thresholds on the validation split."""
    init_from: Path | None = None
    """A checkpoint whose weights the model begins with, as far as they fit: fine-tuning."""
    resume: Resume = Resume.never
    """auto: go on with the newest run of the same name and configuration, if there is one."""
    exp_name: str = "default"
    """What the run is called; its folder lies below this name."""
    seed: int = option(0, at_least=0, below=2**32)
    """Whatever is random follows from it."""
    output_dir: Path = Path("runs")
    """Where run folders are made: `<output_dir>/<exp_name>/<time>/`."""


def plain(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, as files and checkpoints keep it.

    References to the environment stand in it as they were given, and URLs without their credentials.
    """
    return redact_config(values(value))


def values(value: Any) -> Any:
    """Return a configuration as dicts, lists, strings and numbers, with all that a run knows."""
    if is_dataclass(value):
        return {field.name: values(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [values(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, Path) else value
