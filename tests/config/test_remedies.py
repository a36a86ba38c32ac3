"""Words in the manner of other tools: each is refused with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.calling import Call

from ocr_trainer.config.compose import compose
from ocr_trainer.errors import ConfigError

REMEDIES = {
    "optimizer.lr=1e-3,3e-3": ["add -m: -m optimizer.lr=1e-3,3e-3", "\"optimizer.lr='1e-3,3e-3'\""],
    "charset.characters=abc,def": ["\"charset.characters='abc,def'\"", "charset.characters=[abc,def]"],
    "logger=csv,wandb": ["logger=[csv,wandb]", "-m logger=csv,wandb"],
    "model=crnn,parseq": ["-m model=crnn,parseq"],
    "--optimizer.lr=0.001": ["there is no flag --optimizer.lr: options have no hyphens", "write optimizer.lr=0.001"],
    "--seed=3": ["write seed=3"],
    "--output-dir=here": ["write output_dir=here"],
    "--trainer.max-epochs=3": ["write trainer.max_epochs=3"],
    "--lr=3": ["there is no flag --lr.", "options of a run have no hyphens: KEY=VALUE"],
    "--multirn": ["Did you mean '--multirun'?"],
    "~optimizer.lr": ["an option cannot be removed", "set a value: optimizer.lr=VALUE"],
    "~trainer": ["a run needs 'trainer': leave ~trainer out"],
    "~model": ["a run needs 'model': leave ~model out"],
    "~logger": ["for none, set logger=[]"],
    "~nothing": ["there is nothing to remove"],
    "hydra.run.dir=there": ["set output_dir=DIR and exp_name=NAME"],
    "hydra.sweep.dir=there": ["set output_dir=DIR and exp_name=NAME"],
    "exp_name=${hydra:job.name}": ["exp_name='${hydra:job.name}': ${hydra:…} has a value only in the runs"],
    "+seed=3": ["seed exists already, so + cannot add it: write seed=3"],
    "trainer.max_epochs=range(1,3)": ["add -m: -m trainer.max_epochs=range(1,3)"],
    "optimizer.lr=choice(1,2)": ["gives several values", "add -m: -m optimizer.lr=choice(1,2)"],
    "optimizer.lr=glob(*)": ["glob(…) works only in a sweep: add -m"],
    "optimizer@x=adamw": ["'optimizer@x=adamw': an override has no @: write optimizer=NAME"],
    "@optimizer=adamw": ["an override has no @: write optimizer=NAME"],
    "experiment=2026": ["2026 is not a text, but plugins", "\"experiment='2026'\""],
    "exp_name=${now:}": ["an interpolation cannot be resolved"],
}  # fmt: skip


@pytest.mark.parametrize("word", REMEDIES)
def test_a_word_is_refused_with_its_remedy(call: Call, tmp_path: Path, word: str):
    for command in (["check"], []):
        status, _, said = call(*command, "model=crnn", "dataset=words", "dataset.root=x", word)
        assert status == 2
        for part in REMEDIES[word]:
            assert part in said
    assert not list(tmp_path.iterdir())


def test_remedies_of_several_words_come_in_one_message():
    with pytest.raises(ConfigError) as caught:
        compose(["model=crnn", "optimizer.lr=1,2", "~optimizer.weight_decay", "trainer.max_epoch=3"])
    for part in ("-m optimizer.lr=1,2", "'~optimizer.weight_decay'", "Did you mean 'trainer.max_epochs'?"):
        assert part in str(caught.value)


def test_a_file_without_its_first_line(call: Call, tmp_path: Path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "big.yaml").write_text("seed: 3\n")
    status, _, said = call("check", "dataset=synthetic", "experiment=big", "--config-dir", "mine")
    assert status == 2
    assert "experiment/big.yaml lacks the line '# @package _global_'" in said


def test_an_interpolation_in_a_file_is_named_with_its_option(call: Call, tmp_path: Path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nexp_name: ${oc.env:NOT_SET_ANYWHERE}\n"
    (tmp_path / "mine" / "experiment" / "big.yaml").write_text(text)
    status, _, said = call("check", "dataset=synthetic", "experiment=big", "--config-dir", "mine")
    assert status == 2
    assert "exp_name='${oc.env:NOT_SET_ANYWHERE}'" in said
    assert "overrides" not in said


@pytest.mark.parametrize("command", ["overfit", "check-data", "resume"])
def test_other_commands_say_so_too(call: Call, command: str):
    status, _, said = call(command, "model=crnn", "--trainer.max_epochs=3")
    assert status == 2
    assert "write trainer.max_epochs=3" in said


def test_folders_of_a_sweep_are_refused(call: Call, tmp_path: Path):
    status, _, said = call("-m", "optimizer.lr=1,2", "hydra.sweep.subdir=x")
    assert status == 2
    assert "set output_dir=DIR and exp_name=NAME" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
@pytest.mark.parametrize("place", ["/proc/self/x", "/proc/new/a/b", "file/x", "file", "lost/x", "loop"])
def test_a_place_without_room_for_runs_is_refused(call: Call, tmp_path: Path, place: str):
    (tmp_path / "file").write_text("")
    (tmp_path / "lost").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    status, _, said = call("check", f"output_dir={place}")
    assert status == 2
    assert "choose another folder with output_dir=…" in said
    status, _, said = call("check", "-m", f"output_dir={place}")
    assert status == 2
    assert "choose another folder with output_dir=…" in said
    assert call("check", "output_dir=new/a/b")[0] == 0
    assert not (tmp_path / "new").exists()


def test_an_option_of_a_plugin_in_a_named_part_is_added(tmp_path: Path) -> None:
    """Hydra knows no options there, so the message gives the override that works."""
    key = "dataset.parts.receipts.dataset.of.root"
    run = ("experiment=receipt_words_replay", "+dataset.parts.replay.dataset.root=x")
    with pytest.raises(ConfigError, match=rf"to add it: \+{key}=…"):
        compose([*run, f"{key}={tmp_path}"])
    composed = compose([*run, f"+{key}={tmp_path}"])
    assert composed.dataset.parts["receipts"].dataset.of.root == tmp_path


def test_a_problem_that_two_overrides_meet_is_said_once(call: Call):
    run = ("experiment=receipt_words", "model=parseq", "model.size=tiny", "dataset.of.root=x")
    _, _, said = call("check", *run)
    assert said.count("invalid value 'small', expected one of [tiny, base]") == 1
