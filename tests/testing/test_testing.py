"""The contract suites pass valid third-party plugins, and detect every fault injected into them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_trainer.errors import OcrTrainerError
from ocr_trainer.plugin import Kind, discovery
from ocr_trainer.testing import DatasetSuite, LoggerSuite, ModelSuite
from ocr_trainer.testing.plugins import PluginSuite

SUITES: dict[Kind, type[PluginSuite]] = {
    suite.kind: suite for suite in (ModelSuite, DatasetSuite, LoggerSuite)
}
STRANGERS = Path(__file__).parents[1] / "strangers"
ENTRY_POINTS = """
[ocr_trainer.models]
acme = acme_plugin:model

[ocr_trainer.datasets]
acme = acme_plugin:dataset
acme-greedy = acme_greedy:greedy
{datasets}

[ocr_trainer.loggers]
acme = acme_plugin:logger
acme-off = acme_plugin:off
acme-renamed = acme_plugin:renamed
"""
DATASETS = ["long_winded", "wordless", "taskless", "no_colon", "nowhere", "no_call", "undocumented"]
DATASETS += ["odd_type", "out_of_bounds", "at_odds", "doubling", "sourceless"]
MODULES = ("acme", "acme_plugin", "acme_greedy")


def install(site: Path, name: str, metadata: str, entry_points: str) -> None:
    folder = site / f"{name}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{metadata}")
    (folder / "entry_points.txt").write_text(entry_points)


@pytest.fixture(autouse=True, scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fake the installation of third-party distributions with metadata on the import path."""
    site = tmp_path_factory.mktemp("site-packages")
    datasets = "\n".join(f"acme-{name} = acme_plugin:{name}" for name in DATASETS)
    install(site, "acme", "Version: 1.0\nSummary: Boxes\n", ENTRY_POINTS.format(datasets=datasets))
    undescribed = "[ocr_trainer.datasets]\nacme-unsaid = acme_plugin:dataset\n"
    install(site, "acme-unsaid", "Version: 1.0\n", undescribed)
    install(site, "acme-unversioned", "Summary: Boxes\n", undescribed.replace("unsaid", "unversioned"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(STRANGERS)
        patch.syspath_prepend(site)
        discovery.installed.cache_clear()
        yield
    discovery.installed.cache_clear()
    for module in MODULES:
        sys.modules.pop(module, None)


class TestStrangersModel(ModelSuite):
    name = "acme"


class TestStrangersDataset(DatasetSuite):
    name = "acme"
    overrides = ("model=acme",)


class TestStrangersLogger(LoggerSuite):
    name = "acme"


@pytest.fixture
def check(request: pytest.FixtureRequest):
    """Run one test of a suite on one plugin."""

    def run(suite: PluginSuite, test: str) -> None:
        method = getattr(suite, test)
        method(**{name: request.getfixturevalue(name) for name in inspect.signature(method).parameters})

    return run


DESCRIPTION_FAULTS = [
    (
        Kind.dataset,
        "test_it_is_registered_once_with_a_version_and_a_summary",
        "acme-unsaid",
        "`description` in pyproject.toml",
    ),
    (
        Kind.dataset,
        "test_it_is_registered_once_with_a_version_and_a_summary",
        "acme-unversioned",
        "must give a version",
    ),
    (
        Kind.dataset,
        "test_it_is_registered_once_with_a_version_and_a_summary",
        "no-such",
        "no dataset plugin named",
    ),
    (Kind.dataset, "test_its_description_is_valid", "acme-long_winded", "one line of text"),
    (Kind.dataset, "test_its_description_is_valid", "acme-wordless", "one line of text"),
    (Kind.dataset, "test_its_description_is_valid", "acme-taskless", "list the tasks"),
    (Kind.dataset, "test_its_description_is_valid", "acme-no_colon", "'package.module:attribute'"),
    (
        Kind.dataset,
        "test_its_description_imports_only_the_standard_library",
        "acme-greedy",
        "but it imports .*numpy",
    ),
    (Kind.dataset, "test_its_options_are_typed_and_documented", "acme-undocumented", "options inner.depth: "),
    (Kind.dataset, "test_its_options_are_typed_and_documented", "acme-odd_type", "is malformed"),
    (Kind.dataset, "test_its_defaults_are_valid", "acme-out_of_bounds", "share must be at most 1, not 2"),
    (Kind.dataset, "test_its_defaults_are_valid", "acme-at_odds", "these options never fit together"),
    (Kind.logger, "test_its_options_compose", "acme-renamed", "the core sets `name`"),
    (Kind.dataset, "test_a_saved_configuration_gives_the_same_options", "acme-doubling", "must be the same"),
    (
        Kind.dataset,
        "test_describe_shows_its_options",
        "acme-sourceless",
        "could not find|could not get|source",
    ),
    (Kind.dataset, "test_its_factory_can_be_called", "acme-nowhere", "cannot be imported"),
    (Kind.dataset, "test_its_factory_can_be_called", "acme-no_call", "must be callable as"),
    (Kind.logger, "test_it_can_be_disabled", "acme-off", "true by default"),
]
BUILT_FAULTS = {
    Kind.dataset: [
        ("test_it_has_splits", "no train", "there must be a train split"),
        ("test_it_has_splits", "no test", "set test to None if there is none"),
        ("test_it_has_splits", "empty", "must not be empty"),
        ("test_it_has_splits", "a file too many", "one file per sample"),
        ("test_it_has_splits", "growing", "must stay the same|one file per sample"),
        ("test_it_has_splits", "no end", "must raise IndexError"),
        ("test_samples_are_valid", "a dict", "not dict"),
        ("test_samples_are_valid", "float image", "must be a uint8 array, not float64"),
        ("test_samples_are_valid", "gray image", r"not \(48, 64\)"),
        ("test_samples_are_valid", "view", "contiguous"),
        ("test_samples_are_valid", "no texts", "texts must be strings"),
        ("test_samples_are_valid", "no source", "source must say"),
        ("test_samples_are_valid", "only ignored", "no checked sample has text to train on"),
        ("test_samples_are_valid", "float64", "polygon 0 must be a float32 array, not float64"),
        ("test_samples_are_valid", "two points", r"3 points or more, not \(2, 2\)"),
        ("test_samples_are_valid", "nan", "that are not finite"),
        ("test_samples_are_valid", "closed", "is closed"),
        ("test_samples_are_valid", "outside", "lies outside its image of 64 x 48 pixels"),
        ("test_samples_are_valid", "shares", "not in fractions of the image size"),
        ("test_a_sample_stays_the_same", "random", "must be the same sample each time"),
        ("test_a_sample_stays_the_same", "kept", "return copies of cached data"),
        ("test_splits_pickle", "no pickle", "must be picklable"),
        ("test_splits_share_nothing", "same files", "is in train and in val"),
        ("test_splits_share_nothing", "same pixels", "is in train and in val"),
        ("test_an_endless_split_has_new_samples_beyond_its_length", "repeating", "must be new"),
        (
            "test_an_endless_split_has_new_samples_beyond_its_length",
            "random",
            "must be the same sample each time",
        ),
        ("test_the_data_report_adds_up", "more skipped than met", "1 labels skipped of 0 read"),
        ("test_the_data_report_adds_up", "no reason", "which file was skipped and why"),
    ],
    Kind.model: [
        ("test_it_is_a_detector", "no detector", "must return a .*Detector, not Linear"),
        ("test_it_is_a_detector", "no stride", "stride must be a number of pixels"),
        ("test_it_is_a_detector", "frozen", "must have trainable parameters"),
        (
            "test_its_architecture_names_what_changes_its_tensors",
            "a width of its own",
            r"wide=True changes the tensors of the model: .* architecture=\(…, 'wide'\)",
        ),
        ("test_scale_takes_any_size", "no scale", r"scale\(1, 1\) must be above 0, not inf"),
        (
            "test_targets_of_all_samples_stack",
            "a target per text",
            "text, targets must have the same shapes and dtypes",
        ),
        ("test_targets_of_all_samples_stack", "nan target", "with .* text, the target 'mean' is not finite"),
        ("test_targets_of_all_samples_stack", "tensor target", "encode must return NumPy arrays"),
        ("test_encode_depends_on_the_sample_only", "changes samples", "encode must not modify the sample"),
        ("test_encode_depends_on_the_sample_only", "random target", "the same targets for the same sample"),
        ("test_encode_depends_on_the_sample_only", "no pickle", "the model must be picklable"),
        ("test_loss_is_finite_and_reaches_every_weight", "no loss", "at least one part"),
        ("test_loss_is_finite_and_reaches_every_weight", "a loss per pixel", "must be a scalar"),
        ("test_loss_is_finite_and_reaches_every_weight", "loss of text alone", "with no text, .* is nan"),
        ("test_loss_is_finite_and_reaches_every_weight", "idle weights", "the loss must reach idle.weight"),
        ("test_it_takes_images_of_any_size", "changes images", "forward must not modify the images"),
        ("test_it_takes_images_of_any_size", "a tensor", "must return a dict of tensors, not Tensor"),
        ("test_it_takes_images_of_any_size", "one too few", "one Detections per image"),
        ("test_it_overfits_one_image", "x is y", "encode and decode use the same pixel coordinates"),
        ("test_it_overfits_one_image", "finds padding", "must lie within the 18 x 16 pixels"),
        ("test_it_overfits_one_image", "float64", "polygons must be float32"),
        ("test_it_overfits_one_image", "per cent", "scores must be from 0 to 1"),
        ("test_it_overfits_one_image", "a score too few", "one score per polygon"),
        ("test_a_checkpoint_gives_the_same_outputs", "dropout", "the same images must give the same outputs"),
        (
            "test_a_checkpoint_gives_the_same_outputs",
            "hidden state",
            "another instance must give the same outputs",
        ),
    ],
    Kind.logger: [
        ("test_it_is_a_lightning_logger", "no logger", "must return a Lightning Logger, not object"),
        ("test_it_is_a_lightning_logger", "a number for a name", "its name must be a string"),
        ("test_it_is_a_lightning_logger", "no version", "must be an int or a string"),
        ("test_it_is_a_lightning_logger", "saves elsewhere", "must be inside context.folder"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "flat only", "is nested"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "numbers only", "nan"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "no captions", "'caption'"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "paints", "must not modify the images"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "closed for good", "closed file"),
        ("test_it_logs_a_whole_run_inside_the_run_folder", "writes here", "working directory: lines.txt"),
        ("test_it_can_be_finalized_after_a_failure", "bad loser", "nothing to finish"),
        ("test_it_resumes_in_the_folder_of_an_earlier_run", "never resumed", "is there already"),
    ],
}


def suite_of(kind: Kind, name: str, *overrides: str) -> PluginSuite:
    suite = SUITES[kind]()
    suite.name = name
    suite.overrides = overrides if kind is Kind.model else ("model=acme", *overrides)
    return suite


@pytest.mark.parametrize(("kind", "test", "name", "message"), DESCRIPTION_FAULTS)
def test_a_fault_in_a_description_is_detected(kind: Kind, test: str, name: str, message: str, check):
    with pytest.raises((AssertionError, OcrTrainerError, OSError), match=message):
        check(suite_of(kind, name), test)


@pytest.mark.parametrize(
    ("kind", "test", "fault", "message"),
    [(kind, *row) for kind, rows in BUILT_FAULTS.items() for row in rows],
)
def test_a_fault_in_a_built_object_is_detected(kind: Kind, test: str, fault: str, message: str, check):
    prefix = "logger.acme" if kind is Kind.logger else kind.value
    with pytest.raises((AssertionError, ValueError, TypeError, RuntimeError), match=message):
        check(suite_of(kind, "acme", f"{prefix}.fault='{fault}'"), test)


@pytest.mark.parametrize("kind", SUITES)
def test_every_check_has_a_fault_that_it_detects(kind: Kind):
    checks = {name for name in dir(SUITES[kind]) if name.startswith("test_")}
    failed = {test for _, test, *_ in DESCRIPTION_FAULTS} | {test for test, *_ in BUILT_FAULTS[kind]}
    assert checks - failed == set()
