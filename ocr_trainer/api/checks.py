"""Check a run before training: its configuration, its data, its ability to learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ocr_trainer.api.guest import guest, libraries
from ocr_trainer.api.overrides import overrides_of
from ocr_trainer.api.runs import with_architecture
from ocr_trainer.errors import ConfigError, PluginError
from ocr_trainer.plugin import DatasetPlugin, Kind, Task, discovery

if TYPE_CHECKING:
    from ocr_trainer.config.schema import RunConfig
    from ocr_trainer.engine.overfit import Overfit
    from ocr_trainer.evaluation.check_data import DataCheck


def check(*overrides: str, **options: Any) -> RunConfig:
    """Compose and validate the configuration of a run, without importing torch.

    ```python
    run = ocr.check("model=dbnet", trainer={"max_epochs": 5})
    run.trainer.max_epochs
    print(run)
    ```

    Args:
        overrides: Overrides as on the command line, such as `"model=dbnet"`.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The typed configuration, with all defaults; `str()` of it is YAML.

    Raises:
        ConfigError: The configuration is wrong; the message lists all problems.
        PluginError: A plugin that it names cannot be used.
    """
    from ocr_trainer.config.compose import compose

    with guest():
        run = compose(overrides_of(overrides, options))
        check_output_dir(run)
        return run


def check_output_dir(run: RunConfig) -> None:
    """Refuse an `output_dir` in which no run directory can be created.

    Raises:
        ConfigError: There is a reason why it cannot.
    """
    from ocr_trainer.runs.run_dir import why_no_folder

    if reason := why_no_folder(run.output_dir / run.exp_name):
        raise ConfigError(
            f"cannot create a run directory in {run.output_dir / run.exp_name}: {reason}\n"
            "  choose another folder with output_dir=…"
        )


def check_data(*overrides: str, **options: Any) -> DataCheck:
    """Read every sample of a dataset, as training does, and count what can be used.

    ```python
    found = ocr.check_data("dataset=sroie", dataset={"root": "receipts"})
    found.counts["train"].images, found.skipped, found.problems
    ```

    Args:
        overrides: Overrides of a run. With a model, it also finds texts that the model cannot learn.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The counts of each split, every item that cannot be used, and the reasons why a run would refuse
        the data.

    Raises:
        ConfigError: The configuration is wrong.
        DataError: The dataset cannot be opened.
    """
    with guest():
        words = overrides_of(overrides, options)
        run = with_architecture(_with_some_model(words))
        with libraries:
            from ocr_trainer.evaluation.check_data import check_data

            return check_data(run, heed_model=_names_model(words))


def overfit(*overrides: str, steps: int = 300, **options: Any) -> Overfit:
    """Train on a single batch to check that the model can learn, and print the loss.

    ```python
    ocr.overfit("experiment=receipts", dataset={"root": "receipts"}, steps=100)
    ```

    Args:
        overrides: Overrides of a run.
        steps: The maximum number of optimizer steps.
        options: Overrides as keyword arguments, with dictionaries and values.

    Returns:
        The losses. The result is true if the loss fell to a tenth; if not, `str()` of it says what to do.

    Raises:
        ConfigError: The configuration is wrong, or `steps` is below 1.
        DataError: The dataset cannot be used, or the first batches have no text.
    """
    from ocr_trainer.config.compose import compose

    with guest():
        if steps < 1:
            raise ConfigError(f"steps= must be at least 1, not {steps}")
        run = with_architecture(compose(overrides_of(overrides, options)))
        with libraries:
            from ocr_trainer.engine.overfit import overfit

            return overfit(run, steps)


def _with_some_model(overrides: Sequence[str]) -> RunConfig:
    """Compose the run; without a model, choose one for a task that the dataset supports."""
    from ocr_trainer.config.compose import compose

    models = [] if _names_model(overrides) else list(_models(overrides))
    for model in models[:-1]:
        # The parts of a combined dataset, such as concat, may support fewer tasks than it does.
        with suppress(ConfigError):
            return compose([f"model={model}", *overrides])
    return compose([*(f"model={model}" for model in models[-1:]), *overrides])


def _names_model(overrides: Sequence[str]) -> bool:
    return not {"model", "experiment"}.isdisjoint(word.partition("=")[0] for word in overrides)


def _models(overrides: Sequence[str]) -> Iterator[str]:
    """Return an installed model for each task that the dataset supports."""
    chosen = [word.partition("=")[2].strip("'") for word in overrides if word.startswith("dataset=")]
    dataset = discovery.load(Kind.dataset, chosen[-1]) if chosen else None
    known = [Task(name) for name in discovery.names(Kind.task)]
    tasks = dataset.tasks if isinstance(dataset, DatasetPlugin) else known
    models = {}
    for name in reversed(discovery.names(Kind.model)):
        with suppress(PluginError):
            description = discovery.load_model(name)
            models[description.task] = name
    return (models[task] for task in known if task in tasks and task in models)
