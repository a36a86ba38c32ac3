"""Every transform that the plugin offers keeps polygons on their texts and follows from the generator."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
from ocr_trainer_albumentations.augmentation import SWITCH, Albumentations, import_offline
from ocr_trainer_albumentations.plugin import AlbumentationsConfig
from ocr_trainer_albumentations.transforms import PIXEL, SPATIAL, UNUSABLE

from ocr_trainer.config.compose import compose
from ocr_trainer.data.augmentation import Step
from ocr_trainer.data.types import Sample
from ocr_trainer.data.view import View
from ocr_trainer.errors import ConfigError
from ocr_trainer.plugin import Context, Task

KEY = "augment.steps.albumentations.transforms"
REQUIRED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"height": 150, "width": 200},
    "Crop": {"x_min": 10, "y_min": 10, "x_max": 200, "y_max": 150},
    "CropAndPad": {"percent": 0.1},
    "LongestMaxSize": {"max_size": 600},
    "Pad": {"padding": 20},
    "PadIfNeeded": {"min_height": 400, "min_width": 400},
    "RandomCrop": {"height": 150, "width": 200},
    "RandomResizedCrop": {"size": [200, 200]},
    "RandomSizedCrop": {"min_max_height": [100, 200], "size": [200, 200]},
    "Resize": {"height": 300, "width": 500},
    "SmallestMaxSize": {"max_size": 500},
    "XYMasking": {"num_masks_x": 2, "num_masks_y": 2, "mask_x_length": 20, "mask_y_length": 20},
}


def made(*names: str) -> Step:
    transforms = [{"name": name, "p": 1.0, **REQUIRED.get(name, {})} for name in names]
    config = AlbumentationsConfig(name="albumentations", transforms=transforms)
    return Step("albumentations", "albumentations", Albumentations(config, Context(task=Task.detection)))


def discs(seed: int) -> Sample:
    """Six dark discs on light paper, each in a square."""
    rng = np.random.default_rng(seed)
    image, quads = np.full((240, 320, 3), 230, np.uint8), []
    for place in range(6):
        x, y = (int(value) for value in rng.integers((25, 25), (60, 70)))
        x, y = x + 100 * (place % 3), y + 110 * (place // 3)
        cv2.circle(image, (x, y), 9, (0, 0, 0), -1)
        quads.append(np.array([[-11, -11], [11, -11], [11, 11], [-11, 11]], np.float32) + np.float32([x, y]))
    return Sample(image, [q.astype(np.float32) for q in quads], ["o"] * 6, np.zeros(6), f"page {seed}")


def test_the_tables_name_every_transform_of_images():
    library = import_offline()
    found = {
        name
        for name, cls in vars(library).items()
        if inspect.isclass(cls) and issubclass(cls, library.BasicTransform) and not name.endswith("3D")
    }
    abstract = {"BasicTransform", "DualTransform", "ImageOnlyTransform"}
    odd = {"Lambda", "CubicSymmetry", "FrequencyMasking", "TimeMasking", "TimeReverse"}
    assert found - abstract - odd == {*PIXEL, *SPATIAL, *UNUSABLE}


@pytest.mark.parametrize("name", SPATIAL)
def test_each_disc_lies_in_its_polygon(name: str):
    step, seen = made(name), 0
    for seed in range(6):
        view = step(View.of(discs(seed)), np.random.default_rng(seed))
        image, (height, width) = view.image, view.size
        for polygon in view.polygons:
            (left, top), (right, bottom) = (
                polygon.min(axis=0).astype(int),
                polygon.max(axis=0).astype(int) + 1,
            )
            if left < 1 or top < 1 or right >= width - 1 or bottom >= height - 1:  # it was cut off
                continue
            dark = np.clip(200.0 - image[top : bottom + 1, left : right + 1, 0], 0, None)
            ys, xs = np.mgrid[top : bottom + 1, left : right + 1]
            middle = np.array([(xs * dark).sum(), (ys * dark).sum()]) / dark.sum()
            np.testing.assert_allclose(middle, polygon.mean(axis=0), atol=1.5)
            seen += 1
    assert seen


@pytest.mark.parametrize("name", PIXEL)
def test_no_pixel_moves_and_chance_follows_from_the_generator(name: str):
    step, sample = made(name), discs(0)
    one, same = (step(View.of(sample), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.polygons, sample.polygons)
    assert one.size == (240, 320)


def test_transforms_draw_different_numbers():
    """Both or neither in every image would be half as many kinds of images."""
    config = AlbumentationsConfig(
        transforms=[{"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5}]
    )
    flip = Albumentations(config, Context(task=Task.detection))
    corner = Sample(np.zeros((20, 20, 3), np.uint8), [], [], np.zeros(0), "corner")
    corner.image[0, 0] = 255
    seen = {tuple(np.argwhere(flip(View.of(corner), np.random.default_rng(s)).image)[0]) for s in range(40)}
    assert len(seen) == 4


def test_the_library_does_not_ask_the_network_and_the_environment_stays():
    code = (
        "import os, socket\n"
        "def refuse(*a, **k): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from ocr_trainer_albumentations.augmentation import SWITCH, import_offline\n"
        "before = dict(os.environ); import_offline(); assert dict(os.environ) == before\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != SWITCH}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.parametrize(
    ("transforms", "said"),
    [
        ("[{name: RandomShadwo}]", "there is no transform 'RandomShadwo'. Did you mean 'RandomShadow'?"),
        ("[{p: 0.5}]", "{'p': 0.5} has no name; write {name: RandomShadow, p: 0.3}"),
        ("[{name: ElasticTransform}]", "ElasticTransform cannot be used: polygons would not follow"),
        ("[{name: Normalize}]", "Normalize cannot be used: it changes the type of the image"),
        ("[{name: OneOf}]", "OneOf takes a list of transforms: {name: OneOf, transforms: [...]}"),
        ("[{name: OneOf, transforms: [{name: Blurr}]}]", "there is no transform 'Blurr'. Did you mean 'Blur'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_before_the_library_is_imported(transforms: str, said: str):
    with pytest.raises(ConfigError) as caught:
        compose(["augment=[albumentations]", f"{KEY}={transforms}"])
    assert f"augment.steps.albumentations: transforms: {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ({"name": "RandomShadow", "strength": 1}, "Argument(s) 'strength' are not valid for transform RandomShadow"),
        ({"name": "Blur", "p": 2}, "Blur: p: Input should be less than or equal to 1"),
        ({"name": "RandomCrop"}, "RandomCrop: height: Field required; width: Field required"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused_in_one_line(transform: dict[str, Any], said: str):
    with pytest.raises(ConfigError) as caught:
        Albumentations(AlbumentationsConfig(transforms=[transform]), Context(task=Task.detection))
    assert str(caught.value).startswith(f"{KEY}: {said}")


def test_compositions_choose_among_their_transforms():
    parts = [{"name": "InvertImg", "p": 1}, {"name": "HorizontalFlip", "p": 1}]
    config = AlbumentationsConfig(transforms=[{"name": "OneOf", "transforms": parts, "p": 1}])
    augment, sample = Albumentations(config, Context(task=Task.detection)), discs(1)
    changes = set()
    for seed in range(20):
        image = augment(View.of(sample), np.random.default_rng(seed)).image
        changes.add("inverted" if (image == 255 - sample.image).all() else "flipped")
        assert (image == 255 - sample.image).all() or (image == sample.image[:, ::-1]).all()
    assert changes == {"inverted", "flipped"}
