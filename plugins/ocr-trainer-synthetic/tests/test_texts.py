"""Words and lines: the image shows the text, no font draws a box, no word is in two splits."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ocr_trainer_synthetic import background, text_renderer, texts, words
from ocr_trainer_synthetic.plugin import SyntheticConfig, SyntheticTextConfig
from ocr_trainer_synthetic.synthetic import Synthetic
from PIL import Image, ImageFont
from scipy import ndimage

from ocr_trainer.data.types import TextImage
from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, DataReport, Task
from ocr_trainer_runtime.results import fonts
from ocr_trainer_runtime.text.bidi import to_visual

DIGITS = {"characters": "0123456789", "min_length": 3, "max_length": 8}


def dataset(seed: int = 0, font: list[Path] | None = None, **options: Any) -> Synthetic:
    config = SyntheticConfig(fonts=font or [], text=SyntheticTextConfig(**options))
    assert not list(config.text.validate())
    return Synthetic(config, Context(task=Task.recognition, seed=seed))


def listed(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def built_in(tmp_path: Path) -> Path:
    """Pillow's font as a file."""
    path = tmp_path / "own.ttf"
    path.write_bytes(ImageFont.load_default(20).font_bytes)
    return path


# What texts there are


def same(a: TextImage, b: TextImage) -> bool:
    return np.array_equal(a.image, b.image) and (a.text, a.source) == (b.text, b.source)


def test_a_picture_is_always_the_same():
    split = dataset().train
    copy = pickle.loads(pickle.dumps(split))  # as a loader's worker gets it
    for index in (3, 0, 100_000):
        assert same(split[index], dataset().train[index])
        assert same(split[index], copy[index])
    assert split[17].source == "synthetic/train/17"
    assert not same(split[0], dataset(seed=1).train[0])


def test_training_is_endless_and_the_rest_is_not():
    data = dataset(train_texts=4, val_texts=3, test_texts=0)
    assert (len(data.train), len(data.val), data.test) == (4, 3, None)
    assert (data.train.endless, data.val.endless) == (True, False)
    assert len({data.train[index].image.tobytes() for index in range(12)}) == 12
    for split, index in ((data.val, 3), (data.train, -1)):
        with pytest.raises(IndexError):
            split[index]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, r"[-#$,./:A-Za-z0-9]{1,11}"),
        (DIGITS, r"\d{3,8}"),
        ({"charsets": ["digits"], "characters": "x", "max_length": 4}, r"[\dx]{1,4}"),
        ({"pattern": r"(IN|C[RS])-\d{4}(/[a-c_])?"}, r"(IN|C[RS])-\d{4}(/[a-c_])?"),
        ({**DIGITS, "min_words": 2, "max_words": 4}, r"\d{3,8}( \d{3,8}){1,3}"),
    ],
)
def test_texts_are_as_described(options: dict[str, Any], shape: str):
    data = dataset(**options)
    drawn = [split[index] for split in (data.train, data.val) for index in range(40)]
    assert all(re.fullmatch(shape, sample.text, re.ASCII) for sample in drawn)
    assert len({sample.text for sample in drawn}) > 40
    assert {character for sample in drawn for character in sample.text} <= set(data.characters)
    for sample in drawn:
        assert sample.image.dtype == np.uint8
        assert sample.image.ndim == 3
        assert sample.image.std() > 5


def test_no_word_is_in_two_splits(tmp_path: Path):
    path = listed(tmp_path, "".join(f"word{index}\n" for index in range(300)))
    for options in ({"words": path}, {"pattern": r"\d\d"}, {"words": path, "max_words": 3}):
        config, found = SyntheticTextConfig(**options), fonts.Fonts([None])
        made = texts.Texts(config, texts.source_of(config, found, DataReport()), found)
        rng = np.random.default_rng(0)
        seen = {
            name: {word for _ in range(400) for word in made.text(name, rng).split()}
            for name in ("train", "val", "test")
        }
        assert min(map(len, seen.values())) >= 5
        assert sum(map(len, seen.values())) == len(set().union(*seen.values()))
        assert len(seen["train"]) > 2 * len(seen["val"])


def test_all_words_in_all_splits_if_wanted(tmp_path: Path):
    data = dataset(words=listed(tmp_path, "one\ntwo\n"), held_out=0)
    for split in (data.train, data.val, data.test):
        assert {split[index].text for index in range(20)} == {"one", "two"}


