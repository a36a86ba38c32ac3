"""Composing a run, and what is said when it cannot be. Messages are part of the interface: verbatim."""

from __future__ import annotations

import contextlib
import string
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_trainer.config.compose import compose, run_hydra
from ocr_trainer.config.schema import plain
from ocr_trainer.errors import ConfigError, OcrTrainerError, PluginNotFound
from ocr_trainer.plugin import Kind, discovery

Cli = Callable[..., "CompletedProcess[str]"]


def said(*overrides: str) -> str:
    with pytest.raises(OcrTrainerError) as caught:
        compose(list(overrides))
    return str(caught.value)


def test_what_is_not_named_has_a_default():
    run = compose(["model=dbnet"])
    assert (run.model.name, run.dataset.name, list(run.logger)) == ("dbnet", "synthetic", ["csv"])
    assert compose([]) == run


def test_overrides_are_typed():
    run = compose(
        ["optimizer=sgd", "schedule=poly", "trainer.limit_train_batches=0.01", "output_dir=elsewhere"]
    )
    assert run.optimizer.name == "sgd"
    assert (run.optimizer.lr, run.optimizer.weight_decay) == (0.007, 1e-4)
    assert run.schedule.name == "poly"
    assert run.trainer.limit_train_batches == 0.01
    assert run.output_dir == Path("elsewhere")


@pytest.mark.parametrize(
    ("override", "loggers"),
    [
        ("logger=wandb", ["wandb"]),
        ("logger=[wandb,tensorboard]", ["wandb", "tensorboard"]),
        ("logger=[]", []),
    ],
)
def test_any_number_of_loggers(override: str, loggers: list[str]):
    assert list(compose([override]).logger) == loggers


def test_the_origins_command():
    run = compose(
        [
            "logger=wandb",
            "trainer.max_epochs=1",
            "trainer.limit_train_batches=0.01",
            "trainer.limit_val_batches=0.01",
            "exp_name=lazy_import_complete",
            "logger.wandb.enabled=false",
            "logger.wandb.project_name=p",
        ]
    )
    assert (run.logger["wandb"].enabled, run.logger["wandb"].project_name) == (False, "p")
    assert run.exp_name == "lazy_import_complete"


def test_an_experiment_is_below_the_command_line():
    run = compose(["experiment=receipts", "dataset.root=.", "ema.enabled=false"])
    assert (run.dataset.name, run.exp_name, run.ema.enabled) == ("sroie", "receipts", False)


def test_a_saved_run_composes_to_itself_and_takes_overrides():
    run = compose(["optimizer=sgd", "logger=[csv,tensorboard]", "dataset.val_pages=7", "model.k=40"])
    assert compose([], plain(run)) == run
    changed = compose(["dataset.val_pages=8", "logger=[]"], plain(run))
    assert (changed.dataset.val_pages, changed.logger, changed.model) == (8, {}, run.model)
    other = compose(["dataset=sroie", "dataset.root=."], plain(run))
    assert (other.dataset.name, other.model) == ("sroie", run.model)


def test_the_printed_configuration_is_yaml_of_the_run():
    from omegaconf import OmegaConf

    run = compose(["model=dbnet"])
    assert OmegaConf.to_container(OmegaConf.create(str(run))) == plain(run)


def test_an_unknown_plugin():
    assert (
        said("model=dbnt")
        == "no model plugin named 'dbnt' is installed. Did you mean 'dbnet'?\n  installed: crnn, dbnet, dbnetpp, parseq, ppocrv6_det, "
        "ppocrv6_rec, svtrv2"
    )


def test_an_unknown_group():
    assert said("modle=dbnet") == (
        "this run cannot start:\n"
        "  - there is no option 'modle' (from 'modle=dbnet'). Did you mean 'model'?\n"
        "    options of a run: model, dataset, logger, optimizer, schedule, callback, metric, ema, data, trainer, checkpoint, "
        "distributed, early_stopping, init_from, resume, exp_name, seed, output_dir, augment, tiles, calibrate"
    )


def test_an_unknown_key_of_a_section():
    assert said("ema.decai=0.9") == (
        "this run cannot start:\n"
        "  - there is no option 'ema.decai' (from 'ema.decai=0.9'). Did you mean 'ema.decay'?\n"
        "    options of ema: enabled, decay"
    )
    assert "there is no option 'ema.other'" in said("+ema.other=1")


def test_an_unknown_preset():
    assert said("optimizer=adamm") == (
        "no optimizer plugin named 'adamm' is installed. Did you mean 'adam'?\n"
        f"  installed: {', '.join(discovery.names(Kind.optimizer))}"
    )
    assert "there is no experiment 'nothing'." in said("experiment=nothing")


def test_a_wrong_type():
    assert said("optimizer.lr=abc") == (
        "this run cannot start:\n"
        "  - optimizer.lr (from 'optimizer.lr=abc'): value 'abc' of type 'str' could not be converted to Float"
    )
    assert "expected one of [stop, skip]" in said("optimizer.nonfinite=go")


def test_a_value_out_of_range():
    assert said("optimizer.lr=-1") == "this run cannot start:\n  - optimizer.lr must be above 0, not -1"
    assert "ema.decay must be above 0 and below 1, not 1" in said("ema.decay=1")
    assert "augment.scale[0] must be above 0, not 0" in said("augment.scale=[0,1]")


