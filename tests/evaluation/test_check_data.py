"""Bad data from end to end: `check-data` lists all of it, a run bounds and counts it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.calling import Call
from helpers.images import BROKEN, ODD, PAGE, encoded

from ocr_trainer.engine import build

IMAGES = 200
RUN = (
    *(
        "model=dbnet",
        "model.neck_channels=8",
        "model.backbone.width=8",
        "model.size=64",
        "augment.crop=64",
        "data.batch_size=16",
    ),
    *("trainer.accelerator=cpu", "trainer.max_steps=3", "logger=[]", "data.num_workers=0"),
)
ROW = "4,4,28,4,28,20,4,20,WORD\n"


def pages(root: Path, count: int, rows: int = 1) -> list[str]:
    """Make a set in the form of SROIE; return the words that name it."""
    (root / "img").mkdir(parents=True)
    (root / "box").mkdir()
    for number in range(count):
        (root / "img" / f"p{number}.png").write_bytes(encoded("PNG"))
        (root / "box" / f"p{number}.csv").write_text(ROW * rows, encoding="utf-8")
    return ["dataset=sroie", f"dataset.root={root}"]


def words(root: Path, rows: list[str]) -> list[str]:
    """Make a list of words; return the words that name it."""
    root.mkdir()
    for number in range(len(rows)):
        (root / f"w{number}.png").write_bytes(encoded("PNG"))
    (root / "train.txt").write_text("".join(f"w{n}.png\t{row}\n" for n, row in enumerate(rows)))
    return ["dataset=words", f"dataset.root={root}"]


def report(folder: Path) -> dict:
    (path,) = folder.glob("runs/*/*/report.json")
    return json.loads(path.read_text(encoding="utf-8"))


def state(root: Path) -> dict[Path, tuple[str, int]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {p: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """200 images, of which some are broken and some odd."""
    data = pages(tmp_path / "data", IMAGES)
    for number, content in enumerate([*BROKEN.values(), *ODD.values()]):
        (tmp_path / "data" / "img" / f"p{11 * number}.png").write_bytes(content)
    pixel = 11 * (len(BROKEN) + list(ODD).index("one pixel"))
    (tmp_path / "data" / "box" / f"p{pixel}.csv").write_text("")
    return data


@pytest.mark.parametrize("workers", [0, 2])
def test_case_34_check_data_lists_every_broken_image_and_writes_nothing(
    call: Call,
    mixed: list[str],
    tmp_path: Path,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
):
    made: list[str] = []
    real = build.build
    monkeypatch.setattr(build, "build", lambda kind, *rest: made.append(kind.value) or real(kind, *rest))
    before = state(tmp_path)
    status, out, err = call("check-data", *mixed, f"data.num_workers={workers}")
    lines = out.splitlines()
    names = [f"{tmp_path}/data/img/p{11 * number}.png" for number in range(len(BROKEN))]
    listed = [line.strip().partition(": ") for line in lines if line.startswith("  /")]
    assert sorted(name for name, _, _ in listed) == sorted(names)
    assert all(reason for _, _, reason in listed)
    assert f"left out: {len(BROKEN)} images" in lines
    assert (status, err) == (
        2,
        "ocr-train: 7 of 200 images cannot be used, more than data.max_skipped=0.01 allows\n",
    )
    assert state(tmp_path) == before
    assert "model" not in made


def test_case_34_check_data_counts_for_programs(call: Call, mixed: list[str]):
    status, out, _ = call("check-data", "--json", *mixed, "data.max_skipped=0.05", "data.num_workers=0")
    told = json.loads(out)
    sums = {what: sum(split[what] for split in told["splits"].values()) for what in ("images", "labels")}
    assert (status, sums) == (0, {"images": IMAGES - len(BROKEN), "labels": IMAGES - len(BROKEN) - 1})
    assert (told["skipped"]["images"], told["skipped"]["of_images"]) == (len(BROKEN), IMAGES)


def test_case_34_training_goes_on_around_broken_images(call: Call, mixed: list[str], tmp_path: Path):
    before = state(tmp_path / "data")
    whole = ("trainer.max_epochs=1", "trainer.max_steps=-1")
    status, _, err = call(*RUN, *whole, *mixed, "data.max_skipped=0.05")
    assert status == 0, err
    told = report(tmp_path)["skipped"]
    assert (told["images"], told["of_images"]) == (len(BROKEN), IMAGES)
    assert state(tmp_path / "data") == before


def test_case_34_without_a_model_a_set_of_words_is_read_as_words(call: Call, tmp_path: Path):
    data = words(tmp_path / "data", ["one", "two", "", "four"])
    status, out, err = call("check-data", *data, "data.num_workers=0")
    assert f"  {tmp_path}/data/train.txt:3: the text is empty" in out.splitlines()
    assert (status, "1 of 4 labels cannot be used" in err) == (2, True)
    # What offers both is asked for what is in it.
    parts = "+dataset.parts.a.dataset={name: words, root: %s}" % (tmp_path / "data")
    _, again, _ = call("check-data", "dataset=concat", parts, "data.num_workers=0")
    assert "train.txt:3: the text is empty" in again


@pytest.mark.parametrize("text", ["\x1b[31m", "\u200b"], ids=["control", "invisible"])
def test_texts_that_no_run_uses_are_left_out_by_check_data_as_by_a_run(call: Call, tmp_path: Path, text: str):
    chosen = words(tmp_path / "words", ["12"] * 3 + [text])
    run = ["model=crnn", "model.size=tiny", *chosen, "dataset.val_share=0"]
    checked, told, said = call("check-data", *run)
    refused, _, why = call(*run, "trainer.accelerator=cpu", "data.num_workers=0")
    assert checked == refused == 2
    assert "left out: 1 labels" in told
    assert "1 of 4 labels cannot be used" in said
    assert "1 of 4 labels cannot be used" in why


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_case_34_names_that_no_terminal_can_show(call: Call, tmp_path: Path, form: tuple[str, ...]):
    data = pages(tmp_path / "data", 2)
    name = os.fsdecode(b"\xff\x1b[2J\n.png")
    (tmp_path / "data" / "img" / name).write_bytes(b"")
    status, out, _ = call("check-data", *form, *data, "data.num_workers=0")
    assert status == 2
    out.encode("utf-8")
    shown = f"  {tmp_path}/data/img/" + r"\udcff\x1b[2J\n.png: "
    assert out.isascii() if form else shown in out


BAD = ("1,2,three", "10,10", "nan,4,28,4,28,20,4,20,X", "1e308,4,28,4,28,20,4,20,X")


@pytest.mark.parametrize("allowed", [0.2, 0.01])
def test_case_35_one_bad_row_in_ten_is_counted_or_stops_the_run(call: Call, tmp_path: Path, allowed: float):
    data = pages(tmp_path / "data", 10, rows=9)
    for number in range(10):
        with (tmp_path / "data" / "box" / f"p{number}.csv").open("a") as file:
            file.write(BAD[number % len(BAD)] + "\n")
    status, _, err = call(*RUN, *data, f"data.max_skipped={allowed}")
    if allowed == 0.01:
        assert (status, list(tmp_path.glob("runs/*/*/checkpoints/*"))) == (2, [])
        assert "labels cannot be used, more than data.max_skipped=0.01 allows:" in err
        return
    told = report(tmp_path)["skipped"]
    assert (status, told["labels"], told["of_labels"], told["images"]) == (0, 10, 100, 0)
    assert all("box/p" in entry and ".csv:10: " in entry for entry in told["entries"])


@pytest.mark.parametrize("row", [*BAD, "[" * 100_000, "\0", "\ufeff" * 9])
def test_case_35_nothing_but_bad_rows_stops_before_training(call: Call, tmp_path: Path, row: str):
    data = pages(tmp_path / "data", 4)
    for file in (tmp_path / "data" / "box").iterdir():
        file.write_text(f"{row}\n" * 25, encoding="utf-8")
    status, _, err = call(*RUN, *data)
    assert (status, list(tmp_path.glob("runs/*/*/checkpoints/*"))) == (2, [])
    assert "100 of 100 labels" in err or "75 of 75 labels" in err
    status, out, _ = call("check-data", *data, "data.num_workers=0")
    assert (status, "left out: 100 labels" in out) == (2, True)


def test_case_38_empty_splits_are_told_in_one_line(call: Call, tmp_path: Path):
    data = pages(tmp_path / "data", 4)
    names = "".join(f"p{number}\n" for number in range(4))
    for empty, full in (("train", "val"), ("val", "train")):
        (tmp_path / "data" / f"{empty}.txt").write_text("")
        (tmp_path / "data" / f"{full}.txt").write_text(names)
        for command in ((), ("check-data",)):
            said = call(*command, *RUN, *data)
            assert (said[0], said[2]) == (2, f"ocr-train: the {empty} split of dataset=sroie is empty\n")


@pytest.mark.parametrize("count", [1, 3])
def test_case_38_fewer_images_than_a_batch_make_a_run(call: Call, tmp_path: Path, count: int):
    status, _, err = call(*RUN, *pages(tmp_path / "data", count), "dataset.val_share=0")
    assert status == 0, err
    assert report(tmp_path)["steps"] == 3


def test_case_40_a_truncated_image_within_a_set_is_named(call: Call, tmp_path: Path):
    data = words(tmp_path / "data", ["one", "two"])
    noise = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8))[
        1
    ].tobytes()
    (tmp_path / "data" / "w1.png").write_bytes(noise[: len(noise) // 2])
    status, out, _ = call("check-data", *data, "data.num_workers=0")
    assert (status, "w1.png': it is truncated or damaged" in out) == (2, True)


def boxes_only(root: Path, texts: list[str]) -> list[str]:
    """Make a set in Label Studio's form with a region per text, or without texts; return the words."""
    (root / "images").mkdir(parents=True)
    tasks = []
    for number, text in enumerate(texts):
        (root / "images" / f"{number}.png").write_bytes(encoded("PNG"))
        value = {"x": 10.0, "y": 10.0, "width": 60.0, "height": 50.0, "rectanglelabels": ["Text"]}
        height, width = PAGE.shape[:2]
        size = {"original_width": width, "original_height": height}
        value |= {"text": [text]} if text else {}
        result = [{"id": "r", "type": "rectanglelabels", "value": value, **size}]
        tasks.append({"annotations": [{"result": result}], "data": {"image": f"/data/upload/{number}.png"}})
    (root / "project-1.json").write_text(json.dumps(tasks), encoding="utf-8")
    return ["dataset=label_studio", f"dataset.root={root}", "data.num_workers=0"]