# What is drawn


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black ink on white paper and nothing else."""
    monkeypatch.setattr(background, "make_paper", lambda h, w, rng: Image.new("RGB", (w, h), "white"))
    monkeypatch.setattr(background, "draw_ink", lambda page, mask, place, *_: page.paste(0, place, mask))
    monkeypatch.setattr(background, "add_noise", lambda page, _: np.array(page))


HOLES = {"4": 1, "6": 1, "8": 2, "9": 1, "0": 1}


@pytest.mark.usefixtures("bare")
def test_the_ink_has_the_holes_of_the_digits():
    data = dataset(**DIGITS, blur=0, min_font_size=48)
    for index in range(60):
        sample = data.train[index]
        ground = np.pad(sample.image[..., 0] > 160, 1, constant_values=True)
        _, regions = ndimage.label(ground)
        assert regions - 1 == sum(HOLES.get(digit, 0) for digit in sample.text), sample


@pytest.mark.usefixtures("bare")
def test_each_digit_is_drawn():
    data = dataset(**DIGITS, blur=0, min_font_size=48, padding=0)
    wide = 0
    for index in range(60):
        sample = data.train[index]
        _, pieces = ndimage.label(sample.image[..., 0] < 128, np.ones((3, 3)))
        assert pieces <= len(sample.text)  # bold ones may touch
        wide += pieces == len(sample.text)
    assert wide > 30


@pytest.mark.usefixtures("bare")
def test_no_ink_is_lost_and_the_frame_is_as_wide_as_allowed():
    face, config = text_renderer.Face(None, 40), SyntheticTextConfig(blur=0, padding=0.5, max_angle=45)
    ink = np.array(text_renderer.draw("Typing", fonts.open_font(None, 40)).ink).sum()
    for seed in range(40):
        image = words.draw("Typing", face, config, np.random.default_rng(seed))
        assert np.isclose((255 - image[..., 0].astype(int)).sum(), ink, rtol=0.15)
    straight = SyntheticTextConfig(blur=0, padding=0.5, max_angle=0, perspective=0)
    sizes = {words.draw("Typing", face, straight, np.random.default_rng(seed)).shape for seed in range(40)}
    height, width = text_renderer.draw("Typing", fonts.open_font(None, 40)).ink.size[::-1]
    assert all(height <= h <= 2 * height + 1 and width <= w <= width + height + 1 for h, w, _ in sizes)
    assert len(sizes) > 20


@pytest.mark.usefixtures("bare")
def test_a_dash_and_a_dot_keep_the_place_of_letters():
    config = SyntheticTextConfig(blur=0, padding=0, max_angle=0, perspective=0)
    rows = {}
    for sign in "-.'":
        image = words.draw(sign, text_renderer.Face(None, 40), config, np.random.default_rng(1))
        assert image.shape[0] >= 20
        rows[sign] = np.nonzero((image[..., 0] < 128).any(axis=1))[0].mean() / image.shape[0]
    assert rows["'"] < rows["-"] < rows["."]


# Fonts


def test_no_font_is_used_for_a_character_that_it_lacks():
    assert fonts.has(None, "A")
    assert not any(fonts.has(None, character) for character in "가あ中ش\u3000\uffff\U0001f600")


@pytest.mark.skipif(not shutil.which("fc-query"), reason="fontconfig, which also knows, is not installed")
def test_what_a_font_has_is_what_fontconfig_says(built_in: Path):
    done = subprocess.run(["fc-query", "--format", "%{charset}", built_in], capture_output=True, text=True)
    ranges = [[int(end, 16) for end in span.split("-")] for span in done.stdout.split()]
    known = {chr(code) for span in ranges for code in range(span[0], span[-1] + 1)}
    printed = {chr(c) for c in range(33, 0x3000) if unicodedata.category(chr(c))[0] in "LNPS"}
    assert {c for c in printed if fonts.has(built_in, c)} == known & printed
    assert len(known & printed) > 90


def test_what_no_font_has_is_named(tmp_path: Path, built_in: Path):
    with pytest.raises(DataError, match=r"no font has 2 of the characters of the words: 가 나\n  fonts: "):
        dataset(characters="a나가")
    with pytest.raises(DataError, match=r"words.txt:1: no font has 가\n  fonts: "):
        dataset(words=listed(tmp_path, "가\n"))
    (nowhere := tmp_path / "nowhere").mkdir()
    with pytest.raises(DataError, match="there are no fonts in the folder"):
        dataset(font=[nowhere])
    assert fonts.find([tmp_path], system=False) == [built_in]


def test_a_list_says_what_it_cannot_use(tmp_path: Path):
    content = "one\r\n\n two\t three \none\n가나\nb\x01d\n\u200e\ncafe\u0301\n".encode() + b"\xff\n"
    context = Context(task=Task.recognition)
    config = SyntheticConfig(text=SyntheticTextConfig(words=listed(tmp_path, content), held_out=0))
    data = Synthetic(config, context)
    assert {data.train[index].text for index in range(20)} == {"one", "two three"}
    assert [(skipped.line, skipped.reason) for skipped in context.data_report.skipped] == [
        (5, "no font has 가 나"),
        (6, "control character U+0001 in the text"),
        (7, "the text is empty"),
        (8, "no font has é"),
        (9, "not UTF-8: byte 0xff"),
    ]
    assert context.data_report.labels == 8
    assert data.characters == " ehnortw"


def test_shaping_is_asked_for_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # ASCII, a letter with its accent, Korean, Chinese; then Hebrew, Arabic, Hindi, a bare accent, old Korean.
    assert not any(map(fonts.needs_shaping, ["a1-", "é", "가", "中"]))
    assert all(map(fonts.needs_shaping, ["א", "س", "हिन", "x\u0301", "\u1112\u119e"]))
    monkeypatch.setattr(texts, "can_shape", lambda: False)
    with pytest.raises(DataError, match=r"words.txt:1: 'س' has letters that must be joined .* Raqm"):
        dataset(words=listed(tmp_path, "س\n"))


@pytest.mark.parametrize("text", ["אב 12 34", "אב 12.5 גד", "בג 5 kg", "ab אבג 12", "ab 12 גדה", "kg אב"])
def test_a_line_of_two_directions_is_drawn_in_the_order_that_is_learned(text: str):
    having = fonts.Fonts(fonts.find([], system=True)).having(text) if fonts.can_shape() else []
    if not having:
        pytest.skip("no font of this machine has Hebrew letters, or Pillow has no Raqm")
    config, unpadded = SyntheticTextConfig(padding=0), np.random.default_rng(0)
    drawn = words._padded(text, text_renderer.Face(having[0], 40), config, unpadded)
    # Hebrew letters do not join, so a font without shaping draws the same from left to right.
    expected = text_renderer.draw(to_visual(text), fonts.open_font(having[0], 40)).ink
    same_size = np.array(drawn.resize(expected.size))  # a pixel of rounding
    assert abs(drawn.width - expected.width) < 5
    assert np.corrcoef(same_size.ravel(), np.array(expected).ravel())[0, 1] > 0.8