@pytest.mark.parametrize("value", ["nan", "inf", "1e400"])
def test_numbers_must_be_finite(value: str):
    assert "optimizer.weight_decay must be" in said(f"optimizer.weight_decay={value}")


def test_a_missing_value():
    assert said("dataset=sroie") == "this run cannot start:\n  - dataset.root must be given: dataset.root=…"


def test_a_choice_of_nothing():
    assert said("logger=null") == (
        "this run cannot start:\n  - logger=null has no value: leave it out, or write [] for an empty list"
    )


def test_an_override_that_cannot_be_read():
    assert said("a b") == (
        "this run cannot start:\n"
        "  - the override 'a b' cannot be parsed\n"
        "    write key=value, and quote a value with spaces or special characters: \"key='a b'\""
    )


def test_all_faults_come_in_one_message():
    message = said("dataset=sroie", "trainer.max_epoch=3", "optimizer.lr=abc", "seed=-1", "ema.decay=2")
    for fault in (
        "there is no option 'trainer.max_epoch'",
        "optimizer.lr (from 'optimizer.lr=abc')",
        "dataset.root must be given",
        "ema.decay must be above 0 and below 1, not 2",
        "seed must be at least 0",
    ):
        assert fault in message


def test_a_run_without_an_end():
    assert "training never ends" in said("trainer.max_epochs=-1")
    assert "schedule=cosine depends on the total number of steps" in said(
        "trainer.max_epochs=-1", "trainer.max_time=00:01:00:00"
    )
    compose(
        ["trainer.max_epochs=-1", "trainer.max_time=00:01:00:00", "schedule=constant", "schedule.warmup=0"]
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.precision=bf17", "trainer: precision=bf17 is not supported; choose one of: 32, 64, 16, "),
        (
            "trainer.gradient_clip_algorithm=foo",
            "trainer: gradient_clip_algorithm=foo must be norm or value",
        ),
        ("trainer.max_time=soon", "trainer: max_time=soon must have the form DD:HH:MM:SS"),
        (
            "trainer.limit_train_batches=1.5",
            "limit_train_batches must be a fraction up to 1.0 or an integer number",
        ),
        ("augment.scale=[2,1]", "augment: scale must be [lowest, highest], not [2.0, 1.0]"),
    ],
)
def test_what_lightning_would_refuse_is_refused_before_it(override: str, message: str):
    assert message in said(override)


def test_a_file_that_is_not_yaml(cli: Cli, tmp_path: Path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("a: [1\n b: }")
    done = cli("check", "--config-dir", str(tmp_path), "experiment=mine")
    assert done.returncode == 2
    assert "experiment/mine.yaml is not valid YAML (line 2): " in done.stderr
    assert "Traceback" not in done.stderr


def test_each_run_of_a_sweep_says_what_is_wrong_with_it(cli: Cli, tmp_path: Path):
    done = cli("check", "-m", "optimizer.lr=-1,1e-3,-2", f"output_dir={tmp_path}")
    assert done.returncode == 2
    assert "not -1" in done.stderr
    assert "not -2" in done.stderr
    assert "lr: 0.001" in done.stdout
    assert "Error executing job" not in done.stderr


@pytest.mark.parametrize("name", ["''", "/abs", "../up", "a/../../b"])
def test_the_experiments_name_stays_below_the_output(name: str):
    assert "must be a name for a folder below runs" in said(f"exp_name={name}")


def test_a_key_from_a_file_names_the_file(cli: Cli, tmp_path: Path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ntrainer:\n  max_epoch: 3\n")
    done = cli("check", "--config-dir", str(tmp_path), "experiment=mine")
    assert done.returncode == 2
    assert "there is no option 'trainer.max_epoch' (in experiment/mine.yaml)" in done.stderr
    assert "Traceback" not in done.stderr


@settings(deadline=None, max_examples=40)
@given(st.text(string.printable, min_size=1, max_size=30))
def test_no_override_ever_ends_in_anything_but_our_error_or_a_run(text: str):
    with contextlib.suppress(OcrTrainerError):
        compose([text])


def test_the_error_of_a_missing_plugin_is_its_own():
    with pytest.raises(PluginNotFound):
        compose(["logger=wandbb"])
    with pytest.raises(ConfigError):
        compose(["seed=x"])


def test_an_interpolation_that_stands_for_nothing():
    assert said("exp_name=${nope}") == (
        "this run cannot start:\n  - exp_name='${nope}': Interpolation key 'nope' not found"
    )


@pytest.mark.parametrize(
    ("words", "models"),
    [
        (
            ["model=crnn,svtrv2", "augment.shear=0.3", "data.bucket_batches=4", "charset.names=[latin]"],
            ["crnn", "svtrv2"],
        ),
        (["model=dbnet,crnn", "optimizer.lr=0.1"], ["dbnet", "crnn"]),
        (["experiment=digits,demo", "augment.color=0.3"], ["crnn", "dbnet"]),
        (["experiment=digits", "charset.unknown=skip,replace"], ["crnn", "crnn"]),
    ],
)
def test_a_sweep_over_models_takes_the_options_of_their_tasks(words, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs, errors = [], []
    run_hydra(runs.append, errors.append, ["-m", *words])
    assert errors == []
    assert [run.model.name for run in runs] == models


def test_a_sweep_over_models_refuses_an_unknown_option_in_each_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no option 'augment\.sheer'"):
        run_hydra(lambda run: None, lambda error: None, ["-m", "model=crnn,svtrv2", "augment.sheer=0.3"])
