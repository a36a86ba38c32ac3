"""`words`: lists of all forms, and what is wrong with them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocr_trainer_words.forms import FORMS, by_header, find_form
from ocr_trainer_words.plugin import Form, WordsConfig
from ocr_trainer_words.words import Words
from PIL import Image as Pillow

from ocr_trainer.errors import DataError
from ocr_trainer.plugin import Context, Task

DATA = Path(os.environ.get("OCR_TRAINER_DATA", Path(__file__).parents[4] / "shared" / "data"))
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="there are no data (OCR_TRAINER_DATA)")


def opened(root: Path, **options: Any) -> tuple[Words, Context]:
    context = Context(task=Task.recognition)
    return Words(WordsConfig(name="words", root=root, **{"val_share": 0.0} | options), context), context


def make(root: Path, file: str, rows: str | bytes, *images: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_bytes(rows.encode() if isinstance(rows, str) else rows)
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (20, 10)).save(root / name)


def entries(context: Context) -> list[str]:
    return [str(entry) for entry in context.data_report.skipped]


ROWS = {
    Form.quoted: ('{}, "{}"', ["1,000", '"SCAN\\"', "WE´RE it", '"'], ["1,000", '"SCAN"', "WE´RE it", '"']),
    Form.tab: ("{}\t{}", ["1968", "a\tb", '"q"', "a, b"], ["1968", "a\tb", '"q"', "a, b"]),
    Form.space: ("{} {}", ["1968", "a b  c", '"q"', "a.png"], ["1968", "a b  c", '"q"', "a.png"]),
    Form.csv: ("{},{}", ["1968", "1,000", '"a ""b"", c"', ""], ["1968", "1,000", 'a "b", c']),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("form", ROWS)
def test_each_form_is_found(tmp_path: Path, form: Form, end: str) -> None:
    row, texts, expected = ROWS[form]
    names = [f"my word_{n}.png" for n in range(len(texts))]
    rows = "\ufeff" + "".join(row.format(*pair) + end for pair in zip(names, texts, strict=True))
    make(tmp_path, "gt.txt", rows, *names)
    for given_form in (None, form):
        dataset, _ = opened(tmp_path, form=given_form)
        assert list(dataset.train.texts) == expected
        assert [path.name for path in dataset.train.files] == names[: len(expected)]
    sample = dataset.train[0]
    assert (sample.image.shape, sample.text, sample.source) == (
        (10, 20, 3),
        expected[0],
        str(tmp_path / names[0]),
    )


def test_mjsynth_has_its_text_in_the_name(tmp_path: Path) -> None:
    names = ["2425/1/115_Lube_45484.jpg", "2425/1/114_Spencerian_73323.jpg"]
    make(tmp_path, "annotation_train.txt", f"./{names[0]} 45484\n./{names[1]} 73323\n", *names)
    assert list(opened(tmp_path)[0].train.texts) == ["Lube", "Spencerian"]
    assert list(opened(tmp_path, form=Form.space)[0].train.texts) == ["45484", "73323"]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_numbers_behind_names_of_numbers_are_texts(tmp_path: Path, suffix: str) -> None:
    names = [f"train/1_{n}_3.{suffix}" for n in (2, 3)]
    make(tmp_path, "train.txt", f"{names[0]} 45\n{names[1]} 46\n", *names)
    assert list(opened(tmp_path)[0].train.texts) == ["45", "46"]


@pytest.mark.parametrize("row", ["{}\t ### ", "{}, ###", '{}, "###  "', "{}  ### "])
def test_blanks_around_a_mark_do_not_count(tmp_path: Path, row: str) -> None:
    rows = f"{row.format('a.png')}\n{row.format('b.png').replace('###', 'X')}\n"
    make(tmp_path, "train.txt", rows, "a.png", "b.png")
    for mark in ("###", " ### "):
        dataset, context = opened(tmp_path, dont_care=[mark])
        assert [text.strip() for text in dataset.train.texts] == ["X"]
        assert entries(context) == []


def test_names_without_a_known_suffix_need_the_form(tmp_path: Path) -> None:
    make(tmp_path, "train.txt", "a.pcx\tone\nb.pcx\ttwo\n", "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.pcx")
    with pytest.raises(DataError, match=r"NAME ends with \.avif, \.bmp, .*\n.*dataset\.form=quoted\|tab"):
        _ = opened(tmp_path)[0].train
    assert list(opened(tmp_path, form=Form.tab)[0].train.texts) == ["one"]


@pytest.mark.parametrize(
    "rows",
    [
        "filename,words\na.png,1968\n",
        '"width","file_name","Text"\n10,a.png,1968\n',
        "image\ttext\na.png\t1968\n",
        "label,image\n1968,a.png\n",
    ],
)
def test_a_header_names_the_columns(tmp_path: Path, rows: str) -> None:
    make(tmp_path, "labels.csv", rows, "a.png")
    assert list(opened(tmp_path)[0].train.texts) == ["1968"]


def test_bad_rows_are_entered_with_their_line(tmp_path: Path) -> None:
    rows = (
        b"a.png\tone\n\nb.png\t\nno tab here\ncaf\xe9.png\ttwo\na.png\tagain\ngone.png\tthree\n"
        b"/etc/a.png\tfour\n../b.png\tfive\nc.png\t###\nd.png\t \xc2\xa0\n\tsix\n"
    )
    make(tmp_path, "train.txt", rows, "a.png", "b.png", "c.png", "d.png")
    dataset, context = opened(tmp_path)
    file = tmp_path / "train.txt"
    assert list(dataset.train.texts) == ["one", "five"]  # folders that are not there do not count
    assert entries(context) == [
        f"{file}:3: the text is empty",
        f"{file}:4: not NAME, a tab and TEXT: 'no tab here'",
        f"{file}:5: not UTF-8: byte 0xe9",
        f"{file}:6: 'a.png': it is already annotated",
        f"{file}:7: 'gone.png': there is no such image",
        f"{file}:8: '/etc/a.png': it is already annotated",
        f"{file}:11: the text is empty",
        f"{file}:12: not NAME, a tab and TEXT: 'six'",
    ]
    assert (context.data_report.images, context.data_report.labels) == (8, 11)


@pytest.mark.parametrize("folder", ["", "imgs/", "images/", "train/", "rec/"])
def test_images_are_found(tmp_path: Path, folder: str) -> None:
    make(tmp_path, "rec_gt_train.txt", "train_data/x/w.png\tword\n", f"{folder}x/w.png")
    options = {"images": Path("rec")} if folder == "rec/" else {}
    dataset, context = opened(tmp_path, **options)
    assert list(dataset.train.files) == [tmp_path / f"{folder}x/w.png"]
    assert entries(context) == []


def test_a_list_each_or_a_share(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(20)]
    make(tmp_path, "train.tags", "".join(f"{name} x\n" for name in names[:15]), *names)
    make(tmp_path, "test.tags", "".join(f"{name} x\n" for name in names[15:]))
    dataset, _ = opened(tmp_path, val_share=0.2)
    splits = [{path.name for path in split.files} for split in (dataset.train, dataset.val, dataset.test)]
    assert splits[2] == set(names[15:])
    assert splits[0] | splits[1] == set(names[:15])
    assert splits[1]
    assert not splits[0] & splits[1]
    (tmp_path / "test.tags").write_text("3.png x\n")
    with pytest.raises(DataError, match="share 1 images, but no image may be in two splits"):
        _ = opened(tmp_path)[0].train


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "gt.txt", "10,10,90,10,90,30,10,30,TOTAL\n1,2,3\n", "a.png")
    with pytest.raises(DataError, match=r"gt\.txt' is not a list of images and texts: '10,10,90"):
        _ = opened(tmp_path)[0].train
    with pytest.raises(DataError, match=r"there is no file '.*x\.txt', which val_file names"):
        opened(tmp_path, val_file=Path("x.txt"))
    (tmp_path / "gt.txt").unlink()
    with pytest.raises(DataError, match="holds no annotation file"):
        opened(tmp_path)


TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1)


@given(TEXTS)
def test_a_text_comes_out_as_it_went_in(text: str) -> None:
    assert FORMS[Form.tab](f"a.png\t{text}") == ("a.png", text)
    assert FORMS[Form.space](f"a b.png {text}") == ("a b.png", text)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert FORMS[Form.quoted](f'a.png, "{escaped}"') == ("a.png", text)
    doubled = text.replace('"', '""')
    assert FORMS[Form.csv](f'a.png,"{doubled}"') == ("a.png", text)


@given(st.text(max_size=40))
def test_any_row_is_parsed_or_refused(row: str) -> None:
    by_header(row)
    find_form([row])
    for parse in FORMS.values():
        with suppress(ValueError):
            name, text = parse(row)
            assert isinstance(name, str)
            assert isinstance(text, str)


@with_data
def test_real_lists() -> None:
    dataset, context = opened(DATA / "words_icdar2015")
    rows = (DATA / "words_icdar2015" / "gt.txt").read_bytes()[3:].decode().split("\r\n")[:-1]
    # Within the quotes a JSON string, as it happens.
    expected = {row.partition(", ")[0]: json.loads(row.partition(", ")[2]) for row in rows}
    found = {file.name: text for file, text in zip(dataset.train.files, dataset.train.texts, strict=True)}
    assert found == expected
    assert len(found) == 800
    assert entries(context) == []
    dataset, context = opened(DATA / "words_iiit5k")
    rows = (DATA / "words_iiit5k" / "train.tags").read_text().split("\n")[:-1]
    assert list(dataset.train.texts) == [row.split(" ")[1] for row in rows]
    assert [f"train/{file.name}" for file in dataset.train.files] == [row.split(" ")[0] for row in rows]
    assert (len(rows), entries(context)) == (600, [])
    dataset, _ = opened(DATA / "toy_mmocr" / "rec_toy_dataset")
    labels = json.loads((DATA / "toy_mmocr" / "rec_toy_dataset" / "labels.json").read_text())["data_list"]
    assert list(dataset.train.texts) == [one["instances"][0]["text"] for one in labels]
    assert dataset.train[9].image.ndim == 3


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_column_names_the_split_of_each_row(tmp_path: Path, delimiter: str) -> None:
    splits = ["train", "val", "Validation", "test", "train", "dev", "", "fold3"]
    rows = [["id", "image_path", "transcription", "split", "source"]]
    rows += [[str(n), f"w{n}.png", f"text{n}", split, "scan"] for n, split in enumerate(splits)]
    file = "labels.csv" if delimiter == "," else "labels.tsv"
    make(
        tmp_path, file, "".join(delimiter.join(row) + "\n" for row in rows), *(f"w{n}.png" for n in range(8))
    )
    dataset, context = opened(tmp_path, val_share=0.5)
    texts = {split: list(getattr(dataset, split).texts) for split in ("train", "val", "test")}
    assert texts == {
        "train": ["text0", "text4", "text6"],
        "val": ["text1", "text2", "text5"],
        "test": ["text3"],
    }
    assert entries(context) == [f"{tmp_path / file}:9: the split is not one of train, val, test: 'fold3'"]


def test_columns_that_are_not_used_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make(tmp_path, "train.csv", ",file,text,Score,split\n0,a.png,one,0.5,val\n", "a.png")
    make(tmp_path, "val.csv", "file,text\nb.png,two\n", "b.png")
    with caplog.at_level("INFO", logger="ocr_trainer"):
        dataset, _ = opened(tmp_path)
        # Each split has its own list here, which decides.
        assert list(dataset.train.texts) == ["one"]
    (message,) = caplog.messages
    assert message.endswith(
        "train.csv: columns that are not used: number 1, 'Score', 'split' (each split has its own list)"
    )
