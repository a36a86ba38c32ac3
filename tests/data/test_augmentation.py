"""Augmentation plugins: their random streams, and what happens with broken ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import fakes

from ocr_trainer.config.compose import compose
from ocr_trainer.config.context import run_context
from ocr_trainer.data.augmentation import Augmentation, Step, Steps, stream
from ocr_trainer.data.open import open_splits
from ocr_trainer.data.types import Sample, TextImage
from ocr_trainer.data.view import View
from ocr_trainer.errors import PluginBroken
from ocr_trainer.plugin import Context, Kind, Task
from ocr_trainer.plugin.build import build
from ocr_trainer.tasks.detection.augment import Augmenter
from ocr_trainer.tasks.detection.config import AugmentConfig
from ocr_trainer.tasks.detection.data import training_loader
from ocr_trainer.tasks.recognition.augment import TextAugmenter
from ocr_trainer.tasks.recognition.config import AugmentConfig as TextAugmentConfig

BROKEN = """\
from ocr_trainer.plugin import AugmentationConfig, AugmentationPlugin, Task

def plugin(factory):
    both = (Task.detection, Task.recognition)
    return AugmentationPlugin(
        api=1, summary="x", config=AugmentationConfig, tasks=both, factory=f"acme_heavy:{factory}"
    )

untied, leaving, raising, resizing, nothing, floating = map(
    plugin, ("Untied", "Leaving", "Raising", "Resizing", "Nothing", "Floating")
)
wrong = plugin("make_dict")
"""
HEAVY = """\
from ocr_trainer.data.augmentation import Augmentation

class Base(Augmentation):
    def __init__(self, config, context): ...

class Untied(Base):
    def __call__(self, view, rng):
        view.texts = [*view.texts, "one more"]
        return view

class Leaving(Base):
    def __call__(self, view, rng):
        view.polygons = [polygon + 5000 for polygon in view.polygons]
        return view

class Raising(Base):
    def __call__(self, view, rng):
        return view.no_such_thing

class Resizing(Base):
    def __call__(self, view, rng):
        view.resize(50, 70)
        return view

class Nothing(Base):
    def __call__(self, view, rng): ...

class Floating(Base):
    def __call__(self, view, rng):
        view.image = view.image / 255
        return view

def make_dict(config, context):
    return {}
