import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ocr_trainer_parseq.model import PARSeq
from ocr_trainer_parseq.plugin import PARSeqConfig, Size
from ocr_trainer_parseq.rand_augment import OPERATIONS, rand_augment
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, ImageOps

from ocr_trainer.config.compose import compose
from ocr_trainer.data.types import TextImage
from ocr_trainer.plugin import Context, Task
from ocr_trainer.tasks.recognition.data import RecognitionSet
from ocr_trainer_runtime.geometry import resize


def word(text="Reading", size=32):
    """Return dark text on a bright background, close to all borders."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Pillow.new("RGB", (right - left + 6, bottom - top + 6), (225, 220, 200))
    ImageDraw.Draw(image).text((3 - left, 3 - top), text, fill=(40, 30, 60), font=font)
    return np.array(image)


def black_on_white():
    image = np.full((40, 100, 3), 255, np.uint8)
    for y in (*range(1, 39, 16), 38):
        for x in (*range(1, 99, 16), 98):
            image[y - 1 : y + 2, x - 1 : x + 2] = 0
    return image


def parseq(**options):
    config = PARSeqConfig(size=Size.tiny, **options)
    return PARSeq(config, Context(task=Task.recognition, charset="ab"))


def test_the_operations_are_those_of_the_paper():
    """The 15 increasing operations of timm without Sharpness, and the two that PARSeq adds."""
    assert len(OPERATIONS) == 15 - 1 + 2
    image, rng = word(), np.random.default_rng(0)
    for name, theirs in {
        "equalize": ImageOps.equalize,
        "invert": ImageOps.invert,
        "auto_contrast": ImageOps.autocontrast,
        "posterize": lambda picture: ImageOps.posterize(picture, 2),
    }.items():
        np.testing.assert_array_equal(
            OPERATIONS[name](image, 0.5, rng), np.array(theirs(Pillow.fromarray(image)))
        )
    noise = OPERATIONS["poisson_noise"](np.full((100, 200, 3), 128, np.uint8), 0.5, rng).astype(int) - 128
    assert np.abs(noise).mean() == pytest.approx(21, abs=0.5)
    assert np.abs(noise).var() == pytest.approx(21, rel=0.1)


def test_no_operation_is_drawn_twice_and_half_of_them_run(monkeypatch):
    applied = []
    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, lambda image, *_, name=name: applied.append(name) or image)
    rng, counts = np.random.default_rng(0), []
    for _ in range(400):
        applied.clear()
        rand_augment(word(), 3, 5, rng)
        assert len(set(applied)) == len(applied) <= 3
        counts.append(len(applied))
    assert np.mean(counts) == pytest.approx(1.5, abs=0.15)


def test_black_on_white_does_not_vanish():
    page = black_on_white()
    np.testing.assert_array_equal(OPERATIONS["solarize"](page, 0.5, np.random.default_rng(0)), page)
    for seed in range(60):
        assert rand_augment(page, 3, 5, np.random.default_rng(seed)).std() > 10


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 400),
    layers=st.integers(0, 16),
    magnitude=st.floats(0, 10),
    seed=st.integers(0, 10_000),
)
def test_images_of_any_size_stay_images(height, width, layers, magnitude, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = rand_augment(image, layers, magnitude, np.random.default_rng(seed))
    assert out.dtype == np.uint8
    assert out.ndim == 3
    assert out.shape[2] == 3


def test_the_model_applies_its_options_and_draws_from_the_generator_alone():
    image, net = word(), parseq(rand_augment_layers=3, rand_augment_magnitude=7.0)
    before = image.copy()
    for seed in range(8):
        first, again = (net.augment(image, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        expected = rand_augment(image, 3, 7.0, np.random.default_rng(seed))
        np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(image, before)
    outs = [net.augment(image, np.random.default_rng(seed)) for seed in range(8)]
    assert not all(np.array_equal(out, image) for out in outs)


def test_by_default_the_model_leaves_images_as_they_are():
    image = word()
    for seed in range(8):
        np.testing.assert_array_equal(parseq().augment(image, np.random.default_rng(seed)), image)


def test_the_training_set_repeats_its_images_by_seed_epoch_and_index():
    """What the model draws, too, follows from them: so a resumed run sees the same images."""
    run = compose(["model=parseq", "dataset=synthetic", "augment=parseq", "charset.characters=ab", "seed=3"])
    split = [TextImage(word(), "ab", f"word {index}") for index in range(2)]
    plain, varied = parseq(), parseq(rand_augment_layers=3)

    def image(net, *key):
        return RecognitionSet(split, net, run)[key].image

    for epoch in range(4):
        for index in range(2):
            expected = rand_augment(word(), 3, 5.0, np.random.default_rng((3, epoch, index)))
            seen = image(varied, epoch, index)
            np.testing.assert_array_equal(seen, image(varied, epoch, index))
            np.testing.assert_array_equal(seen, resize(expected, 32, 128))
            np.testing.assert_array_equal(image(plain, epoch, index), resize(word(), 32, 128))
