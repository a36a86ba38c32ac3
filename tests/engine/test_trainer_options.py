"""What Lightning raises and reports for options of its Trainer, in whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.calling import Call
from lightning.fabric.utilities.exceptions import MisconfigurationException

from ocr_trainer.engine.trainer_options import option_errors
from ocr_trainer.runs.slurm import launch_error

WORDS = (
    *("model=crnn", "model.size=tiny", "dataset=synthetic", "dataset.text.charsets=[digits]"),
    *("dataset.text.train_texts=16", "dataset.text.val_texts=4", "dataset.text.test_texts=0"),
    *("data.batch_size=4", "data.num_workers=0", "data.log_images=0", "trainer.max_epochs=1"),
    *("trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
)


@pytest.fixture
def call(call: Call) -> Call:
    """Run with options of the Trainer; return exit status, standard output and standard error."""
    return lambda *options: call(*WORDS, *(f"trainer.{option}" for option in options))


def test_an_interval_longer_than_an_epoch_is_refused(call: Call):
    status, _, said = call("val_check_interval=100")
    assert status == 2
    assert "trainer.val_check_interval=100 is more than the 4 batches of an epoch\n  use 1 to 4," in said
    assert "is more than the 2 batches" in call("val_check_interval=3", "limit_train_batches=2")[2]
    assert call("val_check_interval=4")[0] == 0
    assert call("val_check_interval=6", "check_val_every_n_epoch=null", "max_epochs=2")[0] == 0


def test_what_lightning_refuses_only_in_training_is_one_message(call: Call):
    status, _, said = call("overfit_batches=0.1")
    assert status == 2
    assert "ocr-train: Lightning cannot use an option of trainer.*: You requested to check 0.1" in said


@pytest.mark.parametrize("name", ["simple", "advanced"])
def test_a_profile_is_in_the_run_directory_and_named(call: Call, tmp_path: Path, name: str):
    status, table, _ = call(f"profiler={name}")
    assert status == 0
    (file,) = tmp_path.glob(f"runs/*/*/profiler/fit-{name}.txt")
    assert "training_step" in file.read_text(encoding="utf-8")
    assert f"profiler/fit-{name}.txt" in table


def test_the_table_of_modules_is_printed(call: Call):
    status, table, said = call("enable_model_summary=true")
    assert status == 0
    assert "Trainable params" in table + said
    status, table, said = call()
    assert "Trainable params" not in table + said


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_the_configuration_is_logged_unless_it_is_not_wanted(call: Call, tmp_path: Path, wanted: str):
    assert call(f"enable_autolog_hparams={wanted}")[0] == 0
    (folder,) = tmp_path.glob("runs/*/*/csv")
    assert (folder / "hparams.yaml").is_file() is (wanted == "true")


def test_errors_of_plugins_stay_errors():
    def plugin() -> None:
        raise MisconfigurationException("of a plugin")

    with pytest.raises(MisconfigurationException), option_errors():
        plugin()


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4"}, "write srun before ocr-train"),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, "write srun before ocr-train"),
        ({"SLURM_NTASKS": "1"}, "env -u SLURM_NTASKS ocr-train"),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"}, "--ntasks-per-node"),
        (
            {
                "SLURM_NTASKS": "4",
                "SLURM_PROCID": "0",
                "SLURM_STEP_ID": "0",
                "SLURM_NTASKS_PER_NODE": "4",
            },
            None,
        ),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "bash"}, None),
        ({"SLURM_NTASKS": "4", "TORCHELASTIC_RUN_ID": "1"}, None),
    ],
)
def test_a_job_of_slurm_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, job: dict[str, str], said: str | None
):
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    error = launch_error()
    assert error is None if said is None else error is not None and said in error


def test_a_job_without_srun_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", "4")
    status, _, said = call()
    assert status == 2
    assert "ocr-train: this is a job of SLURM (SLURM_NTASKS=4), but srun has not started this process" in said