"""
NAMES = ("untied", "leaving", "raising", "resizing", "nothing", "floating", "wrong")
BY = "\n  provided by ocr-trainer-acme 1.0 (acme:{0})\n  update or uninstall ocr-trainer-acme"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acme")
    points = "".join(f"{name} = {{}}:{name}\n" for name in NAMES)
    fakes.install(folder, "acme", f"[ocr_trainer.augmentations]\n{points}", BROKEN)
    (folder / "acme_heavy.py").write_text(HEAVY, encoding="utf-8")
    return folder


FAULTS = {
    "untied": "it leaves 1 polygons, 2 texts and 1 flags: add a text with view.add, and drop it with view.keep",
    "leaving": "it leaves 1 of 1 polygons entirely outside of the image of 90 x 60 pixels: "
    "move them with the pixels (view.transform), and drop those that leave the image (view.crop, view.drop_outside)",
    "raising": "it fails with AttributeError: 'View' object has no attribute 'no_such_thing' (acme_heavy.py, line 18)",
    "nothing": "it returns a NoneType, not the view",
    "floating": "it fails with ValueError: an image must be uint8 of shape (height, width, 3), "
    "not float64 (60, 90, 3) (acme_heavy.py, line 30)",
}


def page() -> Sample:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return Sample(
        image, [np.array([[5, 5], [50, 5], [50, 30], [5, 30]], np.float32)], ["text"], [False], "page 7"
    )


def steps(*overrides: str, task: Task = Task.detection) -> Steps:
    model = "dbnet" if task is Task.detection else "crnn"
    run = compose([f"model={model}", "dataset=synthetic", "logger=[]", *overrides])
    return Steps.build(run.augment.steps, Context(task=task))


@pytest.mark.parametrize("name", FAULTS)
def test_the_message_names_the_plugin_the_sample_and_what_to_do(name: str, acme: Path):
    with fakes.visible(acme), pytest.raises(PluginBroken) as caught:
        steps(f"augment=[{name}]").prepare(View.of(page()), np.random.default_rng(0))
    assert str(caught.value) == (
        f"the augmentation plugin '{name}' cannot be used: on page 7, {FAULTS[name]}\n"
        "  provided by acme 1.0 (acme:" + f"{name})\n  update or uninstall acme"
    )


def test_the_crop_keeps_its_size(acme: Path):
    with fakes.visible(acme):
        after = steps("augment=[light,resizing]")
        with pytest.raises(PluginBroken) as caught:
            Augmenter(AugmentConfig(crop=64), lambda h, w: 1.0, after)(page(), np.random.default_rng(0))
        before = steps("augment=[resizing,light]")
        Augmenter(AugmentConfig(crop=64), lambda h, w: 1.0, before)(page(), np.random.default_rng(0))
    assert (
        "on page 7, it turns the crop of 64 x 64 pixels into one of 70 x 50, but a batch takes one size: "
        "set augment.steps.resizing.stage=before to change the page instead"
    ) in str(caught.value)


def test_a_text_to_recognize_stays_one(acme: Path):
    with fakes.visible(acme):
        untied = steps("augment=[untied]", task=Task.recognition)
        leaving = steps("augment=[leaving]", task=Task.recognition)
        word = TextImage(np.zeros((20, 60, 3), np.uint8), "word", "word 3")
        with pytest.raises(PluginBroken, match="on word 3, it leaves the texts"):
            TextAugmenter(TextAugmentConfig(), 32, untied)(word, np.random.default_rng(0))
        # The text is that of the image, wherever its polygon is.
        assert TextAugmenter(TextAugmentConfig(), 32, leaving)(word, np.random.default_rng(0)).text == "word"


def test_a_factory_that_makes_something_else_is_refused(acme: Path):
    with (
        fakes.visible(acme),
        pytest.raises(PluginBroken, match="its factory returns a dict, which cannot be used"),
    ):
        steps("augment=[wrong]")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_augmentation_ends_the_run_with_one_message(
    workers: int, acme: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
):
    done = cli(
        *("model=dbnet", "augment=[untied]"), *fakes.TINY, f"data.num_workers={workers}", **fakes.python_path(acme)
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    message = done.stderr[done.stderr.index("ocr-train: ") :].splitlines()
    assert message[0].startswith(
        "ocr-train: the augmentation plugin 'untied' cannot be used: on synthetic/train/"
    )
    assert message[1:] == ["  provided by acme 1.0 (acme:untied)", "  update or uninstall acme"]


def test_each_plugin_has_a_stream_of_its_own():
    rng = np.random.default_rng((3, 1, 4))
    draws = {name: stream(rng, name).random() for name in ("one", "two", "three")}
    assert len(set(draws.values())) == 3
    assert stream(np.random.default_rng((3, 1, 4)), "two").random() == draws["two"]
    assert stream(np.random.default_rng((3, 1, 5)), "two").random() != draws["two"]
    assert rng.random() == np.random.default_rng((3, 1, 4)).random(), (
        "nothing was drawn from the sample's own"
    )


class Recording(Augmentation):
    """Keeps what it draws."""

    def __init__(self) -> None:
        self.drawn: list[float] = []

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        self.drawn.append(rng.random())
        return view


def test_another_plugin_changes_neither_the_draws_of_the_others_nor_the_crop():
    alone, first, second = Recording(), Recording(), Recording()
    config = AugmentConfig(crop=64)
    plain = Augmenter(config, lambda h, w: 1.0)(page(), np.random.default_rng(5)).image
    for chosen in (
        Steps(before=(Step("kept", "kept", alone),)),
        Steps(before=(Step("more", "more", first),), after=(Step("kept", "kept", second),)),
    ):
        out = Augmenter(config, lambda h, w: 1.0, chosen)(page(), np.random.default_rng(5))
        np.testing.assert_array_equal(out.image, plain)
    assert alone.drawn == second.drawn != first.drawn


def test_labels_beyond_the_image_are_no_fault_of_a_plugin():
    sample = page()
    sample = Sample(
        sample.image, [sample.polygons[0] + 500, *sample.polygons], ["out", "in"], [False] * 2, "made"
    )
    seen = Steps(before=(Step("kept", "kept", Recording()),)).prepare(
        View.of(sample), np.random.default_rng(0)
    )
    assert seen.texts == ["in"]


def batches(workers: int, done: int = 0) -> list[torch.Tensor]:
    """Return the images of the training batches of an epoch, from a batch on."""
    run = compose(
        [
            *("model=dbnet", "augment=[copy_paste,strong]", "augment.steps.copy_paste.probability=1"),
            *(word for word in fakes.TINY if "workers" not in word),
            *(
                "dataset.train_pages=8",
                "dataset.height=160",
                "dataset.width=160",
                f"data.num_workers={workers}",
            ),
        ]
    )
    context = run_context(run, Path())
    model = build(Kind.model, run.model, context)
    loader = training_loader(open_splits(run, context).train, model, run, context)
    loader.start_at(0, done)
    return [batch.images for batch in loader]


def test_chance_depends_neither_on_workers_nor_on_where_a_run_is_resumed():
    whole = batches(0)
    assert len(whole) == 4
    for again in (batches(2), [*whole[:2], *batches(0, done=2)]):
        assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))
