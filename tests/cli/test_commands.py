"""Commands that plugins bring: found lazily, listed, restricted; ours win; a broken one ends with one message."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.fakes import install, python_path

from ocr_trainer.cli.commands import OURS
from ocr_trainer.cli.main import HELP
from ocr_trainer.plugin import Kind
from ocr_trainer.plugin.allowlist import CORE
from ocr_trainer.plugin.metadata import BUILT_IN_COMMANDS, installed

ENTRIES = "[ocr_trainer.commands]\n"
SOURCE = """
from ocr_trainer.plugin import CommandPlugin, Config

command = CommandPlugin(api=1, summary="greet somebody", config=Config, factory="{module}:greet")


def greet(words):
    {body}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Distributions with a command each."""
    folder = tmp_path / "site"

    def bring(distribution: str, name: str, body: str) -> None:
        module = distribution.replace("-", "_")
        source = SOURCE.format(module=module, body=body)
        install(folder, distribution, f"{ENTRIES}{name} = {module}:command\n", source)

    bring("acme-greet", "greet", "print('hello', *words)\n    return len(words)")
    bring("acme-check", "check", "print('not the real one')\n    return 0")
    bring("acme-score", "score", "print('not the real one')\n    return 0")
    bring("acme-raises", "raises", "raise ZeroDivisionError('of the plugin')")
    bring(
        "acme-says",
        "says",
        "from ocr_trainer.errors import ConfigError\n    raise ConfigError('give a name')",
    )
    bring("acme-none", "none", "print('done')")
    bring("acme-exits", "exits", "raise SystemExit(3)")
    bring("acme-one", "twin", "return 1")
    bring("acme-two", "twin", "return 2")
    install(folder, "acme-gone", f"{ENTRIES}gone = a_module_that_is_not_there:command\n")
    return folder


def test_every_command_of_ours_is_reserved():
    core = {p.name for p in installed() if p.kind is Kind.command and p.distribution == CORE}
    assert {*OURS, *core} == set(BUILT_IN_COMMANDS)


def test_a_command_gets_its_words_and_returns_its_status(cli, site: Path):
    done: CompletedProcess[str] = cli("greet", "a", "--b", "c=d", **python_path(site))
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello a --b c=d\n", "")
    assert cli("acme-two:twin", **python_path(site)).returncode == 2


def test_help_and_list_show_it(cli, site: Path):
    done = cli("--help", **python_path(site))
    head, _, shown = done.stdout.partition("\nCommands of plugins:\n")
    assert head == HELP
    assert "  ocr-train greet                              greet somebody" in shown.splitlines()
    assert "check" not in shown
    assert "gone" not in shown
    assert cli("--help", OCR_TRAIN_DISABLE_PLUGINS="ocr-trainer-serve:*").stdout == HELP
    rows = cli("list-plugins", "command", **python_path(site)).stdout
    assert "greet somebody" in rows
    assert rows.count("BROKEN: ocr-train has a built-in command 'check'") == 1
    assert rows.count("BROKEN: ocr-train has a built-in command 'score'") == 1
    assert rows.count("CONFLICT") == 2  # twin
    assert cli("describe", "command", "greet", **python_path(site)).stdout.startswith(
        "command greet: greet somebody\n"
    )


def test_ours_win(cli, site: Path):
    assert cli("check", "model=dbnet", **python_path(site)).stdout.startswith("model:")
    done = cli("score", "--help", **python_path(site))
    assert done.stdout.startswith("usage: ocr-train score")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "raises",
            "the command plugin 'raises' cannot be used: it failed with ZeroDivisionError: of the plugin\n",
        ),
        ("says", "give a name\n"),
        ("none", "the command plugin 'none' cannot be used: it returned a NoneType, not an exit status\n"),
        ("gone", "the command plugin 'gone' cannot be used: importing it failed with ModuleNotFoundError"),
        ("twin", "two distributions provide the command plugin 'twin':\n"),
        ("gret", "there is no command 'gret'. Did you mean 'greet'?\n  commands: resume, "),
        ("chek", "there is no command 'chek'. Did you mean 'check'?\n"),
    ],
)
def test_a_command_that_cannot_be_used_ends_with_a_message(cli, site: Path, word: str, message: str):
    done = cli(word, **python_path(site))
    assert done.returncode == 2
    assert done.stderr.startswith(f"ocr-train: {message}")
    assert "Traceback" not in done.stderr
    if "plugin" in message:
        assert "acme-" in done.stderr


def test_its_own_exit_counts(cli, site: Path):
    assert cli("exits", **python_path(site)).returncode == 3


def test_rules_hold_for_commands(cli, site: Path):
    done = cli("greet", **python_path(site), OCR_TRAIN_DISABLE_PLUGINS="command/greet")
    assert done.returncode == 2
    assert "is denied by OCR_TRAIN_DISABLE_PLUGINS=command/greet" in done.stderr
    assert cli("plugins.allow=[dbnet]", "greet", **python_path(site)).returncode == 2