def test_boxes_alone_are_learned_and_that_is_said(call: Call, tmp_path: Path):
    status, out, err = call("check-data", *boxes_only(tmp_path / "data", [""] * 10), "--json")
    found = json.loads(out)
    assert (status, err, found["problems"]) == (0, "", [])
    splits = found["splits"].values()
    assert all((s["labels"], s["dont_care"]) == (s["counted"], 0) for s in splits)
    assert sum(s["counted"] for s in splits) == 10
    assert found["notes"][0].startswith("no label of dataset=label_studio has a transcription")


@pytest.mark.parametrize(
    ("texts", "option", "reason"),
    [
        ([""] * 10, "dataset.ignore_untranscribed=true", "no transcription; to learn boxes alone"),
        (["###"] * 10, "dataset.ignore_untranscribed=false", "the text ### means don't care"),
    ],
)
def test_a_split_in_which_no_label_counts_is_refused_before_training(
    call: Call, tmp_path: Path, texts: list[str], option: str, reason: str
):
    data = [*boxes_only(tmp_path / "data", texts), option]
    status, out, err = call("check-data", *data)
    assert status == 2
    rows = [line.split()[1:] for line in out.splitlines() if line.startswith(("  train", "  val"))]
    assert [(row[2], row[3] == row[1]) for row in rows] == [("0", True)] * 2
    assert len(re.findall(rf"(\d) of \1: {reason}", err)) == 2
    status, _, err = call(*RUN, *data)
    assert status == 2
    assert err.startswith("ocr-train: no label of the train split of dataset=label_studio counts")
    assert re.search(rf"\n  (\d) of \1: {reason}", err)


def test_corners_in_another_order_are_said_by_count(call: Call, tmp_path: Path):
    data = pages(tmp_path / "data", 10)
    for file in (tmp_path / "data" / "box").iterdir():
        file.write_text("4,4,28,4,4,20,28,20,WORD\n", encoding="utf-8")
    status, out, err = call("check-data", *data)
    assert status == 2
    assert "note: 10 of 10 outlines are four points that cross themselves" in out
    assert re.search(
        r"(\d) of \1: the outline crosses itself; to order corners: dataset.order_corners=true", err
    )
    status, out, err = call("check-data", *data, "dataset.order_corners=true")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "all of it can be used"
    assert "most likely corners in another order" in out
